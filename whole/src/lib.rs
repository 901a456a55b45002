//! Whole nodes under virtual time: the very code of a node (loop, voter, leader, store,
//! kernel, engine with guests), several of them in one process, on simulated clocks, links
//! and disks, with faults, from one seed.
//!
//! A node waits in one place only, `platform::Events::next_event`. So each runs on a thread
//! of its own that is used as a coroutine (`stage`): exactly one runs at a time, and the
//! same seed gives the same run. What it asks of its platform (`platform`, `disk`) is
//! answered by the `world`: `wire` is the network between machines, `links` what a node
//! makes of it, `machine` clock and disks, `process` one life of a node, `life` its start.
//! View memory is the real one; nothing interrupts guests, for that would bring in real
//! time.
//!
//! Start with [`run`]. `scenario` is what a seed means, `story` what happens one after the
//! other, `fault` what goes wrong, `client` who calls, `detour` what the memory goes back
//! from; `caller` who comes from `outside`, `typist` who types and looks at displays, on which
//! his `sheet` says what may be. What clients are told is judged by the [`oracle`];
//! `historian` reads the past; `checks` looks at what nodes say; `plant` puts bugs into what
//! lies around them, to see that they are noticed.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod caller;
mod checks;
mod client;
mod clock;
mod cue;
mod detour;
mod disk;
mod fault;
mod guest;
mod historian;
mod item;
mod life;
mod links;
mod machine;
mod mortal;
mod names;
mod network;
mod options;
mod outside;
mod plant;
mod process;
mod queue;
mod report;
mod run;
mod scenario;
mod sheet;
mod sim_platform;
mod stage;
#[cfg(test)]
mod stories;
mod story;
mod tool;
mod trace;
mod typist;
mod world;

pub use fault::FaultKind;
pub use options::{Options, Tell};
pub use plant::Plant;
pub use report::{Counts, Failure, Property, Report};
pub use run::run;
