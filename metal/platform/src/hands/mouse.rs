//! A mouse: how far it has gone, and which buttons are down, in three bytes.
use adapter::input::InputEvent;

/// The first byte of three has this bit.
const IS_FIRST: u8 = 0x08;
const BUTTONS: u8 = 0x07;
const IS_LEFT: u8 = 0x10;
const IS_DOWN: u8 = 0x20;
/// It went too far to be said.
const IS_TOO_FAR: u8 = 0xc0;
/// A step is a pixel of the largest picture.
const STEPS: (i32, i32) = (65_535 / 1024, 65_535 / 768);
const MIDDLE: i32 = 32_768;

/// Where the pointer is, by what the mouse has said.
#[derive(Debug)]
pub(super) struct Mouse {
    bytes: [u8; 3],
    count: usize,
    at: (i32, i32),
}

impl Default for Mouse {
    fn default() -> Self {
        Self {
            bytes: [0; 3],
            count: 0,
            at: (MIDDLE, MIDDLE),
        }
    }
}

impl Mouse {
    /// A byte of what it says; what has been done, if that is all.
    pub(super) fn hear(&mut self, byte: u8) -> Option<InputEvent> {
        if self.count == 0 && byte & IS_FIRST == 0 {
            // Not the beginning of anything.
            return None;
        }
        self.bytes[self.count] = byte;
        self.count += 1;
        if self.count < self.bytes.len() {
            return None;
        }
        self.count = 0;
        let [first, right, up] = self.bytes;
        let far = |sign: u8, steps: u8| i32::from(steps) - if first & sign == 0 { 0 } else { 256 };
        if first & IS_TOO_FAR == 0 {
            let (right, up) = (far(IS_LEFT, right), far(IS_DOWN, up));
            let within = |at: i32| at.clamp(0, u16::MAX.into());
            self.at = (
                within(self.at.0 + right * STEPS.0),
                within(self.at.1 - up * STEPS.1),
            );
        }
        let part = |at: i32| u16::try_from(at).expect("within the picture");
        Some(InputEvent::Pointer {
            x: part(self.at.0),
            y: part(self.at.1),
            buttons: first & BUTTONS,
            whose: 0,
        })
    }
}
