//! The volume through what anybody can call, on a device that crashes.
#![expect(
    clippy::tests_outside_test_module,
    reason = "the whole crate is a test"
)]
mod contents;
mod device;
mod disk;
mod model;
mod portion;
mod stored;
