//! A display adapter, from its driver's side.
//!
//! It has a memory, which it shows as its mode says: as characters with attributes, or as
//! pixels. What is written is bytes, and the adapter does not know what they were meant to be:
//! who writes characters while it shows pixels gets speckles. Setting a mode changes nothing
//! in the memory.
use alloc::vec::Vec;

use crate::{Malformed, take_array};

/// Bytes of the adapter's memory.
pub const MEMORY_BYTES: usize = 1024 * 768 * 4;
/// Bytes of a write at most.
pub const WRITE_BYTES_MAX: usize = 4096;
/// Characters in a row of the text mode.
pub const COLUMNS: usize = 80;
/// Rows of the text mode.
pub const ROWS: usize = 25;

/// How the adapter shows its memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Mode {
    /// 80 x 25 characters, two bytes each: the character (code page 437), then its attribute,
    /// the colour in the low four bits and that of the ground in the next ones. What an adapter
    /// is in when it gets power.
    #[default]
    Text,
    /// 320 x 200 pixels, each a byte: the number of a colour of the palette.
    Low,
    /// 640 x 480 pixels, each a byte.
    Palette,
    /// 640 x 480 pixels, each four bytes: blue, green, red, nothing.
    Colour,
    /// 800 x 600 pixels, each four bytes.
    Wide,
    /// 1024 x 768 pixels, each four bytes.
    High,
}

/// What a mode shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    /// Characters or pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes of each.
    pub bytes_each: usize,
}

impl Geometry {
    /// Bytes of the memory that are shown.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.width * self.height * self.bytes_each
    }
}

impl Mode {
    /// All of them; a mode's number is its place here.
    pub const ALL: [Self; 6] = [
        Self::Text,
        Self::Low,
        Self::Palette,
        Self::Colour,
        Self::Wide,
        Self::High,
    ];

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The mode of this number.
    ///
    /// # Errors
    /// If there is none.
    pub fn of_number(number: u8) -> Result<Self, Malformed> {
        Self::ALL.get(number as usize).copied().ok_or(Malformed)
    }

    /// What it shows.
    #[must_use]
    pub const fn geometry(self) -> Geometry {
        let (width, height, bytes_each) = match self {
            Self::Text => (COLUMNS, ROWS, 2),
            Self::Low => (320, 200, 1),
            Self::Palette => (640, 480, 1),
            Self::Colour => (640, 480, 4),
            Self::Wide => (800, 600, 4),
            Self::High => (1024, 768, 4),
        };
        Geometry {
            width,
            height,
            bytes_each,
        }
    }
}

/// Where the cursor is, and whether there is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cursor {
    /// It is shown. In modes with pixels it never is.
    pub is_visible: bool,
    /// From the left, 0 to 79.
    pub column: u8,
    /// From the top, 0 to 24.
    pub row: u8,
}

/// Red, green, blue.
pub type Colour = [u8; 3];

/// The colours of an adapter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Palette(pub [Colour; 256]);

impl Default for Palette {
    /// The sixteen colours of PCs, sixteen greys, then six steps of each of red, green, blue;
    /// the rest is black.
    fn default() -> Self {
        const PC: [u32; 16] = [
            0x00_0000, 0x00_00AA, 0x00_AA00, 0x00_AAAA, 0xAA_0000, 0xAA_00AA, 0xAA_5500, 0xAA_AAAA,
            0x55_5555, 0x55_55FF, 0x55_FF55, 0x55_FFFF, 0xFF_5555, 0xFF_55FF, 0xFF_FF55, 0xFF_FFFF,
        ];
        let mut colours = [[0; 3]; 256];
        for (colour, rgb) in colours.iter_mut().zip(PC) {
            let [blue, green, red, _] = rgb.to_le_bytes();
            *colour = [red, green, blue];
        }
        for (step, colour) in (0_u8..16).zip(&mut colours[16..32]) {
            *colour = [step * 17; 3];
        }
        for (step, colour) in (0_u8..216).zip(&mut colours[32..248]) {
            *colour = [step / 36, step / 6 % 6, step % 6].map(|part| part * 51);
        }
        Self(colours)
    }
}

