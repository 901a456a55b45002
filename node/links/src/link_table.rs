//! Links over TCP: who is dialled by whom, who is let in, what is lost when.
//!
//! Of each pair the node with the higher id dials. A call for a node that is not
//! wanted yet (its view has not arrived) is held unanswered until it is; nothing is
//! sent on a connection before it is answered, so that nothing is lost before a link
//! is up.
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::mem;
use core::net::SocketAddr;

use platform::{ClusterId, Event, JoinerId, LinkCounters, LostWhy, Refusal};
use seal::{Caller, Key, WrongKey};
use types::limits::MEMBERS_MAX;
use types::{Duration, Epoch, Instant, NodeId, ViewNumber};
use wire::{Envelope, Message};

use crate::exchange::{Core, LinkConfig};
use crate::hello::{
    CONTEXT, Hello, NOBODY, Opening, PROTOCOL_VERSION, Part, Purpose, encode_handshake,
};
use crate::machine::{Machine, Token};
use crate::outbox::Outbox;
use crate::silence::{self, Verdict, Watch};
use crate::stream::{ReadSide, Source, Stream};

/// More than this waiting to be written is written without waiting for the loop.
const FLUSH_BYTES: usize = 64 << 10;
/// Connections without a place in the cluster at most; the oldest goes first.
const STRANGERS_MAX: usize = MEMBERS_MAX;
/// Longest time for a call to be taken: its system would ask ever more seldom.
const DIAL_TIME: Duration = Duration::from_millis(1_000);
/// Pauses between attempts to dial.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(1_000);

/// Who is at the other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Peer(NodeId),
    Joiner(JoinerId),
}

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Dialled, not yet connected.
    Dialing(End),
    /// Said hello, or began a handshake before that, not yet answered.
    Greeting(End),
    /// Accepted, has not said hello.
    Door,
    /// Said hello, to be answered when we know who we are or that it is wanted.
    Held(Hello),
    /// Carries messages.
    Up(End),
}

#[derive(Debug)]
pub(crate) struct Connection<S> {
    pub(crate) stream: Stream<S>,
    pub(crate) state: State,
    /// Waits for the answer to the handshake that we have begun.
    caller: Option<Caller>,
    /// Something was sent, a call to begin with, and may not have arrived.
    watch: Option<Watch>,
}

/// A member with which a link is wanted.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    /// `None`: nowhere to dial.
    pub(crate) address: Option<SocketAddr>,
    /// Invariant: the connection exists and its end is this peer.
    pub(crate) connection: Option<Token>,
    /// Sent while there is no connection. Invariant: empty while there is one.
    pub(crate) waiting: Outbox,
    pub(crate) redial_at: Option<Instant>,
    /// The node does not know yet that the link was lost: what it sends goes the way of
    /// what it has sent before.
    pub(crate) is_loss_untold: bool,
    pause: Duration,
}

/// All links of a node.
#[derive(Debug)]
pub(crate) struct LinkTable<M: Machine> {
    cluster: ClusterId,
    key: Option<Key>,
    pub(crate) me: NodeId,
    pub(crate) address: SocketAddr,
    pub(crate) connections: BTreeMap<Token, Connection<M::Socket>>,
    pub(crate) peers: BTreeMap<NodeId, Peer>,
    /// Connections with something to write.
    dirty: Vec<Token>,
    /// Connections that were ended here. They stay open, so that the other end notices
    /// nothing, until the node has heard of it.
    parting: Vec<Connection<M::Socket>>,
    silence: Duration,
    pub(crate) outbox_bytes_max: usize,
    /// When to look after connections that are watched, if any is.
    next_check: Option<Instant>,
    pub(crate) counters: LinkCounters,
}

impl<M: Machine> LinkTable<M> {
    pub(crate) fn new(config: LinkConfig) -> Self {
        Self {
            cluster: config.cluster,
            key: config.key,
            me: config.me,
            address: config.address,
            connections: BTreeMap::new(),
            peers: BTreeMap::new(),
            dirty: Vec::new(),
            parting: Vec::new(),
            silence: config.silence,
            outbox_bytes_max: config.limits.outbox_bytes,
            next_check: None,
            counters: LinkCounters::default(),
        }
    }

