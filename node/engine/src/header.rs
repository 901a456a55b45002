//! Layout of an application's header pages: the state of a guest that is not in its
//! linear memory.
//!
//! ```text
//! offset  0  u32  memory size in units of 64 KiB; 0 = never grown
//!         4  u32  1 = the globals below are valid; 0 = they have their initial values
//!         8  8 bytes, zero
//!        16  16 bytes for each mutable global in order of its index, except the stack
//!            pointer: its bits, little-endian, zero-extended
//! ```
//!
//! Pages of zeroes are the header of a guest that has not run, and of one that neither
//! grows nor has mutable globals: it needs none.
use alloc::vec;
use alloc::vec::Vec;
use types::PAGE_SIZE;

use crate::{StepHost, Stop};

/// Mutable globals at most.
pub const GLOBALS_MAX: usize = 4096;
/// First header page; they follow the linear memory.
pub const FIRST_PAGE: u32 = types::limits::LINEAR_PAGES_MAX;
/// Header pages at most.
pub const PAGES_MAX: u32 = 17;

const SIZE_AT: usize = 0;
const VALID_AT: usize = 4;
const GLOBALS_AT: usize = 16;
const SLOT_BYTES: usize = 16;

const _: () = assert!(
    GLOBALS_AT + GLOBALS_MAX * SLOT_BYTES <= PAGES_MAX as usize * PAGE_SIZE,
    "all globals fit in the header"
);
const _: () = assert!(
    PAGE_SIZE.is_multiple_of(SLOT_BYTES) && GLOBALS_AT.is_multiple_of(SLOT_BYTES),
    "no slot crosses the end of a page"
);

/// A copy of the header, as of the begin of a step.
#[derive(Debug)]
pub(crate) struct Header {
    bytes: Vec<u8>,
}

impl Header {
    /// The header of a guest with this many globals, all zero.
    pub(crate) fn new(globals: usize) -> Self {
        assert!(globals <= GLOBALS_MAX, "checked when the module was loaded");
        Self {
            bytes: vec![0; GLOBALS_AT + globals * SLOT_BYTES],
        }
    }

    /// Reads the header page by page.
    pub(crate) fn load(&mut self, host: &mut dyn StepHost) -> Result<(), Stop> {
        for (chunk, offset) in self
            .bytes
            .chunks_mut(PAGE_SIZE)
            .zip((0..).step_by(PAGE_SIZE))
        {
            host.header_read(offset, chunk)?;
        }
        Ok(())
    }

    /// Memory size in units of 64 KiB, if it was ever written.
    pub(crate) fn size_64k(&self) -> Option<u32> {
        Some(self.word(SIZE_AT)).filter(|&size| size != 0)
    }

    /// Bits of a global, if they were ever written.
    pub(crate) fn global(&self, slot: usize) -> Option<u128> {
        let at = slot_at(slot);
        let bytes = self.bytes[at..at + SLOT_BYTES]
            .try_into()
            .expect("a slot is 16 bytes");
        (self.word(VALID_AT) == 1).then(|| u128::from_le_bytes(bytes))
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes[at..at + 4].try_into().expect("4 bytes"))
    }
}

/// Writes the memory size.
pub(crate) fn write_size_64k(host: &mut dyn StepHost, size: u32) -> Result<(), Stop> {
    host.header_write(offset(SIZE_AT), &size.to_le_bytes())
}

/// Says that the globals in the header are valid.
pub(crate) fn write_valid(host: &mut dyn StepHost) -> Result<(), Stop> {
    host.header_write(offset(VALID_AT), &1_u32.to_le_bytes())
}

/// Writes the bits of a global.
pub(crate) fn write_global(host: &mut dyn StepHost, slot: usize, bits: u128) -> Result<(), Stop> {
    host.header_write(offset(slot_at(slot)), &bits.to_le_bytes())
}

fn slot_at(slot: usize) -> usize {
    GLOBALS_AT + slot * SLOT_BYTES
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("the header is a few pages long")
}
