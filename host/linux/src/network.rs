//! The one place where a node waits: links, tools, sockets of programs and its own threads,
//! over epoll.
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use links::{Exchange, Limits, LinkConfig, Machine as _, ReadSide, Token};
use mio::net::TcpListener;
use mio::{Interest, Poll};
use platform::{Clock, ClusterId, Event, Events, Wait};
use seal::Key;
use types::{Duration, Instant, NodeId};

use crate::LinuxClock;
use crate::ports::Ports;
use crate::socket_table::SocketTable;
use crate::tcp::Tcp;

const WAKER: Token = Token(0);
const LINK_LISTENER: Token = Token(1);
const TOOL_LISTENER: Token = Token(2);
/// Tokens of connections are above it.
const LAST_OWN: Token = Token(16);
/// Readiness reports per poll at most.
const REPORTS_MAX: usize = 256;
/// Connections accepted per turn and door at most.
const ACCEPTS_MAX: usize = 16;
/// Pause before anybody is accepted again when descriptors or memory are short.
const SHORT_PAUSE: Duration = Duration::from_millis(100);
/// The longest a call waits: no deadline is that far away, and overflow is.
const WAIT_MAX: Duration = Duration::from_millis(60_000);

/// What a node's network is made from.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// The cluster; processes of another one are turned away.
    pub cluster: ClusterId,
    /// Its key. Links are sealed with it; without it there are none but on this machine.
    pub key: Option<Key>,
    /// Who we are, `NodeId(0)` if that is still to be learnt.
    pub me: NodeId,
    /// Where peers reach us; port 0 chooses a free one.
    pub listen: SocketAddr,
    /// Where tools reach us; port 0 chooses a free one.
    pub tools: Option<SocketAddr>,
    /// How long the system of a peer's machine may leave unanswered what is sent to it.
    pub silence: Duration,
    /// Time to poll busily before going to sleep. Costs a core, saves some 20 us per
    /// message at each end.
    pub spin: Duration,
}

/// Why a network could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// Peers of other machines would reach the address, and there is no key.
    NoKey(SocketAddr),
    /// Other machines would reach the address, and tools have no key.
    ToolsNotLocal(SocketAddr),
    /// No one address that peers could call.
    Unspecified(SocketAddr),
    /// The address cannot be listened on.
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The kernel refuses an epoll descriptor.
    Poll(io::Error),
}

/// Links, tools, sockets and wakers of one node. Owned by the node's thread.
pub struct Network {
    poll: Poll,
    reports: mio::Events,
    waker: Waker,
    spin: Duration,
    /// Doors with possibly more to accept.
    pub(crate) open_doors: Vec<Token>,
    /// Nobody is accepted before: descriptors or memory are short.
    doors_shut_until: Option<Instant>,
    link_listener: TcpListener,
    tool_listener: Option<TcpListener>,
    pub(crate) exchange: Exchange<Tcp>,
    pub(crate) sockets: SocketTable,
    pub(crate) ports: Ports,
}

/// What links, requests and sockets share.
pub(crate) type Core = links::Core<Tcp>;

/// Makes the node's thread see [`Event::Woken`]; for threads that work for it.
#[derive(Clone, Debug)]
pub struct Waker(Arc<mio::Waker>);

impl Waker {
    /// Wakes the node, now or when it next waits.
    pub fn wake(&self) {
        self.0
            .wake()
            .expect("an eventfd takes a wake-up as long as it is open");
    }
}

