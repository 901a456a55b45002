//! Channels: what joins a program with the world outside of the cluster. Each is a pair of
//! smart buffers, whose halves in the memory lie here.
//!
//! A channel has a *home*: the node that has the socket. What comes in the home keeps, in
//! memory of its own, until what it has *delivered* here cannot be undone any more; what a
//! program has written here the home *collects*, and lets go when the channel's rule allows it.
//! Reading, writing, delivering and collecting are transactions. So an abort or a fallback puts
//! everything on this side back, and the home's side follows.
//!
//! ```text
//! direction 0   inward:  what the home has delivered and sent, then bytes for the program
//! direction 1   outward: what the program has written and read, then bytes for the outside
//! ```
//! Each side writes its own pages only: [`program`] the one, [`home`] the other. The program
//! rings the home's [`doorbell`](home::take_rings) when there is something to collect; the
//! home signals the channel's event.
//!
//! A channel that listens is one like others: what comes in are the numbers of the channels of
//! its connections, 8 bytes each. A timer is one, too: what comes in are the times of its ticks.
//! So is a [`file`] that is appended to: nothing comes in but, perhaps, why that has failed.
pub mod device;
mod direction;
mod doorbell;
pub mod file;
pub mod home;
mod label;
pub mod program;
mod refusal;
pub mod service;
mod table;

use core::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use types::NodeId;

use crate::cell::{Value, record};
use crate::{ChannelId, Event, Pages, ProcessId, Slot, Stop};

pub use direction::RING_BYTES;
pub use label::{LABEL_BYTES_MAX, Label};
pub use refusal::ChannelRefusal;

record! {
    /// A channel, without what changes often.
    pub struct Channel {
        /// How often its place was used before.
        pub(crate) generation: u32,
        /// What it is.
        pub kind: Kind,
        /// When what is written leaves.
        pub release: Release,
        /// The program that it belongs to.
        pub process: ProcessId,
        /// The node that has the socket.
        pub home: Home,
        /// The home's number of it; none before there is one.
        pub socket: u64,
        /// What is signalled when something happens to it.
        pub event: Event,
        /// What belongs to its kind: see [`Channel::address`], [`Channel::schedule`] and
        /// [`Channel::file_start`].
        pub(crate) detail: [u8; 18],
    }
}

impl Channel {
    /// Where a listener listens, or the other end of a connection.
    #[must_use]
    pub fn address(&self) -> Address {
        Address(self.detail)
    }

    /// Which device or service it is, or the device at the other end of a line.
    #[must_use]
    pub fn label(&self) -> Label {
        Label(self.detail)
    }

    /// When a timer ticks.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        Schedule::load(&self.detail[..Schedule::SIZE])
    }
}

record! {
    /// When a timer ticks. Times are of the wall clock, in nanoseconds since 1970.
    pub struct Schedule {
        /// When it ticks next; the largest number: never again.
        pub next: u64,
        /// Nanoseconds from tick to tick; 0: there is one only.
        pub period: u64,
    }
}

impl Schedule {
    pub(crate) fn detail(self) -> [u8; 18] {
        let mut detail = [0; 18];
        self.store(&mut detail[..Self::SIZE]);
        detail
    }
}

/// What a channel is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Nothing: its place is free.
    Free,
    /// It listens at an address.
    Listener,
    /// A connection, or what is left of one.
    Connection,
    /// It ticks. What comes in are the times of the ticks, 8 bytes each.
    Timer,
    /// A device, which has lines as a listener has connections.
    Device,
    /// A line to a device.
    Line,
    /// A program serves under a label. What comes in are the numbers of sessions.
    Service,
    /// One end of a session between two programs.
    Session,
    /// A port for datagrams, which has lines as a device has.
    Port,
    /// A file to which the program appends.
    File,
}

impl Kind {
    /// All of them; a kind's number is its place here.
    const ALL: [Self; 10] = [
        Self::Free,
        Self::Listener,
        Self::Connection,
        Self::Timer,
        Self::Device,
        Self::Line,
        Self::Service,
        Self::Session,
        Self::Port,
        Self::File,
    ];

    /// Whether it gives the program numbers of other channels, whose other ends come from outside.
    #[must_use]
    pub const fn is_listener(self) -> bool {
        matches!(self, Self::Listener | Self::Device | Self::Port)
    }

