//! The scenarios of the protocol (`protocol/dtm/tests/scenarios`), as they are there, for a machine
//! without `std`: `build.rs` makes functions of the tests.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

/// A scenario: its name, and what panics if it does not hold.
pub type Scenario = (&'static str, fn());

include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));
