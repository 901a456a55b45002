//! One direction of a channel: pages that one side writes and the other reads. First an
//! account of that side, then a ring of bytes.
//!
//! Positions count all bytes that ever went this way. A ring that is empty begins anew at its
//! first byte, so who talks little touches the account's page alone.
use types::PAGE_SIZE;

use crate::cell::{Cell, Value, clear_page, record};
use crate::region::{self, CHANNEL_PAGES};
use crate::{Pages, Stop};

/// Bytes before the ring.
const ACCOUNT_BYTES: usize = 64;
/// Bytes that a direction holds at most.
pub const RING_BYTES: u64 = CHANNEL_PAGES as u64 * PAGE_SIZE as u64 - ACCOUNT_BYTES as u64;

record! {
    /// Where the bytes of a ring are.
    pub(super) struct Span {
        /// All bytes so far.
        pub(super) end: u64,
        /// The position that lies at the ring's beginning.
        base: u64,
        /// Pages that were ever written.
        used: u32,
    }
}

record! {
    /// What the home says.
    pub(super) struct Inward {
        /// What it has delivered.
        pub(super) span: Span,
        /// How much of what the program has written will never be needed again.
        pub(super) sent: u64,
        /// Nothing more will come.
        pub(super) is_ended: u8,
        /// The connection is gone.
        pub(super) is_lost: u8,
    }
}

record! {
    /// What the program says.
    pub(super) struct Outward {
        /// What it has written.
        pub(super) span: Span,
        /// How much of what came it has read.
        pub(super) read: u64,
        /// It will neither write nor read any more.
        pub(super) is_closed: u8,
        /// It wanted to write more than there was room for.
        pub(super) is_blocked: u8,
    }
}

const _: () = assert!(Inward::SIZE <= ACCOUNT_BYTES && Outward::SIZE <= ACCOUNT_BYTES);

pub(super) fn inward(place: u32) -> Cell<Inward> {
    Cell::first(region::channel_page(place, 0, 0))
}

pub(super) fn outward(place: u32) -> Cell<Outward> {
    Cell::first(region::channel_page(place, 1, 0))
}

/// The ring of one direction.
#[derive(Clone, Copy)]
pub(super) struct Ring {
    place: u32,
    direction: u32,
}

impl Ring {
    pub(super) fn inward(place: u32) -> Self {
        Self {
            place,
            direction: 0,
        }
    }

    pub(super) fn outward(place: u32) -> Self {
        Self {
            place,
            direction: 1,
        }
    }

    /// Appends as many of the bytes as there is room for, when those before `passed` are needed
    /// no more; says how many. The caller writes the account.
    pub(super) fn append(
        self,
        pages: &mut impl Pages,
        span: &mut Span,
        passed: u64,
        bytes: &[u8],
    ) -> Result<usize, Stop> {
        if passed == span.end {
            span.base = span.end;
        }
        let room = RING_BYTES - (span.end - passed);
        let count = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
        let mut rest = &bytes[..count];
        while !rest.is_empty() {
            let (index, start) = place_of(span.end - span.base);
            let (now, later) = rest.split_at(rest.len().min(PAGE_SIZE - start));
            let page = region::channel_page(self.place, self.direction, index);
            pages.write(page)?[start..start + now.len()].copy_from_slice(now);
            span.end += now.len() as u64;
            span.used = span.used.max(index + 1);
            rest = later;
        }
        Ok(count)
    }

    /// Copies the bytes from a position on.
    pub(super) fn read(
        self,
        pages: &mut impl Pages,
        span: &Span,
        from: u64,
        buffer: &mut [u8],
    ) -> Result<(), Stop> {
        assert!(
            from + buffer.len() as u64 <= span.end,
            "only what was written is read"
        );
        let mut rest = buffer;
        // A ring begins anew only when all of it was read.
        let mut at = from - span.base;
        while !rest.is_empty() {
            let (index, start) = place_of(at);
            let count = rest.len().min(PAGE_SIZE - start);
            let (now, later) = rest.split_at_mut(count);
            let page = region::channel_page(self.place, self.direction, index);
            now.copy_from_slice(&pages.read(page)?[start..start + count]);
            at += count as u64;
            rest = later;
        }
        Ok(())
    }

    /// Makes the pages what they were before anybody wrote them.
    pub(super) fn clear(self, pages: &mut impl Pages, span: &Span) -> Result<(), Stop> {
        for index in 0..span.used.max(1) {
            clear_page(
                pages,
                region::channel_page(self.place, self.direction, index),
            )?;
        }
        Ok(())
    }
}

/// Page of the ring, and offset in it, so many bytes behind its beginning.
fn place_of(at: u64) -> (u32, usize) {
    let within = ACCOUNT_BYTES as u64 + at % RING_BYTES;
    let page = u32::try_from(within / PAGE_SIZE as u64).expect("below the ring's pages");
    let offset = usize::try_from(within % PAGE_SIZE as u64).expect("below the page size");
    (page, offset)
}
