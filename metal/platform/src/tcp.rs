//! TCP of this machine: what links and tools' connections need, over one network.
//!
//! Addresses on the loopback are those of whoever runs this machine: they are called by way of
//! the gateway, which a machine that is run by a program of that machine has for this.
mod udp;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use adapter::part::{self, Prefix};
use links::silence::Flight;
use links::{Machine, ReadSide, Received, Token, Written};
use platform::{Clock, Entropy, Settable};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::socket::dhcpv4;
use smoltcp::socket::tcp::{self, State};
use smoltcp::time;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    EthernetRepr, IpAddress, IpCidr, IpEndpoint, IpListenEndpoint,
};
use types::{Duration, Instant};

pub(crate) use self::udp::{Sent, UdpSocket};
use crate::filter::Filter;
use crate::{MetalClock, MetalEntropy};

/// Room for bytes that have come in, and for those that go out, of one link.
pub(crate) const LINK_BUFFER_BYTES: usize = 128 << 10;
/// The same, of a tool's connection or a program's.
pub(crate) const SMALL_BUFFER_BYTES: usize = 16 << 10;
/// How long what was written may take to arrive, and the other end to close, when a connection
/// has been closed here.
const DYING_TIME: Duration = Duration::from_millis(10_000);
/// Bytes of a frame without what the medium puts before it.
const FRAME_BYTES: usize = 1514;
/// So often the other end is asked in the time that it may be silent.
const KEEP_ALIVES: u64 = 4;
/// How long an address is waited for, and how often is looked whether it is there.
const LEASE_TIME_NS: u64 = 20_000_000_000;
const LEASE_LOOK_NS: u64 = 1_000_000;
/// Ports from which is called.
const PORTS: core::ops::Range<u16> = 49_152..65_535;

/// A connection, a call, or a place where one is awaited.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Socket(SocketHandle);

/// What there is to be told about a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Report {
    Writable(Token),
    Readable(Token, ReadSide),
}

/// How far a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// The other end may write, or something that it has written was not read.
    Open,
    /// It writes no more.
    Ended,
    /// It is over.
    Gone,
}

/// What was told about a registered socket.
#[derive(Debug)]
struct Told {
    token: Token,
    is_calling: bool,
    /// A write has found no room.
    is_blocked: bool,
    /// Bytes that were there when it was last read or told.
    unread: usize,
    /// Bytes that the other end had not acknowledged then.
    unsent: usize,
    /// When it was last seen to live.
    heard: Instant,
    is_closing: bool,
}

/// The sockets of one network.
pub(crate) struct Tcp {
    device: Device,
    interface: Interface,
    sockets: SocketSet<'static>,
    told: BTreeMap<SocketHandle, Told>,
    /// Closed here; what was written has still to arrive, until then.
    dying: Vec<(SocketHandle, Instant)>,
    /// Asks for the machine's address again before it is another's.
    lease: Option<SocketHandle>,
    entropy: MetalEntropy,
    own: Ipv4Addr,
    gateway: Option<Ipv4Addr>,
    next_port: u16,
    silence: Duration,
}

/// How the network is to be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Addresses {
    pub(crate) own: Ipv4Addr,
    pub(crate) prefix_bits: u8,
    pub(crate) gateway: Option<Ipv4Addr>,
}

impl Tcp {
    /// With these addresses, or with those that the network gives; `None` if it gives none.
    pub(crate) fn new(
        mut network: hal::virtio::Network,
        addresses: Option<Addresses>,
        silence: Duration,
        mut entropy: MetalEntropy,
    ) -> Option<Self> {
        let mut config = Config::new(EthernetAddress(network.address()).into());
        config.random_seed = entropy.number();
        network.wake_here();
        let mut device = Device {
            network,
            filter: Filter::default(),
        };
        let mut interface = Interface::new(config, &mut device, now());
        let mut sockets = SocketSet::new(Vec::new());
        let (addresses, lease) = match addresses {
            Some(addresses) => (addresses, None),
            None => {
                let handle = sockets.add(dhcpv4::Socket::new());
                let addresses = wait_lease(&mut interface, &mut device, &mut sockets, handle)?;
                (addresses, Some(handle))
            }
        };
        let own = IpCidr::new(addresses.own.into(), addresses.prefix_bits);
        interface.update_ip_addrs(|list| {
            list.push(own).expect("there is room for one address");
        });
        if let Some(gateway) = addresses.gateway {
            let added = interface.routes_mut().add_default_ipv4_route(gateway);
            added.expect("there is room for one route");
        }
        let first = u64::from(PORTS.end - PORTS.start);
        let offset = u16::try_from(entropy.number() % first).expect("less than all ports");
        Some(Self {
            device,
            interface,
            sockets,
            told: BTreeMap::new(),
            dying: Vec::new(),
            lease,
            entropy,
            own: addresses.own,
            gateway: addresses.gateway,
            next_port: PORTS.start + offset,
            silence,
        })
    }

