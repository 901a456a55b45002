//! A node's links: who is called by whom, who is let in, what is lost when. It keeps the
//! contract of [`platform::Links`] in the way in which nodes on real machines do.
use std::collections::{BTreeMap, VecDeque};

use linux::silence::{self, Verdict, Watch};
use platform::{Event, JoinerId, LinkCounters, LostWhy, Refusal};
use types::{Duration, Instant, NodeId};
use wire::Envelope;

use crate::clock::Clock;
use crate::names::{LineId, MachineId, Pid, Side};
use crate::network::{Packet, Wire};

/// How long a system may leave unanswered what is sent to it.
const SILENCE: Duration = Duration::from_millis(100);
/// Longest time for a call to be taken.
const DIAL_TIME: Duration = Duration::from_millis(1_000);
/// Pauses between attempts to dial.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(1_000);

/// A process that is no member yet.
pub(crate) const NOBODY: NodeId = NodeId(0);

/// Who is at the other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Peer(NodeId),
    Joiner(JoinerId),
}

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Dialled, not yet taken.
    Dialing(End),
    /// Said hello, not yet answered.
    Greeting(End),
    /// Has called, has not said hello.
    Door,
    /// Said hello, to be answered when we know who we are or that it is wanted.
    Held { sender: NodeId, target: NodeId },
    /// Carries messages.
    Up(End),
}

#[derive(Debug)]
struct Connection {
    side: Side,
    state: State,
    outbox: Vec<Packet>,
    /// Something was sent, a call to begin with, and may not have arrived.
    watch: Option<Watch>,
}

/// A member with which a link is wanted.
#[derive(Debug, Default)]
struct Peer {
    address: Option<String>,
    connection: Option<LineId>,
    /// Sent while there is no connection.
    waiting: Vec<Packet>,
    redial_at: Option<Instant>,
    /// The node does not know yet that the link was lost.
    is_loss_untold: bool,
    pause: Duration,
}

/// All links of a process.
#[derive(Debug)]
pub(crate) struct Links {
    process: Pid,
    machine: MachineId,
    clock: Clock,
    me: NodeId,
    pub(crate) address: String,
    connections: BTreeMap<LineId, Connection>,
    peers: BTreeMap<NodeId, Peer>,
    dirty: Vec<LineId>,
    /// Connections that were ended here. They stay open until the node has heard of it.
    parting: Vec<(LineId, Side)>,
    next_check: Option<Instant>,
    pub(crate) counters: LinkCounters,
    pub(crate) events: VecDeque<Event>,
}

impl Links {
    pub(crate) fn new((process, machine): (Pid, MachineId), clock: Clock, address: String) -> Self {
        Self {
            process,
            machine,
            clock,
            me: NOBODY,
            address,
            connections: BTreeMap::new(),
            peers: BTreeMap::new(),
            dirty: Vec::new(),
            parting: Vec::new(),
            next_check: None,
            counters: LinkCounters::default(),
            events: VecDeque::new(),
        }
    }

