//! Which frames are let in.
use alloc::vec::Vec;

use adapter::part::{Network, Protocol};
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, TcpPacket, UdpPacket,
};

/// Where the network is asked for an address, and answers.
const LEASE_PORT: u16 = 68;

/// Who may reach what, by the rules that the driver has given.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) settings: Network,
    /// The node's own ports, which are open to all.
    pub(crate) doors: Vec<u16>,
}

impl Filter {
    /// Whether a frame may come in. One that is no beginning of a connection, and no datagram, is
    /// nobody's wish to reach anything.
    pub(crate) fn lets_in(&self, frame: &[u8]) -> bool {
        self.settings.rules.is_empty() || self.is_permitted(frame).unwrap_or(true)
    }

    fn is_permitted(&self, frame: &[u8]) -> Option<bool> {
        let frame = EthernetFrame::new_checked(frame).ok()?;
        if frame.ethertype() != EthernetProtocol::Ipv4 {
            return None;
        }
        let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
        let (protocol, port) = match packet.next_header() {
            IpProtocol::Tcp => {
                let segment = TcpPacket::new_checked(packet.payload()).ok()?;
                let port = segment.dst_port();
                let is_call = segment.syn() && !segment.ack() && !self.doors.contains(&port);
                (Protocol::Tcp, is_call.then_some(port)?)
            }
            IpProtocol::Udp => {
                let port = UdpPacket::new_checked(packet.payload()).ok()?.dst_port();
                (Protocol::Udp, (port != LEASE_PORT).then_some(port)?)
            }
            _ => return None,
        };
        Some(self.settings.permits(protocol, port, packet.src_addr()))
    }
}
