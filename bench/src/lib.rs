//! Side-by-side benchmarks: each compares ways to do the same and states its goals.
//!
//! A benchmark is a function that returns a [`Report`]. What they share is in
//! [`rounds`]. They print nothing and are run through `cargo xtask`.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod barrier;
mod report;
pub mod rounds;

pub use barrier::barrier;
pub use report::{Better, Goal, Outcome, Report};