    /// When to dial or to look after connections next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let redials = self.peers.values().filter_map(|peer| peer.redial_at);
        redials.chain(self.next_check).min()
    }

    fn now(&self, wire: &Wire<'_>) -> Instant {
        self.clock.at(wire.now)
    }

    /// What comes before every wait: whom the node has left may notice, what was said goes
    /// out.
    pub(crate) fn begin_turn(&mut self, wire: &mut Wire<'_>) {
        if self.events.is_empty() {
            for (line, side) in std::mem::take(&mut self.parting) {
                wire.close(line, side);
            }
        }
        self.flush(wire);
    }

    /// Dials whoever is due, and looks whether the others are still there.
    pub(crate) fn on_time(&mut self, wire: &mut Wire<'_>) {
        let now = self.now(wire);
        if let Some(due) = self.next_check.filter(|&due| due <= now) {
            self.check_peers(wire, now, due);
        }
        let is_due = |peer: &Peer| peer.redial_at.is_some_and(|at| at <= now);
        let due = self.peers.iter().filter(|(_, peer)| is_due(peer));
        let due: Vec<NodeId> = due.map(|(&node, _)| node).collect();
        for node in due {
            self.dial_peer(wire, node);
        }
        self.flush(wire);
    }

    /// The system has taken a call for this process.
    pub(crate) fn on_call(&mut self, line: LineId) {
        self.add(line, Side::Called, State::Door, Vec::new());
    }

    pub(crate) fn on_packet(&mut self, wire: &mut Wire<'_>, line: LineId, packet: Packet) {
        let Some(connection) = self.connections.get_mut(&line) else {
            return;
        };
        match (connection.state, packet) {
            (State::Dialing(end), Packet::Taken) => {
                connection.state = State::Greeting(end);
                let (sender, target) = match end {
                    End::Peer(node) => (self.me, node),
                    End::Joiner(_) => (NOBODY, NOBODY),
                };
                self.say(wire, line, Packet::Hello { sender, target });
            }
            (State::Dialing(_), Packet::Reset) => self.lose(wire, line, LostWhy::Unreachable),
            (_, Packet::End | Packet::Reset) => self.lose(wire, line, LostWhy::Closed),
            (State::Door, Packet::Hello { sender, target }) => {
                self.on_hello(wire, line, (sender, target));
            }
            (State::Greeting(end), Packet::Welcome(sender)) => {
                self.on_welcome(wire, line, end, sender);
            }
            (State::Greeting(_), Packet::TurnAway(refusal)) => {
                self.lose(wire, line, LostWhy::Refused(refusal));
            }
            (State::Up(end), Packet::Message(envelope)) => {
                self.on_message(wire, line, end, envelope);
            }
            (State::Up(_), Packet::Probe) => self.counters.messages_received += 1,
            (state, packet) => unreachable!("{packet:?} on a connection that is {state:?}"),
        }
    }

    fn on_message(&mut self, wire: &mut Wire<'_>, line: LineId, end: End, envelope: Envelope) {
        self.counters.messages_received += 1;
        match end {
            End::Joiner(joiner) => self.events.push_back(Event::Joiner { joiner, envelope }),
            End::Peer(node) if node == envelope.from => {
                self.events.push_back(Event::Message(envelope));
            }
            // Said while the news that it is a member were under way.
            End::Peer(_) if envelope.from == NOBODY => {}
            End::Peer(_) => {
                self.counters.malformed += 1;
                self.lose(wire, line, LostWhy::WrongSender(envelope.from));
            }
        }
    }

    /// A stranger says who it is and whom it wants.
    fn on_hello(&mut self, wire: &mut Wire<'_>, line: LineId, (sender, target): (NodeId, NodeId)) {
        let state = State::Held { sender, target };
        if self.me == NOBODY && target != NOBODY {
            self.connection(line).state = state;
        } else if target != NOBODY && target != self.me {
            let refusal = Refusal::Target {
                expected: self.me,
                found: target,
            };
            self.counters.refused += 1;
            self.events.push_back(Event::Refused(refusal));
            self.say(wire, line, Packet::TurnAway(refusal));
            self.drop_line(wire, line);
        } else if sender == NOBODY {
            self.welcome(line, End::Joiner(JoinerId(line.0)), NOBODY);
        } else if let Some(peer) = self.peers.get(&sender) {
            if let Some(old) = peer.connection {
                self.lose(wire, old, LostWhy::Replaced);
            }
            self.welcome(line, End::Peer(sender), self.me);
            self.on_up(line, sender);
        } else {
            self.connection(line).state = state;
        }
    }

    fn welcome(&mut self, line: LineId, end: End, me: NodeId) {
        let connection = self.connection(line);
        connection.state = State::Up(end);
        connection.outbox.push(Packet::Welcome(me));
        self.dirty.push(line);
    }

    /// The process that we called lets us in.
    fn on_welcome(&mut self, wire: &mut Wire<'_>, line: LineId, end: End, sender: NodeId) {
        match end {
            End::Peer(node) if node != sender => {
                let refusal = Refusal::Target {
                    expected: sender,
                    found: node,
                };
                self.lose(wire, line, LostWhy::Refused(refusal));
            }
            _ => {
                self.connection(line).state = State::Up(end);
                self.dirty.push(line);
                if let End::Peer(node) = end {
                    self.on_up(line, node);
                }
            }
        }
    }

    /// The link with `node` runs over this connection now.
    fn on_up(&mut self, line: LineId, node: NodeId) {
        let peer = self
            .peers
            .get_mut(&node)
            .expect("only wanted links come up");
        let waiting = std::mem::take(&mut peer.waiting);
        peer.connection = Some(line);
        peer.redial_at = None;
        peer.pause = PAUSE_MIN;
        self.connection(line).outbox.extend(waiting);
        self.dirty.push(line);
        self.events.push_back(Event::LinkUp(node));
    }

    fn dial_peer(&mut self, wire: &mut Wire<'_>, node: NodeId) {
        let peer = self.peers.get_mut(&node).expect("its caller has found it");
        assert!(peer.connection.is_none(), "a linked peer is not dialled");
        let Some(address) = peer.address.clone() else {
            return;
        };
        let Some(machine) = MachineId::of_address(&address) else {
            return;
        };
        peer.redial_at = None;
        let waiting = std::mem::take(&mut peer.waiting);
        let line = wire.dial((self.process, self.machine), (machine, &address));
        self.peers.get_mut(&node).expect("found above").connection = Some(line);
        self.add(line, Side::Caller, State::Dialing(End::Peer(node)), waiting);
        self.watch(wire, line);
    }

    fn add(&mut self, line: LineId, side: Side, state: State, outbox: Vec<Packet>) {
        let connection = Connection {
            side,
            state,
            outbox,
            watch: None,
        };
        self.connections.insert(line, connection);
    }

    fn connection(&mut self, line: LineId) -> &mut Connection {
        let found = self.connections.get_mut(&line);
        found.expect("its caller has found it")
    }

    /// A connection is over: reports it, and dials again if that may help.
    fn lose(&mut self, wire: &mut Wire<'_>, line: LineId, why: LostWhy) {
        let connection = self.connections.remove(&line);
        let connection = connection.expect("its caller has found it");
        let was_up = matches!(connection.state, State::Up(_));
        match connection.state {
            State::Door | State::Held { .. } => {}
            State::Dialing(End::Joiner(joiner))
            | State::Greeting(End::Joiner(joiner))
            | State::Up(End::Joiner(joiner)) => {
                self.counters.lost += 1;
                self.events.push_back(Event::JoinerLost { joiner, why });
            }
            State::Dialing(End::Peer(node))
            | State::Greeting(End::Peer(node))
            | State::Up(End::Peer(node)) => {
                let is_refused = matches!(why, LostWhy::Refused(_));
                let now = self.clock.at(wire.now);
                let peer = self.peers.get_mut(&node).expect("its link is wanted");
                peer.connection = None;
                if !was_up && !is_refused {
                    peer.waiting = connection.outbox;
                }
                if self.me > node && !is_refused {
                    peer.redial_later(now);
                }
                if was_up || is_refused {
                    peer.is_loss_untold = true;
                    self.counters.lost += 1;
                    self.events.push_back(Event::LinkLost { node, why });
                }
                if was_up && !why.is_end() {
                    self.parting.push((line, connection.side));
                    return;
                }
            }
        }
        wire.close(line, connection.side);
    }

    /// Closes a connection of which nobody need hear.
    fn drop_line(&mut self, wire: &mut Wire<'_>, line: LineId) {
        if let Some(connection) = self.connections.remove(&line) {
            wire.close(line, connection.side);
        }
    }

    /// Says something that nobody waits to say.
    fn say(&mut self, wire: &mut Wire<'_>, line: LineId, packet: Packet) {
        let side = self.connection(line).side;
        wire.send(line, side, packet);
        self.watch(wire, line);
    }

    /// Answers whoever can be answered now.
    fn review_held(&mut self, wire: &mut Wire<'_>) {
        let held: Vec<(LineId, NodeId, NodeId)> = self
            .connections
            .iter()
            .filter_map(|(&line, connection)| match connection.state {
                State::Held { sender, target } => Some((line, sender, target)),
                _ => None,
            })
            .collect();
        for (line, sender, target) in held {
            // An earlier one may have been replaced by a later call of the same node.
            if self.connections.contains_key(&line) {
                self.on_hello(wire, line, (sender, target));
            }
        }
    }

    fn push(&mut self, line: LineId, packet: Packet) {
        let connection = self.connection(line);
        connection.outbox.push(packet);
        if matches!(connection.state, State::Up(_)) {
            self.dirty.push(line);
        }
    }

    /// Gives what was said to the system.
    pub(crate) fn flush(&mut self, wire: &mut Wire<'_>) {
        for line in std::mem::take(&mut self.dirty) {
            let Some(connection) = self.connections.get_mut(&line) else {
                continue;
            };
            let outbox = std::mem::take(&mut connection.outbox);
            let side = connection.side;
            if outbox.is_empty() {
                continue;
            }
            if connection.watch.is_none() {
                self.watch(wire, line);
            }
            for packet in outbox {
                wire.send(line, side, packet);
            }
        }
    }

    /// Looks after a connection from now on.
    fn watch(&mut self, wire: &Wire<'_>, line: LineId) {
        let now = self.now(wire);
        self.connection(line).watch = Some(Watch::new(now));
        let next = now + silence::pace(SILENCE);
        self.next_check.get_or_insert(next);
    }

    /// Looks whether other ends acknowledge what is sent to them.
    fn check_peers(&mut self, wire: &mut Wire<'_>, now: Instant, due: Instant) {
        // Who has slept for so long knows nothing of the time between.
        let is_late = now.since(due) > silence::pace(SILENCE);
        let mut lost = Vec::new();
        let mut is_watching = false;
        for (&line, connection) in &mut self.connections {
            let Some(watch) = &mut connection.watch else {
                continue;
            };
            if matches!(connection.state, State::Dialing(_)) {
                is_watching = true;
                if watch.age(now) >= DIAL_TIME {
                    lost.push((line, LostWhy::Unreachable));
                }
                continue;
            }
            if is_late {
                *watch = Watch::new(now);
            }
            let flight = wire.flight(line, connection.side);
            let clock = self.clock;
            let flight = flight.map(|flight| silence::Flight {
                packets: u32::try_from(flight.packets).expect("runs are short"),
                sent: u32::try_from(flight.sent).expect("runs are short"),
                quiet: now.since(clock.at(flight.acked_at)),
            });
            let verdict = flight.map(|flight| watch.check(now, flight, SILENCE));
            match verdict {
                None | Some(Verdict::Present) => connection.watch = None,
                Some(Verdict::Probe) => {
                    is_watching = true;
                    if matches!(connection.state, State::Up(_)) {
                        connection.outbox.push(Packet::Probe);
                        self.dirty.push(line);
                    }
                }
                Some(Verdict::Silent) => lost.push((line, LostWhy::Silent)),
            }
        }
        self.next_check = is_watching.then(|| now + silence::pace(SILENCE));
        for (line, why) in lost {
            self.lose(wire, line, why);
        }
    }
}

