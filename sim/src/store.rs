//! A small model of the disks: keeps every version that no fallback undid, answers
//! homes with the newest, acknowledges parts after a while.
use std::collections::BTreeMap;

use types::{Duration, Epoch, Extent, Instant, NodeId, PageId, Stamp, Version, View};
use wire::{Image, PageVersion};

/// One disk.
#[derive(Debug)]
pub(crate) struct Store {
    pages: BTreeMap<PageId, Versions>,
    /// Frames of the part that each producer is sending.
    unfinished: BTreeMap<NodeId, u32>,
    slow: Option<Slow>,
}

/// A disk that takes long.
#[derive(Clone, Copy, Debug)]
struct Slow {
    until: Instant,
    sync_max: Duration,
}

type Versions = BTreeMap<(Version, Stamp), Image>;

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            pages: BTreeMap::new(),
            unfinished: BTreeMap::new(),
            slow: None,
        }
    }

    /// Until then a sync takes up to so long.
    pub(crate) fn slow_down(&mut self, until: Instant, sync_max: Duration) {
        self.slow = Some(Slow { until, sync_max });
    }

    /// How long a sync takes at most that begins now, unless it is as ever.
    pub(crate) fn sync_max(&self, now: Instant) -> Option<Duration> {
        let slow = self.slow.filter(|slow| now < slow.until)?;
        Some(slow.sync_max)
    }

    /// A new view: what it undoes is deleted before anything else happens.
    pub(crate) fn on_view(&mut self, view: &View) {
        self.unfinished.clear();
        for versions in self.pages.values_mut() {
            versions.retain(|&(_, stamp), _| !view.is_undone(stamp));
        }
        self.pages.retain(|_, versions| !versions.is_empty());
    }

    pub(crate) fn on_frame(&mut self, from: NodeId, page: PageId, content: &PageVersion) {
        *self.unfinished.entry(from).or_default() += 1;
        self.keep(page, content);
    }

    /// Keeps a version, also one that comes from another store.
    pub(crate) fn keep(&mut self, page: PageId, content: &PageVersion) {
        let key = (content.version, content.stamp);
        self.pages
            .entry(page)
            .or_default()
            .insert(key, content.image.clone());
    }

    /// A part is complete: how many frames of it came.
    pub(crate) fn on_part_end(&mut self, from: NodeId) -> u32 {
        self.unfinished.remove(&from).unwrap_or(0)
    }

    /// The newest version of a page.
    pub(crate) fn newest(&self, page: PageId) -> Option<PageVersion> {
        let (&(version, stamp), image) = self.pages.get(&page)?.last_key_value()?;
        Some(PageVersion {
            version,
            stamp,
            image: image.clone(),
        })
    }

    /// This version of a page.
    pub(crate) fn version(
        &self,
        page: PageId,
        (version, stamp): (Version, Stamp),
    ) -> Option<PageVersion> {
        let image = self.pages.get(&page)?.get(&(version, stamp))?.clone();
        Some(PageVersion {
            version,
            stamp,
            image,
        })
    }

    /// The newest version of each page that is stable in `view`.
    pub(crate) fn snapshot(&self, view: &View, stable: Epoch) -> BTreeMap<PageId, PageVersion> {
        let is_stable = |stamp: Stamp| stamp.epoch() <= stable && !view.is_undone(stamp);
        let newest = |versions: &Versions| {
            let (&(version, stamp), image) = versions
                .iter()
                .rev()
                .find(|&(&(_, stamp), _)| is_stable(stamp))?;
            Some(PageVersion {
                version,
                stamp,
                image: image.clone(),
            })
        };
        self.pages
            .iter()
            .filter_map(|(&page, versions)| newest(versions).map(|content| (page, content)))
            .collect()
    }

    /// Extents of which it has any page, ascending.
    pub(crate) fn inventory(&self) -> Vec<Extent> {
        let mut extents: Vec<Extent> = self.pages.keys().copied().map(PageId::extent).collect();
        extents.dedup();
        extents
    }
}
