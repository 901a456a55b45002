//! `plurix down`: stops the cluster.
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use linux::process::{Signal, signal};

use super::DataArg;
use crate::error::Error;
use crate::ui;

/// A cluster stops long before this.
const STOP_TIME: Duration = Duration::from_secs(30);
const POLL_TIME: Duration = Duration::from_millis(20);

/// Stop the cluster; its state stays in the data directory
#[derive(Args, Debug)]
pub(crate) struct DownArgs {
    #[command(flatten)]
    data: DataArg,
}

pub(crate) fn run(args: &DownArgs) -> Result<ExitCode, Error> {
    let data = args.data.open()?;
    let supervisor = data.running()?.supervisor;
    // It stops the nodes and then lets go of the lock, as on Ctrl-C.
    signal(supervisor, Signal::Terminate).map_err(|error| {
        Error::config(format!(
            "tell process {supervisor} to stop the cluster: {error}"
        ))
    })?;
    let until = Instant::now() + STOP_TIME;
    while Instant::now() < until {
        if data.lock().is_ok() {
            ui::say("stopped");
            return Ok(ExitCode::SUCCESS);
        }
        thread::sleep(POLL_TIME);
    }
    Err(Error::config(format!(
        "process {supervisor} has not stopped the cluster in time"
    )))
}
