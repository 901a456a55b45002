//! Ports of devices: which of them may be used by code that is not trusted with memory.
use core::ops::RangeInclusive;

use x86_64::instructions::port::Port;

/// Ports of devices that never touch memory by themselves, whatever is written there.
const HARMLESS: RangeInclusive<u16> = 0x70..=0x71; // the clock

/// A port that is harmless for memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HarmlessPort(u16);

impl HarmlessPort {
    /// The port of this number, if it is one of those.
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        HARMLESS.contains(&number).then_some(Self(number))
    }

    /// A port of a device that is driven here, by code that knows what to write there.
    pub(crate) const fn own(number: u16) -> Self {
        Self(number)
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
