//! Ports: datagrams from anybody, and to anybody.
//!
//! Datagrams may get lost on their way, and so they may here: those for which there is no room, and
//! those that were on their way when the port's node failed. What is promised is that each that
//! came has its effect once, and that each that was sent leaves once, as long as that node lives.

use alloc::format;
use alloc::vec::Vec;
use core::net::SocketAddr;

use adapter::datagram::{DATAGRAM_BYTES_MAX, Frame};

use crate::channel::{Connection, Listener, Received, Release};
use crate::step::Event;

/// Bytes read in one go.
const READ_BYTES: usize = 64 << 10;
/// What is to be sent and has not found room, at most.
const UNSENT_BYTES_MAX: usize = 1 << 20;

/// A port for datagrams.
#[derive(Debug)]
pub struct Port {
    listener: Listener,
    line: Option<Connection>,
    event: Event,
    heard: Vec<u8>,
    unsent: Vec<u8>,
    dropped: u64,
}

impl Port {
    /// Opens a port at an address, `ip:port`, at one node of the cluster; if that fails, at
    /// another one. `event` is signalled when something comes, and when there is room again.
    pub fn bind(address: &str, release: Release, event: Event) -> Self {
        let address = format!("{}{address}", abi::UDP_PREFIX);
        Self {
            listener: Listener::bind(&address, release, event),
            line: None,
            event,
            heard: Vec::new(),
            unsent: Vec::new(),
            dropped: 0,
        }
    }

    /// The next datagram, and who has sent it; if there is none, wait for the event.
    pub fn receive(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        let event = self.event;
        while let Some(line) = self.listener.accept(|_| event) {
            // What was on its way on the last one is lost.
            if let Some(before) = self.line.replace(line) {
                before.close();
            }
            self.heard.clear();
            self.unsent.clear();
        }
        loop {
            let frame = Frame::decode(&self.heard).expect("a port says nothing else");
            match frame {
                Some((Frame::Datagram { peer, bytes }, length)) => {
                    let datagram = (peer, bytes.to_vec());
                    self.heard.drain(..length);
                    return Some(datagram);
                }
                Some((Frame::Dropped(count), length)) => {
                    self.dropped += u64::from(count);
                    self.heard.drain(..length);
                }
                None => {
                    let line = self.line?;
                    let Received::Bytes(_) = line.receive(&mut self.heard, READ_BYTES) else {
                        return None;
                    };
                }
            }
        }
    }

    /// Sends a datagram; whether there was room for it.
    ///
    /// # Panics
    /// If it is longer than datagrams are.
    pub fn send(&mut self, peer: SocketAddr, bytes: &[u8]) -> bool {
        assert!(bytes.len() <= DATAGRAM_BYTES_MAX, "a datagram is no longer");
        if self.line.is_none() || self.unsent.len() > UNSENT_BYTES_MAX {
            return false;
        }
        Frame::Datagram { peer, bytes }.encode(&mut self.unsent);
        self.flush();
        true
    }

    /// Goes on with what had found no room; to be called when the event was signalled.
    pub fn flush(&mut self) {
        if let Some(line) = self.line {
            // If it is lost, there will be another one.
            let count = line.write(&self.unsent).unwrap_or(0);
            self.unsent.drain(..count);
        }
    }

    /// Datagrams that came and were dropped, because there was no room for them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether it is gone: the program had ended, and was brought back from a snapshot. It has
    /// to be opened anew.
    pub fn is_lost(&self) -> bool {
        self.listener.is_lost()
    }
}