/// What a node tells its links to do.
impl Links {
    pub(crate) fn become_node(&mut self, wire: &mut Wire<'_>, me: NodeId) {
        assert!(
            self.me == NOBODY || self.me == me,
            "a process is one node for its life"
        );
        self.me = me;
        self.review_held(wire);
    }

    pub(crate) fn call(&mut self, wire: &mut Wire<'_>, address: &str) -> JoinerId {
        let machine = MachineId::of_address(address).filter(|_| address != self.address);
        let Some(machine) = machine else {
            let joiner = JoinerId(wire.no_line().0);
            let why = LostWhy::Unreachable;
            self.events.push_back(Event::JoinerLost { joiner, why });
            return joiner;
        };
        let line = wire.dial((self.process, self.machine), (machine, address));
        let joiner = JoinerId(line.0);
        let state = State::Dialing(End::Joiner(joiner));
        self.add(line, Side::Caller, state, Vec::new());
        self.watch(wire, line);
        joiner
    }

    pub(crate) fn connect(&mut self, wire: &mut Wire<'_>, node: NodeId, address: &str) {
        if node == self.me {
            return;
        }
        let peer = self.peers.entry(node).or_default();
        peer.address = Some(address.to_owned());
        if peer.connection.is_some() {
            return;
        }
        if self.me > node && peer.redial_at.is_none() {
            self.dial_peer(wire, node);
        }
        self.review_held(wire);
    }

