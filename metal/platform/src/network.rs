//! The one place where a node waits: links, tools, the disk, over one network.
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use hal::say;
use links::{Exchange, Limits, LinkConfig, Token};
use platform::{Clock, ClusterId, Event, Events, ListenerId, Protocol, SocketId, Sockets, Wait};
use seal::Key;
use types::{Duration, Instant, NodeId};

use crate::disk::{Device, DiskLines};
use crate::lines::{LineSocket, Lines};
use crate::sockets::Programs;
use crate::tcp::{Addresses, LINK_BUFFER_BYTES, Report, SMALL_BUFFER_BYTES, Socket, Tcp};
use crate::wires::{Switch, Wires};
use crate::{MetalClock, MetalEntropy};

/// Tokens up to this are no connection's.
const LAST_OWN: Token = Token(15);
/// Callers that may come between two looks, at each door.
const WAITING: usize = 4;
/// Tools connected at the same time; more wait.
const TOOLS_MAX: usize = 16;
/// A request, or what waits for one peer, may have one of these.
const MEMORY_SHARES: usize = 8;
/// Pause between two looks at a network that wakes nobody.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// The longest sleep: no deadline is that far away, and overflow is.
const WAIT_MAX: Duration = Duration::from_millis(10_000);

/// What a node's network is made from.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// The cluster; processes of another one are turned away.
    pub cluster: ClusterId,
    /// Its key. Links are sealed with it.
    pub key: Option<Key>,
    /// Where peers reach us: perhaps an address of the machine that runs this one, which passes
    /// on what comes to that port.
    pub link: SocketAddr,
    /// The port at which tools reach us.
    pub tools: Option<u16>,
    /// How long a peer's machine may leave unanswered what is sent to it.
    pub silence: Duration,
    /// This machine's own address, and the bits that it shares with its neighbours; `None`: the
    /// network gives them.
    pub own: Option<(core::net::Ipv4Addr, u8)>,
    /// Who passes on what is for others.
    pub gateway: Option<core::net::Ipv4Addr>,
    /// Memory of which links and tools may have their shares, in bytes.
    pub memory_bytes: usize,
}

/// Links and tools of one node.
pub struct Network {
    exchange: Exchange<Lines>,
    doors: Vec<Door>,
    programs: Programs,
    disks: DiskLines,
}

/// A port at which callers are let in.
#[derive(Debug)]
struct Door {
    port: u16,
    whose: Whose,
    waiting: Vec<Socket>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Whose {
    Links,
    Tools,
}

impl Whose {
    /// A socket that waits for a caller.
    fn wait(self, tcp: &mut Tcp, port: u16) -> Socket {
        tcp.listen(
            port,
            match self {
                Self::Links => LINK_BUFFER_BYTES,
                Self::Tools => SMALL_BUFFER_BYTES,
            },
        )
    }
}

/// Why a network cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// Peers of other machines would reach the address, and there is no key.
    NoKey(SocketAddr),
    /// The network has not given an address in time.
    NoAddress,
}

impl Network {
    /// Opens the doors. Nobody is called yet.
    ///
    /// # Errors
    /// If others than this machine's neighbours would reach it without a key.
    pub fn open(
        config: NetworkConfig,
        device: hal::virtio::Network,
        disks: DiskLines,
        switch: Arc<Switch>,
        entropy: MetalEntropy,
    ) -> Result<Self, OpenError> {
        if config.key.is_none() && !config.link.ip().is_loopback() {
            return Err(OpenError::NoKey(config.link));
        }
        let addresses = config.own.map(|(own, prefix_bits)| Addresses {
            own,
            prefix_bits,
            gateway: config.gateway,
        });
        let tcp = Tcp::new(device, addresses, config.silence, entropy);
        let mut tcp = tcp.ok_or(OpenError::NoAddress)?;
        let link = match config.link.ip().is_unspecified() {
            true => SocketAddr::new(tcp.own().into(), config.link.port()),
            false => config.link,
        };
        let mut door = |port, whose| Door {
            port,
            whose,
            waiting: (0..WAITING).map(|_| whose.wait(&mut tcp, port)).collect(),
        };
        let mut doors = Vec::from([door(config.link.port(), Whose::Links)]);
        doors.extend(config.tools.map(|port| door(port, Whose::Tools)));
        let taken: Vec<u16> = doors.iter().map(|door| door.port).collect();
        tcp.set_doors(taken.clone());
        let wires = Wires::new(switch, hal::cores::number());
        let links = LinkConfig {
            cluster: config.cluster,
            key: config.key,
            me: NodeId(0),
            address: link,
            silence: config.silence,
            limits: limits(config.memory_bytes),
        };
        Ok(Self {
            exchange: Exchange::new(links, Lines { tcp, wires }, LAST_OWN),
            doors,
            programs: Programs::new(taken),
            disks,
        })
    }

    /// Where peers reach this node.
    #[must_use]
    pub fn link_address(&self) -> SocketAddr {
        self.exchange.link_address()
    }

    /// The disk that wakes the processor beside the network.
    pub(crate) fn disk(&mut self) -> Option<&mut Device> {
        self.disks.device()
    }

