//! Machines: each has a clock, two disks, and a node that is started on it again and again.
use store::MemoryDisk;
use types::{Duration, Prng};

use crate::clock::Clock;
use crate::names::{MachineId, Pid};

/// A disk of a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Drive {
    /// With the store.
    Store,
    /// With the control log.
    Control,
}

impl Drive {
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Store => 0,
            Self::Control => 1,
        }
    }
}

/// How long syncs take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Syncs {
    pub(crate) min: Duration,
    pub(crate) more: Duration,
}

impl Syncs {
    pub(crate) fn draw(self, prng: &mut Prng) -> Duration {
        self.min + Duration::from_nanos(prng.below(self.more.as_nanos() + 1))
    }
}

/// Whether a machine has a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// It is to run one.
    Wanted,
    /// Its node has left for good.
    Left,
}

/// A machine.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) id: MachineId,
    pub(crate) clock: Clock,
    /// As they are found by the next process.
    pub(crate) disks: [MemoryDisk; 2],
    pub(crate) syncs: Syncs,
    /// Slow ones while not zero.
    pub(crate) slow: u32,
    pub(crate) process: Option<Pid>,
    pub(crate) place: Place,
    pub(crate) starts: u32,
    pub(crate) port: u32,
    /// Its store has lost a file before this start.
    pub(crate) tail_lost_before: Option<u32>,
    /// When its next start is planned: more than one may be.
    pub(crate) starts_planned: u32,
}

impl Machine {
    pub(crate) fn new(id: MachineId, clock: Clock, syncs: Syncs) -> Self {
        Self {
            id,
            clock,
            disks: [MemoryDisk::new(), MemoryDisk::new()],
            syncs,
            slow: 0,
            process: None,
            place: Place::Wanted,
            starts: 0,
            port: 7000,
            tail_lost_before: None,
            starts_planned: 0,
        }
    }

    /// Whether its last start was the first after its store had lost a file.
    pub(crate) fn has_just_lost_tail(&self) -> bool {
        self.tail_lost_before == Some(self.starts)
    }

    pub(crate) fn address(&self) -> String {
        self.id.address(self.port)
    }
}
