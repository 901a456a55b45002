//! Whole clusters on this machine, driven as their users drive them.
#![expect(
    clippy::tests_outside_test_module,
    reason = "an integration test is nothing but tests"
)]
mod attach;
mod channels;
mod chaos;
mod counting;
mod damage;
mod dashboard;
mod dead;
mod devices;
mod drain;
mod ends;
mod far;
mod files;
mod fork;
mod hostile;
mod joining;
mod kv;
mod past;
mod picture;
mod programs;
mod refusals;
mod resp;
mod restore;
mod restore_app;
