//! The network between machines: connections that lose and reorder nothing, as long as
//! they last, over paths that can be cut.
//!
//! It is what nodes see of TCP: what is sent over a cut path arrives after the path is
//! mended, when the sender's system has sent it again; systems acknowledge for their
//! processes; the end of a process closes its connections, the end of a machine does not.
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use platform::Refusal;
use types::{Duration, Instant, NodeId, Prng};
use wire::Envelope;

use crate::item::Item;
use crate::names::{LineId, MachineId, Pid, Side};
use crate::queue::Queue;

/// A sender's system tries again so long after a path was mended at most.
const AGAIN_MAX: Duration = Duration::from_millis(200);

/// What goes over a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Packet {
    /// A process calls whoever listens at the address.
    Call(String),
    /// The system has taken the call.
    Taken,
    /// The caller says who it is and whom it wants; 0 is nobody, or anybody.
    Hello {
        sender: NodeId,
        target: NodeId,
    },
    /// The caller is let in, by this node.
    Welcome(NodeId),
    /// It is not.
    TurnAway(Refusal),
    Message(Envelope),
    /// Says nothing.
    Probe,
    /// Nothing follows.
    End,
    /// There is no such connection (any more).
    Reset,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Line {
    ends: [End; 2],
    /// From each end to the other.
    ways: [Way; 2],
}

#[derive(Clone, Copy, Debug)]
struct End {
    machine: MachineId,
    /// Whose it is; `None`: it is closed, or was never opened.
    process: Option<Pid>,
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    sent: u64,
    arrived: u64,
    /// What will have been acknowledged when.
    acks: VecDeque<(Instant, u64)>,
    acked: u64,
    acked_at: Instant,
    /// Acknowledgements are on their way as soon as there is one.
    owes_ack: bool,
    /// Arrival of the last packet.
    last: Instant,
    /// Sent over a path that is cut.
    stalled: VecDeque<(u64, Packet)>,
    is_again_due: bool,
    /// Packets up to this one are lost.
    lost: u64,
}

/// What is on its way over a connection, as its sender's system sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Flight {
    pub(crate) packets: u64,
    pub(crate) sent: u64,
    pub(crate) acked_at: Instant,
}

/// How fast the network is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Delays {
    /// Of every packet at least.
    pub(crate) base_min: Duration,
    /// Beyond that, drawn once for each path.
    pub(crate) base_more: Duration,
    /// Beyond that, of each packet.
    pub(crate) jitter: Duration,
}

/// All connections and paths.
#[derive(Debug)]
pub(crate) struct Network {
    delays: Delays,
    prng: Prng,
    lines: BTreeMap<LineId, Line>,
    last_line: u64,
    bases: BTreeMap<(MachineId, MachineId), Duration>,
    /// How many faults cut each path.
    cuts: BTreeMap<(MachineId, MachineId), u32>,
    off: BTreeSet<MachineId>,
}

/// The network at a moment.
pub(crate) struct Wire<'a> {
    pub(crate) network: &'a mut Network,
    pub(crate) queue: &'a mut Queue<Item>,
    pub(crate) now: Instant,
}

impl Network {
    pub(crate) fn new(delays: Delays, prng: Prng) -> Self {
        Self {
            delays,
            prng,
            lines: BTreeMap::new(),
            last_line: 0,
            bases: BTreeMap::new(),
            cuts: BTreeMap::new(),
            off: BTreeSet::new(),
        }
    }

    pub(crate) fn is_off(&self, machine: MachineId) -> bool {
        self.off.contains(&machine)
    }

    fn is_open(&self, path: (MachineId, MachineId)) -> bool {
        let is_cut = path.0 != path.1 && self.cuts.contains_key(&path);
        !is_cut && !self.is_off(path.0) && !self.is_off(path.1)
    }

    fn up_to(&mut self, span: Duration) -> Duration {
        Duration::from_nanos(self.prng.below(span.as_nanos() + 1))
    }

    fn delay(&mut self, path: (MachineId, MachineId)) -> Duration {
        let Delays {
            base_min,
            base_more,
            jitter,
        } = self.delays;
        let base = match self.bases.get(&path) {
            Some(&base) => base,
            None => {
                let base = base_min + self.up_to(base_more);
                self.bases.insert(path, base);
                base
            }
        };
        base + self.up_to(jitter)
    }

    fn path(&self, line: LineId, from: Side) -> (MachineId, MachineId) {
        let ends = &self.lines[&line].ends;
        (
            ends[from.index()].machine,
            ends[from.other().index()].machine,
        )
    }

