//! The kernel's services, which live in the distributed memory like everything else:
//! names, modules, processes, workers, run queues, events, output, channels.
//!
//! It knows pages ([`Pages`]) and nothing of how they get here: no protocol, no
//! platform, no clock, no engine, and it keeps nothing between calls. After a fallback or a
//! restart its tables are what they were, so it has nothing to recover.
//!
//! Start with [`Pages`] (what it stands on), [`step::Step`] (what it is for) and
//! `region.rs` (what lies where).
//!
//! How a program runs: [`modules::begin`] and [`modules::publish`] deploy its code;
//! [`processes::create`], [`processes::add_input`] and [`processes::start`] put its
//! first worker in a queue; [`step::take`] hands a worker to a node; the guest's
//! calls go to [`step::Step`]; [`step::Step::finish`] says where the worker goes on.
//! In between, everything is one transaction.
//!
//! Rules:
//! * **Rerun from the top.** Every operation may end with [`Stop`] anywhere. Whoever
//!   runs the transaction undoes what it wrote and runs it again.
//! * **One place.** A worker that has not ended is in exactly one place: held by a
//!   slot, in a run queue, or in a wait list.
//! * **Zero is empty.** A page that nobody has written is a valid, empty table.
//! * **Own pages.** What a node writes often lies on pages of its slot; what every step
//!   reads changes seldom.
//!
//! Tests: `tests/` in this folder has models and counts of pages touched, under stops
//! at any access.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod blobs;
mod cell;
pub mod census;
pub mod channels;
mod events;
mod failure;
mod id;
pub mod limits;
mod living;
pub mod modules;
mod name;
pub mod names;
pub mod output;
mod pages;
pub mod processes;
pub mod queues;
mod reap;
mod region;
pub mod revival;
pub mod step;
pub mod superblock;
mod table;
#[cfg(test)]
mod tests;
mod workers;

pub use failure::{Failure, Refusal};
pub use id::{BlobId, ChannelId, Event, ModuleId, ProcessId, Slot, Station, WorkerId};
pub use living::{Living, living};
pub use name::{NAME_BYTES_MAX, Name};
pub use pages::{Pages, Stop};
pub use reap::reap;
pub use region::{REGION_NAMES, TABLE_ENTRIES, is_vital, table_name};
pub use workers::{EntryCall, Worker};
