//! The last lines that the machine has said, as a screen of text.
use core::fmt::{self, Write};

use super::{COLUMNS, ROWS, put_cell};

/// Light grey on black.
const ATTRIBUTE: u16 = 0x0700;
const BLANK: u16 = ATTRIBUTE | b' ' as u16;
/// What stands for characters that the screen may not have.
const UNKNOWN: u8 = b'?';
/// Of a place where the screen has anything: no cell of ours.
const UNSEEN: u16 = 0xffff;

type Cells = [[u16; COLUMNS]; ROWS];

/// Rows of text, the last one at the bottom.
pub(super) struct Log {
    cells: Cells,
    column: usize,
    /// What the screen has.
    shown: Cells,
}

impl Log {
    pub(super) const fn new() -> Self {
        Self {
            cells: [[BLANK; COLUMNS]; ROWS],
            column: 0,
            shown: [[UNSEEN; COLUMNS]; ROWS],
        }
    }

    pub(super) fn print_line(&mut self, line: fmt::Arguments<'_>) {
        self.cells.rotate_left(1);
        self.cells[ROWS - 1] = [BLANK; COLUMNS];
        self.column = 0;
        // It always can be written.
        let _ = self.write_fmt(line);
    }

    /// The screen shows something else now.
    pub(super) fn forget_shown(&mut self) {
        self.shown.as_flattened_mut().fill(UNSEEN);
    }

    /// Shows what has changed.
    pub(super) fn show(&mut self) {
        let cells = self.cells.as_flattened().iter();
        let shown = self.shown.as_flattened_mut().iter_mut();
        for (place, (&cell, shown)) in cells.zip(shown).enumerate() {
            if *shown != cell {
                *shown = cell;
                put_cell(place, cell);
            }
        }
    }

    fn put(&mut self, byte: u8) {
        if self.column == COLUMNS || byte == b'\n' {
            self.cells.rotate_left(1);
            self.cells[ROWS - 1] = [BLANK; COLUMNS];
            self.column = 0;
        }
        if byte != b'\n' {
            self.cells[ROWS - 1][self.column] = ATTRIBUTE | u16::from(byte);
            self.column += 1;
        }
    }
}

impl Write for Log {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            self.put(match character {
                ' '..='~' | '\n' => u8::try_from(character).expect("an ASCII character"),
                _ => UNKNOWN,
            });
        }
        Ok(())
    }
}