    pub(crate) fn disconnect(&mut self, wire: &mut Wire<'_>, node: NodeId) {
        let Some(peer) = self.peers.remove(&node) else {
            return;
        };
        if let Some(line) = peer.connection {
            let connection = self.connections.remove(&line);
            let connection = connection.expect("a peer's connection exists");
            if matches!(connection.state, State::Up(_)) {
                for packet in connection.outbox {
                    wire.send(line, connection.side, packet);
                }
            }
            wire.close(line, connection.side);
        }
    }

    pub(crate) fn bind(&mut self, wire: &mut Wire<'_>, joiner: JoinerId, node: NodeId) {
        let line = LineId(joiner.0);
        if let Some(old) = self.peers.entry(node).or_default().connection.take() {
            self.drop_line(wire, old);
        }
        self.events.retain(|event| match event {
            Event::Joiner {
                joiner: who,
                envelope,
            } => *who != joiner || envelope.from != NOBODY,
            _ => true,
        });
        let up = State::Up(End::Joiner(joiner));
        match self.connections.get_mut(&line) {
            Some(connection) if connection.state == up => {
                connection.state = State::Up(End::Peer(node));
                self.on_up(line, node);
            }
            _ => self.events.push_back(Event::LinkLost {
                node,
                why: LostWhy::Closed,
            }),
        }
    }

