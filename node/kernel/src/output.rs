//! What processes print, in commit order, kept per slot.
//!
//! Each slot has, for each process, an account page and a ring of 1 MiB: nodes that
//! print do not meet. A record is a length, a level and the bytes. When the ring is
//! full the oldest records go. Positions count all bytes ever appended, framing
//! included, so a reader knows its place and what it has missed.
use alloc::vec::Vec;
use types::PAGE_SIZE;

use crate::cell::{Cell, Value, clear_page, record};
use crate::limits::OUTPUT_RECORD_BYTES_MAX;
use crate::processes::Tally;
use crate::region::{self, OUTPUT_PAGES};
use crate::{Pages, ProcessId, Slot, Stop};

const PAGE_BYTES: u64 = PAGE_SIZE as u64;
const RING_BYTES: u64 = OUTPUT_PAGES as u64 * PAGE_BYTES;

record! {
    struct Account {
        /// Position of the oldest record.
        first: u64,
        /// Position after the newest record.
        end: u64,
        /// Bytes printed, without framing.
        printed: u64,
        /// Steps that the slot's node ran.
        steps: u64,
        /// Whether the process knows that this account is in use.
        known: u8,
    }
}

record! {
    struct RecordHeader {
        length: u32,
        level: u8,
    }
}

const FRAMING: u64 = RecordHeader::SIZE as u64;

const _: () = assert!(
    (OUTPUT_RECORD_BYTES_MAX as u64) < RING_BYTES / 2,
    "records fit"
);

/// Part of the output of a process on one slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutputChunk {
    /// Level and bytes of each record.
    pub records: Vec<(u8, Vec<u8>)>,
    /// Where to go on.
    pub next: u64,
    /// Bytes, framing included, that were gone before they were read.
    pub lost: u64,
}

/// What a slot did for a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Work {
    /// Bytes printed.
    pub printed_bytes: u64,
    /// Steps run.
    pub steps: u64,
}

/// Appends what a process prints; long pieces become several records.
pub(crate) fn append(
    pages: &mut impl Pages,
    process: ProcessId,
    slot: Slot,
    level: u8,
    bytes: &[u8],
) -> Result<(), Stop> {
    let log = Log { process, slot };
    let mut account = log.account(pages)?;
    for piece in bytes.chunks(OUTPUT_RECORD_BYTES_MAX) {
        let end = account.end + FRAMING + piece.len() as u64;
        while end - account.first > RING_BYTES {
            account.first += FRAMING + u64::from(log.header_at(pages, account.first)?.length);
        }
        let length = u32::try_from(piece.len()).expect("no more than a record's maximum");
        let mut header = [0; RecordHeader::SIZE];
        RecordHeader { length, level }.store(&mut header);
        log.write(pages, account.end, &header)?;
        log.write(pages, account.end + FRAMING, piece)?;
        account.end = end;
        account.printed += u64::from(length);
    }
    log.set_account(pages, account)
}

/// Adds to the count of steps that the slot's node ran for the process. Nodes count
/// in memory of their own and add up now and then, so that a step alone writes nothing.
///
/// # Errors
/// Only [`Stop`].
pub fn add_steps(
    pages: &mut impl Pages,
    process: ProcessId,
    slot: Slot,
    steps: u64,
) -> Result<(), Stop> {
    let log = Log { process, slot };
    let mut account = log.account(pages)?;
    account.steps += steps;
    log.set_account(pages, account)
}

/// Reads records from position `from` on, until about `bytes_max` bytes are read. A
/// reader whose position a fallback has undone goes on at the end.
///
/// # Errors
/// Only [`Stop`].
pub fn read(
    pages: &mut impl Pages,
    process: ProcessId,
    slot: Slot,
    from: u64,
    bytes_max: usize,
) -> Result<OutputChunk, Stop> {
    let log = Log { process, slot };
    let Account { first, end, .. } = log.account(pages)?;
    let mut at = from.clamp(first, end);
    let lost = first.saturating_sub(from);
    let mut records = Vec::new();
    let mut size = 0;
    while at + FRAMING <= end && size < bytes_max {
        let RecordHeader { length, level } = log.header_at(pages, at)?;
        if at + FRAMING + u64::from(length) > end {
            // The position lies within a record: it is not one of ours.
            at = end;
            break;
        }
        let mut bytes = alloc::vec![0; length as usize];
        log.read(pages, at + FRAMING, &mut bytes)?;
        size += bytes.len();
        at += FRAMING + bytes.len() as u64;
        records.push((level, bytes));
    }
    Ok(OutputChunk {
        records,
        next: at,
        lost,
    })
}

