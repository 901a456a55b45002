//! `plurix call`: one function of a program, as one transaction.
use std::path::PathBuf;
use std::process::ExitCode;

use admin::{Request, Response};
use clap::Args;

use super::DataArg;
use crate::error::Error;
use crate::program;
use crate::ui;

/// Call one function of a program as one transaction
///
/// Prints what the function printed, its reply and its results.
#[derive(Args, Debug)]
pub(crate) struct CallArgs {
    /// Name or number of the program
    #[arg(value_name = "PROGRAM")]
    program: String,
    /// Exported function
    #[arg(value_name = "FUNCTION")]
    function: String,
    /// Its arguments
    #[arg(value_name = "ARGS", allow_negative_numbers = true)]
    arguments: Vec<String>,
    #[command(flatten)]
    data: DataArg,
    /// Input file; may be given several times
    #[arg(long = "input", value_name = "FILE")]
    inputs: Vec<PathBuf>,
    /// Only look: what the function changes is discarded
    #[arg(long)]
    query: bool,
}

pub(crate) fn run(args: CallArgs) -> Result<ExitCode, Error> {
    let inputs = program::inputs(&args.inputs)?;
    let mut client = args.data.client()?;
    let request = Request::Call {
        program: args.program,
        function: args.function,
        arguments: args.arguments,
        inputs,
        is_query: args.query,
    };
    let Response::Returned {
        values,
        reply,
        output,
    } = client.ask(&request)?
    else {
        return Err(Error::internal(
            "expected what the function returned, found another answer",
        ));
    };
    ui::write_out(&output);
    ui::write_out(&reply);
    if !reply.is_empty() && !reply.ends_with(b"\n") {
        ui::say("");
    }
    for value in values {
        ui::say(value);
    }
    Ok(ExitCode::SUCCESS)
}
