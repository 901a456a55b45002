//! The closed list of what can be due.
use platform::SocketId;
use types::Duration;

use crate::cue::Waiting;
use crate::fault::Fault;
use crate::machine::Drive;
use crate::names::{LineId, MachineId, Pid, Side};
use crate::network::Packet;
use crate::outside::Passing;
use crate::tool::Ticket;

/// Something that is due.
#[derive(Debug)]
pub(crate) enum Item {
    /// A process goes on; only its last such entry counts.
    Wake { process: Pid, number: u64 },
    /// A packet arrives at the other end.
    Arrive(Box<Arrival>),
    /// A system sends again what has not arrived.
    Again { line: LineId, from: Side },
    /// A sync is done.
    Synced { process: Pid, drive: Drive },
    /// A module is compiled.
    Compiled { process: Pid },
    /// A tool's question arrives at a node.
    Ask { ticket: Ticket, bytes: Vec<u8> },
    /// A node's answer arrives at a tool; none if its process has ended.
    Answer {
        ticket: Ticket,
        bytes: Option<Vec<u8>>,
    },
    /// A tool has waited long enough.
    GiveUp { ticket: Ticket },
    /// A client thinks of something to do.
    Client(usize),
    /// A caller from outside does.
    Caller(usize),
    /// The typist does.
    Typist,
    /// Something comes to a node from outside.
    PassIn { socket: SocketId, passing: Passing },
    /// Something goes to a caller.
    PassOut {
        caller: usize,
        socket: SocketId,
        passing: Passing,
    },
    /// The next look at the whole.
    Look,
    /// Something goes wrong.
    Fault(Fault),
    /// A fault is over.
    Heal(Heal),
    /// A machine starts its node.
    Start { machine: MachineId },
}

/// A packet at the end of its way.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) line: LineId,
    pub(crate) from: Side,
    pub(crate) number: u64,
    pub(crate) packet: Packet,
}

/// What is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Heal {
    /// These paths work again.
    Paths(Vec<(MachineId, MachineId)>),
    /// These paths are cut once more, for so long.
    CutAgain(Vec<(MachineId, MachineId)>, Duration),
    /// The disks of a machine are as fast as before.
    Disks(MachineId),
    /// The process of this machine, if it is still this one, goes on.
    Process(Pid),
    /// What waits for this cue does not wait any more.
    Cue(Waiting),
    /// The second of two is killed.
    Kill(MachineId, Duration),
}

impl Item {
    pub(crate) fn arrive(line: LineId, from: Side, number: u64, packet: Packet) -> Self {
        Self::Arrive(Box::new(Arrival {
            line,
            from,
            number,
            packet,
        }))
    }
}
