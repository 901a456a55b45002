//! A screen of characters, as a display shows it in its text mode.
use alloc::vec::Vec;

const COLUMNS: usize = 80;
const ROWS: usize = 25;
/// Bytes of a row: characters and attributes.
pub const ROW_BYTES: usize = 2 * COLUMNS;
/// Light grey on black.
const ATTRIBUTE: u8 = 0x07;

/// What is on the screen, and which rows of it have changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grid {
    cells: Vec<u8>,
    column: usize,
    row: usize,
    changed: [bool; ROWS],
}

impl Default for Grid {
    fn default() -> Self {
        Self {
            cells: [b' ', ATTRIBUTE].repeat(COLUMNS * ROWS),
            column: 0,
            row: 0,
            changed: [true; ROWS],
        }
    }
}

impl Grid {
    /// Writes at the cursor; what does not fit any more goes out at the top.
    pub fn write(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '\n' => self.next_row(),
                '\u{8}' => self.column = self.column.saturating_sub(1),
                ' '..='~' => self.put(character as u8),
                character if character.is_control() => {}
                _ => self.put(b'?'),
            }
        }
    }

    /// Everything has to be shown again.
    pub fn all_changed(&mut self) {
        self.changed = [true; ROWS];
    }

    /// A row that has changed, with its bytes. It counts as shown.
    pub fn take_changed(&mut self) -> Option<(usize, &[u8])> {
        let row = self.changed.iter().position(|changed| *changed)?;
        self.changed[row] = false;
        Some((row, &self.cells[row * ROW_BYTES..][..ROW_BYTES]))
    }

    /// Column and row of the cursor.
    #[must_use]
    pub const fn cursor(&self) -> (usize, usize) {
        (self.column, self.row)
    }

    fn put(&mut self, byte: u8) {
        if self.column == COLUMNS {
            self.next_row();
        }
        let at = self.row * ROW_BYTES + 2 * self.column;
        self.cells[at..at + 2].copy_from_slice(&[byte, ATTRIBUTE]);
        self.changed[self.row] = true;
        self.column += 1;
        // The cursor stays on the screen: the next character begins the next row.
        if self.column == COLUMNS {
            self.next_row();
        }
    }

    fn next_row(&mut self) {
        self.column = 0;
        if self.row + 1 < ROWS {
            self.row += 1;
            return;
        }
        self.cells.drain(..ROW_BYTES);
        self.cells
            .extend([[b' ', ATTRIBUTE]; COLUMNS].as_flattened());
        self.all_changed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::String;

    fn text(grid: &Grid, row: usize) -> String {
        let cells = grid.cells[row * ROW_BYTES..][..ROW_BYTES].chunks(2);
        let text: String = cells.map(|cell| char::from(cell[0])).collect();
        text.trim_end().into()
    }

    #[test]
    fn what_is_written_last_stays_on_the_screen() {
        let mut grid = Grid::default();
        for line in 0..30 {
            grid.write(&format!("line {line}\n"));
        }
        assert_eq!(text(&grid, 0), "line 6");
        assert_eq!(text(&grid, 23), "line 29");
        assert_eq!((text(&grid, 24), grid.cursor()), (String::new(), (0, 24)));
    }

    #[test]
    fn long_lines_are_wrapped_and_characters_taken_back() {
        let mut grid = Grid::default();
        grid.write(&"x".repeat(85));
        assert_eq!(grid.cursor(), (5, 1));
        grid.write("\u{8} \u{8}");
        assert_eq!(text(&grid, 1), "xxxx");
        assert_eq!(grid.cursor(), (4, 1));
    }

    #[test]
    fn only_what_has_changed_is_shown_again() {
        let mut grid = Grid::default();
        while grid.take_changed().is_some() {}
        grid.write("a\nb");
        assert_eq!(grid.take_changed().map(|(row, _)| row), Some(0));
        assert_eq!(
            grid.take_changed().map(|(row, bytes)| (row, bytes[0])),
            Some((1, b'b'))
        );
        assert_eq!(grid.take_changed(), None);
    }
}
