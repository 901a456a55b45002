//! A node: one thread that ties protocol, store, engine and kernel together.
//!
//! It knows no operating system: everything outside comes through [`Platform`]. It
//! decides nothing about pages (`dtm` does), about members (`control` does) or about
//! processes (`kernel` does); it carries their messages, runs guests between them, and
//! answers tools.
//!
//! Start with [`Node::run`]. A turn of the loop: events are handled (`core`) -> a tool's
//! request is served (`requests`) -> a step of a worker is run and committed (`worker`,
//! `step`) -> or, with nothing to do, work is looked for elsewhere, then the node sleeps
//! until something happens.
//!
//! Invariant: at most one transaction is under way. While it waits for a page the
//! node handles events (`Core::pump`), but begins nothing new.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
extern crate alloc;

mod apps;
mod call;
mod channels;
mod cleaning;
mod config;
mod copies;
mod core;
mod deploy;
mod disk;
mod launch;
mod leader;
mod lines;
mod living;
mod machine;
mod members;
mod memory;
mod mending;
mod node;
mod orders;
mod past;
mod queries;
mod replies;
mod report;
mod requests;
mod restore;
mod revive;
mod scrub;
mod snapshots;
mod step;
mod transaction;
mod voter;
mod worker;

pub use config::{Config, FAILURE_TIMEOUT, FatalReason, JOIN_GRACE, LEASE};
pub use node::Node;
pub use voter::{Origin, Suffrage, Voter};

use platform::{Clock, Compiler, Entropy, Events, Hardware, Links, Requests, Sockets, Views};

/// The world that a node runs in.
pub trait Platform:
    Clock + Compiler + Entropy + Events + Hardware + Links + Requests + Sockets + Views
{
}

impl<P> Platform for P where
    P: Clock + Compiler + Entropy + Events + Hardware + Links + Requests + Sockets + Views
{
}
