//! Links, requests and sockets over real loopback sockets, as a node sees them.
#![expect(
    clippy::tests_outside_test_module,
    reason = "an integration test is nothing but tests"
)]
mod common;
mod files;
mod links;
mod ports;
mod requests;
mod sealed;
mod sockets;
