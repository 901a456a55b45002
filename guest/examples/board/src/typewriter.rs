//! Typing in the text mode.
use adapter::display::{COLUMNS, Cursor, Mode, ROWS};
use alloc::vec::Vec;
use services::display::{Area, Request};

/// Light grey on black.
const ATTRIBUTE: u8 = 0x07;
const ENTER: u16 = 0x28;
const BACKSPACE: u16 = 0x2A;

/// Where the next character goes.
#[derive(Debug, Default)]
pub(crate) struct Typewriter {
    column: usize,
    row: usize,
}

impl Typewriter {
    /// The board is empty.
    pub(crate) fn begin(&self, out: &mut Vec<u8>) {
        self.show_cursor(out);
    }

    /// Somebody has pressed a key.
    pub(crate) fn press(&mut self, out: &mut Vec<u8>, code: u16, character: Option<char>) {
        match (code, character) {
            (ENTER, _) => self.next_row(),
            (BACKSPACE, _) => {
                self.back();
                self.put(out, b' ');
            }
            (_, Some(character)) => {
                // What the character set of PCs has at the same place, and no more.
                let byte = match character {
                    ' '..='~' => character as u8,
                    _ => b'?',
                };
                self.put(out, byte);
                self.column += 1;
                if self.column == COLUMNS {
                    self.next_row();
                }
            }
            _ => return,
        }
        self.show_cursor(out);
    }

    fn back(&mut self) {
        match (self.column, self.row) {
            (0, 0) => {}
            (0, row) => (self.column, self.row) = (COLUMNS - 1, row - 1),
            (column, _) => self.column = column - 1,
        }
    }

    /// After the last row comes the first.
    fn next_row(&mut self) {
        (self.column, self.row) = (0, (self.row + 1) % ROWS);
    }

    fn put(&self, out: &mut Vec<u8>, byte: u8) {
        let draw = Request::Draw {
            mode: Mode::Text,
            area: Area {
                x: self.column as u16,
                y: self.row as u16,
                width: 1,
                height: 1,
            },
            bytes: &[byte, ATTRIBUTE],
        };
        draw.encode(out);
    }

    fn show_cursor(&self, out: &mut Vec<u8>) {
        let cursor = Cursor {
            is_visible: true,
            column: self.column as u8,
            row: self.row as u8,
        };
        Request::SetCursor(cursor).encode(out);
    }
}
