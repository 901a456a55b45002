//! Sessions, as clients see them.
#![expect(
    clippy::tests_outside_test_module,
    reason = "an integration test is nothing but tests"
)]
mod bounds;
mod client;
mod dialogue;
mod malformed;
mod random;