    /// Whether programs write to it what its home takes out.
    #[must_use]
    pub const fn is_written(self) -> bool {
        self.is_connection() || matches!(self, Self::File)
    }

    /// Whether its other end is outside, and may be lost.
    #[must_use]
    pub const fn is_connection(self) -> bool {
        matches!(self, Self::Connection | Self::Line)
    }
}

/// When what is written leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Release {
    /// When it is committed. It may be undone after all.
    AtCommit,
    /// When nothing can undo it any more.
    AtStable,
}

/// The node that has a channel's socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Home(pub NodeId);

/// An address and port, as 18 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address([u8; 18]);

impl Address {
    /// From the usual form. What belongs to one machine only (scope, flow) is lost.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let mut bytes = [0; 18];
        bytes[..16].copy_from_slice(&ip.octets());
        bytes[16..].copy_from_slice(&address.port().to_le_bytes());
        Self(bytes)
    }

    /// In the usual form.
    #[must_use]
    pub fn get(self) -> SocketAddr {
        let (ip, port) = self.0.split_at(16);
        let ip = Ipv6Addr::from(<[u8; 16]>::try_from(ip).expect("16 bytes"));
        let port = u16::load(port);
        match ip.to_ipv4_mapped() {
            Some(ip) => SocketAddr::new(IpAddr::V4(ip), port),
            None => SocketAddrV6::new(ip, port, 0, 0).into(),
        }
    }
}

/// A process lives on as another one of the same name: it has the listeners, timers, devices and
/// services. Its connections are not those that the other knows, and end with it.
pub(crate) fn inherit(
    pages: &mut impl Pages,
    slot: Slot,
    from: ProcessId,
    to: ProcessId,
) -> Result<(), Stop> {
    let mut place = 0;
    while let Some(at) = table::next_place(pages, place)? {
        place = at + 1;
        let Some((id, channel)) = table::at(pages, at)? else {
            continue;
        };
        if channel.process != from {
            continue;
        }
        match channel.kind {
            Kind::Device => device::hand_over(pages, slot, id, to)?,
            Kind::Listener | Kind::Port | Kind::Timer | Kind::Service => {
                table::update(pages, id, |channel| channel.process = to)?;
                doorbell::ring(pages, channel.home.0, at)?;
            }
            Kind::Free | Kind::Connection | Kind::Line | Kind::Session | Kind::File => {}
        }
    }
    Ok(())
}

/// Closes a channel, and tells its home, or the other end of a session. A device is given up, but
/// stays: its fallback object is for whoever drives it next.
fn close(pages: &mut impl Pages, slot: Slot, id: ChannelId, channel: &Channel) -> Result<(), Stop> {
    if channel.kind == Kind::Device {
        return device::hand_over(pages, slot, id, ProcessId(0));
    }
    let outward = direction::outward(id.place());
    if outward.get(pages)?.is_closed == 1 {
        return Ok(());
    }
    outward.update(pages, |ours| ours.is_closed = 1)?;
    if channel.kind == Kind::Session {
        service::end_peer(pages, slot, channel)?;
    }
    doorbell::ring(pages, channel.home.0, id.place())
}

impl Value for Home {
    const SIZE: usize = u32::SIZE;

    fn load(bytes: &[u8]) -> Self {
        Self(NodeId(u32::load(bytes)))
    }

    fn store(&self, bytes: &mut [u8]) {
        self.0.0.store(bytes);
    }
}

impl Value for Kind {
    const SIZE: usize = u8::SIZE;

    fn load(bytes: &[u8]) -> Self {
        let kind = Self::ALL.get(usize::from(bytes[0]));
        *kind.unwrap_or_else(|| panic!("channel of kind {}, expected 0 to 9", bytes[0]))
    }

    fn store(&self, bytes: &mut [u8]) {
        bytes[0] = *self as u8;
    }
}

impl Value for Release {
    const SIZE: usize = u8::SIZE;

    fn load(bytes: &[u8]) -> Self {
        match bytes[0] {
            0 => Self::AtCommit,
            1 => Self::AtStable,
            release => panic!("release {release}, expected 0 or 1"),
        }
    }

    fn store(&self, bytes: &mut [u8]) {
        bytes[0] = match self {
            Self::AtCommit => 0,
            Self::AtStable => 1,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_back() {
        for text in ["127.0.0.1:6379", "0.0.0.0:0", "[::1]:80", "[fe80::7]:65535"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Address::new(address).get(), address);
        }
    }
}
