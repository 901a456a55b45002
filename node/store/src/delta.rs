//! Deltas: of a page that is full of data, and little of it new, only what differs from an
//! earlier stable version is written, as the sparse image of the exclusive or of the two.
//!
//! The earlier version, the *base*, is written as a whole, is stable (so nothing undoes it)
//! and is kept as long as a delta needs it. It must also be in memory: the bases of the
//! pages that were written last are. Nothing is read from the disk to write a page.
use alloc::collections::{BTreeMap, VecDeque};
use types::{PAGE_SIZE, PageId, Stamp, Version};
use wire::{Image, PageVersion};

use crate::index::Index;

/// An image that is no longer than this is written as it is, and is no base.
pub(crate) const BASE_SIZE_MIN: usize = 512;
/// A delta is at most this share of its page's image.
const SHARE: usize = 4;
/// Pages whose bases are in memory: 16 MiB.
const BASES_MAX: usize = 4096;

/// Whole versions from which the next ones may differ little.
#[derive(Debug, Default)]
pub(crate) struct Bases {
    bases: BTreeMap<PageId, (Version, Stamp, Image)>,
    /// The same pages, in the order in which they came.
    order: VecDeque<PageId>,
}

impl Bases {
    /// How far back the base of this new version is, and what differs from it; `None` if it
    /// is to be written as a whole.
    pub(crate) fn delta(
        &mut self,
        page: PageId,
        content: &PageVersion,
        index: &Index,
    ) -> Option<(u16, Image)> {
        let PageVersion {
            version,
            stamp,
            ref image,
        } = *content;
        if image.encoded().len() <= BASE_SIZE_MIN {
            return None;
        }
        let Some(&(base, base_stamp, ref base_image)) = self.bases.get(&page) else {
            self.add(page, content);
            return None;
        };
        let known = index.with_stamp(page, base, base_stamp);
        let known = known.filter(|known| known.base == 0);
        if known.is_some() && !index.is_stable(page, base) {
            // It will be of use soon.
            return None;
        }
        let distance = version.0.checked_sub(base.0);
        let distance = distance.and_then(|distance| u16::try_from(distance).ok());
        if known.is_some()
            && let Some(distance) = distance.filter(|&distance| distance > 0)
        {
            let delta = exclusive_or(image, base_image);
            if delta.encoded().len() * SHARE <= image.encoded().len() {
                return Some((distance, delta));
            }
        }
        self.bases.insert(page, (version, stamp, image.clone()));
        None
    }

    fn add(&mut self, page: PageId, content: &PageVersion) {
        let PageVersion {
            version,
            stamp,
            ref image,
        } = *content;
        if self.order.len() == BASES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.bases.remove(&oldest);
        }
        self.order.push_back(page);
        self.bases.insert(page, (version, stamp, image.clone()));
    }
}

/// What differs between two pages; and one of them, from that and the other.
pub(crate) fn exclusive_or(one: &Image, other: &Image) -> Image {
    let (mut page, mut second) = ([0; PAGE_SIZE], [0; PAGE_SIZE]);
    one.write_to(&mut page);
    other.write_to(&mut second);
    for (byte, other) in page.iter_mut().zip(second) {
        *byte ^= other;
    }
    Image::of(&page)
}