    /// Who passes on what is for others.
    pub(crate) fn gateway(&self) -> Option<Ipv4Addr> {
        self.gateway
    }

    /// The machine's own address.
    pub(crate) fn own(&self) -> Ipv4Addr {
        self.own
    }

    /// These are the node's own ports.
    pub(crate) fn set_doors(&mut self, ports: Vec<u16>) {
        self.device.filter.doors = ports;
    }

    /// Is reached at these addresses, too, and no more at others but its own.
    fn set_addresses(&mut self, addresses: &[Prefix]) {
        let before = self.addresses();
        if before == addresses {
            // A change costs all that is known of neighbours.
            return;
        }
        let own = IpAddress::from(self.own);
        self.interface.update_ip_addrs(|list| {
            list.retain(|one| one.address() == own);
            for one in addresses {
                let added = list.push(IpCidr::new(one.ip.into(), one.bits));
                added.expect("there is room for as many as settings may have");
            }
        });
        for one in addresses {
            if !before.iter().any(|known| known.ip == one.ip) {
                self.announce(one.ip);
            }
        }
    }

    /// Where it is reached beside its own address.
    fn addresses(&self) -> Vec<Prefix> {
        let own = IpAddress::from(self.own);
        let others = self.interface.ip_addrs().iter();
        let others = others.filter(|one| one.address() != own);
        let others = others.map(|IpCidr::Ipv4(one)| Prefix {
            ip: one.address(),
            bits: one.prefix_len(),
        });
        others.collect()
    }

    /// Tells the neighbours where an address is now (RFC 5227, section 3): it may have been
    /// another machine's a moment ago.
    fn announce(&mut self, ip: Ipv4Addr) {
        let address = EthernetAddress(self.device.network.address());
        let claim = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: address,
            source_protocol_addr: ip,
            target_hardware_addr: EthernetAddress([0; 6]),
            target_protocol_addr: ip,
        };
        let frame = EthernetRepr {
            src_addr: address,
            dst_addr: EthernetAddress::BROADCAST,
            ethertype: EthernetProtocol::Arp,
        };
        let bytes = frame.buffer_len() + claim.buffer_len();
        let Some(outgoing) = phy::Device::transmit(&mut self.device, now()) else {
            // Whoever calls asks where it is.
            return;
        };
        phy::TxToken::consume(outgoing, bytes, |buffer| {
            let mut buffer = EthernetFrame::new_unchecked(buffer);
            frame.emit(&mut buffer);
            claim.emit(&mut ArpPacket::new_unchecked(buffer.payload_mut()));
        });
    }

    /// A socket that waits for a caller.
    pub(crate) fn listen(&mut self, port: u16, buffer_bytes: usize) -> Socket {
        let mut socket = self.socket(buffer_bytes);
        let endpoint = IpListenEndpoint::from(port);
        socket
            .listen(endpoint)
            .expect("a fresh socket may listen at any port but 0");
        Socket(self.sockets.add(socket))
    }

    /// Who has called, if somebody has by now. A call that was given up listens again.
    pub(crate) fn caller(&mut self, socket: Socket, port: u16) -> Option<SocketAddr> {
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(socket.0);
        match socket.state() {
            State::Established | State::CloseWait => socket.remote_endpoint().map(address),
            State::Listen | State::SynReceived => None,
            _ => {
                socket.abort();
                let _ = socket.listen(IpListenEndpoint::from(port));
                None
            }
        }
    }

    /// Takes and sends what there is.
    pub(crate) fn poll(&mut self) {
        self.interface
            .poll(now(), &mut self.device, &mut self.sockets);
        let now = MetalClock.now();
        let Self { sockets, dying, .. } = self;
        dying.retain(|&(handle, until)| {
            let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
            if until <= now {
                socket.abort();
            }
            let is_dead = matches!(socket.state(), State::Closed | State::TimeWait);
            if is_dead {
                sockets.remove(handle);
            }
            !is_dead
        });
        self.keep_lease();
    }

    /// A machine that loses its address begins again: its peers know it by that.
    fn keep_lease(&mut self) {
        let Some(handle) = self.lease else {
            return;
        };
        let event = self.sockets.get_mut::<dhcpv4::Socket<'_>>(handle).poll();
        let is_lost = match event {
            Some(dhcpv4::Event::Configured(config)) => config.address.address() != self.own,
            Some(dhcpv4::Event::Deconfigured) => true,
            None => false,
        };
        if is_lost {
            hal::say!("the network has taken back the address {}", self.own);
            hal::cpu::reset();
        }
    }

    /// When to poll at the latest.
    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        let at = self.interface.poll_at(now(), &self.sockets);
        let at = at.map(|at| {
            let micros = u64::try_from(at.total_micros()).unwrap_or(0);
            Instant::from_nanos(micros * 1_000)
        });
        let dying = self.dying.iter().map(|&(_, until)| until);
        at.into_iter().chain(dying).min()
    }

    /// The network itself.
    pub(crate) fn network(&mut self) -> &mut hal::virtio::Network {
        &mut self.device.network
    }

    /// What has changed since it was last asked.
    pub(crate) fn reports(&mut self) -> Vec<Report> {
        let mut reports = Vec::new();
        let now = MetalClock.now();
        for (&handle, told) in &mut self.told {
            let socket = self.sockets.get::<tcp::Socket<'_>>(handle);
            if told.is_calling {
                if !matches!(socket.state(), State::SynSent | State::SynReceived) {
                    told.is_calling = false;
                    reports.push(Report::Writable(told.token));
                }
                continue;
            }
            if told.is_blocked && (socket.can_send() || !socket.may_send()) {
                told.is_blocked = false;
                reports.push(Report::Writable(told.token));
            }
            let (unread, unsent) = (socket.recv_queue(), socket.send_queue());
            if unread > told.unread || unsent < told.unsent || unsent == 0 {
                told.heard = now;
            }
            told.unsent = unsent;
            if !socket.may_recv() && !told.is_closing {
                told.is_closing = true;
                reports.push(Report::Readable(told.token, ReadSide::Closing));
            } else if unread > told.unread {
                reports.push(Report::Readable(told.token, ReadSide::Open));
            }
            told.unread = unread;
        }
        reports
    }

    /// How far a connection is.
    pub(crate) fn phase(&mut self, socket: Socket) -> Phase {
        let at = self.at(socket);
        match at.state() {
            State::Closed | State::TimeWait if at.recv_queue() == 0 => Phase::Gone,
            _ if at.may_recv() || at.recv_queue() > 0 => Phase::Open,
            _ => Phase::Ended,
        }
    }

    /// Ends a connection so that the other end sees that it was broken.
    pub(crate) fn break_off(&mut self, socket: Socket) {
        self.at(socket).abort();
        self.dying.push((socket.0, MetalClock.now() + DYING_TIME));
    }

    fn socket(&self, buffer_bytes: usize) -> tcp::Socket<'static> {
        let buffer = || tcp::SocketBuffer::new(vec![0; buffer_bytes]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        // The time-out counts whatever comes, so whoever says nothing is asked now and then.
        socket.set_timeout(Some(duration(self.silence)));
        let pause = Duration::from_nanos(self.silence.as_nanos() / KEEP_ALIVES);
        socket.set_keep_alive(Some(duration(pause)));
        socket
    }

    fn port(&mut self) -> u16 {
        self.next_port += 1;
        if self.next_port == PORTS.end {
            self.next_port = PORTS.start;
        }
        self.next_port
    }

    fn at(&mut self, socket: Socket) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(socket.0)
    }
}

