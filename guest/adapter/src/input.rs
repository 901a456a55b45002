//! What a keyboard and a pointer say: records of eight bytes.
//!
//! A driver says nothing to them but which lights are on, one byte.
use crate::Malformed;

/// Something that somebody has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InputEvent {
    /// A key went down, or came up.
    Key {
        /// Which one, by its usage number on the keyboard page of the USB tables.
        code: u16,
        /// It is down now.
        is_down: bool,
        /// The character that it stands for, with the layout of whoever pressed it.
        character: Option<char>,
    },
    /// The pointer is somewhere.
    Pointer {
        /// From the left, in 65 535ths of the picture's width.
        x: u16,
        /// From the top, in 65 535ths of its height.
        y: u16,
        /// Which buttons are down, a bit each, the first one lowest.
        buttons: u8,
        /// Whose it is, if several people have one.
        whose: u8,
    },
    /// So many events were dropped here, because nobody took them.
    Dropped(u32),
}

impl InputEvent {
    /// Bytes that each takes.
    pub const BYTES: usize = 8;

    /// As it goes over the line.
    #[must_use]
    pub fn encode(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        match self {
            Self::Key {
                code,
                is_down,
                character,
            } => {
                bytes[0] = 1;
                bytes[1] = u8::from(is_down);
                bytes[2..4].copy_from_slice(&code.to_le_bytes());
                let character = character.map_or(0, u32::from);
                bytes[4..].copy_from_slice(&character.to_le_bytes());
            }
            Self::Pointer {
                x,
                y,
                buttons,
                whose,
            } => {
                bytes[0] = 2;
                bytes[1] = buttons;
                bytes[2..4].copy_from_slice(&x.to_le_bytes());
                bytes[4..6].copy_from_slice(&y.to_le_bytes());
                bytes[6] = whose;
            }
            Self::Dropped(count) => {
                bytes[0] = 3;
                bytes[4..].copy_from_slice(&count.to_le_bytes());
            }
        }
        bytes
    }

    /// From what came over the line.
    ///
    /// # Errors
    /// If it is none.
    pub fn decode(bytes: [u8; Self::BYTES]) -> Result<Self, Malformed> {
        let [kind, flag, a0, a1, b0, b1, b2, b3] = bytes;
        let number = u32::from_le_bytes([b0, b1, b2, b3]);
        match (kind, flag) {
            (1, 0..=1) => Ok(Self::Key {
                code: u16::from_le_bytes([a0, a1]),
                is_down: flag == 1,
                character: match number {
                    0 => None,
                    number => Some(char::from_u32(number).ok_or(Malformed)?),
                },
            }),
            (2, buttons) => Ok(Self::Pointer {
                x: u16::from_le_bytes([a0, a1]),
                y: u16::from_le_bytes([b0, b1]),
                buttons,
                whose: b2,
            }),
            (3, _) => Ok(Self::Dropped(number)),
            _ => Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_back() {
        let key = |character| InputEvent::Key {
            code: 4,
            is_down: true,
            character,
        };
        let pointer = InputEvent::Pointer {
            x: 65535,
            y: 1,
            buttons: 5,
            whose: 3,
        };
        for event in [key(Some('ä')), key(None), pointer, InputEvent::Dropped(7)] {
            assert_eq!(InputEvent::decode(event.encode()), Ok(event));
        }
        assert_eq!(InputEvent::decode([0; 8]), Err(Malformed));
        let surrogate = [1, 1, 4, 0, 0, 0xD8, 0, 0];
        assert_eq!(InputEvent::decode(surrogate), Err(Malformed));
    }
}
