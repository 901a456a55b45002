//! Membership, epochs and stability: what one leader decides for the whole cluster.
//!
//! It knows nothing of pages, transactions or disks, and does no IO: [`Leader::handle`]
//! takes what happened, [`Leader::poll_output`] says what to do. Every decision is a
//! [`Command`] that is made durable first and applied to the [`ControlState`] after
//! that; only then does anybody hear of it. The state depends on its commands alone,
//! so that it can be replicated; the leader adds what is not: timers, connections,
//! who has reported what.
//!
//! Start with [`ControlState`] (what is decided), then [`Leader`] (when). [`Follower`]
//! is the little that every member must know about its leader.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs, clippy::float_arithmetic)]
extern crate alloc;

mod follower;
mod gather;
mod leader;
mod line;
mod roll;
mod state;

pub use follower::Follower;
pub use leader::{Config, Event, FailedWhy, Input, JoinerId, Leader, Output, RefusedWhy};
pub use line::recovery_line;
pub use state::{Command, ControlState, EPOCHS_AHEAD_MAX, Effect, Process, Record, RecordError};
