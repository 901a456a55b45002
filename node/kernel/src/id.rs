//! Names of what the kernel keeps: processes, modules, blobs, workers, slots, events.
use core::fmt;
use serde::{Deserialize, Serialize};
use types::limits::{FIRST_APPLICATION_REGION, MEMBERS_MAX};
use types::{NodeId, RegionId, View};

use crate::cell::value_newtype;

/// A running program or one that has run. Ascending, never reused; 0 is nobody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ProcessId(pub u32);

/// A deployed module. Ascending, never reused; 0 is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ModuleId(pub u32);

/// A large byte object: its header page as a number. Never reused; 0 is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct BlobId(pub u64);

/// A worker: the slot that made it, plus 1, and a number. Never reused; 0 is nobody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct WorkerId(pub u64);

/// A channel: how often its place was used before, and its place. Never reused; 0 is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ChannelId(pub u64);

/// What a worker can wait for: a number that the program chooses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Event(pub i64);

value_newtype!(
    ProcessId(u32),
    ModuleId(u32),
    BlobId(u64),
    WorkerId(u64),
    ChannelId(u64),
    Event(i64),
    Slot(u8)
);

/// Position of a node in its view's member list. The tables that each node writes
/// most are kept per slot: node ids are never reused, slots are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Slot(u8);

/// Where the running node stands in its view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Station {
    slot: Slot,
    slots: u8,
}

impl ChannelId {
    /// Bytes of a number, as listeners give it to programs.
    pub const BYTES: u64 = 8;
}

impl ProcessId {
    /// The region of the process' memory.
    #[must_use]
    pub const fn region(self) -> RegionId {
        RegionId(FIRST_APPLICATION_REGION + self.0)
    }

    /// The process whose memory the region is, whether or not there is such a process.
    #[must_use]
    pub const fn of_region(region: RegionId) -> Option<Self> {
        match region.0.checked_sub(FIRST_APPLICATION_REGION) {
            None | Some(0) => None,
            Some(id) => Some(Self(id)),
        }
    }
}

impl Slot {
    /// The slot at this position, if views can have one.
    #[must_use]
    pub fn new(position: usize) -> Option<Self> {
        u8::try_from(position)
            .ok()
            .filter(|_| position < MEMBERS_MAX)
            .map(Self)
    }

    /// Its position.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.0 as u32
    }

    /// Every slot, whether or not a node stands there.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..MEMBERS_MAX).filter_map(Self::new)
    }
}

impl Station {
    /// The station at `slot` of a view with `slots` members.
    ///
    /// # Panics
    /// If the slot is not one of them.
    #[must_use]
    pub fn new(slot: Slot, slots: u8) -> Self {
        assert!(
            slot.0 < slots && usize::from(slots) <= MEMBERS_MAX,
            "a slot of the view"
        );
        Self { slot, slots }
    }

    /// The station of `node`, if it is a member.
    #[must_use]
    pub fn of(view: &View, node: NodeId) -> Option<Self> {
        let position = view.nodes().position(|member| member == node)?;
        Some(Self::new(
            Slot::new(position)?,
            u8::try_from(view.members.len()).ok()?,
        ))
    }

    /// The node's slot.
    #[must_use]
    pub const fn slot(self) -> Slot {
        self.slot
    }

    /// Members of the view.
    #[must_use]
    pub const fn slots(self) -> u8 {
        self.slots
    }

    /// Whether a node stands at `slot`.
    #[must_use]
    pub const fn is_taken(self, slot: Slot) -> bool {
        slot.0 < self.slots
    }

    /// `slot` if a node stands there, else this one.
    pub(crate) const fn nearest(self, slot: Slot) -> Slot {
        if self.is_taken(slot) { slot } else { self.slot }
    }

    /// The slot `steps` after this one, round the view.
    pub(crate) fn after(self, steps: u32) -> Slot {
        let position = (self.slot.index() + steps % u32::from(self.slots)) % u32::from(self.slots);
        Slot(u8::try_from(position).expect("a remainder of a u8"))
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
