//! `plurix ps`: the processes.
use std::process::ExitCode;

use clap::Args;

use super::DataArg;
use crate::error::Error;
use crate::ui;

/// List the processes of the cluster
#[derive(Args, Debug)]
pub(crate) struct PsArgs {
    #[command(flatten)]
    data: DataArg,
}

pub(crate) fn run(args: &PsArgs) -> Result<ExitCode, Error> {
    let processes = args.data.client()?.processes()?;
    let rows: Vec<Vec<String>> = processes
        .iter()
        .map(|process| {
            let progress = match process.total {
                0 => String::from("-"),
                total => format!("{}/{total}", process.done),
            };
            vec![
                process.process.to_string(),
                process.program.clone(),
                process.state.to_string(),
                process.workers.to_string(),
                progress,
                process.steps.to_string(),
                process.result_bytes.to_string(),
            ]
        })
        .collect();
    let header = [
        "process", "program", "state", "workers", "progress", "steps", "result",
    ];
    ui::write_out(ui::table(&header, &rows).as_bytes());
    Ok(ExitCode::SUCCESS)
}
