//! The place where the command becomes a benchmark.
use crate::error::Error;

/// How a benchmark says what it measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// A table.
    Text,
    /// A line of JSON per measurement.
    Json,
}

/// Runs the benchmark of this name.
pub(crate) fn run_bench(name: &str, _format: Format) -> Result<(), Error> {
    Err(Error::user(format!(
        "there is no benchmark {name} in this build"
    )))
}
