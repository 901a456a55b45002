//! The `plurix` command: starts clusters and talks to them.
//!
//! It knows nodes as processes that speak `admin`, never from the inside, but where it becomes a
//! node itself ([`run_node`]) or measures one, or makes the files that nodes find (`founding`,
//! [`past`]). A file per verb in `commands/`;
//! [`supervisor`] owns processes, [`cluster`] what they form together, [`data`] owns the
//! data directory, `metal` makes machines, [`client`] owns connections, [`device`] knows where
//! devices are, [`ui`] owns the terminal. Errors carry their kind, which gives the exit code, and
//! a hint that says what to do.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod client;
pub mod cluster;
mod commands;
pub mod data;
mod device;
pub mod error;
pub mod examples;
mod far;
mod founding;
mod interrupt;
mod metal;
mod network;
pub mod past;
mod peers;
mod program;
mod revive;
mod run_bench;
mod run_node;
pub mod supervisor;
mod ui;

use std::ffi::OsString;
use std::process::ExitCode;

pub use commands::node::NodeArgs;
pub use run_node::run_node;

/// Runs the command line and returns the exit code: 0, what the program run returned,
/// 1 (the user's or the configuration's fault), 2 (usage) or 255 (ours).
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match commands::run(args) {
        Ok(code) => code,
        Err(error) => {
            ui::error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
