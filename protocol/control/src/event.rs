//! What a leader tells people.
use alloc::string::String;
use alloc::vec::Vec;
use types::{Epoch, NodeId, StoreId, ViewNumber};

use crate::leader::JoinerId;

/// Something worth telling a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A view has begun.
    ViewBegan {
        /// Which.
        number: ViewNumber,
        /// Its members.
        members: usize,
        /// The newest stable epoch: nobody went back further, unless somebody wanted that.
        stable: Epoch,
        /// Members that went back.
        reset: usize,
    },
    /// A member was given up; a view without it follows.
    MemberFailed {
        /// Which.
        node: NodeId,
        /// Why.
        why: FailedWhy,
    },
    /// A process was not let in.
    Refused {
        /// Its connection.
        joiner: JoinerId,
        /// Its disk.
        store: StoreId,
        /// Why.
        why: RefusedWhy,
    },
    /// So many disks are missing that stable data may be on none of the others. The
    /// cluster waits for them.
    StoresMissing {
        /// The disks, with the names of the processes that served them last.
        missing: Vec<(StoreId, String)>,
        /// How many could be done without.
        may_miss: usize,
    },
    /// Stores lag so far behind that epochs do not advance.
    EpochsStopped {
        /// The epoch in which they stopped.
        epoch: Epoch,
    },
}

/// Why a member was given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailedWhy {
    /// Its process is dead.
    LinkLost,
    /// It is not reached any more.
    Unreachable,
    /// It has said nothing for too long.
    Silent,
    /// It and other members do not reach each other.
    Isolated,
    /// It left before it had become a member.
    LeftEarly,
    /// It led, and another leads now.
    Deposed,
}

/// Why a process is not let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusedWhy {
    /// The leader, or another process that waits to be let in, serves a disk of the
    /// same id.
    SameStore,
    /// The cluster is full.
    Full,
}
