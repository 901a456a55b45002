//! The store and the control log through what anybody can call.
#![expect(
    clippy::tests_outside_test_module,
    reason = "the whole crate is a test"
)]
mod cleaning;
mod common;
mod crash;
mod dead;
mod delta;
mod faults;
mod properties;
mod restore;
mod retained;
mod scrub;
