//! Tables whose entries have ascending numbers that are never reused: an index page
//! with the numbers in use, and a place `number % 1024` for each.
use alloc::vec::Vec;
use types::PageId;

use crate::cell::{Cell, Value};
use crate::region::{self, Counter, TABLE_ENTRIES};
use crate::{Failure, Pages, Refusal, Stop};

/// Marks an entry of the index that needs no more attention than being kept.
const CLOSED: u32 = 1 << 31;

const _: () = assert!(TABLE_ENTRIES as usize * u32::SIZE == types::PAGE_SIZE);

/// A table: its index page and its counter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    pub(crate) index: PageId,
    pub(crate) counter: Counter,
}

/// An entry of a table's index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Entry {
    Open(u32),
    Closed(u32),
}

impl Table {
    /// Takes the next number whose place is free.
    pub(crate) fn allocate(self, pages: &mut impl Pages) -> Result<u32, Failure> {
        let counter: Cell<u32> = Cell::first(region::counter(self.counter));
        let last = counter.get(pages)?;
        for id in last + 1..=last + TABLE_ENTRIES {
            assert!(id < CLOSED, "two thousand million numbers were enough");
            let cell = self.cell(id);
            if cell.get(pages)? == 0 {
                cell.set(pages, id)?;
                counter.set(pages, id)?;
                return Ok(id);
            }
        }
        Err(Refusal::TableFull.into())
    }

    /// The last number that was taken.
    pub(crate) fn last(self, pages: &mut impl Pages) -> Result<u32, Stop> {
        Cell::first(region::counter(self.counter)).get(pages)
    }

    /// Whether the number is in use.
    pub(crate) fn contains(self, pages: &mut impl Pages, id: u32) -> Result<bool, Stop> {
        Ok(id != 0 && self.cell(id).get(pages)? & !CLOSED == id)
    }

    /// Marks a number.
    pub(crate) fn close(self, pages: &mut impl Pages, id: u32) -> Result<(), Stop> {
        assert!(self.contains(pages, id)?, "only entries in use are closed");
        self.cell(id).set(pages, id | CLOSED)
    }

    /// Frees the place of a number.
    pub(crate) fn remove(self, pages: &mut impl Pages, id: u32) -> Result<(), Stop> {
        assert!(self.contains(pages, id)?, "only entries in use are removed");
        self.cell(id).set(pages, 0)
    }

    /// The numbers in use, ascending.
    pub(crate) fn entries(self, pages: &mut impl Pages) -> Result<Vec<Entry>, Stop> {
        let bytes = pages.read(self.index)?;
        let numbers = bytes
            .chunks_exact(u32::SIZE)
            .map(u32::load)
            .filter(|&number| number != 0);
        let mut entries: Vec<Entry> = numbers.map(Entry::from_number).collect();
        entries.sort_unstable_by_key(|entry| entry.id());
        Ok(entries)
    }

    fn cell(self, id: u32) -> Cell<u32> {
        Cell::at(self.index, (id % TABLE_ENTRIES) as usize * u32::SIZE)
    }
}

impl Entry {
    fn from_number(number: u32) -> Self {
        if number & CLOSED == 0 {
            Self::Open(number)
        } else {
            Self::Closed(number & !CLOSED)
        }
    }

    pub(crate) fn id(self) -> u32 {
        let (Self::Open(id) | Self::Closed(id)) = self;
        id
    }
}
