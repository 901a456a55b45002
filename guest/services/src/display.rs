//! The display's service.
use alloc::vec::Vec;

use adapter::display::{Colour, Cursor, Mode};
use adapter::take_array;

/// Bytes of a drawing at most.
pub const DRAWING_BYTES_MAX: usize = 32 << 10;
/// Bytes of a request before its drawing, at most.
const HEAD_BYTES_MAX: usize = 16;

/// Part of the picture, in characters or pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Area {
    /// From the left.
    pub x: u16,
    /// From the top.
    pub y: u16,
    /// How wide.
    pub width: u16,
    /// How high.
    pub height: u16,
}

/// What a program wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request<'a> {
    /// Another mode: the picture is empty then, and the colours are as at first.
    SetMode(Mode),
    /// Another colour of the palette.
    SetColour(u8, Colour),
    /// The cursor somewhere else.
    SetCursor(Cursor),
    /// This at a place: what is outside of the picture is left out.
    Draw {
        /// The mode for which it is drawn; in any other it is not.
        mode: Mode,
        /// Where.
        area: Area,
        /// Row by row.
        bytes: &'a [u8],
    },
    /// The same everywhere in a place.
    Fill {
        /// The mode for which it is drawn; in any other it is not.
        mode: Mode,
        /// Where.
        area: Area,
        /// A character with its attribute, or a pixel: the first bytes of it.
        value: [u8; 4],
    },
    /// Which mode is it in? Answered by [`Answer::Mode`].
    Ask,
}

/// What a program is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The mode that the display is in.
    Mode(Mode),
    /// Something was drawn for another mode than this one, and left out.
    OtherMode(Mode),
    /// That was no request. Nothing more is heard on this session.
    Malformed,
}

impl<'a> Request<'a> {
    /// Puts it behind what is there.
    ///
    /// # Panics
    /// If a drawing has too many bytes.
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
            Self::Draw { mode, area, bytes } => {
                assert!(bytes.len() <= DRAWING_BYTES_MAX, "a drawing is no longer");
                out.extend([4, mode.number()]);
                area.encode(out);
                out.extend((bytes.len() as u16).to_le_bytes());
                out.extend(bytes);
            }
            Self::Fill { mode, area, value } => {
                out.extend([5, mode.number()]);
                area.encode(out);
                out.extend(value);
            }
            Self::Ask => out.push(6),
        }
    }

    /// The first request of these bytes, and how many it takes; `None` if there is not all of
    /// it.
    ///
    /// # Errors
    /// If it is none.
    pub fn decode(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, adapter::Malformed> {
        let mut rest = bytes;
        let request = Self::take(&mut rest)?;
        Ok(request.map(|request| (request, bytes.len() - rest.len())))
    }

    fn take(rest: &mut &'a [u8]) -> Result<Option<Self>, adapter::Malformed> {
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
            3 => take_array(rest).map(|[visible, column, row]| {
                Self::SetCursor(Cursor {
                    is_visible: visible != 0,
                    column,
                    row,
                })
            }),
            4 | 5 => return Self::take_drawing(opcode, rest),
            6 => Some(Self::Ask),
            _ => return Err(adapter::Malformed),
        })
    }

    fn take_drawing(opcode: u8, rest: &mut &'a [u8]) -> Result<Option<Self>, adapter::Malformed> {
        let Some([mode]) = take_array(rest) else {
            return Ok(None);
        };
        let mode = Mode::of_number(mode)?;
        let Some(area) = Area::take(rest) else {
            return Ok(None);
        };
        if opcode == 5 {
            let value = take_array(rest);
            return Ok(value.map(|value| Self::Fill { mode, area, value }));
        }
        let Some(length) = take_array(rest).map(u16::from_le_bytes) else {
            return Ok(None);
        };
        let expected = area.count() * mode.geometry().bytes_each;
        if usize::from(length) != expected || expected > DRAWING_BYTES_MAX {
            return Err(adapter::Malformed);
        }
        let drawing = rest.split_off(..expected);
        Ok(drawing.map(|bytes| Self::Draw { mode, area, bytes }))
    }

    /// Bytes of a request at most.
    pub const BYTES_MAX: usize = HEAD_BYTES_MAX + DRAWING_BYTES_MAX;
}