/// What a driver says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command<'a> {
    /// Shows the memory in this mode.
    SetMode(Mode),
    /// Changes a colour.
    SetColour(u8, Colour),
    /// Puts the cursor somewhere.
    SetCursor(Cursor),
    /// Writes to the memory.
    Write {
        /// The mode that the driver believes the adapter to be in. The adapter does not care,
        /// but counts how often it was wrong.
        meant: Mode,
        /// The first byte.
        offset: u32,
        /// What is written, [`WRITE_BYTES_MAX`] at most.
        bytes: &'a [u8],
    },
    /// Makes all bytes of the memory 0.
    Clear,
    /// Asks what the adapter is like: it says a [`Reading`].
    Read(u32),
}

impl<'a> Command<'a> {
    /// Puts it behind what is there.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::SetMode(mode) => out.extend([1, mode.number()]),
            Self::SetColour(index, [red, green, blue]) => {
                out.extend([2, index, red, green, blue]);
            }
            Self::SetCursor(cursor) => {
                let visible = u8::from(cursor.is_visible);
                out.extend([3, visible, cursor.column, cursor.row]);
            }
            Self::Write {
                meant,
                offset,
                bytes,
            } => {
                let length = u16::try_from(bytes.len()).expect("no more than a write's most");
                out.extend([4, meant.number()]);
                out.extend(offset.to_le_bytes());
                out.extend(length.to_le_bytes());
                out.extend(bytes);
            }
            Self::Clear => out.push(6),
            Self::Read(token) => {
                out.push(5);
                out.extend(token.to_le_bytes());
            }
        }
    }

    /// The first command of these bytes, and how many it takes; `None` if there is not all of
    /// it.
    ///
    /// # Errors
    /// If it is none.
    pub fn decode(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let mut rest = bytes;
        let Some(command) = Self::take(&mut rest)? else {
            return Ok(None);
        };
        Ok(Some((command, bytes.len() - rest.len())))
    }

    fn take(rest: &mut &'a [u8]) -> Result<Option<Self>, Malformed> {
        let Some([opcode]) = take_array(rest) else {
            return Ok(None);
        };
        Ok(match opcode {
            1 => match take_array(rest) {
                Some([mode]) => Some(Self::SetMode(Mode::of_number(mode)?)),
                None => None,
            },
            2 => take_array(rest)
                .map(|[index, red, green, blue]| Self::SetColour(index, [red, green, blue])),
            3 => match take_array(rest) {
                Some([visible @ 0..=1, column, row])
                    if usize::from(column) < COLUMNS && usize::from(row) < ROWS =>
                {
                    Some(Self::SetCursor(Cursor {
                        is_visible: visible == 1,
                        column,
                        row,
                    }))
                }
                Some(_) => return Err(Malformed),
                None => None,
            },
            4 => return Self::take_write(rest),
            5 => take_array(rest).map(|token| Self::Read(u32::from_le_bytes(token))),
            6 => Some(Self::Clear),
            _ => return Err(Malformed),
        })
    }

    fn take_write(rest: &mut &'a [u8]) -> Result<Option<Self>, Malformed> {
        let (Some([mode]), Some(offset), Some(length)) =
            (take_array(rest), take_array(rest), take_array(rest))
        else {
            return Ok(None);
        };
        let meant = Mode::of_number(mode)?;
        let offset = u32::from_le_bytes(offset);
        let length = usize::from(u16::from_le_bytes(length));
        let end = offset as usize + length;
        if length > WRITE_BYTES_MAX || end > MEMORY_BYTES {
            return Err(Malformed);
        }
        Ok(rest.split_off(..length).map(|bytes| Self::Write {
            meant,
            offset,
            bytes,
        }))
    }
}

/// What an adapter says when it is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading {
    /// That of the command.
    pub token: u32,
    /// What it is in.
    pub mode: Mode,
    /// Where the cursor is.
    pub cursor: Cursor,
    /// Checksum of the palette and of what is shown of the memory.
    pub checksum: u32,
}

