//! A whole cluster in one thread under virtual time, with faults, from one seed.
//!
//! Every node is the real state machine of the memory; network, disks, the control
//! plane and the programs that run transactions are simulated. The seed decides
//! everything: how many nodes, what they do, how slow which line is, who crashes when.
//! What happened is judged by the [`oracle`], which knows nothing of the memory.
//!
//! Start with [`run`]. Inside: `scenario` is what a seed means, `world` the loop of
//! events, `node` one node, `client` the programs, `leader` and `store` small models
//! of control plane and disks; `faults`, `stall`, `outage` and `expulsion` what goes wrong
//! and what follows; `plant` faults of the memory itself, put in from outside to see that
//! the checkers notice.
//!
//! A run has four parts: *chaos* (safety: crashes, returning disks, pauses, lost links,
//! slow disks, everybody works),
//! *healed* (no more faults: what was begun must commit), *inspection* (every node
//! reads everything), *settling* (everything must become stable).
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod client;
mod coherence;
mod common;
mod drain;
mod event;
mod expulsion;
mod fault_kind;
mod faults;
mod leader;
mod memory;
mod network;
mod node;
mod options;
mod outage;
mod plant;
mod recorder;
mod report;
mod run;
mod scale;
mod scenario;
mod sharing;
mod stall;
mod store;
mod trace;
mod workload;
mod world;

pub use fault_kind::FaultKind;
pub use options::{Options, Watch};
pub use plant::Plant;
pub use report::{Failure, Faults, Property, Recovery, Report};
pub use run::run;
pub use scale::{Cluster, Messages, Outcome, Reach};
