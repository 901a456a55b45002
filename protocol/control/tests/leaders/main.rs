//! The leader in a cluster of scripts: each test says what happens and what is decided.
#![expect(clippy::tests_outside_test_module, reason = "every file is of tests")]
mod gather;
mod scenarios;
mod take_over;
mod world;
