//! `plurix run`: a program on the cluster, as if it were a local one.
use std::fs;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use admin::Watched;
use clap::Args;

use super::DataArg;
use crate::client::{Client, ClientError};
use crate::error::Error;
use crate::interrupt;
use crate::program::{self, Followed, Program};
use crate::ui;

const POLL_TIME: Duration = Duration::from_millis(20);

/// Run a program on the cluster and wait for its end
///
/// Its output is shown when it can no longer be undone. Ctrl-C cancels the program, a
/// second Ctrl-C leaves it alone. Exits with the program's exit code.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// A module file, or a program that comes with the command: bank, board, kv, lists,
    /// raytracer, resp, scribe, shell, tally, wordcount; drivers: console, display, input, and of
    /// machines that boot the image clock, disk, network, power
    #[arg(value_name = "MODULE")]
    module: String,
    #[command(flatten)]
    data: DataArg,
    /// Leave it alone once it has begun
    #[arg(long, short)]
    detach: bool,
    /// Workers wanted; the program decides unless given
    #[arg(long, value_name = "N", default_value_t = 0)]
    workers: u32,
    /// Input file; may be given several times
    #[arg(long = "input", value_name = "FILE")]
    inputs: Vec<PathBuf>,
    /// Where to write the result instead of showing it
    #[arg(long, value_name = "FILE")]
    result: Option<PathBuf>,
    /// Arguments of the program
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<String>,
}

pub(crate) fn run(args: RunArgs) -> Result<ExitCode, Error> {
    let program = Program::find(&args.module)?;
    let inputs = program::inputs(&args.inputs)?;
    let mut client = args.data.client()?;
    interrupt::watch()?;
    client.deploy(&program.name, program.wasm)?;
    let process = client.start(&program.name, args.workers, args.arguments, inputs)?;
    if args.detach {
        ui::note(format!("process {process}; `plurix ps` shows it"));
        return Ok(ExitCode::SUCCESS);
    }
    let Some(end) = follow(&mut client, process)? else {
        ui::note(format!("process {process} goes on; `plurix ps` shows it"));
        return Ok(ExitCode::SUCCESS);
    };
    let code = program::exit_code(end.state, &end.fault)?;
    if end.result_bytes > 0 {
        let result = client.result(process)?;
        match &args.result {
            Some(path) => fs::write(path, &result).map_err(|error| {
                Error::user(format!("write the result to {}: {error}", path.display()))
            })?,
            None => show_result(&result),
        }
    }
    Ok(ExitCode::from(code))
}

/// Shows what the process does until it ends; `None` if the user turns away.
fn follow(client: &mut Client, process: u32) -> Result<Option<Watched>, Error> {
    let mut followed = Followed::new(process);
    let bar = ui::progress_bar();
    let mut is_cancelled = false;
    loop {
        if interrupt::count() > 1 {
            bar.finish_and_clear();
            return Ok(None);
        }
        if interrupt::count() == 1 && !is_cancelled {
            is_cancelled = true;
            bar.suspend(|| ui::note("cancelling; Ctrl-C again leaves the program alone"));
            match client.cancel(process) {
                Ok(()) | Err(ClientError::Interrupted) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let news = match followed.news(client) {
            Err(ClientError::Interrupted) => continue,
            news => news?,
        };
        bar.suspend(|| show_output(&news));
        bar.set_length(news.total);
        bar.set_position(news.done);
        if news.state.is_final() {
            bar.finish_and_clear();
            return Ok(Some(news));
        }
        if news.output.is_empty() {
            thread::sleep(POLL_TIME);
        }
    }
}

fn show_output(news: &Watched) {
    if news.lost_bytes > 0 {
        ui::note(format!(
            "({} bytes of output were overwritten)",
            news.lost_bytes
        ));
    }
    for piece in &news.output {
        if piece.is_error {
            ui::write_error(&piece.bytes);
        } else {
            ui::write_out(&piece.bytes);
        }
    }
}

/// Text as it is; other bytes only where no terminal is in the way.
fn show_result(result: &[u8]) {
    let is_text = std::str::from_utf8(result).is_ok_and(|text| {
        text.chars()
            .all(|char| !char.is_control() || char.is_whitespace())
    });
    if is_text || !std::io::stdout().is_terminal() {
        ui::write_out(result);
    } else {
        ui::note(format!(
            "result: {} bytes; --result FILE keeps them",
            result.len()
        ));
    }
}
