//! A machine whose TCP is a table: bytes arrive a few at a time, in a time of its own.
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use links::silence::Flight;
use links::{Exchange, Limits, LinkConfig, Machine, ReadSide, Received, Token, Written};
use platform::{ClusterId, Entropy, Event, Links};
use seal::Key;
use types::{Duration, Epoch, Instant, NodeId, PageId, Seq, Stamp, Version, ViewNumber};
use wire::{Envelope, Message, PageVersion};

pub(crate) const HERE: ClusterId = ClusterId(0xC1);
pub(crate) const SILENCE: Duration = Duration::from_millis(100);
/// Through it this machine's host is reached.
pub(crate) const GATEWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 2, 2));
const FIRST_TOKEN: Token = Token(0);
const ROUNDS_MAX: u32 = 100_000;

/// All lines.
#[derive(Clone, Debug)]
pub(crate) struct World(Rc<RefCell<State>>);

#[derive(Debug)]
struct State {
    now: Instant,
    /// Bytes that a line holds, each way.
    room: usize,
    /// Bytes that arrive in a round, each way.
    step: usize,
    /// No byte arrives and no call is taken.
    is_cut: bool,
    lines: Vec<Line>,
    /// Who has called there and was not accepted yet.
    doors: BTreeMap<SocketAddr, VecDeque<Socket>>,
    random: u64,
}

#[derive(Debug)]
struct Line {
    call: Call,
    /// What each end has written.
    ways: [Way; 2],
    is_broken: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Call {
    UnderWay,
    Taken,
    Failed,
}

#[derive(Debug, Default)]
struct Way {
    flying: VecDeque<u8>,
    arrived: VecDeque<u8>,
    writes: u32,
    acknowledged_at: Option<Instant>,
    is_finished: bool,
    /// Its writer is not there any more, nor reads.
    is_left: bool,
}

/// One end of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Socket {
    pub(crate) line: usize,
    end: usize,
}

/// One machine's sockets.
#[derive(Debug)]
pub(crate) struct Memory {
    world: World,
    registered: BTreeMap<Token, Socket>,
}

/// A node as far as its network.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) exchange: Exchange<Memory>,
    pub(crate) tools: SocketAddr,
    world: World,
}

impl World {
    pub(crate) fn new(room: usize, step: usize) -> Self {
        Self(Rc::new(RefCell::new(State {
            now: Instant::from_nanos(1_000_000_000),
            room,
            step,
            is_cut: false,
            lines: Vec::new(),
            doors: BTreeMap::new(),
            random: 1,
        })))
    }

    pub(crate) fn now(&self) -> Instant {
        self.0.borrow().now
    }

    /// Calls made so far.
    pub(crate) fn calls(&self) -> usize {
        self.0.borrow().lines.len()
    }

    pub(crate) fn set_step(&self, step: usize) {
        self.0.borrow_mut().step = step;
    }

    pub(crate) fn cut(&self) {
        self.0.borrow_mut().is_cut = true;
    }

    /// Both ends of the line learn that it is over; what flies is lost.
    pub(crate) fn break_line(&self, line: usize) {
        let line = &mut self.0.borrow_mut().lines[line];
        line.is_broken = true;
        for way in &mut line.ways {
            way.flying.clear();
        }
    }

    /// Opens a door and leaves it to the test who comes in.
    pub(crate) fn open_door(&self, address: SocketAddr) {
        self.0
            .borrow_mut()
            .doors
            .insert(address, VecDeque::default());
    }

    pub(crate) fn accept(&self, door: SocketAddr) -> Option<Socket> {
        self.0.borrow_mut().doors.get_mut(&door)?.pop_front()
    }

    pub(crate) fn dial(&self, to: SocketAddr) -> Socket {
        let state = &mut *self.0.borrow_mut();
        let line = state.lines.len();
        let call = match state.doors.get_mut(&to) {
            _ if state.is_cut => Call::UnderWay,
            None => Call::Failed,
            Some(door) => {
                door.push_back(Socket { line, end: 1 });
                Call::Taken
            }
        };
        let ways = [Way::default(), Way::default()];
        state.lines.push(Line {
            call,
            ways,
            is_broken: false,
        });
        Socket { line, end: 0 }
    }