impl Reading {
    /// Bytes that it takes.
    pub const BYTES: usize = 12;

    /// As it goes over the line.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&self.token.to_le_bytes());
        bytes[4] = self.mode.number();
        bytes[5..8].copy_from_slice(&[
            u8::from(self.cursor.is_visible),
            self.cursor.column,
            self.cursor.row,
        ]);
        bytes[8..].copy_from_slice(&self.checksum.to_le_bytes());
        bytes
    }

    /// From what came over the line.
    ///
    /// # Errors
    /// If it is none.
    pub fn decode(bytes: &[u8; Self::BYTES]) -> Result<Self, Malformed> {
        let [t0, t1, t2, t3, mode, visible, column, row, c0, c1, c2, c3] = *bytes;
        Ok(Self {
            token: u32::from_le_bytes([t0, t1, t2, t3]),
            mode: Mode::of_number(mode)?,
            cursor: Cursor {
                is_visible: visible == 1,
                column,
                row,
            },
            checksum: u32::from_le_bytes([c0, c1, c2, c3]),
        })
    }
}

/// Checksum of a palette and of what is shown of a memory, in pieces of any length: Adler-32.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Checksum {
    low: u32,
    high: u32,
}

impl Checksum {
    const MODULUS: u32 = 65521;
    /// So many bytes at a time do not overflow.
    const BATCH: usize = 5552;

    /// That of a palette, before anything that is shown.
    #[must_use]
    pub fn of(palette: &Palette) -> Self {
        let mut checksum = Self { low: 1, high: 0 };
        checksum.add(palette.0.as_flattened());
        checksum
    }

    /// More of what is shown.
    pub fn add(&mut self, bytes: &[u8]) {
        for batch in bytes.chunks(Self::BATCH) {
            for byte in batch {
                self.low += u32::from(*byte);
                self.high += self.low;
            }
            self.low %= Self::MODULUS;
            self.high %= Self::MODULUS;
        }
    }

    /// It as a number.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.high << 16 | self.low
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn commands_come_back_and_wait_for_their_last_byte() {
        let cursor = Cursor {
            is_visible: true,
            column: 79,
            row: 24,
        };
        let commands = [
            Command::SetMode(Mode::High),
            Command::SetColour(7, [1, 2, 3]),
            Command::SetCursor(cursor),
            Command::Write {
                meant: Mode::Low,
                offset: 77,
                bytes: &[9; 300],
            },
            Command::Clear,
            Command::Read(0x0102_0304),
        ];
        for command in commands {
            let mut bytes = vec![];
            command.encode(&mut bytes);
            assert_eq!(Command::decode(&bytes), Ok(Some((command, bytes.len()))));
            for end in 0..bytes.len() {
                assert_eq!(
                    Command::decode(&bytes[..end]),
                    Ok(None),
                    "{command:?} {end}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_command_is_refused() {
        let outside = u32::try_from(MEMORY_BYTES).unwrap().to_le_bytes();
        let mut beyond = vec![4, 0];
        beyond.extend(outside);
        beyond.extend([1, 0, 5]);
        for bytes in [
            &[0][..],
            &[7],
            &[1, 6],
            &[3, 1, 80, 0],
            &[3, 2, 0, 0],
            &beyond,
        ] {
            assert_eq!(Command::decode(bytes), Err(Malformed), "{bytes:?}");
        }
    }

    #[test]
    fn a_reading_comes_back_and_pieces_make_no_difference() {
        let palette = Palette::default();
        let picture = [[5_u8; 1000].as_slice(), &[250; 9000]].concat();
        let sum = |length: usize| {
            let mut checksum = Checksum::of(&palette);
            picture.chunks(length).for_each(|piece| checksum.add(piece));
            checksum.value()
        };
        let whole = sum(picture.len());
        assert_eq!(whole, sum(77));
        let reading = Reading {
            token: 9,
            mode: Mode::Wide,
            cursor: Cursor::default(),
            checksum: whole,
        };
        assert_eq!(Reading::decode(&reading.encode()), Ok(reading));
    }
}