    fn way(&mut self, line: LineId, from: Side) -> &mut Way {
        let line = self.lines.get_mut(&line).expect("lines are kept");
        &mut line.ways[from.index()]
    }

    fn end(&mut self, line: LineId, side: Side) -> &mut End {
        let line = self.lines.get_mut(&line).expect("lines are kept");
        &mut line.ends[side.index()]
    }

    /// Connections of a process, and its ends of them.
    pub(crate) fn ends_of(&self, process: Pid) -> Vec<(LineId, Side)> {
        let ends = self.lines.iter().flat_map(|(&id, line)| {
            let sides = [Side::Caller, Side::Called].into_iter();
            sides.map(move |side| (id, side, line.ends[side.index()]))
        });
        ends.filter(|(_, _, end)| end.process == Some(process))
            .map(|(line, side, _)| (line, side))
            .collect()
    }

    /// Forgets connections that nobody has an end of.
    pub(crate) fn sweep(&mut self) {
        let is_used = |end: &End| end.process.is_some();
        self.lines.retain(|_, line| {
            line.ends.iter().any(is_used) || line.ways.iter().any(|way| !way.stalled.is_empty())
        });
    }
}

impl Wire<'_> {
    /// A number for a connection that is not to be.
    pub(crate) fn no_line(&mut self) -> LineId {
        self.network.last_line += 1;
        LineId(self.network.last_line)
    }

    /// A process calls whoever listens at an address of a machine.
    pub(crate) fn dial(
        &mut self,
        (process, from): (Pid, MachineId),
        (to, address): (MachineId, &str),
    ) -> LineId {
        let id = self.no_line();
        let end = |machine, process| End { machine, process };
        let way = || Way {
            acked_at: self.now,
            ..Way::default()
        };
        let line = Line {
            ends: [end(from, Some(process)), end(to, None)],
            ways: [way(), way()],
        };
        self.network.lines.insert(id, line);
        self.send(id, Side::Caller, Packet::Call(address.to_owned()));
        id
    }

    /// The called side belongs to this process now.
    pub(crate) fn open(&mut self, line: LineId, process: Pid) {
        self.network.end(line, Side::Called).process = Some(process);
    }

    pub(crate) fn send(&mut self, line: LineId, from: Side, packet: Packet) {
        if !self.network.lines.contains_key(&line) {
            return;
        }
        let path = self.network.path(line, from);
        let is_open = self.network.is_open(path);
        let delay = self.network.delay(path);
        let now = self.now;
        let way = self.network.way(line, from);
        way.sent += 1;
        let number = way.sent;
        if !is_open || !way.stalled.is_empty() {
            way.stalled.push_back((number, packet));
            return;
        }
        way.last = way.last.max(now + delay);
        let at = way.last;
        self.queue
            .push(at, Item::arrive(line, from, number, packet));
    }

    /// A process, or its system, closes an end: the other is told when all else has
    /// arrived.
    pub(crate) fn close(&mut self, line: LineId, side: Side) {
        if self.network.lines.contains_key(&line)
            && self.network.end(line, side).process.take().is_some()
        {
            self.send(line, side, Packet::End);
        }
    }

    /// A machine is off: its ends are gone, and nobody is told.
    pub(crate) fn forget(&mut self, line: LineId, side: Side) {
        self.network.end(line, side).process = None;
        self.network.way(line, side).stalled.clear();
    }

    /// What this end has sent and has not arrived does not arrive any more.
    pub(crate) fn lose(&mut self, line: LineId, side: Side) {
        let way = self.network.way(line, side);
        way.lost = way.sent;
        way.stalled.clear();
    }

    /// A packet arrives at the other end: whose process that is, if it counts.
    pub(crate) fn arrive(
        &mut self,
        line: LineId,
        from: Side,
        number: u64,
        packet: &Packet,
    ) -> Arrived {
        if !self.network.lines.contains_key(&line) {
            return Arrived::Nowhere;
        }
        let (_, to) = self.network.path(line, from);
        let end = *self.network.end(line, from.other());
        let way = self.network.way(line, from);
        if number <= way.lost || self.network.is_off(to) {
            return Arrived::Nowhere;
        }
        if let Packet::Call(address) = packet {
            return Arrived::Call(to, address.clone());
        }
        self.acknowledge(line, from, number);
        match (end.process, packet) {
            (Some(process), _) => Arrived::At(process),
            (None, Packet::End | Packet::Reset) => Arrived::Nowhere,
            (None, _) => {
                self.reset(line, from.other());
                Arrived::Nowhere
            }
        }
    }

    /// There is no such connection, says the system of this side.
    pub(crate) fn reset(&mut self, line: LineId, side: Side) {
        let path = self.network.path(line, side);
        if self.network.is_open(path) {
            // It overtakes nothing.
            let at = self.now + self.network.delay(path);
            let way = self.network.way(line, side);
            way.last = way.last.max(at);
            let at = way.last;
            let item = Item::arrive(line, side, u64::MAX, Packet::Reset);
            self.queue.push(at, item);
        }
    }

    fn acknowledge(&mut self, line: LineId, from: Side, number: u64) {
        let back = self.network.path(line, from.other());
        let (is_open, delay) = (self.network.is_open(back), self.network.delay(back));
        let now = self.now;
        let way = self.network.way(line, from);
        if number != u64::MAX {
            way.arrived = way.arrived.max(number);
        }
        if is_open {
            way.acks.push_back((now + delay, way.arrived));
        } else {
            way.owes_ack = true;
        }
    }

    /// What is on its way from this end.
    pub(crate) fn flight(&mut self, line: LineId, from: Side) -> Option<Flight> {
        let now = self.now;
        if !self.network.lines.contains_key(&line) {
            return None;
        }
        let way = self.network.way(line, from);
        while let Some((at, number)) = way.acks.pop_front_if(|(at, _)| *at <= now) {
            way.acked = way.acked.max(number);
            way.acked_at = at;
        }
        Some(Flight {
            packets: way.sent - way.acked,
            sent: way.sent,
            acked_at: way.acked_at,
        })
    }

    /// One more fault cuts the path.
    pub(crate) fn cut(&mut self, path: (MachineId, MachineId)) {
        *self.network.cuts.entry(path).or_default() += 1;
    }

    /// One fault less does.
    pub(crate) fn mend(&mut self, path: (MachineId, MachineId)) {
        if let Some(count) = self.network.cuts.get_mut(&path) {
            *count -= 1;
            if *count == 0 {
                self.network.cuts.remove(&path);
            }
        }
        self.try_again(path);
    }

    pub(crate) fn switch_off(&mut self, machine: MachineId) {
        self.network.off.insert(machine);
    }

    pub(crate) fn switch_on(&mut self, machine: MachineId) {
        if !self.network.off.remove(&machine) {
            return;
        }
        let ends = self.network.lines.values().flat_map(|line| line.ends);
        let others: BTreeSet<MachineId> = ends.map(|end| end.machine).collect();
        for other in others {
            self.try_again((machine, other));
            self.try_again((other, machine));
        }
    }

    /// Systems will soon notice that the path works again.
    fn try_again(&mut self, path: (MachineId, MachineId)) {
        if !self.network.is_open(path) {
            return;
        }
        let ids: Vec<LineId> = self.network.lines.keys().copied().collect();
        for (line, from) in ids
            .into_iter()
            .flat_map(|id| [(id, Side::Caller), (id, Side::Called)])
        {
            let is_of_path = self.network.path(line, from) == path;
            let has_acks_here = self.network.path(line, from.other()) == path;
            let later = self.network.up_to(AGAIN_MAX);
            let at = self.now + later;
            let way = self.network.way(line, from);
            if is_of_path && !way.stalled.is_empty() && !way.is_again_due {
                way.is_again_due = true;
                self.queue.push(at, Item::Again { line, from });
            } else if has_acks_here && way.owes_ack {
                way.owes_ack = false;
                way.acks.push_back((at, way.arrived));
            }
        }
    }

    /// A system sends again what has not arrived.
    pub(crate) fn again(&mut self, line: LineId, from: Side) {
        if !self.network.lines.contains_key(&line) {
            return;
        }
        let path = self.network.path(line, from);
        let is_open = self.network.is_open(path);
        let way = self.network.way(line, from);
        way.is_again_due = false;
        if !is_open {
            return;
        }
        for (number, packet) in std::mem::take(&mut way.stalled) {
            let delay = self.network.delay(path);
            let now = self.now;
            let way = self.network.way(line, from);
            way.last = way.last.max(now + delay);
            let at = way.last;
            self.queue
                .push(at, Item::arrive(line, from, number, packet));
        }
    }
}

/// Where a packet has arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Arrived {
    Nowhere,
    /// At a process that has the connection.
    At(Pid),
    /// At a machine; whoever listens at the address there is called.
    Call(MachineId, String),
}
