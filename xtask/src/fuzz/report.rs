//! What libFuzzer's log says, in a line.
use std::fmt;
use std::path::PathBuf;

/// What came of a run.
#[derive(Debug, Default)]
pub(super) struct Report {
    executions: u64,
    per_second: u64,
    /// Edges reached by what was there at first, and in the end.
    edges: Option<(u64, u64)>,
    /// An input that makes the target fail.
    pub(super) input: Option<PathBuf>,
    /// What it said about it.
    pub(super) why: String,
}

impl Report {
    pub(super) fn read(log: &str) -> Self {
        let mut report = Self::default();
        let mut lines = log.lines();
        while let Some(line) = lines.next() {
            if let Some(edges) = number_after(line, " cov: ") {
                let first = report.edges.map_or(edges, |(first, _)| first);
                report.edges = Some((first, edges));
            } else if let Some(count) = number_after(line, "stat::number_of_executed_units:") {
                report.executions = count;
            } else if let Some(count) = number_after(line, "stat::average_exec_per_sec:") {
                report.per_second = count;
            } else if let Some((_, path)) = line.split_once("Test unit written to ") {
                report.input = Some(path.into());
            } else if line.contains("panicked at") {
                // What it says follows the place.
                let message = lines.next().unwrap_or_default();
                report.why = format!("{line} {message}");
            } else if report.why.is_empty() && line.contains("ERROR: libFuzzer") {
                report.why = line.into();
            }
        }
        report
    }
}

fn number_after(line: &str, words: &str) -> Option<u64> {
    let (_, rest) = line.split_once(words)?;
    rest.split_whitespace().next()?.parse().ok()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            executions,
            per_second,
            ..
        } = self;
        let (first, last) = self.edges.unwrap_or_default();
        write!(
            f,
            "{executions} executions, {per_second} a second; {first} edges at first, {last} now"
        )
    }
}
