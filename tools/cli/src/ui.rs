//! The terminal: the only place that prints.
#![expect(clippy::print_stderr, reason = "this is the place that prints")]
use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::Error;

/// A line of the command's own result.
pub(crate) fn say(line: impl AsRef<str>) {
    write_out(format!("{}\n", line.as_ref()).as_bytes());
}

/// A line about what is going on, beside the result.
pub(crate) fn note(line: impl AsRef<str>) {
    eprintln!("{}", line.as_ref());
}

/// Tells what happens: on standard output, unless the result goes there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Teller {
    /// The story is the result.
    Out,
    /// The result is a line of JSON.
    BesideJson,
}

impl Teller {
    /// A line of the story.
    pub(crate) fn tell(self, line: impl AsRef<str>) {
        match self {
            Self::Out => say(line),
            Self::BesideJson => note(line),
        }
    }
}

/// A program's own output, as it is.
pub(crate) fn write_out(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    // Whoever reads has gone: then nobody misses it.
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// A program's own error output, as it is.
pub(crate) fn write_error(bytes: &[u8]) {
    let _ = io::stderr().lock().write_all(bytes);
}

/// An error and its hints.
pub(crate) fn error(error: &Error) {
    eprintln!("error: {error}");
    for hint in error.hints() {
        eprintln!("hint: {hint}");
    }
}

/// What clap has to say: help to standard output, complaints to standard error.
pub(crate) fn clap(error: &clap::Error) {
    // A closed pipe is nobody's problem.
    let _ = error.print();
}

/// A progress bar on standard error, hidden unless that is a terminal.
pub(crate) fn progress_bar() -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr_with_hz(10)
    } else {
        ProgressDrawTarget::hidden()
    };
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {pos}/{len}  {elapsed}");
    let bar = ProgressBar::with_draw_target(Some(0), target);
    bar.with_style(style.expect("the template is a constant"))
}

/// Rows with their columns aligned: first to the left, all others to the right.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        cells.chain([header[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let cells = cells.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let header = line(header.to_vec());
    let rows = rows
        .iter()
        .map(|row| line(row.iter().map(String::as_str).collect()));
    std::iter::once(header).chain(rows).collect()
}

/// So many bytes, in three or four digits.
pub(crate) fn size(bytes: u64) -> String {
    let mut unit = 1;
    let mut name = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if bytes / unit < 1024 {
            break;
        }
        unit *= 1024;
        name = larger;
    }
    let tenths = bytes % unit * 10 / unit;
    match bytes / unit {
        whole if whole < 10 && unit > 1 => format!("{whole}.{tenths} {name}"),
        whole => format!("{whole} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let sizes = [0, 999, 1024, 4096, 15 << 10, (3 << 30) + (1 << 29)];
        let expected = ["0 B", "999 B", "1.0 KiB", "4.0 KiB", "15 KiB", "3.5 GiB"];
        assert_eq!(sizes.map(size), expected);
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [
            vec!["n1".into(), "1234".into()],
            vec!["node-22".into(), "5".into()],
        ];
        let expected = "node     pages\nn1        1234\nnode-22      5\n";
        assert_eq!(table(&["node", "pages"], &rows), expected);
    }
}
