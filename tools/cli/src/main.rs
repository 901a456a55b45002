//! The `plurix` command.
fn main() {}
