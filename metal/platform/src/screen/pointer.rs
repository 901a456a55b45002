//! The pointer, as it lies over what the screen shows: in text a cell with its two colours
//! exchanged, in pixels an arrow. The display has nothing of it.
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use adapter::display::{Colour, Mode, Palette};
use hal::screen;

/// The arrow, a letter a pixel, with its point at the first one.
const ARROW: [&[u8; 12]; 19] = [
    b"#           ",
    b"##          ",
    b"#.#         ",
    b"#..#        ",
    b"#...#       ",
    b"#....#      ",
    b"#.....#     ",
    b"#......#    ",
    b"#.......#   ",
    b"#........#  ",
    b"#.........# ",
    b"#......#####",
    b"#...#..#    ",
    b"#..# #..#   ",
    b"#.#  #..#   ",
    b"##    #..#  ",
    b"      #..#  ",
    b"       #..# ",
    b"       ###  ",
];
const EDGE: u8 = b'#';
const INSIDE: u8 = b'.';
/// Pixels are written in steps of so many bytes.
const STEP: usize = 8;

/// Where a pointer is: parts of the picture's width and height, out of 65536.
pub(super) type Place = (u16, u16);

/// The cell of text that a pointer is on.
pub(super) fn cell_at((x, y): Place) -> usize {
    part(y, screen::ROWS) * screen::COLUMNS + part(x, screen::COLUMNS)
}

/// A character with its two colours exchanged; with two others if they are the same.
pub(super) fn inverted(cell: u16) -> u16 {
    let [character, attribute] = cell.to_le_bytes();
    let attribute = match attribute.rotate_left(4) {
        same if same == attribute => attribute ^ 0xf0,
        other => other,
    };
    u16::from_le_bytes([character, attribute])
}

/// The arrow on a picture of pixels.
#[derive(Debug)]
pub(super) struct Arrow {
    mode: Mode,
    /// Where its point is.
    at: (usize, usize),
    rows: Vec<Row>,
}

/// A row of the arrow, with what is beside it in the same steps of memory.
#[derive(Debug)]
struct Row {
    offset: usize,
    /// What the display has there.
    below: Vec<u8>,
}

/// The two colours of an arrow, in the bytes of a pixel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ink {
    edge: [u8; 4],
    inside: [u8; 4],
}

impl Ink {
    /// The darkest and the brightest that there are in this mode.
    pub(super) fn of(mode: Mode, palette: &Palette) -> Self {
        if mode.geometry().bytes_each > 1 {
            let (edge, inside) = ([0; 4], [0xff; 4]);
            return Self { edge, inside };
        }
        let light = |colour: &Colour| colour.iter().map(|&part| u32::from(part)).sum::<u32>();
        let colours = || (0..=u8::MAX).zip(&palette.0);
        let darkest = colours().min_by_key(|(_, colour)| light(colour));
        let brightest = colours().max_by_key(|(_, colour)| light(colour));
        let index = |found: Option<(u8, &Colour)>| [found.map_or(0, |(index, _)| index); 4];
        Self {
            edge: index(darkest),
            inside: index(brightest),
        }
    }
}

impl Arrow {
    /// Draws one on what the screen has now.
    pub(super) fn draw(mode: Mode, (x, y): Place, ink: Ink) -> Self {
        let geometry = mode.geometry();
        let at = (part(x, geometry.width), part(y, geometry.height));
        let end = (at.0 + ARROW[0].len()).min(geometry.width);
        let row_bytes = geometry.width * geometry.bytes_each;
        let first = at.0 * geometry.bytes_each / STEP * STEP;
        let bytes = (end * geometry.bytes_each).next_multiple_of(STEP) - first;
        let rows = (at.1..geometry.height).take(ARROW.len()).map(|row| {
            let offset = row * row_bytes + first;
            let mut below = vec![0; bytes];
            screen::read_pixels(offset, &mut below);
            Row { offset, below }
        });
        let rows = rows.collect();
        let arrow = Self { mode, at, rows };
        arrow.show(ink);
        arrow
    }

    /// Shows what is below it.
    pub(super) fn wipe(self) {
        for row in self.rows {
            screen::write_pixels(row.offset, &row.below);
        }
    }

    /// It is seen in these colours from now on.
    pub(super) fn show(&self, ink: Ink) {
        for index in 0..self.rows.len() {
            self.show_row(index, ink);
        }
    }

    /// Something was written, perhaps where it is: then it lies below it.
    pub(super) fn cover(&mut self, offset: usize, bytes: &[u8], ink: Ink) {
        let written = offset..offset + bytes.len();
        for index in 0..self.rows.len() {
            let row = &mut self.rows[index];
            let own = row.offset..row.offset + row.below.len();
            let common = written.start.max(own.start)..written.end.min(own.end);
            if common.is_empty() {
                continue;
            }
            let from = |start: usize| -> Range<usize> { common.start - start..common.end - start };
            row.below[from(own.start)].copy_from_slice(&bytes[from(written.start)]);
            self.show_row(index, ink);
        }
    }

    fn show_row(&self, index: usize, ink: Ink) {
        let Row { offset, below } = &self.rows[index];
        let geometry = self.mode.geometry();
        let each = geometry.bytes_each;
        let mut seen = below.clone();
        // The point may be within a step.
        let start = self.at.0 * each % STEP;
        let pixels = seen[start..].chunks_exact_mut(each);
        for (pixel, letter) in pixels.zip(ARROW[index]) {
            match *letter {
                EDGE => pixel.copy_from_slice(&ink.edge[..each]),
                INSIDE => pixel.copy_from_slice(&ink.inside[..each]),
                _ => {}
            }
        }
        screen::write_pixels(*offset, &seen);
    }
}

/// The same part of something that is so long.
fn part(value: u16, length: usize) -> usize {
    (usize::from(value) * length) >> 16
}