impl Area {
    /// Characters or pixels in it.
    #[must_use]
    pub const fn count(self) -> usize {
        self.width as usize * self.height as usize
    }

    fn encode(self, out: &mut Vec<u8>) {
        for number in [self.x, self.y, self.width, self.height] {
            out.extend(number.to_le_bytes());
        }
    }

    fn take(rest: &mut &[u8]) -> Option<Self> {
        let [x, y, width, height] = take_array::<8>(rest)?
            .as_chunks()
            .0
            .try_into()
            .expect("four pairs");
        Some(Self {
            x: u16::from_le_bytes(x),
            y: u16::from_le_bytes(y),
            width: u16::from_le_bytes(width),
            height: u16::from_le_bytes(height),
        })
    }
}

impl Answer {
    /// Bytes that each takes.
    pub const BYTES: usize = 2;

    /// Puts it behind what is there.
    pub fn encode(self, out: &mut Vec<u8>) {
        out.extend(match self {
            Self::Mode(mode) => [1, mode.number()],
            Self::OtherMode(mode) => [2, mode.number()],
            Self::Malformed => [3, 0],
        });
    }

    /// Takes the first one off the front.
    ///
    /// # Errors
    /// If it is none.
    pub fn take(bytes: &mut Vec<u8>) -> Result<Option<Self>, adapter::Malformed> {
        let Some(&[kind, mode]) = bytes.first_chunk() else {
            return Ok(None);
        };
        let answer = match kind {
            1 => Self::Mode(Mode::of_number(mode)?),
            2 => Self::OtherMode(Mode::of_number(mode)?),
            3 => Self::Malformed,
            _ => return Err(adapter::Malformed),
        };
        bytes.drain(..Self::BYTES);
        Ok(Some(answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    const AREA: Area = Area {
        x: 1,
        y: 65535,
        width: 4,
        height: 3,
    };

    #[test]
    fn requests_come_back_and_wait_for_their_last_byte() {
        let requests = [
            Request::SetMode(Mode::Colour),
            Request::SetColour(255, [1, 2, 3]),
            Request::SetCursor(Cursor::default()),
            Request::Draw {
                mode: Mode::Text,
                area: AREA,
                bytes: &[7; 24],
            },
            Request::Fill {
                mode: Mode::High,
                area: AREA,
                value: [1, 2, 3, 4],
            },
            Request::Ask,
        ];
        for request in requests {
            let mut bytes = vec![];
            request.encode(&mut bytes);
            assert_eq!(Request::decode(&bytes), Ok(Some((request, bytes.len()))));
            for end in 0..bytes.len() {
                assert_eq!(Request::decode(&bytes[..end]), Ok(None), "{request:?}");
            }
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let mut drawing = vec![];
        Request::Draw {
            mode: Mode::Low,
            area: AREA,
            bytes: &[7; 11],
        }
        .encode(&mut drawing);
        for bytes in [&[0][..], &[7], &[1, 6], &drawing] {
            assert_eq!(Request::decode(bytes), Err(adapter::Malformed), "{bytes:?}");
        }
    }

    #[test]
    fn answers_come_back() {
        let answers = [
            Answer::Mode(Mode::Text),
            Answer::OtherMode(Mode::Wide),
            Answer::Malformed,
        ];
        let mut bytes = vec![];
        for answer in answers {
            answer.encode(&mut bytes);
        }
        for answer in answers {
            assert_eq!(Answer::take(&mut bytes), Ok(Some(answer)));
        }
        assert_eq!(Answer::take(&mut bytes), Ok(None));
        assert!(Answer::take(&mut vec![9, 9]).is_err());
    }
}
