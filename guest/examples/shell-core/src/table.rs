//! Columns of text.
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A header and rows, as wide as what is in them.
pub(crate) fn table<const COLUMNS: usize>(
    header: &[&str; COLUMNS],
    rows: impl Iterator<Item = [String; COLUMNS]>,
) -> String {
    let header = header.map(ToString::to_string);
    let rows: Vec<[String; COLUMNS]> = core::iter::once(header).chain(rows).collect();
    let mut widths = [0; COLUMNS];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            let padding = 2 + width - cell.chars().count();
            line.push_str(cell);
            line.extend(core::iter::repeat_n(' ', padding));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
