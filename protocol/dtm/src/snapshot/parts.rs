//! What a node has written in each epoch that is not stable yet, and how far its way
//! to the stores has come.
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use types::{Epoch, NodeId, PageId};
use wire::PageVersion;

/// One epoch of this node: the pages it wrote, the last version of each.
#[derive(Debug)]
struct Part {
    epoch: Epoch,
    /// Each page once, in the order of first writing.
    pages: Vec<PageId>,
    /// Of `pages`: frames sent.
    sent: usize,
    /// The last versions, as far as they were captured.
    frames: BTreeMap<PageId, PageVersion>,
    /// Stores that have not acknowledged, with the number of frames sent to them.
    unacknowledged: BTreeMap<NodeId, u32>,
    /// Every frame was sent, and so was the end of the part.
    is_ended: bool,
}

impl Part {
    fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            pages: Vec::new(),
            sent: 0,
            frames: BTreeMap::new(),
            unacknowledged: BTreeMap::new(),
            is_ended: false,
        }
    }

    fn is_stored(&self) -> bool {
        self.is_ended && self.unacknowledged.is_empty()
    }
}

/// The parts of a node: the open epoch and closed ones that wrote something.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Ascending; not empty parts only.
    closed: VecDeque<Part>,
    open: Part,
    /// Frames in all parts.
    retained: usize,
    /// The leader knows that everything up to here is stored.
    reported: Epoch,
}

impl Parts {
    pub(crate) fn new(epoch: Epoch) -> Self {
        let reported = Epoch(epoch.0.saturating_sub(1));
        Self {
            closed: VecDeque::new(),
            open: Part::new(epoch),
            retained: 0,
            reported,
        }
    }

    pub(crate) fn retained(&self) -> usize {
        self.retained
    }

    /// Closes the open epoch.
    pub(crate) fn open(&mut self, epoch: Epoch) {
        assert!(epoch > self.open.epoch, "epochs-ascend");
        if self.open.pages.is_empty() {
            self.open.epoch = epoch;
        } else {
            let part = core::mem::replace(&mut self.open, Part::new(epoch));
            self.closed.push_back(part);
        }
    }

    /// A page is written for the first time in the open epoch.
    pub(crate) fn list(&mut self, page: PageId) {
        self.open.pages.push(page);
    }

    /// Keeps a version for the epoch of its stamp; gives back an earlier one of it.
    pub(crate) fn keep(&mut self, page: PageId, content: PageVersion) -> Option<PageVersion> {
        let epoch = content.stamp.epoch();
        let part = if epoch == self.open.epoch {
            &mut self.open
        } else {
            let at = self.closed.binary_search_by_key(&epoch, |part| part.epoch);
            &mut self.closed[at.expect("what is not captured is not stable")]
        };
        let older = part.frames.insert(page, content);
        if older.is_none() {
            self.retained += 1;
        }
        older
    }

    /// The next page of a closed epoch whose frame must be sent.
    pub(crate) fn next_unsent(&self) -> Option<(Epoch, PageId)> {
        let part = self
            .closed
            .iter()
            .find(|part| part.sent < part.pages.len())?;
        Some((part.epoch, part.pages[part.sent]))
    }

    /// The page of [`Parts::next_unsent`] goes to these stores: its frame.
    pub(crate) fn mark_sent(&mut self, page: PageId, stores: &[NodeId]) -> &PageVersion {
        let mut parts = self.closed.iter_mut();
        let part = parts.find(|part| part.sent < part.pages.len());
        let part = part.expect("only called with an unsent page");
        assert!(part.pages[part.sent] == page, "pages are sent in order");
        part.sent += 1;
        for &store in stores {
            *part.unacknowledged.entry(store).or_insert(0) += 1;
        }
        part.frames.get(&page).expect("every-write-is-kept")
    }

    /// A closed epoch whose frames were all sent just now, with the number for each store.
    pub(crate) fn next_unended(&mut self) -> Option<(Epoch, Vec<(NodeId, u32)>)> {
        let mut parts = self.closed.iter_mut();
        let part = parts.find(|part| !part.is_ended && part.sent == part.pages.len())?;
        part.is_ended = true;
        let stores = part
            .unacknowledged
            .iter()
            .map(|(&store, &frames)| (store, frames));
        Some((part.epoch, stores.collect()))
    }

    /// A store has the part. False if it was not asked.
    pub(crate) fn acknowledge(&mut self, store: NodeId, epoch: Epoch) -> bool {
        let Ok(at) = self.closed.binary_search_by_key(&epoch, |part| part.epoch) else {
            return false;
        };
        let part = &mut self.closed[at];
        part.is_ended && part.unacknowledged.remove(&store).is_some()
    }

    /// The newest epoch up to which everything is stored, if the leader does not know.
    pub(crate) fn next_report(&mut self) -> Option<Epoch> {
        let unstored = self.closed.iter().find(|part| !part.is_stored());
        let first_missing = unstored.map_or(self.open.epoch, |part| part.epoch);
        let stored = Epoch(first_missing.0 - 1);
        if stored <= self.reported {
            return None;
        }
        self.reported = stored;
        Some(stored)
    }

    /// Takes one frame out that is not needed any more, because it is stable.
    pub(crate) fn release(&mut self, stable: Epoch) -> Option<PageVersion> {
        loop {
            let part = self
                .closed
                .front_mut()
                .filter(|part| part.epoch <= stable)?;
            assert!(part.is_stored(), "stable-is-stored: {}", part.epoch);
            if let Some((_, content)) = part.frames.pop_first() {
                self.retained -= 1;
                return Some(content);
            }
            self.closed.pop_front();
        }
    }

    /// Whether `page` stands in the list of what was written in `epoch`.
    pub(crate) fn is_listed(&self, page: PageId, epoch: Epoch) -> bool {
        let parts = self.closed.iter().chain([&self.open]);
        parts
            .filter(|part| part.epoch == epoch)
            .any(|part| part.pages.contains(&page))
    }

    /// Asserts what the parts promise of themselves.
    pub(crate) fn check(&self, epoch: Epoch) {
        assert!(self.open.epoch == epoch, "open-part-is-current");
        let parts = self.closed.iter().chain([&self.open]);
        let frames: usize = parts.map(|part| part.frames.len()).sum();
        assert!(frames == self.retained, "frames-are-counted");
        assert!(
            self.closed.iter().is_sorted_by_key(|part| part.epoch),
            "epochs-ascend"
        );
        assert!(self.reported < epoch, "reported-is-left");
    }
}