impl Network {
    /// Opens the doors. Nobody is called yet.
    ///
    /// # Errors
    /// If an address is busy or not on loopback.
    pub fn open(config: NetworkConfig) -> Result<Self, OpenError> {
        let poll = Poll::new().map_err(OpenError::Poll)?;
        let registry = poll.registry().try_clone().map_err(OpenError::Poll)?;
        let waker = mio::Waker::new(&registry, mio::Token(WAKER.0)).map_err(OpenError::Poll)?;
        let mut tcp = Tcp::new(registry);
        if config.key.is_none() && !tcp.is_here(config.listen.ip()) {
            return Err(OpenError::NoKey(config.listen));
        }
        if config.listen.ip().is_unspecified() {
            return Err(OpenError::Unspecified(config.listen));
        }
        let (link_listener, address) = listen(&mut tcp, config.listen, LINK_LISTENER)?;
        let tool_listener = match config.tools {
            Some(address) if !tcp.is_here(address.ip()) => {
                return Err(OpenError::ToolsNotLocal(address));
            }
            Some(address) => Some(listen(&mut tcp, address, TOOL_LISTENER)?.0),
            None => None,
        };
        let links = LinkConfig {
            cluster: config.cluster,
            key: config.key,
            me: config.me,
            address,
            silence: config.silence,
            limits: Limits::default(),
        };
        Ok(Self {
            poll,
            reports: mio::Events::with_capacity(REPORTS_MAX),
            waker: Waker(Arc::new(waker)),
            spin: config.spin,
            open_doors: Vec::new(),
            doors_shut_until: None,
            link_listener,
            tool_listener,
            exchange: Exchange::new(links, tcp, LAST_OWN),
            sockets: SocketTable::new(),
            ports: Ports::new(),
        })
    }

    /// For the node's other threads.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Where peers reach us.
    #[must_use]
    pub fn link_address(&self) -> SocketAddr {
        self.exchange.link_address()
    }

    /// Where tools reach us, if they do.
    #[must_use]
    pub fn tool_address(&self) -> Option<SocketAddr> {
        self.tool_listener
            .as_ref()
            .and_then(|listener| listener.local_addr().ok())
    }

    /// Tools cut off because of bytes that are no request.
    #[must_use]
    pub fn malformed_requests(&self) -> u64 {
        self.exchange.malformed_requests()
    }

    /// Flushes, waits, takes what is there: one bounded turn.
    fn turn(&mut self, wait: Wait) {
        self.exchange.begin_turn();
        self.sockets.flush(&mut self.exchange.core);
        self.wait(wait);
        let doors = std::mem::take(&mut self.open_doors);
        self.exchange.read();
        let reports = std::mem::replace(&mut self.reports, mio::Events::with_capacity(0));
        for report in &reports {
            self.on_report(report);
        }
        self.reports = reports;
        for door in doors {
            self.on_door(door);
        }
        self.sockets.read(&mut self.exchange.core);
        self.ports.read(&mut self.exchange.core);
        let now = LinuxClock.now();
        self.doors_shut_until = self.doors_shut_until.filter(|until| *until > now);
        self.exchange.on_time(now);
        self.sockets.on_time(&mut self.exchange.core, now);
    }

    fn on_report(&mut self, report: &mio::event::Event) {
        match Token(report.token().0) {
            WAKER => self.exchange.core.events.push_back(Event::Woken),
            door @ (LINK_LISTENER | TOOL_LISTENER) => self.on_door(door),
            token if self.sockets.holds(token) => {
                self.sockets.on_report(&mut self.exchange.core, report)
            }
            token if self.ports.holds(token) => {
                self.ports.on_report(&mut self.exchange.core, report)
            }
            door if self.sockets.listeners.contains_key(&door) => self.on_door(door),
            token => {
                if report.is_writable() {
                    self.exchange.on_writable(token);
                }
                let is_closing = report.is_read_closed() || report.is_error();
                if report.is_readable() || is_closing {
                    let side = if is_closing {
                        ReadSide::Closing
                    } else {
                        ReadSide::Open
                    };
                    self.exchange.on_readable(token, side);
                }
            }
        }
    }