impl Machine for Tcp {
    type Socket = Socket;

    fn now(&self) -> Instant {
        MetalClock.now()
    }

    fn is_here(&self, address: IpAddr) -> bool {
        address.is_loopback()
    }

    fn dial(&mut self, _: IpAddr, to: SocketAddr) -> Option<Socket> {
        // This network has addresses of four bytes.
        let IpAddr::V4(ip) = to.ip() else {
            return None;
        };
        let ip = self.gateway.filter(|_| ip.is_loopback()).unwrap_or(ip);
        let mut socket = self.socket(LINK_BUFFER_BYTES);
        let port = self.port();
        let to = IpEndpoint::new(ip.into(), to.port());
        socket.connect(self.interface.context(), to, port).ok()?;
        Some(Socket(self.sockets.add(socket)))
    }

    fn has_reached(&mut self, socket: &mut Socket) -> bool {
        matches!(
            self.at(*socket).state(),
            State::Established | State::CloseWait
        )
    }

    fn register(&mut self, socket: &mut Socket, token: Token) {
        let is_calling = self.at(*socket).state() == State::SynSent;
        let heard = self.now();
        let told = Told {
            token,
            is_calling,
            is_blocked: false,
            unread: 0,
            unsent: 0,
            heard,
            is_closing: false,
        };
        self.told.insert(socket.0, told);
    }

    fn forget(&mut self, socket: &mut Socket) {
        self.told.remove(&socket.0);
    }

