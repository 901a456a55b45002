//! A memory that was made for a test.
use std::collections::BTreeMap;

use past::{Past, PastError};
use types::{Epoch, Extent, Interval, NodeId, PageId, Stamp, Version};
use wire::{Image, PageVersion};

/// The memory in one epoch.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) epoch: Epoch,
    pub(crate) pages: BTreeMap<PageId, PageVersion>,
    /// Pages that were read.
    pub(crate) read: usize,
    /// Nothing can be read after so many.
    pub(crate) read_max: usize,
}

impl Made {
    /// So many extents of pages that are hard to shorten, and a few others.
    pub(crate) fn new(extents: u32) -> Self {
        let mut made = Self {
            epoch: Epoch(100),
            pages: BTreeMap::new(),
            read: 0,
            read_max: usize::MAX,
        };
        for index in 0..extents * 256 {
            made.write(300, index);
        }
        for region in 1..40 {
            made.write(region, 0);
        }
        let zero = made.pages.get_mut(&PageId::new(1, 0)).unwrap();
        zero.image = Image::ZERO;
        made
    }

    /// The page gets another version.
    pub(crate) fn write(&mut self, region: u32, index: u32) {
        let page = PageId::new(region, index);
        let before = self.pages.get(&page).map_or(0, |content| content.version.0);
        let version = Version(before + 1);
        let interval = Interval {
            epoch: self.epoch,
            sub: index % 3,
        };
        let stamp = Stamp {
            node: NodeId(1 + index % 5),
            interval,
        };
        let mut bytes = [0; 4096];
        let mut word = page.to_u64() ^ version.0.rotate_left(48);
        for chunk in bytes.as_chunks_mut::<8>().0 {
            word = word.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            *chunk = word.to_le_bytes();
        }
        let image = Image::of(&bytes);
        let content = PageVersion {
            version,
            stamp,
            image,
        };
        self.pages.insert(page, content);
    }

    /// The next epoch begins.
    pub(crate) fn advance(&mut self) {
        self.epoch = self.epoch.next();
        self.read = 0;
    }
}

impl Past for Made {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn extents(&mut self) -> Result<Vec<Extent>, PastError> {
        let mut extents: Vec<Extent> = self.pages.keys().map(|page| page.extent()).collect();
        extents.dedup();
        Ok(extents)
    }

    fn pages(&mut self, extent: Extent) -> Result<Vec<(PageId, Version, Stamp)>, PastError> {
        let first = PageId::new(extent.region.0, extent.index * 256);
        let last = PageId::new(extent.region.0, extent.index * 256 + 255);
        let pages = self.pages.range(first..=last);
        Ok(pages
            .map(|(page, it)| (*page, it.version, it.stamp))
            .collect())
    }

    fn read(&mut self, pages: &[PageId]) -> Result<Vec<Option<PageVersion>>, PastError> {
        self.read += pages.len();
        if self.read > self.read_max {
            return Err(PastError::NotKept(self.epoch));
        }
        let contents = pages.iter().map(|page| self.pages.get(page).cloned());
        Ok(contents.collect())
    }
}