    /// The address, if it may be dialled: without a key only this machine.
    pub(crate) fn allowed(&self, machine: &M, address: &str) -> Option<SocketAddr> {
        let address: SocketAddr = address.parse().ok()?;
        (self.key.is_some() || machine.is_here(address.ip())).then_some(address)
    }

    pub(crate) fn holds(&self, token: Token) -> bool {
        self.connections.contains_key(&token)
    }

    /// When to dial or to look after connections next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let redials = self.peers.values().filter_map(|peer| peer.redial_at);
        redials.chain(self.next_check).min()
    }

    /// Dials whoever is due, and looks whether the others are still there.
    pub(crate) fn on_time(&mut self, core: &mut Core<M>, now: Instant) {
        if let Some(due) = self.next_check.filter(|&due| due <= now) {
            self.check_peers(core, now, due);
        }
        let is_due = |peer: &Peer| peer.redial_at.is_some_and(|at| at <= now);
        let due: Vec<NodeId> = self
            .peers
            .iter()
            .filter(|(_, peer)| is_due(peer))
            .map(|(&node, _)| node)
            .collect();
        for node in due {
            self.dial_peer(core, node);
        }
    }

    /// Lets a connection in as far as the door.
    pub(crate) fn on_accept(&mut self, core: &mut Core<M>, socket: M::Socket) {
        let is_stranger = |state| matches!(state, State::Door | State::Held(_));
        let mut strangers = self
            .connections
            .iter()
            .filter(|(_, connection)| is_stranger(connection.state));
        let oldest = strangers.next().map(|(&token, _)| token);
        if strangers.count() + 1 >= STRANGERS_MAX {
            self.close(core, oldest.expect("there are too many"));
        }
        self.add(core, socket, State::Door, Outbox::default());
    }

    pub(crate) fn on_writable(&mut self, core: &mut Core<M>, token: Token) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        connection.stream.on_writable();
        match connection.state {
            State::Dialing(end) => self.on_dialled(core, token, end),
            State::Up(_) => self.dirty.push(token),
            State::Greeting(_) | State::Door | State::Held(_) => {}
        }
    }

    /// Reads a turn's worth; says whether there may be more.
    pub(crate) fn on_readable(
        &mut self,
        core: &mut Core<M>,
        token: Token,
        side: ReadSide,
    ) -> Source {
        let Some(connection) = self.connections.get_mut(&token) else {
            return Source::Closed;
        };
        let may_be_read = match connection.state {
            State::Dialing(_) => false,
            State::Held(_) => side == ReadSide::Closing,
            State::Greeting(_) | State::Door | State::Up(_) => true,
        };
        if !may_be_read {
            return Source::Drained;
        }
        let (count, source) = connection.stream.read_turn(&mut core.machine, side);
        self.counters.bytes_received += count as u64;
        self.use_inbox(core, token);
        // What was read may have ended it already.
        if self.holds(token) {
            match source {
                Source::Drained | Source::Unread => {}
                Source::Closed => self.lose(core, token, LostWhy::Closed),
                Source::Silent => self.lose(core, token, LostWhy::Silent),
                Source::Forged => {
                    self.counters.forged += 1;
                    self.lose(core, token, LostWhy::Forged);
                }
            }
        }
        source
    }

    fn use_inbox(&mut self, core: &mut Core<M>, token: Token) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        match connection.state {
            State::Dialing(_) | State::Held(_) => {}
            State::Up(end) => self.on_messages(core, token, end),
            State::Door | State::Greeting(_) => {
                let inbox = &mut connection.stream.inbox;
                let Some((opening, count)) = Opening::decode(inbox.unread()) else {
                    return;
                };
                inbox.consume(count);
                match connection.state {
                    State::Greeting(end) => self.on_answer(core, token, end, opening),
                    _ => self.on_opening(core, token, opening),
                }
                self.use_inbox(core, token);
            }
        }
    }

    /// A stranger opens the conversation.
    fn on_opening(&mut self, core: &mut Core<M>, token: Token, opening: Opening) {
        let is_sealed = self.connection(token).stream.is_sealed();
        match (opening, &self.key) {
            (Opening::Hello(hello), key) if is_sealed == key.is_some() => {
                self.on_hello(core, token, hello);
            }
            (Opening::Handshake(Part::Call, call), Some(key)) if !is_sealed => {
                match seal::answer(key, CONTEXT, &call, &mut core.machine) {
                    Ok((session, answer)) => {
                        let stream = &mut self.connection(token).stream;
                        stream.say(&mut core.machine, &encode_handshake(Part::Answer, &answer));
                        stream.begin_seal(session);
                        core.unread.push((token, ReadSide::Open));
                    }
                    Err(WrongKey) => self.turn_away(core, token, Refusal::Key),
                }
            }
            (Opening::Hello(_) | Opening::Handshake(..), _) => {
                self.turn_away(core, token, Refusal::Key);
            }
            (Opening::OtherVersion(found), _) => {
                let expected = PROTOCOL_VERSION;
                self.turn_away(core, token, Refusal::Version { expected, found });
            }
            (Opening::Nonsense, _) => self.turn_away(core, token, Refusal::NoNode),
        }
    }

    /// A stranger says who it is and whom it wants.
    fn on_hello(&mut self, core: &mut Core<M>, token: Token, hello: Hello) {
        if hello.purpose != Purpose::Call {
            self.turn_away(core, token, Refusal::NoNode);
            return;
        }
        if self.me == NOBODY && hello.target != NOBODY {
            self.connection(token).state = State::Held(hello);
            return;
        }
        if let Err(refusal) = hello.check(self.cluster, self.me) {
            self.turn_away(core, token, refusal);
            return;
        }
        if hello.sender == NOBODY {
            let joiner = JoinerId(token.0 as u64);
            self.welcome(core, token, End::Joiner(joiner), NOBODY);
        } else if let Some(peer) = self.peers.get(&hello.sender) {
            if let Some(old) = peer.connection {
                self.lose(core, old, LostWhy::Replaced);
            }
            self.welcome(core, token, End::Peer(hello.sender), hello.sender);
            self.on_up(core, token, hello.sender);
        } else {
            self.connection(token).state = State::Held(hello);
        }
    }

    fn welcome(&mut self, core: &mut Core<M>, token: Token, end: End, target: NodeId) {
        let answer = self.hello(Purpose::Welcome, target);
        let connection = self.connection(token);
        connection.state = State::Up(end);
        connection
            .stream
            .outbox
            .tail()
            .extend_from_slice(&answer.encode());
        self.dirty.push(token);
        core.unread.push((token, ReadSide::Open));
    }

    /// The process that we called answers.
    fn on_answer(&mut self, core: &mut Core<M>, token: Token, end: End, opening: Opening) {
        let call = self.call_of(end);
        let has_key = self.key.is_some();
        let connection = self.connection(token);
        let is_sealed = connection.stream.is_sealed();
        let why = match opening {
            Opening::Handshake(Part::Answer, answer) => {
                let finished = connection
                    .caller
                    .take()
                    .map(|caller| caller.finish(&answer));
                if let Some(Ok(session)) = finished {
                    connection.stream.begin_seal(session);
                    connection.stream.say(&mut core.machine, &call.encode());
                    core.unread.push((token, ReadSide::Open));
                    return;
                }
                Refusal::Key
            }
            Opening::Hello(hello) if hello.purpose == Purpose::Welcome => {
                let is_whom_we_called = end.target() == NOBODY || hello.sender == end.target();
                if is_sealed != has_key {
                    Refusal::Key
                } else if is_whom_we_called {
                    connection.state = State::Up(end);
                    self.dirty.push(token);
                    if let End::Peer(node) = end {
                        self.on_up(core, token, node);
                    }
                    return;
                } else {
                    Refusal::Target {
                        expected: hello.sender,
                        found: end.target(),
                    }
                }
            }
            Opening::Hello(hello) if hello.purpose != Purpose::Call => hello.refusal_of(call),
            Opening::OtherVersion(expected) => Refusal::Version {
                expected,
                found: PROTOCOL_VERSION,
            },
            _ => Refusal::NoNode,
        };
        self.lose(core, token, LostWhy::Refused(why));
    }

    /// The link with `node` runs over this connection now.
    pub(crate) fn on_up(&mut self, core: &mut Core<M>, token: Token, node: NodeId) {
        let peer = self
            .peers
            .get_mut(&node)
            .expect("only links that are wanted come up");
        let mut waiting = mem::take(&mut peer.waiting);
        peer.connection = Some(token);
        peer.redial_at = None;
        peer.pause = PAUSE_MIN;
        if waiting.pending() > 0 {
            self.connection(token)
                .stream
                .outbox
                .tail()
                .append(waiting.tail());
        }
        core.events.push_back(Event::LinkUp(node));
    }

    fn on_messages(&mut self, core: &mut Core<M>, token: Token, end: End) {
        let connection = self
            .connections
            .get_mut(&token)
            .expect("its caller has found it");
        let inbox = &mut connection.stream.inbox;
        let why = loop {
            match wire::decode(inbox.unread()) {
                Ok(None) => return,
                Err(error) => break LostWhy::Malformed(error),
                Ok(Some((envelope, count))) => {
                    inbox.consume(count);
                    self.counters.messages_received += 1;
                    if envelope == probe() {
                        continue;
                    }
                    core.events.push_back(match end {
                        End::Joiner(joiner) => Event::Joiner { joiner, envelope },
                        End::Peer(node) if node == envelope.from => Event::Message(envelope),
                        // Said while the news that it is a member were under way.
                        End::Peer(_) if envelope.from == NOBODY => continue,
                        End::Peer(_) => break LostWhy::WrongSender(envelope.from),
                    });
                }
            }
        };
        self.counters.malformed += 1;
        self.lose(core, token, why);
    }

    /// Says so, as far as the other end can understand it.
    fn turn_away(&mut self, core: &mut Core<M>, token: Token, refusal: Refusal) {
        self.counters.refused += 1;
        core.events.push_back(Event::Refused(refusal));
        let purpose = match refusal {
            Refusal::Key => Purpose::WrongKey,
            _ => Purpose::TurnAway,
        };
        let answer = self.hello(purpose, NOBODY).encode();
        let stream = &mut self.connection(token).stream;
        if refusal != Refusal::NoNode {
            stream.say(&mut core.machine, &answer);
        }
        core.machine.finish(&mut stream.socket);
        self.close(core, token);
    }

    pub(crate) fn dial_peer(&mut self, core: &mut Core<M>, node: NodeId) {
        let peer = self.peers.get_mut(&node).expect("its caller has found it");
        assert!(peer.connection.is_none(), "a linked peer is not dialled");
        let Some(address) = peer.address else {
            return;
        };
        match core.machine.dial(self.address.ip(), address) {
            None => peer.redial_later(core.machine.now()),
            Some(socket) => {
                peer.redial_at = None;
                let waiting = mem::take(&mut peer.waiting);
                let token = self.add(core, socket, State::Dialing(End::Peer(node)), waiting);
                self.peers.get_mut(&node).expect("found above").connection = Some(token);
            }
        }
    }

    fn on_dialled(&mut self, core: &mut Core<M>, token: Token, end: End) {
        let call = self.call_of(end);
        let connection = self.connection(token);
        if !core.machine.has_reached(&mut connection.stream.socket) {
            self.lose(core, token, LostWhy::Unreachable);
            return;
        }
        connection.state = State::Greeting(end);
        let Some(key) = &self.key else {
            self.connection(token)
                .stream
                .say(&mut core.machine, &call.encode());
            return;
        };
        let (caller, message) = seal::call(key, CONTEXT, &mut core.machine);
        let connection = self.connection(token);
        connection.caller = Some(caller);
        connection
            .stream
            .say(&mut core.machine, &encode_handshake(Part::Call, &message));
    }

    /// A connection is over: reports it, and dials again if that may help.
    fn lose(&mut self, core: &mut Core<M>, token: Token, why: LostWhy) {
        let mut connection = self.remove(core, token);
        match connection.state {
            State::Door | State::Held(_) => {}
            State::Dialing(End::Joiner(joiner))
            | State::Greeting(End::Joiner(joiner))
            | State::Up(End::Joiner(joiner)) => {
                self.counters.lost += 1;
                core.events.push_back(Event::JoinerLost { joiner, why });
            }
            State::Dialing(End::Peer(node))
            | State::Greeting(End::Peer(node))
            | State::Up(End::Peer(node)) => {
                let was_up = matches!(connection.state, State::Up(_));
                let is_refused = matches!(why, LostWhy::Refused(_));
                let peer = self.peers.get_mut(&node).expect("its link is wanted");
                peer.connection = None;
                if !was_up && !is_refused {
                    peer.waiting = mem::take(&mut connection.stream.outbox);
                }
                if self.me > node && !is_refused {
                    peer.redial_later(core.machine.now());
                }
                if was_up || is_refused {
                    peer.is_loss_untold = true;
                    self.counters.lost += 1;
                    core.events.push_back(Event::LinkLost { node, why });
                }
                if was_up && !why.is_end() {
                    self.parting.push(connection);
                    return;
                }
            }
        }
        core.machine.close(connection.stream.socket);
    }

    pub(crate) fn add(
        &mut self,
        core: &mut Core<M>,
        socket: M::Socket,
        state: State,
        outbox: Outbox,
    ) -> Token {
        let mut stream = Stream::new(socket, outbox);
        let token = core.add(&mut stream.socket);
        let connection = Connection {
            stream,
            state,
            caller: None,
            watch: None,
        };
        self.connections.insert(token, connection);
        if matches!(state, State::Dialing(_)) {
            self.watch(core.machine.now(), token);
        }
        token
    }

    pub(crate) fn close(&mut self, core: &mut Core<M>, token: Token) {
        let connection = self.remove(core, token);
        core.machine.close(connection.stream.socket);
    }

    /// Takes a connection out. It is still open.
    pub(crate) fn remove(&mut self, core: &mut Core<M>, token: Token) -> Connection<M::Socket> {
        let mut connection = self
            .connections
            .remove(&token)
            .expect("its caller has found it");
        core.machine.forget(&mut connection.stream.socket);
        connection
    }

    pub(crate) fn connection(&mut self, token: Token) -> &mut Connection<M::Socket> {
        self.connections
            .get_mut(&token)
            .expect("its caller has found it")
    }

    fn hello(&self, purpose: Purpose, target: NodeId) -> Hello {
        Hello {
            purpose,
            cluster: self.cluster,
            sender: self.me,
            target,
        }
    }

    /// What is said to whom we call. A process that is called by its address is called
    /// by a process, even if that is a member: the connection is no link.
    fn call_of(&self, end: End) -> Hello {
        let hello = self.hello(Purpose::Call, end.target());
        match end {
            End::Peer(_) => hello,
            End::Joiner(_) => Hello {
                sender: NOBODY,
                ..hello
            },
        }
    }

    /// Answers whoever can be answered now.
    pub(crate) fn review_held(&mut self, core: &mut Core<M>) {
        let held: Vec<(Token, Hello)> = self
            .connections
            .iter()
            .filter_map(|(&token, connection)| match connection.state {
                State::Held(hello) => Some((token, hello)),
                _ => None,
            })
            .collect();
        for (token, hello) in held {
            // An earlier one may have been replaced by a later call of the same node.
            if self.holds(token) {
                self.on_hello(core, token, hello);
            }
        }
    }

    pub(crate) fn push(&mut self, core: &mut Core<M>, token: Token, envelope: &Envelope) {
        let connection = self.connection(token);
        let outbox = &mut connection.stream.outbox;
        wire::encode(envelope, outbox.tail());
        let pending = connection.stream.pending();
        let is_up = matches!(connection.state, State::Up(_));
        if is_up && pending > FLUSH_BYTES {
            self.flush_one(core, token);
        } else if is_up {
            self.dirty.push(token);
        }
        if pending > self.outbox_bytes_max && self.holds(token) {
            self.lose(core, token, LostWhy::Stuck);
        }
    }

    /// The node has handled all events: those whom it has left may notice.
    pub(crate) fn part(&mut self, core: &mut Core<M>) {
        for connection in self.parting.drain(..) {
            core.machine.close(connection.stream.socket);
        }
    }

    /// The node hears that the link is lost: what it sends from now on is news.
    pub(crate) fn on_told(&mut self, node: NodeId) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.is_loss_untold = false;
        }
    }

    /// Looks whether other ends acknowledge what is sent to them.
    fn check_peers(&mut self, core: &mut Core<M>, now: Instant, due: Instant) {
        let pace = silence::pace(self.silence);
        // Who has slept for so long knows nothing of the time between.
        let is_late = now.since(due) > pace;
        let mut lost = Vec::new();
        let mut is_watching = false;
        for (&token, connection) in &mut self.connections {
            let Some(watch) = &mut connection.watch else {
                continue;
            };
            if matches!(connection.state, State::Dialing(_)) {
                is_watching = true;
                if watch.age(now) >= DIAL_TIME {
                    lost.push((token, LostWhy::Unreachable));
                }
                continue;
            }
            if is_late {
                *watch = Watch::new(now);
            }
            let flight = core.machine.flight(&connection.stream.socket);
            let verdict = flight.map(|flight| watch.check(now, flight, self.silence));
            match verdict {
                None | Some(Verdict::Present) => connection.watch = None,
                Some(Verdict::Probe) => {
                    is_watching = true;
                    if matches!(connection.state, State::Up(_)) {
                        wire::encode(&probe(), connection.stream.outbox.tail());
                        self.dirty.push(token);
                    }
                }
                Some(Verdict::Silent) => lost.push((token, LostWhy::Silent)),
            }
        }
        self.next_check = is_watching.then(|| now + pace);
        for (token, why) in lost {
            self.lose(core, token, why);
        }
    }

    /// Looks after a connection from now on.
    pub(crate) fn watch(&mut self, now: Instant, token: Token) {
        self.connection(token).watch = Some(Watch::new(now));
        let pace = silence::pace(self.silence);
        self.next_check.get_or_insert(now + pace);
    }

    fn flush_one(&mut self, core: &mut Core<M>, token: Token) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        match connection.stream.flush(&mut core.machine) {
            Ok(count) => {
                self.counters.bytes_sent += count as u64;
                if count > 0 && connection.watch.is_none() {
                    self.watch(core.machine.now(), token);
                }
            }
            // What the other end said before it left is still to be read.
            Err(_) => core.unread.push((token, ReadSide::Closing)),
        }
    }

    pub(crate) fn flush(&mut self, core: &mut Core<M>) {
        let mut dirty = mem::take(&mut self.dirty);
        for token in dirty.drain(..) {
            self.flush_one(core, token);
        }
        self.dirty = dirty;
    }
}

/// Says nothing, in nobody's name: it is to be acknowledged.
fn probe() -> Envelope {
    Envelope {
        from: NOBODY,
        view: ViewNumber(0),
        epoch: Epoch(0),
        message: Message::Heartbeat,
    }
}

impl Peer {
    fn redial_later(&mut self, now: Instant) {
        self.pause = self.pause.max(PAUSE_MIN);
        self.redial_at = Some(now + self.pause);
        self.pause = (self.pause + self.pause).min(PAUSE_MAX);
    }
}

impl End {
    fn target(self) -> NodeId {
        match self {
            Self::Peer(node) => node,
            Self::Joiner(_) => NOBODY,
        }
    }
}
