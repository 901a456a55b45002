//! `plurix kill`: a crash on purpose.
use std::fs;
use std::process::ExitCode;

use clap::Args;
use linux::process::{Signal, signal};

use super::DataArg;
use crate::error::Error;
use crate::ui;

/// Kill a node with SIGKILL, to see the others go on
#[derive(Args, Debug)]
pub(crate) struct KillArgs {
    /// Number or name of the node: 2, node-2
    #[arg(value_name = "NODE")]
    node: String,
    #[command(flatten)]
    data: DataArg,
}

pub(crate) fn run(args: &KillArgs) -> Result<ExitCode, Error> {
    let running = args.data.open()?.running()?;
    let number = args
        .node
        .strip_prefix("node-")
        .unwrap_or(&args.node)
        .parse()
        .ok();
    let node = running
        .nodes
        .iter()
        .find(|node| Some(node.number) == number)
        .ok_or_else(|| {
            let alive: Vec<String> = running
                .nodes
                .iter()
                .map(|node| node.number.to_string())
                .collect();
            Error::user(format!(
                "expected a node that is alive, found {}",
                args.node
            ))
            .hint(format!("alive: {}", alive.join(", ")))
        })?;
    // Between the node's end and its supervisor's noting it, the number may be another's.
    let name = format!("node-{}", node.number);
    let line = fs::read_to_string(format!("/proc/{}/cmdline", node.pid)).unwrap_or_default();
    if !line.split('\0').any(|word| word == name) {
        return Err(Error::user(format!("{name} has ended already")));
    }
    signal(node.pid, Signal::Kill)
        .map_err(|error| Error::config(format!("kill process {} of {name}: {error}", node.pid)))?;
    ui::say(format!("killed {name}, process {}", node.pid));
    Ok(ExitCode::SUCCESS)
}
