//! Services as other people's clients use them: Redis's own tools, and curl.
#![expect(
    clippy::tests_outside_test_module,
    reason = "an integration test is nothing but tests"
)]
#[path = "../suite/counting.rs"]
mod counting;
mod curl;
mod redis;
