//! Ports of devices: which of them may be used by code that is not trusted with memory.
use core::ops::RangeInclusive;

use x86_64::instructions::port::Port;

/// Ports of devices that never touch memory by themselves.
const HARMLESS: [RangeInclusive<u16>; 6] = [
    0x60..=0x64,   // keyboard and mouse
    0x70..=0x71,   // clock
    0x1ce..=0x1cf, // display, Bochs registers
    0x3c0..=0x3df, // display, VGA registers
    0x3f8..=0x3ff, // serial
    0x2f8..=0x2ff, // second serial
];

/// A port that is harmless for memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HarmlessPort(u16);

impl HarmlessPort {
    /// The port of this number, if it is one of those.
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        let is_harmless = HARMLESS.iter().any(|range| range.contains(&number));
        is_harmless.then_some(Self(number))
    }

    /// Reads a byte.
    #[must_use]
    pub fn read(self) -> u8 {
        // SAFETY: no device behind these ports changes memory.
        unsafe { Port::new(self.0).read() }
    }

    /// Writes a byte.
    pub fn write(self, value: u8) {
        // SAFETY: as above.
        unsafe { Port::new(self.0).write(value) }
    }

    /// Reads two bytes.
    #[must_use]
    pub fn read_wide(self) -> u16 {
        // SAFETY: as above.
        unsafe { Port::new(self.0).read() }
    }

    /// Writes two bytes.
    pub fn write_wide(self, value: u16) {
        // SAFETY: as above.
        unsafe { Port::new(self.0).write(value) }
    }
}