    /// A round: bytes arrive, time passes.
    pub(crate) fn pass(&self) {
        let state = &mut *self.0.borrow_mut();
        state.now = state.now + Duration::from_millis(1);
        if state.is_cut {
            return;
        }
        for way in state.lines.iter_mut().flat_map(|line| &mut line.ways) {
            let count = way.flying.len().min(state.step);
            way.arrived.extend(way.flying.drain(..count));
            if count > 0 {
                way.acknowledged_at = Some(state.now);
            }
        }
    }

    pub(crate) fn write(&self, socket: Socket, bytes: &[u8]) -> Written {
        let state = &mut *self.0.borrow_mut();
        let line = &mut state.lines[socket.line];
        if line.is_broken || line.ways[1 - socket.end].is_left {
            return Written::Gone;
        }
        let way = &mut line.ways[socket.end];
        assert!(!way.is_finished, "nothing is written after the end");
        let room = state.room - way.flying.len() - way.arrived.len();
        let count = room.min(bytes.len());
        if count == 0 {
            return Written::Full;
        }
        way.flying.extend(&bytes[..count]);
        way.writes += 1;
        Written::Bytes(count)
    }

    pub(crate) fn read(&self, socket: Socket, space: &mut [u8]) -> Received {
        let line = &mut self.0.borrow_mut().lines[socket.line];
        let way = &mut line.ways[1 - socket.end];
        let count = way.arrived.len().min(space.len());
        if count > 0 {
            for (space, byte) in space.iter_mut().zip(way.arrived.drain(..count)) {
                *space = byte;
            }
            return Received::Bytes(count);
        }
        if line.is_broken || way.is_finished && way.flying.is_empty() {
            Received::Closed
        } else {
            Received::Nothing
        }
    }

    /// All that has arrived.
    pub(crate) fn take(&self, socket: Socket) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 20];
        match self.read(socket, &mut bytes) {
            Received::Bytes(count) => bytes.truncate(count),
            _ => bytes.clear(),
        }
        bytes
    }

    pub(crate) fn close(&self, socket: Socket) {
        let way = &mut self.0.borrow_mut().lines[socket.line].ways[socket.end];
        (way.is_finished, way.is_left) = (true, true);
    }

    /// Whether the other end of the line has not left.
    pub(crate) fn is_held(&self, socket: Socket) -> bool {
        !self.0.borrow().lines[socket.line].ways[1 - socket.end].is_left
    }
}

impl Entropy for World {
    fn fill(&mut self, bytes: &mut [u8]) {
        let state = &mut *self.0.borrow_mut();
        for byte in bytes {
            state.random = state.random.wrapping_mul(6_364_136_223_846_793_005) + 1;
            *byte = state.random.to_le_bytes()[7];
        }
    }
}

impl Entropy for Memory {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.world.fill(bytes);
    }
}

impl Machine for Memory {
    type Socket = Socket;

    fn now(&self) -> Instant {
        self.world.now()
    }

    fn is_here(&self, address: IpAddr) -> bool {
        address.is_loopback() || address == GATEWAY
    }

    fn dial(&mut self, _from: IpAddr, to: SocketAddr) -> Option<Socket> {
        Some(self.world.dial(to))
    }

    fn has_reached(&mut self, socket: &mut Socket) -> bool {
        self.world.0.borrow().lines[socket.line].call == Call::Taken
    }

    fn register(&mut self, socket: &mut Socket, token: Token) {
        self.registered.insert(token, *socket);
    }

    fn forget(&mut self, socket: &mut Socket) {
        self.registered.retain(|_, found| found != socket);
    }

    fn read(&mut self, socket: &mut Socket, space: &mut [u8]) -> Received {
        self.world.read(*socket, space)
    }

    fn write(&mut self, socket: &mut Socket, bytes: &[u8]) -> Written {
        self.world.write(*socket, bytes)
    }

    fn finish(&mut self, socket: &mut Socket) {
        self.world.0.borrow_mut().lines[socket.line].ways[socket.end].is_finished = true;
    }

    fn close(&mut self, socket: Socket) {
        assert!(
            !self.registered.values().any(|found| *found == socket),
            "nobody reports about what is closed"
        );
        self.world.close(socket);
    }

    fn flight(&mut self, socket: &Socket) -> Option<Flight> {
        let state = self.world.0.borrow();
        let way = &state.lines[socket.line].ways[socket.end];
        Some(Flight {
            packets: u32::from(!way.flying.is_empty()),
            sent: way.writes,
            quiet: way
                .acknowledged_at
                .map_or(Duration::from_millis(60_000), |at| state.now.since(at)),
        })
    }
}

