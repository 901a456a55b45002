//! Side-by-side benchmarks: each compares ways to do the same and states its goals.
//!
//! A benchmark is a function that returns a [`Report`]. What they share is in
//! [`rounds`]. They print nothing; `plurix bench` runs them. Three kinds: [`barrier`] runs
//! code in the WebAssembly runtime alone; [`tx`] and [`remote`] run transactions through
//! the memory and the engine as they are, in a node reduced to these (`site`);
//! [`snapshot`], [`epochs`], [`durability`], [`space`], [`recovery`], [`restart`],
//! [`peers_snapshot`], [`reset`], [`output`], [`input`] and [`resp`] measure clusters
//! of real processes, which whoever calls them starts ([`Cluster`]); [`boot`] and [`metal`]
//! measure machines.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod bare;
mod barrier;
mod boot;
mod caller;
mod cluster;
mod durability;
mod epochs;
mod guests;
mod input;
mod metal;
mod output;
mod peers;
mod plot;
mod recovery;
mod remote;
mod report;
mod reset;
mod resp;
mod restart;
pub mod rounds;
mod site;
mod snapshot;
mod space;
mod tx;

pub use barrier::barrier;
pub use boot::{Kernel, LinuxKernel, MachineKind, MakeMachine, boot, reboot};
pub use cluster::{Cluster, EpochsEnd, Plan, Start};
pub use durability::durability;
pub use epochs::epochs;
pub use input::input;
pub use metal::metal;
pub use output::output;
pub use peers::{Load, Snapshot, StartSubject, Subject, System, peers_snapshot};
pub use recovery::{recovery, silence};
pub use remote::{Peer, StartPeer, Waiting, remote, remote_peer};
pub use report::{Better, Goal, Outcome, Report};
pub use reset::reset;
pub use resp::{ALWAYS_SYNCED, Ask, Asked, NO_PERSISTENCE, Served, Server, StartServer, resp};
pub use restart::restart;
pub use snapshot::snapshot;
pub use space::space;
pub use tx::tx;
