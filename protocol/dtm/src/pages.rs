//! The page table: what this node knows of each page, found by two array accesses.
use alloc::boxed::Box;
use alloc::vec::Vec;
use types::{Epoch, Frame, PAGES_PER_EXTENT, PageId, RegionId, Stamp, Version};
use wire::{Image, PageVersion};

use crate::coherence::habit::Habit;
use crate::{PageMemory, PageState};

const ENTRIES: usize = PAGES_PER_EXTENT as usize;

/// The one request that may be outstanding for a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Pending {
    #[default]
    None,
    Read,
    /// A read that nobody waits for, or did not when it was asked for.
    Ahead,
    Exclusive,
}

impl Pending {
    /// Whether the page may come in.
    pub(crate) fn is_read(self) -> bool {
        matches!(self, Self::Read | Self::Ahead)
    }
}

/// Whether the page is in the memory on which transactions run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Mapping {
    #[default]
    Absent,
    /// Mapped, and the copy is valid.
    Current,
    /// The copy was lost under a transaction that had touched it: the old bytes stay
    /// until the transaction is rolled back.
    Stale,
}

/// One page at this node.
#[derive(Debug)]
pub(crate) struct PageEntry {
    pub(crate) state: PageState,
    pub(crate) pending: Pending,
    pub(crate) mapping: Mapping,
    /// Mapped only for transactions that touch it.
    pub(crate) is_contended: bool,
    /// The current version was written here, in the epoch of `stamp`, and no frame of it
    /// has been taken for the stores yet. Invariant: the page is owned.
    pub(crate) is_uncaptured: bool,
    /// What was done with it here before.
    pub(crate) habit: Habit,
    /// It came before anybody used it, and is on the side since.
    pub(crate) is_ahead: bool,
    /// A sharer had no copy to serve: ask the owner next time.
    pub(crate) from_owner: bool,
    /// Aborts that the page caused while it was calm and perhaps not even read.
    pub(crate) conflicts: u32,
    pub(crate) version: Version,
    pub(crate) stamp: Stamp,
    /// Number of the last transaction that announced an access.
    pub(crate) touched: u64,
    /// Last epoch in whose list of written pages the page stands.
    pub(crate) listed: Epoch,
    /// Its place in that list.
    pub(crate) listed_at: u32,
    /// Committed bytes of a dirty page. Invariant: present iff the page is writable.
    pub(crate) before: Option<Frame>,
    /// Committed bytes of a page that is cached but not mapped.
    pub(crate) side: Option<Frame>,
}

impl Default for PageEntry {
    fn default() -> Self {
        Self {
            state: PageState::Invalid,
            pending: Pending::None,
            mapping: Mapping::Absent,
            is_contended: false,
            is_uncaptured: false,
            habit: Habit::default(),
            is_ahead: false,
            from_owner: false,
            conflicts: 0,
            version: Version(0),
            stamp: Stamp::ZERO,
            touched: 0,
            listed: Epoch(0),
            listed_at: 0,
            before: None,
            side: None,
        }
    }
}

impl PageEntry {
    /// Whether this node answers for the current version.
    pub(crate) fn is_owner(&self) -> bool {
        matches!(self.state, PageState::Owned | PageState::Modified)
    }

    /// The committed version of a page of which there is a copy here.
    pub(crate) fn committed(&self, page: PageId, memory: &impl PageMemory) -> PageVersion {
        let (version, stamp) = (self.version, self.stamp);
        let image = match self.before.as_ref().or(self.side.as_ref()) {
            _ if version.0 == 0 => Image::ZERO,
            Some(kept) => Image::of(kept),
            None => Image::of(memory.bytes(page)),
        };
        PageVersion {
            version,
            stamp,
            image,
        }
    }

    /// Whether the running transaction has written the page.
    pub(crate) fn is_dirty(&self) -> bool {
        self.before.is_some()
    }
}

pub(crate) type ExtentPages = [PageEntry; ENTRIES];

#[derive(Debug)]
struct Region {
    id: RegionId,
    /// By extent index. Dense: regions begin at 0 and are filled from there.
    extents: Vec<Option<Box<ExtentPages>>>,
}

/// Regions that are found without a search, by the low bits of their ids.
const HINTS: usize = 16;

/// All pages this node has met in this view.
#[derive(Debug, Default)]
pub(crate) struct PageTable {
    /// Ascending by id.
    regions: Vec<Region>,
    /// Where in `regions` the region of these low bits was that was looked for last:
    /// a transaction uses few regions, again and again.
    hints: [u32; HINTS],
}

impl PageTable {
    pub(crate) fn get(&self, page: PageId) -> Option<&PageEntry> {
        let (extent, offset) = position(page);
        let region = self.find(page.region).ok()?;
        let pages = self.regions[region].extents.get(extent)?.as_ref()?;
        Some(&pages[offset])
    }

