//! Membership, epochs and stability: what is decided for the whole cluster, by one
//! leader at a time, and kept by up to five voters.
//!
//! It knows nothing of pages, transactions or disks, and does no IO: [`Leader::handle`]
//! takes what happened, [`Leader::poll_output`] says what to do. Every decision is a
//! [`Command`] that a majority of the voters has on its disks first and that is applied
//! to the [`ControlState`] after that; only then does anybody hear of it. The state
//! depends on its commands alone, and every voter has it; the leader adds what is not
//! part of it: timers, connections, who has reported what.
//!
//! Start with [`ControlState`] (what is decided), then [`Leader`] (when), then
//! [`Replica`] (how the voters agree). [`Follower`] is the little that every member must
//! know about its leader.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs, clippy::float_arithmetic)]
extern crate alloc;

mod drain;
mod event;
mod follower;
mod gather;
mod kept;
mod ladder;
mod leader;
mod line;
mod replica;
mod roll;
mod snapshots;
mod state;
mod voting;

pub use drain::DrainRefused;
pub use event::{Event, FailedWhy, RefusedWhy};
pub use follower::Follower;
pub use ladder::{Ladder, NoLadder, Rung};
pub use leader::orders::{Forgotten, Outcome, RestoreRefused, Ticket};
pub use leader::{Config, Fate, Input, JoinerId, Leader, Output};
pub use line::recovery_line;
pub use replica::{Conflict, Replica, ReplicaConfig, ReplicaOutput};
pub use snapshots::{LATEST, Snapshot, SnapshotRefused, Snapshots};
pub use state::{Command, ControlState, EPOCHS_AHEAD_MAX, Effect, Legacy, Process, VOTERS_MAX};
pub use voting::{
    Ballot, Cause, Checkpoint, Electorate, Entries, Entry, Ground, Packet, Position, Record,
    RecordError, VoterId,
};