impl Memory {
    /// What there is to report, a side to read or room to write.
    fn reports(&mut self) -> Vec<(Token, Option<ReadSide>)> {
        let state = self.world.0.borrow();
        let mut reports = Vec::new();
        for (&token, socket) in &self.registered {
            let line = &state.lines[socket.line];
            if line.call == Call::UnderWay {
                continue;
            }
            let way = &line.ways[1 - socket.end];
            reports.push((token, None));
            if line.is_broken || way.is_finished {
                reports.push((token, Some(ReadSide::Closing)));
            } else if !way.arrived.is_empty() {
                reports.push((token, Some(ReadSide::Open)));
            }
        }
        reports
    }
}

impl Node {
    pub(crate) fn open(world: &World, me: u16, key: Option<&Key>) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 7_000 + me));
        let tools = SocketAddr::from((Ipv4Addr::LOCALHOST, 8_000 + me));
        world.open_door(address);
        world.open_door(tools);
        let config = LinkConfig {
            cluster: HERE,
            key: key.cloned(),
            me: NodeId(me.into()),
            address,
            silence: SILENCE,
            limits: Limits::default(),
        };
        let memory = Memory {
            world: world.clone(),
            registered: BTreeMap::new(),
        };
        Self {
            exchange: Exchange::new(config, memory, FIRST_TOKEN),
            tools,
            world: world.clone(),
        }
    }

    /// Tells the exchange of everything, as often as there is a reason to.
    pub(crate) fn turn(&mut self) {
        self.exchange.begin_turn();
        self.exchange.read();
        for (token, report) in self.exchange.core.machine.reports() {
            match report {
                None => self.exchange.on_writable(token),
                Some(side) => self.exchange.on_readable(token, side),
            }
        }
        while let Some(socket) = self.world.accept(self.exchange.link_address()) {
            self.exchange.on_link(socket);
        }
        while self.exchange.has_room_for_tool() {
            let Some(socket) = self.world.accept(self.tools) else {
                break;
            };
            self.exchange.on_tool(socket);
        }
        self.exchange.on_time(self.world.now());
    }
}

/// Runs the nodes until what they have seen satisfies the test; then returns it.
pub(crate) fn until(
    world: &World,
    nodes: &mut [&mut Node],
    is_enough: impl Fn(&[Vec<Event>]) -> bool,
) -> Vec<Vec<Event>> {
    let mut seen = vec![Vec::new(); nodes.len()];
    for _ in 0..ROUNDS_MAX {
        if is_enough(&seen) {
            return seen;
        }
        world.pass();
        for (node, seen) in nodes.iter_mut().zip(&mut seen) {
            node.turn();
            seen.extend(std::iter::from_fn(|| node.exchange.next_event()));
        }
    }
    panic!("still waiting with {seen:?}");
}

/// Two nodes that want a link, and have it; the second has dialled.
pub(crate) fn linked(world: &World, key: Option<&Key>) -> (Node, Node) {
    let (mut one, mut two) = (Node::open(world, 1, key), Node::open(world, 2, key));
    let addresses = [one.exchange.address(), two.exchange.address()];
    one.exchange.connect(NodeId(2), &addresses[1]);
    two.exchange.connect(NodeId(1), &addresses[0]);
    let seen = until(world, &mut [&mut one, &mut two], |seen| {
        seen.iter().all(|seen| !seen.is_empty())
    });
    let up = [
        vec![Event::LinkUp(NodeId(2))],
        vec![Event::LinkUp(NodeId(1))],
    ];
    assert_eq!(seen, up);
    (one, two)
}

pub(crate) fn say(from: u32, epoch: u64) -> Envelope {
    Envelope {
        from: NodeId(from),
        view: ViewNumber(1),
        epoch: Epoch(epoch),
        message: Message::Heartbeat,
    }
}

pub(crate) fn page(from: u32, epoch: u64) -> Envelope {
    let bytes = std::array::from_fn(|at| at.to_le_bytes()[0]);
    let content = PageVersion {
        version: Version(1),
        stamp: Stamp::ZERO,
        image: wire::Image::of(&bytes),
    };
    let message = Message::Data {
        page: PageId::new(300, 1),
        seq: Seq(epoch),
        content,
        hold: wire::Hold::Shared,
    };
    Envelope {
        message,
        ..say(from, epoch)
    }
}
