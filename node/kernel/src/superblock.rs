//! The first page: whether this memory is ours, and laid out as we expect.
//!
//! A memory that nobody has written is all zeroes, and zeroes are the empty state of
//! every table; so formatting is writing the superblock.
use crate::cell::{Cell, record};
use crate::{Failure, Pages, Refusal, Stop, region};

/// Version of the layout of all kernel tables.
pub const LAYOUT_VERSION: u32 = 4;
/// `"PLURIXKT"`.
const MAGIC: u64 = 0x544B_5849_5255_4C50;

record! {
    struct Superblock {
        magic: u64,
        layout_version: u32,
    }
}

const CELL: Cell<Superblock> = Cell::first(region::superblock());

/// What [`format`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// A fresh memory; it is formatted now.
    Fresh,
    /// A memory that was in use before.
    Known,
}

/// Formats a fresh memory; leaves one that is in use as it is.
///
/// # Errors
/// If the memory belongs to something else or to another version.
pub fn format(pages: &mut impl Pages) -> Result<Format, Failure> {
    match check(pages) {
        Ok(()) => Ok(Format::Known),
        Err(Failure::Refused(Refusal::NotFormatted)) => {
            write(pages)?;
            Ok(Format::Fresh)
        }
        Err(failure) => Err(failure),
    }
}

/// Checks that the memory is ours and laid out as we expect.
///
/// # Errors
/// If it is not.
pub fn check(pages: &mut impl Pages) -> Result<(), Failure> {
    let Superblock {
        magic,
        layout_version: found,
    } = CELL.get(pages)?;
    let refusal = match (magic, found) {
        (MAGIC, LAYOUT_VERSION) => return Ok(()),
        (MAGIC, found) => Refusal::LayoutVersion {
            found,
            expected: LAYOUT_VERSION,
        },
        (0, 0) => Refusal::NotFormatted,
        (found, _) => Refusal::ForeignMemory { found },
    };
    Err(refusal.into())
}

fn write(pages: &mut impl Pages) -> Result<(), Stop> {
    CELL.set(
        pages,
        Superblock {
            magic: MAGIC,
            layout_version: LAYOUT_VERSION,
        },
    )
}