    fn read(&mut self, socket: &mut Socket, space: &mut [u8]) -> Received {
        let (now, silence) = (self.now(), self.silence);
        let heard = self.told.get(&socket.0).map(|told| told.heard);
        let is_silent = heard.is_some_and(|heard| heard + silence <= now);
        let at = self.at(*socket);
        let received = match at.recv_slice(space) {
            Ok(count) if count > 0 => Received::Bytes(count),
            Ok(_) if at.may_recv() => Received::Nothing,
            Err(tcp::RecvError::InvalidState) if is_silent => Received::Silent,
            Ok(_) | Err(_) => Received::Closed,
        };
        let unread = at.recv_queue();
        if let Some(told) = self.told.get_mut(&socket.0) {
            told.unread = unread;
        }
        received
    }

    fn write(&mut self, socket: &mut Socket, bytes: &[u8]) -> Written {
        let at = self.at(*socket);
        let written = match at.send_slice(bytes) {
            Ok(count) if count > 0 => Written::Bytes(count),
            Ok(_) if at.may_send() => Written::Full,
            Ok(_) | Err(_) => Written::Gone,
        };
        if let (Written::Full, Some(told)) = (written, self.told.get_mut(&socket.0)) {
            told.is_blocked = true;
        }
        written
    }

    fn finish(&mut self, socket: &mut Socket) {
        self.at(*socket).close();
    }

    fn close(&mut self, socket: Socket) {
        let at = self.at(socket);
        match at.recv_queue() {
            0 => at.close(),
            _ => at.abort(),
        }
        self.dying.push((socket.0, MetalClock.now() + DYING_TIME));
    }

    fn flight(&mut self, _: &Socket) -> Option<Flight> {
        None
    }
}

impl Settable<part::Network> for Tcp {
    fn set(&mut self, settings: &part::Network) -> Result<(), String> {
        if settings.addresses.iter().any(|one| one.ip == self.own) {
            return Err(format!("the machine has {} as its own address", self.own));
        }
        self.set_addresses(&settings.addresses);
        self.device.filter.settings = settings.clone();
        Ok(())
    }

    fn ask(&mut self) -> part::Network {
        part::Network {
            addresses: self.addresses(),
            rules: self.device.filter.settings.rules.clone(),
        }
    }

    /// Addresses go where the leader goes. Who may not reach programs still may not.
    fn release(&mut self) {
        self.set_addresses(&[]);
    }
}

impl Entropy for Tcp {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.entropy.fill(bytes);
    }
}

impl core::fmt::Debug for Tcp {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Tcp")
            .field("connections", &self.told.len())
            .finish_non_exhaustive()
    }
}

/// Asks the network for an address (DHCP), and waits for it.
fn wait_lease(
    interface: &mut Interface,
    device: &mut Device,
    sockets: &mut SocketSet<'_>,
    handle: SocketHandle,
) -> Option<Addresses> {
    let until = hal::clock::now_ns() + LEASE_TIME_NS;
    while hal::clock::now_ns() < until {
        interface.poll(now(), device, sockets);
        let event = sockets.get_mut::<dhcpv4::Socket<'_>>(handle).poll();
        if let Some(dhcpv4::Event::Configured(config)) = event {
            return Some(Addresses {
                own: config.address.address(),
                prefix_bits: config.address.prefix_len(),
                gateway: config.router,
            });
        }
        hal::clock::sleep_until_ns(hal::clock::now_ns() + LEASE_LOOK_NS);
        let _ = hal::virtio::take_lines();
        device.network.listen();
    }
    None
}

fn now() -> time::Instant {
    let micros = hal::clock::now_ns() / 1_000;
    time::Instant::from_micros(i64::try_from(micros).expect("centuries"))
}

fn duration(time: Duration) -> time::Duration {
    time::Duration::from_micros(time.as_nanos() / 1_000)
}

fn address(endpoint: IpEndpoint) -> SocketAddr {
    SocketAddr::new(endpoint.addr.into(), endpoint.port)
}

/// The network as the stack sees it.
struct Device {
    network: hal::virtio::Network,
    filter: Filter,
}

/// A frame that has come in.
struct Incoming(Vec<u8>);

/// Leave to send a frame.
struct Outgoing<'a>(&'a mut hal::virtio::Network);

impl phy::Device for Device {
    type RxToken<'a> = Incoming;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, _: time::Instant) -> Option<(Incoming, Outgoing<'_>)> {
        loop {
            let frame = self.network.receive(<[u8]>::to_vec)?;
            if self.filter.lets_in(&frame) {
                return Some((Incoming(frame), Outgoing(&mut self.network)));
            }
        }
    }

    fn transmit(&mut self, _: time::Instant) -> Option<Outgoing<'_>> {
        self.network
            .has_room()
            .then_some(Outgoing(&mut self.network))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_BYTES;
        capabilities
    }
}

impl phy::RxToken for Incoming {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl phy::TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, bytes: usize, write: F) -> R {
        self.0.send(bytes, write)
    }
}
