//! What a node tells the sockets of its programs to do; how they do it is the business of
//! the table.
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use links::Token;
use mio::Interest;
use mio::net::TcpListener;
use platform::{ListenerId, Protocol, SocketId, Sockets};
use rustix::net::sockopt::{
    set_socket_keepalive, set_socket_reuseaddr, set_tcp_keepcnt, set_tcp_keepidle,
    set_tcp_keepintvl,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};

use crate::network::Network;
use crate::ports::Ports;
use crate::socket_table::{SocketLimits, listener_id};

/// Callers that the system lets wait until they are accepted.
const QUEUE_MAX: i32 = 1024;
/// A silent other end is asked after so long whether it is still there,
const KEEP_IDLE: Duration = Duration::from_secs(60);
/// then so often,
const KEEP_PACE: Duration = Duration::from_secs(10);
/// and is given up after so many questions without an answer.
const KEEP_PROBES: u32 = 6;

impl Network {
    /// Sets how many sockets of programs there may be and how they end.
    pub fn limit_sockets(&mut self, limits: SocketLimits) {
        self.sockets.limits = limits;
    }
}

impl Sockets for Network {
    fn listen(
        &mut self,
        protocol: Protocol,
        address: SocketAddr,
    ) -> Result<(ListenerId, SocketAddr), String> {
        let failed = |error| format!("listen on {address}: {error}");
        if protocol == Protocol::Datagrams {
            let (token, found) = self
                .ports
                .open(&mut self.exchange.core, address)
                .map_err(failed)?;
            return Ok((listener_id(token), found));
        }
        let mut listener = open(address).map_err(failed)?;
        let found = listener.local_addr().map_err(failed)?;
        let core = &mut self.exchange.core;
        let token = core.next_token();
        core.machine
            .add(&mut listener, token, Interest::READABLE)
            .map_err(failed)?;
        self.sockets.listeners.insert(token, listener);
        Ok((listener_id(token), found))
    }

    fn unlisten(&mut self, listener: ListenerId) {
        let token = token(listener.0);
        self.ports.close(token);
        if let Some(mut listener) = self.sockets.listeners.remove(&token) {
            self.exchange.core.machine.remove(&mut listener);
            self.open_doors.retain(|door| *door != token);
        }
    }

    fn want(&mut self, socket: SocketId, bytes: usize) {
        match Ports::is_line(socket) {
            true => self.ports.want(socket, bytes),
            false => self.sockets.want(token(socket.0), bytes),
        }
    }

    fn write(&mut self, socket: SocketId, bytes: &[u8]) {
        match Ports::is_line(socket) {
            true => self.ports.write(&mut self.exchange.core, socket, bytes),
            false => self.sockets.write(token(socket.0), bytes),
        }
    }

    fn finish(&mut self, socket: SocketId) {
        match Ports::is_line(socket) {
            true => self.ports.end_line(&mut self.exchange.core, socket),
            false => self.sockets.finish(token(socket.0)),
        }
    }

    fn break_off(&mut self, socket: SocketId) {
        match Ports::is_line(socket) {
            true => self.ports.end_line(&mut self.exchange.core, socket),
            false => self
                .sockets
                .break_off(&mut self.exchange.core, token(socket.0)),
        }
    }
}

fn token(id: u64) -> Token {
    Token(usize::try_from(id).expect("made from a token"))
}

/// Accepted connections inherit what is set here.
fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    // Connections of an earlier life of the node do not hold the address.
    set_socket_reuseaddr(&socket, true)?;
    set_socket_keepalive(&socket, true)?;
    set_tcp_keepidle(&socket, KEEP_IDLE)?;
    set_tcp_keepintvl(&socket, KEEP_PACE)?;
    set_tcp_keepcnt(&socket, KEEP_PROBES)?;
    bind(&socket, &address)?;
    listen(&socket, QUEUE_MAX)?;
    Ok(TcpListener::from_std(socket.into()))
}