    fn on_door(&mut self, door: Token) {
        for _ in 0..ACCEPTS_MAX {
            if !self.may_enter(door) {
                break;
            }
            match self.accept(door) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if is_shortage(&error) => {
                    self.doors_shut_until = Some(LinuxClock.now() + SHORT_PAUSE);
                }
                // One caller gave up.
                Err(_) => {}
            }
        }
        if !self.open_doors.contains(&door) {
            self.open_doors.push(door);
        }
    }

    fn may_enter(&self, door: Token) -> bool {
        let has_room = match door {
            LINK_LISTENER => true,
            TOOL_LISTENER => self.exchange.has_room_for_tool(),
            door => self.sockets.has_room(door),
        };
        has_room && self.doors_shut_until.is_none()
    }

    fn accept(&mut self, door: Token) -> io::Result<()> {
        match (door, &self.tool_listener) {
            (LINK_LISTENER, _) => {
                let (socket, _) = self.link_listener.accept()?;
                self.exchange.on_link(socket);
            }
            (TOOL_LISTENER, Some(listener)) => {
                let (socket, _) = listener.accept()?;
                self.exchange.on_tool(socket);
            }
            _ => self.sockets.accept(&mut self.exchange.core, door)?,
        }
        Ok(())
    }

    /// Whether there is something to do without waiting for the poll.
    fn has_more(&self) -> bool {
        let is_open = |door: &Token| self.may_enter(*door);
        self.exchange.has_unread()
            || self.sockets.has_more()
            || self.ports.has_more()
            || self.open_doors.iter().any(is_open)
    }

    /// Sleeps until something is ready, at most as long as is asked.
    fn wait(&mut self, wait: Wait) {
        let until = match wait {
            Wait::Until(until) if self.exchange.core.events.is_empty() && !self.has_more() => until,
            _ => Instant::from_nanos(0),
        };
        let deadlines = [
            self.exchange.next_deadline(),
            self.sockets.next_deadline(),
            self.doors_shut_until,
        ];
        let until = deadlines.into_iter().flatten().fold(until, Instant::min);
        let begin = LinuxClock.now();
        let spin_until = until.min(begin + self.spin);
        let mut now = begin;
        while now < spin_until {
            self.poll_now();
            if !self.reports.is_empty() {
                return;
            }
            std::hint::spin_loop();
            now = LinuxClock.now();
        }
        if now < until {
            sleep_until_ready(&self.poll, until.since(now).min(WAIT_MAX));
        }
        self.poll_now();
    }

    fn poll_now(&mut self) {
        match self
            .poll
            .poll(&mut self.reports, Some(std::time::Duration::ZERO))
        {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => panic!("wait for events on our own epoll descriptor: {error}"),
        }
    }
}

platform::forward_links!(Network, exchange, |this: &mut Network| {
    this.sockets.flush(&mut this.exchange.core);
});

impl Events for Network {
    fn next_event(&mut self, wait: Wait) -> Option<Event> {
        while self.exchange.needs_turn() {
            self.turn(wait);
            if wait.is_over(LinuxClock.now()) {
                break;
            }
        }
        self.exchange.next_event()
    }
}

/// Like a poll with a time-out, but to the microsecond: epoll counts milliseconds.
fn sleep_until_ready(poll: &Poll, time: Duration) {
    let mut descriptor = libc::pollfd {
        fd: poll.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let nanos = time.as_nanos();
    let timeout = libc::timespec {
        tv_sec: i64::try_from(nanos / 1_000_000_000).expect("at most WAIT_MAX"),
        tv_nsec: i64::try_from(nanos % 1_000_000_000).expect("below 10^9"),
    };
    // SAFETY: both pointers are to live values, the count is 1, no signal mask is given.
    // A failure (a signal came) is a short sleep, which callers expect anyway.
    unsafe { libc::ppoll(&raw mut descriptor, 1, &raw const timeout, std::ptr::null()) };
}

/// Whether the process or the system has no room for one more connection.
fn is_shortage(error: &io::Error) -> bool {
    let shortages = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    error
        .raw_os_error()
        .is_some_and(|code| shortages.contains(&code))
}

fn listen(
    tcp: &mut Tcp,
    address: SocketAddr,
    token: Token,
) -> Result<(TcpListener, SocketAddr), OpenError> {
    let failed = |source| OpenError::Listen { address, source };
    let mut listener = TcpListener::bind(address).map_err(failed)?;
    tcp.add(&mut listener, token, Interest::READABLE)
        .map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("address", &self.exchange.link_address())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey(address) => write!(
                f,
                "expected a loopback address, found {address}: without the cluster's key \
                 links are not encrypted"
            ),
            Self::ToolsNotLocal(address) => write!(
                f,
                "expected a loopback address for tools, found {address}: they show no key"
            ),
            Self::Unspecified(address) => write!(
                f,
                "expected the address by which peers reach this node, found {address}"
            ),
            Self::Listen { address, source } => write!(f, "listen on {address}: {source}"),
            Self::Poll(source) => write!(f, "open an epoll descriptor: {source}"),
        }
    }
}

impl std::error::Error for OpenError {}
