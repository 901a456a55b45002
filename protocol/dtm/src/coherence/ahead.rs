//! Reading ahead: who misses pages in order gets the next ones with them, as far as they lie
//! in the stores alone. So a memory that comes back from disks comes in runs, and nobody
//! loses a page that he works on to a reader who only might want it.
//!
//! What has come stays on the side until the first of it is used; then all of it is mapped at
//! once, and the next is asked for. The windows grow as those of file systems do: by doubling,
//! as long as the guess was right.
use alloc::vec::Vec;
use core::ops::Range;

use types::limits::LINEAR_PAGES_MAX;
use types::{Extent, PageId, RegionId};
use wire::{Hold, ReadWish};

use crate::pages::{Mapping, Pending};
use crate::{Access, CommitMode, Dtm, PageMemory, PageState};

/// Pages that are asked for ahead at first, and at most.
const WINDOW_MIN: u32 = 4;
const WINDOW_MAX: u32 = 64;
/// Streams that are followed at a time, by the low bits of their regions.
const STREAMS: usize = 8;

/// Where pages are missed in order.
#[derive(Debug, Default)]
pub(crate) struct Streams([Stream; STREAMS]);

#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    /// The first page that was not asked for: the next miss, if it goes on in order.
    end: Option<PageId>,
    window: u32,
    /// Where asking was in vain.
    barren: Option<Extent>,
}

impl Streams {
    /// The page is missed, and asked for. How many pages behind it are worth asking for.
    fn missed(&mut self, page: PageId) -> Range<u32> {
        let stream = self.stream(page.region);
        let is_next = stream.end == Some(page);
        if !is_next {
            let barren = stream.barren.filter(|barren| *barren == page.extent());
            *stream = Stream {
                barren,
                ..Stream::default()
            };
        }
        stream.end = Some(PageId::new(page.region.0, page.index.0 + 1));
        match is_next {
            true => stream.advance(),
            false => 0..0,
        }
    }

    /// A page is used that came ahead. Which pages are worth asking for now.
    fn met(&mut self, page: PageId) -> Range<u32> {
        let stream = self.stream(page.region);
        match stream.is_of(page.region) {
            true => stream.advance(),
            false => 0..0,
        }
    }

    /// Pages of this extent are not to be had ahead.
    pub(crate) fn refused(&mut self, page: PageId) {
        let stream = self.stream(page.region);
        if stream.is_of(page.region) {
            stream.window = 0;
            stream.barren = Some(page.extent());
        }
    }

    fn stream(&mut self, region: RegionId) -> &mut Stream {
        &mut self.0[region.0 as usize % STREAMS]
    }
}

impl Stream {
    fn is_of(&self, region: RegionId) -> bool {
        self.end.is_some_and(|end| end.region == region)
    }

    /// The next window.
    fn advance(&mut self) -> Range<u32> {
        let Some(end) = self.end else { return 0..0 };
        let index = end.index.0;
        if index >= LINEAR_PAGES_MAX || self.barren == Some(end.extent()) {
            return 0..0;
        }
        self.window = (2 * self.window).clamp(WINDOW_MIN, WINDOW_MAX);
        let last = (index + self.window).min(LINEAR_PAGES_MAX);
        self.end = Some(PageId::new(end.region.0, last));
        index..last
    }
}

impl Dtm {
    /// The transaction misses a page: asks for those behind it, if it goes through them.
    pub(crate) fn read_ahead(&mut self, page: PageId, access: Access) {
        if page.is_linear() {
            let pages = self.streams.missed(page);
            self.request_ahead(page.region, pages, access);
        }
    }

    /// The transaction uses a page that came ahead: maps those that came with it, and asks for
    /// more.
    pub(crate) fn read_on(&mut self, page: PageId, access: Access, memory: &mut impl PageMemory) {
        self.map_behind(page, memory);
        let pages = self.streams.met(page);
        self.request_ahead(page.region, pages, access);
    }

    fn request_ahead(&mut self, region: RegionId, pages: Range<u32>, access: Access) {
        let hold = match (access, self.txn.mode) {
            (Access::Write, CommitMode::Apply) => Hold::Exclusive,
            _ => Hold::Shared,
        };
        for page in pages.map(|index| PageId::new(region.0, index)) {
            let entry = self.pages.entry(page);
            let is_absent = entry.state == PageState::Invalid && entry.pending == Pending::None;
            if !is_absent || entry.is_contended || self.backoffs.is_waiting(page) {
                continue;
            }
            self.send_read(page, Pending::Ahead, ReadWish::Ahead(hold));
        }
    }

    /// Maps the pages behind this one that came ahead, as far as there is none between them
    /// that did not.
    fn map_behind(&mut self, page: PageId, memory: &mut impl PageMemory) {
        let behind = |at: u32| PageId::new(page.region.0, page.index.0 + 1 + at);
        let mut frames = Vec::new();
        for page in (0..LINEAR_PAGES_MAX - 1 - page.index.0).map(behind) {
            let entry = self.pages.entry(page);
            if !core::mem::take(&mut entry.is_ahead) {
                break;
            }
            frames.push(entry.side.take().expect("what came ahead is on the side"));
            entry.mapping = Mapping::Current;
            let stamp = entry.stamp;
            if self.is_foreign(stamp) {
                self.deps.mapped(page);
            }
        }
        if !frames.is_empty() {
            memory.map_run(behind(0), &frames);
            self.counters.pages_ahead += frames.len() as u64;
        }
        for frame in frames {
            self.images.recycle(frame);
        }
    }
}