    /// Flushes, waits, takes what is there: one bounded turn.
    fn turn(&mut self, wait: Wait) {
        hal::watchdog::alive();
        self.exchange.begin_turn();
        // What programs have said goes, and what they want by now is read, before anything is
        // waited for.
        self.serve_programs(MetalClock.now());
        self.tcp().poll();
        self.wait(wait);
        self.tcp().poll();
        self.exchange.read();
        for report in self.exchange.core.machine.reports() {
            match report {
                Report::Writable(token) => self.exchange.on_writable(token),
                Report::Readable(token, side) => self.exchange.on_readable(token, side),
            }
        }
        self.let_in();
        let now = MetalClock.now();
        self.exchange.on_time(now);
        self.serve_programs(now);
        // What was said now goes at once.
        self.tcp().poll();
    }

    fn serve_programs(&mut self, now: Instant) {
        let core = &mut self.exchange.core;
        let tcp = &mut core.machine.tcp;
        self.programs.turn(tcp, now, &mut core.events);
    }

    fn let_in(&mut self) {
        while let Some(caller) = self.exchange.core.machine.wires.caller() {
            self.exchange.on_link(LineSocket::Wire(caller));
        }
        for door in &mut self.doors {
            for waiting in &mut door.waiting {
                let tcp = &mut self.exchange.core.machine.tcp;
                let Some(caller) = tcp.caller(*waiting, door.port) else {
                    continue;
                };
                // Tools have no key: they are those of whoever runs this machine.
                let is_known = tcp.gateway().map(IpAddr::from) == Some(caller.ip());
                if door.whose == Whose::Tools && is_known && !self.exchange.has_room_for_tool() {
                    continue;
                }
                let tcp = &mut self.exchange.core.machine.tcp;
                let socket = core::mem::replace(waiting, door.whose.wait(tcp, door.port));
                match door.whose {
                    Whose::Links => self.exchange.on_link(LineSocket::Tcp(socket)),
                    Whose::Tools if is_known => self.exchange.on_tool(LineSocket::Tcp(socket)),
                    Whose::Tools => tcp.break_off(socket),
                }
            }
        }
    }

    /// Sleeps until something happens, at most as long as is asked.
    fn wait(&mut self, wait: Wait) {
        let is_busy = !self.exchange.core.events.is_empty() || self.exchange.has_unread();
        let now = MetalClock.now();
        let until = match wait {
            Wait::Until(until) if !is_busy => until.min(now + WAIT_MAX),
            _ => now,
        };
        let is_woken = self.tcp().network().wakes() && self.disks.wake();
        let deadlines = [
            self.exchange.next_deadline(),
            self.tcp().next_deadline(),
            self.programs.next_deadline(),
            (!is_woken).then_some(now + LOOK_EVERY),
        ];
        let until = deadlines.into_iter().flatten().fold(until, Instant::min);
        if until > now && !self.tcp().network().has_frame() {
            hal::clock::sleep_until_ns(until.as_nanos());
        }
        if hal::virtio::take_lines() != 0 {
            self.tcp().network().listen();
            self.disks.listen();
            self.exchange.core.events.push_back(Event::Woken);
        }
    }

    /// The network itself, to be set.
    pub(crate) fn tcp(&mut self) -> &mut Tcp {
        &mut self.exchange.core.machine.tcp
    }
}

impl Events for Network {
    fn next_event(&mut self, wait: Wait) -> Option<Event> {
        while self.exchange.needs_turn() {
            self.turn(wait);
            if wait.is_over(MetalClock.now()) {
                break;
            }
        }
        self.exchange.next_event().inspect(tell)
    }
}

fn limits(memory_bytes: usize) -> Limits {
    Limits {
        outbox_bytes: memory_bytes / MEMORY_SHARES,
        request_bytes: memory_bytes / MEMORY_SHARES,
        tools: TOOLS_MAX,
    }
}

/// For the machine's log.
fn tell(event: &Event) {
    match event {
        Event::LinkUp(node) => say!("the link with {node:?} is up"),
        Event::LinkLost { node, why } => say!("the link with {node:?} is lost: {why:?}"),
        _ => {}
    }
}

platform::forward_links!(Network, exchange, |this: &mut Network| this.tcp().poll());

impl Sockets for Network {
    fn listen(
        &mut self,
        protocol: Protocol,
        address: SocketAddr,
    ) -> Result<(ListenerId, SocketAddr), String> {
        let core = &mut self.exchange.core;
        let tcp = &mut core.machine.tcp;
        self.programs
            .listen(tcp, protocol, address, &mut core.events)
    }

    fn unlisten(&mut self, listener: ListenerId) {
        let tcp = &mut self.exchange.core.machine.tcp;
        self.programs.unlisten(tcp, listener);
    }

    fn want(&mut self, socket: SocketId, bytes: usize) {
        self.programs.want(socket, bytes);
    }

    fn write(&mut self, socket: SocketId, bytes: &[u8]) {
        let core = &mut self.exchange.core;
        self.programs
            .write(&mut core.machine.tcp, socket, bytes, &mut core.events);
    }

    fn finish(&mut self, socket: SocketId) {
        let core = &mut self.exchange.core;
        self.programs
            .finish(&mut core.machine.tcp, socket, &mut core.events);
    }

    fn break_off(&mut self, socket: SocketId) {
        let core = &mut self.exchange.core;
        self.programs
            .break_off(&mut core.machine.tcp, socket, &mut core.events);
    }
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
                "expected a loopback address, found {address}: without the cluster's key links \
                 are not encrypted"
            ),
            Self::NoAddress => write!(
                f,
                "expected `own=IP/BITS` or a network that gives addresses (DHCP), found neither"
            ),
        }
    }
}

impl core::error::Error for OpenError {}
