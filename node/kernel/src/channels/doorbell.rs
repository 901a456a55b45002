//! Doorbells: which of its channels a home should look at. A page for each node.
use alloc::vec::Vec;
use types::NodeId;

use crate::cell::{Cell, Value, clear_page, record};
use crate::region;
use crate::{Pages, Stop};

record! {
    struct Header {
        count: u32,
        /// There was no room: the home should look at all of them.
        is_full: u8,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "entries of a page are few")]
const ENTRIES: u32 = Cell::<u32>::per_page(Header::SIZE) as u32;

/// Which channels, by their places.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rings {
    /// These, maybe none.
    Some(Vec<u32>),
    /// Any of them.
    All,
}

/// Has the home look at the channel at a place.
pub(super) fn ring(pages: &mut impl Pages, home: NodeId, place: u32) -> Result<(), Stop> {
    let header = header(home).get(pages)?;
    if header.is_full == 1 || entries(pages, home, header.count)?.any(|known| known == place) {
        return Ok(());
    }
    let is_full = header.count == ENTRIES;
    if !is_full {
        entry(home, header.count).set(pages, place)?;
    }
    self::header(home).set(
        pages,
        Header {
            count: header.count + u32::from(!is_full),
            is_full: u8::from(is_full),
        },
    )
}

/// Takes what was rung. With nothing rung nothing is written.
pub(super) fn take(pages: &mut impl Pages, home: NodeId) -> Result<Rings, Stop> {
    let found = header(home).get(pages)?;
    if found.count == 0 {
        return Ok(Rings::Some(Vec::new()));
    }
    let places = entries(pages, home, found.count)?.collect();
    header(home).set(
        pages,
        Header {
            count: 0,
            is_full: 0,
        },
    )?;
    Ok(match found.is_full {
        0 => Rings::Some(places),
        _ => Rings::All,
    })
}

/// Makes the page of a node that is gone what it was.
pub(super) fn clear(pages: &mut impl Pages, home: NodeId) -> Result<(), Stop> {
    clear_page(pages, region::doorbell(home))
}

fn header(home: NodeId) -> Cell<Header> {
    Cell::first(region::doorbell(home))
}

fn entries(
    pages: &mut impl Pages,
    home: NodeId,
    count: u32,
) -> Result<impl Iterator<Item = u32>, Stop> {
    let bytes = &pages.read(region::doorbell(home))?[Header::SIZE..];
    let entries = bytes.chunks_exact(u32::SIZE).map(u32::load);
    Ok(entries.take(count as usize))
}

fn entry(home: NodeId, at: u32) -> Cell<u32> {
    Cell::at(
        region::doorbell(home),
        Header::SIZE + at as usize * u32::SIZE,
    )
}