/// The slots on which the process has printed or run, ascending.
///
/// # Errors
/// Only [`Stop`].
pub fn slots(pages: &mut impl Pages, process: ProcessId) -> Result<Vec<Slot>, Stop> {
    let accounts = Tally::cell(process).get(pages)?.accounts;
    Ok(Slot::all()
        .filter(|slot| accounts >> slot.index() & 1 == 1)
        .collect())
}

/// What the slot did for the process.
///
/// # Errors
/// Only [`Stop`].
pub fn work(pages: &mut impl Pages, process: ProcessId, slot: Slot) -> Result<Work, Stop> {
    let account = Log { process, slot }.account(pages)?;
    Ok(Work {
        printed_bytes: account.printed,
        steps: account.steps,
    })
}

/// Clears what the slot keeps for the process; the number of pages is returned.
pub(crate) fn clear(pages: &mut impl Pages, process: ProcessId, slot: Slot) -> Result<u32, Stop> {
    let end = Log { process, slot }.account(pages)?.end;
    let used = end.div_ceil(PAGE_BYTES).min(u64::from(OUTPUT_PAGES));
    let used = u32::try_from(used).expect("no more than the ring's pages");
    for page in 0..used {
        clear_page(pages, region::output_page(process, slot, page))?;
    }
    clear_page(pages, region::output_account(process, slot))?;
    Tally::cell(process).update(pages, |tally| tally.accounts &= !(1 << slot.index()))?;
    Ok(used + 1)
}

/// The ring of one process on one slot.
#[derive(Clone, Copy)]
struct Log {
    process: ProcessId,
    slot: Slot,
}

impl Log {
    fn cell(self) -> Cell<Account> {
        Cell::first(region::output_account(self.process, self.slot))
    }

    fn account(self, pages: &mut impl Pages) -> Result<Account, Stop> {
        self.cell().get(pages)
    }

    fn set_account(self, pages: &mut impl Pages, account: Account) -> Result<(), Stop> {
        if account.known == 0 {
            let bit = 1 << self.slot.index();
            Tally::cell(self.process).update(pages, |tally| tally.accounts |= bit)?;
        }
        self.cell().set(
            pages,
            Account {
                known: 1,
                ..account
            },
        )
    }

    fn header_at(self, pages: &mut impl Pages, position: u64) -> Result<RecordHeader, Stop> {
        let mut header = [0; RecordHeader::SIZE];
        self.read(pages, position, &mut header)?;
        Ok(RecordHeader::load(&header))
    }

    fn write(self, pages: &mut impl Pages, position: u64, bytes: &[u8]) -> Result<(), Stop> {
        let mut rest = bytes;
        let mut at = position;
        while !rest.is_empty() {
            let (page, start) = place(at);
            let (now, later) = rest.split_at(rest.len().min(PAGE_SIZE - start));
            let page = region::output_page(self.process, self.slot, page);
            pages.write(page)?[start..start + now.len()].copy_from_slice(now);
            at += now.len() as u64;
            rest = later;
        }
        Ok(())
    }

    fn read(self, pages: &mut impl Pages, position: u64, buffer: &mut [u8]) -> Result<(), Stop> {
        let mut rest = buffer;
        let mut at = position;
        while !rest.is_empty() {
            let (page, start) = place(at);
            let count = rest.len().min(PAGE_SIZE - start);
            let (now, later) = rest.split_at_mut(count);
            let page = region::output_page(self.process, self.slot, page);
            now.copy_from_slice(&pages.read(page)?[start..start + count]);
            at += count as u64;
            rest = later;
        }
        Ok(())
    }
}

/// Page of the ring and offset in it of a position.
fn place(position: u64) -> (u32, usize) {
    let within = position % RING_BYTES;
    let page = u32::try_from(within / PAGE_BYTES).expect("below the ring's pages");
    (
        page,
        usize::try_from(within % PAGE_BYTES).expect("below the page size"),
    )
}
