//! A likeness of an adapter.
use std::fmt;

use adapter::display::{COLUMNS, Cursor, MEMORY_BYTES, Mode, Palette, ROWS};
use admin::Picture;

use crate::font::{GLYPHS, HEIGHT, WIDTH};
use crate::image::{Image, PIXEL_BYTES};

/// What differs in the colour of a cursor where character and ground have the same.
const CURSOR_INK: u8 = 7;
/// Rows of a character's pixels, from its lowest, that the cursor takes.
const CURSOR_HEIGHT: usize = 2;

/// What an adapter has, as far as it was told.
#[derive(Clone, Debug)]
pub struct Screen {
    version: u64,
    mode: Mode,
    cursor: Cursor,
    palette: Palette,
    memory: Vec<u8>,
}

/// A picture that no adapter has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BadPicture {
    /// There is no mode of this number.
    Mode(u8),
    /// So many bytes of colours.
    Palette(usize),
    /// The cursor is visible or not (1 or 0), in this column and row.
    Cursor([u8; 3]),
    /// So many bytes from this one on, which the memory has not.
    Chunk(u32, usize),
}

impl Default for Screen {
    /// An adapter that has just got power.
    fn default() -> Self {
        Self {
            version: 0,
            mode: Mode::default(),
            cursor: Cursor::default(),
            palette: Palette::default(),
            memory: vec![0; MEMORY_BYTES],
        }
    }
}

impl Screen {
    /// What to ask with for what has changed since.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Takes over what has changed; whether anything has.
    ///
    /// # Errors
    /// If no adapter has such a picture. Then nothing is taken over.
    pub fn apply(&mut self, picture: &Picture) -> Result<bool, BadPicture> {
        let mode = picture.mode;
        let mode = Mode::of_number(mode).map_err(|_| BadPicture::Mode(mode))?;
        let cursor = cursor(picture.cursor).ok_or(BadPicture::Cursor(picture.cursor))?;
        let (colours, rest) = picture.palette.as_chunks();
        let is_palette = rest.is_empty() && [0, 256].contains(&colours.len());
        if !is_palette {
            return Err(BadPicture::Palette(picture.palette.len()));
        }
        let is_outside =
            |(offset, bytes): &&(u32, Vec<u8>)| *offset as usize + bytes.len() > MEMORY_BYTES;
        if let Some((offset, bytes)) = picture.chunks.iter().find(is_outside) {
            return Err(BadPicture::Chunk(*offset, bytes.len()));
        }

        let has_state = mode != self.mode || cursor != self.cursor;
        let has_changed = has_state || !colours.is_empty() || !picture.chunks.is_empty();
        (self.version, self.mode, self.cursor) = (picture.version, mode, cursor);
        if !colours.is_empty() {
            self.palette.0.copy_from_slice(colours);
        }
        for (offset, bytes) in &picture.chunks {
            let start = *offset as usize;
            self.memory[start..start + bytes.len()].copy_from_slice(bytes);
        }
        Ok(has_changed)
    }

    /// What a monitor would show.
    #[must_use]
    pub fn render(&self) -> Image {
        let geometry = self.mode.geometry();
        let shown = &self.memory[..geometry.bytes()];
        match geometry.bytes_each {
            _ if self.mode == Mode::Text => self.render_text(shown),
            1 => {
                let pixels = shown.iter().map(|&index| self.colour(index));
                Image::new(geometry.width, geometry.height, pixels)
            }
            _ => {
                let (pixels, _) = shown.as_chunks::<PIXEL_BYTES>();
                let pixels = pixels
                    .iter()
                    .map(|[blue, green, red, _]| [*red, *green, *blue]);
                Image::new(geometry.width, geometry.height, pixels)
            }
        }
    }

    fn render_text(&self, shown: &[u8]) -> Image {
        let (cells, _) = shown.as_chunks::<2>();
        let (width, height) = (COLUMNS * WIDTH, ROWS * HEIGHT);
        let pixels = (0..height).flat_map(|y| {
            let row = &cells[y / HEIGHT * COLUMNS..][..COLUMNS];
            row.iter().enumerate().flat_map(move |(column, cell)| {
                let [character, attribute] = *cell;
                let is_cursor = self.cursor.is_visible
                    && usize::from(self.cursor.column) == column
                    && usize::from(self.cursor.row) == y / HEIGHT
                    && y % HEIGHT >= HEIGHT - CURSOR_HEIGHT;
                let bits = GLYPHS[usize::from(character)][y % HEIGHT];
                let bits = if is_cursor { 0xFF } else { bits };
                let ground = attribute >> 4;
                // Where nothing was written yet both are black; a cursor is to be seen there, too.
                let ink = match attribute & 0x0F {
                    ink if is_cursor && ink == ground => ink ^ CURSOR_INK,
                    ink => ink,
                };
                let colours = [ground, ink].map(|index| self.colour(index));
                (0..WIDTH).map(move |x| colours[usize::from(bits >> (WIDTH - 1 - x) & 1)])
            })
        });
        Image::new(width, height, pixels)
    }

    fn colour(&self, index: u8) -> [u8; 3] {
        self.palette.0[usize::from(index)]
    }
}

fn cursor([visible, column, row]: [u8; 3]) -> Option<Cursor> {
    let is_inside = usize::from(column) < COLUMNS && usize::from(row) < ROWS;
    (visible <= 1 && is_inside).then_some(Cursor {
        is_visible: visible == 1,
        column,
        row,
    })
}

impl fmt::Display for BadPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mode(number) => {
                let count = Mode::ALL.len();
                write!(f, "expected a display's mode below {count}, found {number}")
            }
            Self::Palette(bytes) => {
                write!(f, "expected 768 bytes of colours or none, found {bytes}")
            }
            Self::Cursor([visible, column, row]) => write!(
                f,
                "expected a cursor within {COLUMNS} x {ROWS} characters, found {visible} at \
                 column {column}, row {row}"
            ),
            Self::Chunk(offset, bytes) => write!(
                f,
                "expected parts of a memory of {MEMORY_BYTES} bytes, found {bytes} bytes at \
                 {offset}"
            ),
        }
    }
}

impl std::error::Error for BadPicture {}
