//! Far copies in a directory, in memory, and with a server of Amazon's protocol.
#![expect(
    clippy::tests_outside_test_module,
    reason = "an integration test is nothing but tests"
)]
mod copies;
mod damage;
mod made;
mod shelf;