    /// The entry of a page; one that was not met before is invalid.
    pub(crate) fn entry(&mut self, page: PageId) -> &mut PageEntry {
        let (extent, offset) = position(page);
        let hint = self.hints[page.region.0 as usize % HINTS] as usize;
        let is_right = |region: &Region| region.id == page.region;
        let region = match self.regions.get(hint).is_some_and(is_right) {
            true => hint,
            false => self.meet(page.region),
        };
        let extents = &mut self.regions[region].extents;
        if extents.len() <= extent {
            extents.resize_with(extent + 1, || None);
        }
        let pages = extents[extent].get_or_insert_with(new_extent);
        &mut pages[offset]
    }

    /// Where the region is, from now on if it was not met before.
    #[cold]
    fn meet(&mut self, id: RegionId) -> usize {
        let at = self.find(id).unwrap_or_else(|at| {
            let extents = Vec::new();
            self.regions.insert(at, Region { id, extents });
            at
        });
        self.hints[id.0 as usize % HINTS] = u32::try_from(at).expect("regions are few");
        at
    }

    /// Takes the pages of an extent of some region like this, with the first of them.
    pub(crate) fn take_extent(
        &mut self,
        is_it: impl Fn(RegionId) -> bool,
    ) -> Option<(PageId, Box<ExtentPages>)> {
        while let Some(at) = self.regions.iter().position(|region| is_it(region.id)) {
            let region = &mut self.regions[at];
            while let Some(pages) = region.extents.pop() {
                if let Some(pages) = pages {
                    let index = u32::try_from(region.extents.len()).expect("indices have 32 bits");
                    return Some((PageId::new(region.id.0, index * PAGES_PER_EXTENT), pages));
                }
            }
            self.regions.remove(at);
        }
        None
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PageId, &PageEntry)> {
        self.regions.iter().flat_map(|region| {
            let extents = region.extents.iter().zip(0..);
            let present = extents.filter_map(|(pages, at)| Some((pages.as_ref()?, at)));
            present.flat_map(move |(pages, at): (_, u32)| {
                let first = at * PAGES_PER_EXTENT;
                let numbered = pages.iter().zip(first..);
                numbered.map(move |(entry, index)| (PageId::new(region.id.0, index), entry))
            })
        })
    }

    fn find(&self, region: RegionId) -> Result<usize, usize> {
        self.regions
            .binary_search_by_key(&region, |region| region.id)
    }
}

fn position(page: PageId) -> (usize, usize) {
    let index = page.index.0;
    (
        (index / PAGES_PER_EXTENT) as usize,
        (index % PAGES_PER_EXTENT) as usize,
    )
}

fn new_extent() -> Box<ExtentPages> {
    let pages: Vec<PageEntry> = (0..ENTRIES).map(|_| PageEntry::default()).collect();
    pages
        .into_boxed_slice()
        .try_into()
        .expect("the number of entries is that of an extent")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_taken_extent_by_extent_and_is_new_then() {
        let mut table = PageTable::default();
        let pages = [(300, 5), (301, 70_000), (301, 3), (302, 256)];
        for (region, index) in pages {
            table.entry(PageId::new(region, index)).touched = u64::from(index);
        }
        let mut take = || table.take_extent(|region| region == RegionId(301));
        let taken: Vec<PageId> = core::iter::from_fn(|| Some(take()?.0)).collect();
        assert_eq!(taken, [PageId::new(301, 69_888), PageId::new(301, 0)]);
        assert!(table.get(PageId::new(301, 3)).is_none());
        assert_eq!(table.entry(PageId::new(302, 256)).touched, 256);
        assert_eq!(table.entry(PageId::new(301, 3)).touched, 0);
        assert_eq!(table.entry(PageId::new(300, 5)).touched, 5);
    }

    #[test]
    fn entries_are_found_again_and_listed_in_order() {
        let mut table = PageTable::default();
        let pages = [(300, 5), (2, 70_000), (2, 0), (300, 256)];
        for (region, index) in pages {
            table.entry(PageId::new(region, index)).touched = u64::from(index) + 1;
        }
        for (region, index) in pages {
            let entry = table.get(PageId::new(region, index)).unwrap();
            assert_eq!(entry.touched, u64::from(index) + 1);
        }
        assert!(table.get(PageId::new(2, 256)).is_none());
        let met: Vec<PageId> = table
            .iter()
            .filter(|(_, entry)| entry.touched > 0)
            .map(|(page, _)| page)
            .collect();
        assert!(met.is_sorted());
        assert_eq!(met.len(), pages.len());
    }
}
