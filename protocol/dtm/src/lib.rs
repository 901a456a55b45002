//! The distributed transactional memory of one node, as a pure state machine.
//!
//! It knows no sockets, files, clocks, threads, randomness or WebAssembly. Messages,
//! time and the node's page memory come in as arguments; what must be sent comes out
//! of [`Dtm::poll_output`]. The same inputs give the same outputs.
//!
//! Start with [`Dtm`], [`PageMemory`] and [`Input`].
//!
//! A call flows: [`Dtm::handle`] or a transaction command changes the state ->
//! outputs are queued -> the node sends what [`Dtm::poll_output`] gives, feeds the
//! answers to [`Dtm::handle`] -> [`Dtm::transaction`] tells how the transaction stands.
//!
//! The invariants have names in `docs/protocol.md`; [`Dtm::check_invariants`] checks them.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs, clippy::float_arithmetic)]
extern crate alloc;

mod coherence;
mod config;
mod counters;
mod dead;
mod deps;
mod dtm;
mod event;
mod images;
mod input;
mod invariants;
mod links;
mod memory;
mod output;
mod pages;
mod recovery;
mod snapshot;
mod timer;
mod txn;
mod view;

pub use config::Config;
pub use counters::Counters;
pub use dtm::{Dtm, PageState, PageStatus};
pub use event::Event;
pub use input::Input;
pub use memory::{Access, PageMemory};
pub use output::Output;
pub use txn::{AccessResult, Attempt, CommitMode, TxnStatus, Why};
