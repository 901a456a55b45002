//! Links and tools through what machines and nodes call, over lines in memory.
#![expect(
    clippy::tests_outside_test_module,
    reason = "the whole crate is a test"
)]
mod links;
mod memory;
mod strangers;
mod tools;