    pub(crate) fn send(&mut self, to: NodeId, envelope: &Envelope) {
        self.counters.messages_sent += 1;
        if to == self.me {
            self.events.push_back(Event::Message(envelope.clone()));
            return;
        }
        let Some(peer) = self.peers.get_mut(&to) else {
            return;
        };
        if peer.is_loss_untold {
            return;
        }
        let packet = Packet::Message(envelope.clone());
        match peer.connection {
            Some(line) => self.push(line, packet),
            None => peer.waiting.push(packet),
        }
    }

    pub(crate) fn send_joiner(&mut self, joiner: JoinerId, envelope: &Envelope) {
        let line = LineId(joiner.0);
        if self.connections.contains_key(&line) {
            self.counters.messages_sent += 1;
            self.push(line, Packet::Message(envelope.clone()));
        }
    }

    /// The next event for the node.
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if let Some(Event::LinkLost { node, .. }) = &event
            && let Some(peer) = self.peers.get_mut(node)
        {
            peer.is_loss_untold = false;
        }
        event
    }
}

impl Peer {
    fn redial_later(&mut self, now: Instant) {
        self.pause = self.pause.max(PAUSE_MIN);
        self.redial_at = Some(now + self.pause);
        self.pause = (self.pause + self.pause).min(PAUSE_MAX);
    }
}
