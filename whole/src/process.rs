//! Processes: one life of a node each, on a thread of its own that runs when it is its
//! turn.
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar};
use std::thread::JoinHandle;

use platform::{CompileJob, CompiledModule, RequestId, SocketEvent};
use store::MemoryDisk;
use types::{Duration, Instant, Prng};

use crate::clock::Clock;
use crate::links::Links;
use crate::names::{LineId, MachineId, Pid};
use crate::network::Packet;
use crate::tool::Ticket;

/// What has arrived at a process' machine and was not taken by it.
#[derive(Debug)]
pub(crate) enum Letter {
    /// The system has taken a call.
    Call(LineId),
    Packet(LineId, Packet),
    Request(RequestId, Vec<u8>),
    RequestGone(RequestId),
    Socket(SocketEvent),
}

/// What a process is to the world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Life {
    /// It runs, or waits.
    Alive,
    /// It was killed: nothing that it still does has any effect.
    Dead,
    /// Its thread has ended, or never will.
    Over,
}

/// What is known of a thread that waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rest {
    /// It runs, or goes on at a given time whatever happens.
    Busy,
    /// It goes on at a given time, or when something happens.
    Asleep,
}

type Compiled = (CompileJob, Result<CompiledModule, String>);

/// A process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) id: Pid,
    pub(crate) machine: MachineId,
    pub(crate) clock: Clock,
    pub(crate) life: Life,
    /// Told when it is its turn.
    pub(crate) turn: Arc<Condvar>,
    pub(crate) thread: Option<JoinHandle<()>>,
    pub(crate) rest: Rest,
    /// Of the entry in the queue with which it goes on.
    pub(crate) wake: u64,
    /// It stands still; it was to go on meanwhile.
    pub(crate) is_paused: bool,
    pub(crate) is_wake_due: bool,
    pub(crate) paused_until: Instant,
    /// Until when it had no processor last, for whatever reason.
    pub(crate) slept_until: Instant,
    /// Time that it has used since the world's time was looked at.
    pub(crate) spent: Duration,
    pub(crate) links: Links,
    pub(crate) inbox: VecDeque<Letter>,
    pub(crate) requests: BTreeMap<RequestId, Ticket>,
    /// Something beside its loop is done.
    pub(crate) is_woken: bool,
    pub(crate) compiling: VecDeque<Compiled>,
    pub(crate) compiled: VecDeque<Compiled>,
    pub(crate) drives: [MemoryDisk; 2],
    pub(crate) prng: Prng,
    /// Events given since the links were looked at.
    pub(crate) given: u32,
    /// How often it has looked in vain since it slept, or had an event, last.
    pub(crate) haste: u32,
    /// What it saw of the time when it died, and how often it has asked since.
    pub(crate) ghost: (Instant, u64),
}

impl Process {
    pub(crate) fn is_alive(&self) -> bool {
        self.life == Life::Alive
    }
}
