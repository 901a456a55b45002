//! Links and tools over the sockets of Linux.
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::AsRawFd;

use links::silence::Flight;
use links::{Machine, Received, Token, Written};
use mio::event::Source;
use mio::net::TcpStream;
use mio::{Interest, Registry};
use platform::{Clock, Entropy};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use types::{Duration, Instant};

use crate::{LinuxClock, LinuxEntropy};

/// The sockets of one node, as its poll sees them.
#[derive(Debug)]
pub(crate) struct Tcp {
    registry: Registry,
}

impl Tcp {
    pub(crate) fn new(registry: Registry) -> Self {
        Self { registry }
    }

    /// Reports about the source under this token from now on.
    pub(crate) fn add(
        &mut self,
        source: &mut impl Source,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.registry
            .register(source, mio::Token(token.0), interest)
    }

    pub(crate) fn remove(&mut self, source: &mut impl Source) {
        self.registry.deregister(source).expect("it was registered");
    }
}

impl Machine for Tcp {
    type Socket = TcpStream;

    fn now(&self) -> Instant {
        LinuxClock.now()
    }

    fn is_here(&self, address: IpAddr) -> bool {
        address.is_loopback()
    }

    fn dial(&mut self, from: IpAddr, to: SocketAddr) -> Option<TcpStream> {
        dial(from, to).ok()
    }

    /// A socket that dials a free port of its own machine may meet itself.
    fn has_reached(&mut self, socket: &mut TcpStream) -> bool {
        let has_failed = !matches!(socket.take_error(), Ok(None));
        let (here, there) = (socket.local_addr().ok(), socket.peer_addr().ok());
        !has_failed && there.is_some() && there != here
    }

    fn register(&mut self, socket: &mut TcpStream, token: Token) {
        // Without it small messages wait for one another; a dead socket shows later.
        let _ = socket.set_nodelay(true);
        self.add(socket, token, Interest::READABLE | Interest::WRITABLE)
            .expect("epoll takes any open socket");
    }

    fn forget(&mut self, socket: &mut TcpStream) {
        self.remove(socket);
    }

    fn read(&mut self, socket: &mut TcpStream, space: &mut [u8]) -> Received {
        loop {
            match socket.read(space) {
                Ok(0) => return Received::Closed,
                Ok(count) => return Received::Bytes(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Received::Nothing,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return end_of(&error),
            }
        }
    }

    fn write(&mut self, socket: &mut TcpStream, bytes: &[u8]) -> Written {
        loop {
            match socket.write(bytes) {
                Ok(0) => return Written::Gone,
                Ok(count) => return Written::Bytes(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Written::Full,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Written::Gone,
            }
        }
    }

    fn finish(&mut self, socket: &mut TcpStream) {
        // A socket that is gone already has nothing to finish.
        let _ = socket.shutdown(Shutdown::Write);
    }

    fn close(&mut self, socket: TcpStream) {
        drop(socket);
    }

    fn flight(&mut self, socket: &TcpStream) -> Option<Flight> {
        flight(socket)
    }
}

impl Entropy for Tcp {
    fn fill(&mut self, bytes: &mut [u8]) {
        LinuxEntropy.fill(bytes);
    }
}

/// Who has ended the connection: the other end, or this one, which does not reach it.
fn end_of(error: &io::Error) -> Received {
    match error.kind() {
        ErrorKind::TimedOut
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown => Received::Silent,
        _ => Received::Closed,
    }
}

/// Begins to connect. Calls leave from where this node listens: whoever filters or routes by
/// address, on a machine that has several, sees a node under one.
fn dial(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let family = match to {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    if from.is_ipv4() == to.is_ipv4() {
        bind(&socket, &SocketAddr::new(from, 0))?;
    }
    match connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(TcpStream::from_std(socket.into())),
        Err(error) => Err(error.into()),
    }
}

/// What is on its way; `None` if the socket cannot say.
fn flight(socket: &TcpStream) -> Option<Flight> {
    // SAFETY: plain numbers, for which zeros are values.
    let mut info: libc::tcp_info = unsafe { mem::zeroed() };
    let mut length = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).expect("it is small");
    // SAFETY: the descriptor is open; the system writes at most `length` bytes to `info`.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    (result == 0).then(|| Flight {
        packets: info.tcpi_unacked,
        sent: info.tcpi_data_segs_out,
        quiet: Duration::from_millis(u64::from(info.tcpi_last_ack_recv)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_says_what_is_on_its_way() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _other = listener.accept().unwrap();
        assert_eq!(flight(&socket).unwrap().packets, 0);
    }
}
