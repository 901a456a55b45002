//! Datagrams of this machine: UDP, over the same network.
use alloc::vec;
use core::net::{IpAddr, SocketAddr};

use smoltcp::iface::SocketHandle;
use smoltcp::socket::udp::{self, PacketBuffer, PacketMetadata};
use smoltcp::wire::IpEndpoint;

use super::{FRAME_BYTES, Tcp, address, now};

/// Bytes of a datagram at most: what goes into a frame, behind the heads of Ethernet, IP and UDP.
pub(crate) const DATAGRAM_BYTES_MAX: usize = FRAME_BYTES - 14 - 20 - 8;
/// Datagrams that may come to a port between two looks, and their bytes.
const WAITING: usize = 512;
const WAITING_BYTES: usize = 128 << 10;

/// A port for datagrams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct UdpSocket(SocketHandle);

/// What becomes of a datagram that is to leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sent {
    /// It has left, or nobody can be reached there.
    Gone,
    /// The one before it waits still, perhaps for somebody who does not answer where he is.
    Waits,
}

impl Tcp {
    /// Whether the machine itself gets datagrams there: those with its address.
    pub(crate) fn hears_at(&self, port: u16) -> bool {
        self.lease.is_some() && port == smoltcp::wire::DHCP_CLIENT_PORT
    }

    /// Opens a port, at which nobody else is.
    pub(crate) fn bind(&mut self, port: u16) -> UdpSocket {
        let incoming =
            PacketBuffer::new(vec![PacketMetadata::EMPTY; WAITING], vec![0; WAITING_BYTES]);
        // One at a time: so it is known for which one others have to wait.
        let outgoing =
            PacketBuffer::new(vec![PacketMetadata::EMPTY; 1], vec![0; DATAGRAM_BYTES_MAX]);
        let mut socket = udp::Socket::new(incoming, outgoing);
        socket
            .bind(port)
            .expect("a fresh socket may have any port but 0");
        UdpSocket(self.sockets.add(socket))
    }

    /// Gives a port back.
    pub(crate) fn unbind(&mut self, socket: UdpSocket) {
        self.sockets.remove(socket.0);
    }

    /// Gives the next datagram that has come, and who has sent it, to `read`.
    pub(crate) fn hear(&mut self, socket: UdpSocket, read: impl FnOnce(SocketAddr, &[u8])) -> bool {
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(socket.0);
        let Ok((bytes, about)) = socket.recv() else {
            return false;
        };
        read(address(about.endpoint), bytes);
        true
    }

    /// Sends a datagram, if none waits.
    pub(crate) fn send(&mut self, socket: UdpSocket, peer: SocketAddr, bytes: &[u8]) -> Sent {
        if self.waits(socket) {
            return Sent::Waits;
        }
        let IpAddr::V4(ip) = peer.ip() else {
            return Sent::Gone;
        };
        let ip = self.gateway.filter(|_| ip.is_loopback()).unwrap_or(ip);
        let peer = IpEndpoint::new(ip.into(), peer.port());
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(socket.0);
        // Who is nowhere is not reached, and what is too long for a frame is not sent.
        if socket.send_slice(bytes, peer).is_ok() {
            let Self {
                interface,
                device,
                sockets,
                ..
            } = self;
            interface.poll_egress(now(), device, sockets);
        }
        Sent::Gone
    }

    /// Whether a datagram has not left yet.
    pub(crate) fn waits(&self, socket: UdpSocket) -> bool {
        !self.sockets.get::<udp::Socket<'_>>(socket.0).can_send()
    }

    /// Forgets the datagram that waits, and what is known of its way. What has come must have
    /// been heard.
    pub(crate) fn drop_waiting(&mut self, socket: &mut UdpSocket, port: u16) {
        self.unbind(*socket);
        *socket = self.bind(port);
    }
}
