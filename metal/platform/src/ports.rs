//! Ports of programs for datagrams, over this machine's network.
use alloc::collections::{BTreeMap, VecDeque};
use core::net::{IpAddr, SocketAddr};

use adapter::Malformed;
use links::{AfterLine, Machine, Port};
use platform::{Event, ListenerId, SocketId};
use types::{Duration, Instant};

use crate::tcp::{Sent, Tcp, UdpSocket};

/// A datagram waits so long for somebody in this network who does not say where he is, and all
/// others of its port wait with it: then it is lost, with all that are for him.
const WAITING_TIME: Duration = Duration::from_millis(1_500);

/// All ports.
#[derive(Debug)]
pub(crate) struct Ports {
    ports: BTreeMap<ListenerId, Bound>,
}

#[derive(Debug)]
struct Bound {
    port: Port,
    number: u16,
    socket: UdpSocket,
    /// For whom the last datagram was that was sent, and until when it may wait.
    last: Option<(IpAddr, Instant)>,
}

impl Ports {
    pub(crate) const fn new() -> Self {
        Self {
            ports: BTreeMap::new(),
        }
    }

    /// The numbers of all ports.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u16> {
        self.ports.values().map(|bound| bound.number)
    }

    /// Opens a port, which nobody has.
    pub(crate) fn open(
        &mut self,
        tcp: &mut Tcp,
        listener: ListenerId,
        address: SocketAddr,
        line: SocketId,
        events: &mut VecDeque<Event>,
    ) {
        let bound = Bound {
            port: Port::new(listener, address, line, events),
            number: address.port(),
            socket: tcp.bind(address.port()),
            last: None,
        };
        self.ports.insert(listener, bound);
    }

    /// The program wants no other line; it keeps the one that it has.
    pub(crate) fn close(&mut self, listener: ListenerId) {
        if let Some(bound) = self.ports.get_mut(&listener) {
            bound.port.close();
        }
    }

    pub(crate) fn want(&mut self, line: SocketId, bytes: usize) {
        if let Some((_, bound)) = self.of_line(line) {
            bound.port.want(bytes);
        }
    }

    /// Takes what the program says.
    ///
    /// # Errors
    /// If it is not what programs say on lines; then the line is to be ended.
    pub(crate) fn write(
        &mut self,
        tcp: &mut Tcp,
        line: SocketId,
        bytes: &[u8],
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        let Some((_, bound)) = self.of_line(line) else {
            return Ok(());
        };
        bound.port.write(bytes)?;
        bound.send(tcp, events);
        Ok(())
    }

    /// The line is over; there is another one of this number, if the program still wants one.
    pub(crate) fn end_line(
        &mut self,
        tcp: &mut Tcp,
        line: SocketId,
        next: SocketId,
        events: &mut VecDeque<Event>,
    ) {
        let Some((listener, bound)) = self.of_line(line) else {
            return;
        };
        if bound.port.end_line(next, events) == AfterLine::Nothing {
            let bound = self.ports.remove(&listener).expect("just found");
            tcp.unbind(bound.socket);
        }
    }

    /// When to look again at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let waiting = self.ports.values().filter_map(|bound| bound.last);
        waiting.map(|(_, until)| until).min()
    }

    /// Takes what has come, sends what is to leave.
    pub(crate) fn turn(&mut self, tcp: &mut Tcp, events: &mut VecDeque<Event>) {
        for bound in self.ports.values_mut() {
            let Bound { port, socket, .. } = bound;
            // No more than have room between two looks.
            while tcp.hear(*socket, |peer, bytes| port.hear(peer, bytes, events)) {}
            bound.end_waiting(tcp, events);
            bound.send(tcp, events);
        }
    }

    fn of_line(&mut self, line: SocketId) -> Option<(ListenerId, &mut Bound)> {
        let mut ports = self.ports.iter_mut();
        let found = ports.find(|(_, bound)| bound.port.line() == line);
        found.map(|(listener, bound)| (*listener, bound))
    }
}

impl Bound {
    /// Sends what the network takes.
    fn send(&mut self, tcp: &mut Tcp, events: &mut VecDeque<Event>) {
        while let Some((peer, bytes)) = self.port.unsent() {
            match tcp.send(self.socket, peer, bytes) {
                Sent::Waits => return,
                Sent::Gone => {
                    self.last = Some((peer.ip(), tcp.now() + WAITING_TIME));
                    self.port.has_left(events);
                }
            }
        }
        if !tcp.waits(self.socket) {
            self.last = None;
        }
    }

    /// Nobody waits for long for somebody who is not there.
    fn end_waiting(&mut self, tcp: &mut Tcp, events: &mut VecDeque<Event>) {
        let over = self.last.filter(|(_, until)| *until <= tcp.now());
        let Some((nobody, _)) = over.filter(|_| tcp.waits(self.socket)) else {
            return;
        };
        tcp.drop_waiting(&mut self.socket, self.number);
        while self
            .port
            .unsent()
            .is_some_and(|(peer, _)| peer.ip() == nobody)
        {
            self.port.has_left(events);
        }
    }
}
