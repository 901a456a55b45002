//! What a node has written in each epoch that is not stable yet, and how far its way
//! to the stores has come.
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use types::{Epoch, NodeId, PageId, Stamp};
use wire::PageVersion;

/// A page written in an epoch.
#[derive(Debug)]
struct Written {
    page: PageId,
    /// Its last version, once it was captured.
    frame: Option<PageVersion>,
    /// Its last versions of earlier intervals of the epoch: the stores do not get them,
    /// but a fallback may go back to one of them.
    earlier: Vec<PageVersion>,
}

impl Written {
    fn undo(&mut self, is_undone: impl Fn(Stamp) -> bool) {
        while self
            .frame
            .as_ref()
            .is_some_and(|frame| is_undone(frame.stamp))
        {
            self.frame = self.earlier.pop();
        }
    }

    fn frames(&self) -> impl Iterator<Item = &PageVersion> {
        self.earlier.iter().chain(&self.frame)
    }
}

/// One epoch of this node: the pages it wrote, the last version of each.
#[derive(Debug)]
struct Part {
    epoch: Epoch,
    /// Each page once, in the order of first writing.
    pages: Vec<Written>,
    /// Of `pages`: frames sent.
    sent: usize,
    /// Frames captured.
    captured: usize,
    /// Stores that have not acknowledged, with the number of frames sent to them.
    unacknowledged: BTreeMap<NodeId, u32>,
    /// Of these, those that have it in memory.
    held_by: BTreeSet<NodeId>,
    /// How many stores got each frame that was sent, at least.
    copies: usize,
    /// Every frame was sent, and so was the end of the part.
    is_ended: bool,
}

/// A part whose frames were all sent just now.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) epoch: Epoch,
    /// The part that the stores got before it in this view; 0 if there is none.
    pub(crate) before: Epoch,
    /// The stores that got frames, with their number.
    pub(crate) stores: Vec<(NodeId, u32)>,
    pub(crate) copies: usize,
}

impl Part {
    fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            pages: Vec::new(),
            sent: 0,
            captured: 0,
            unacknowledged: BTreeMap::new(),
            held_by: BTreeSet::new(),
            copies: usize::MAX,
            is_ended: false,
        }
    }

    /// Nothing of it has been sent.
    fn begin_anew(&mut self) {
        (self.sent, self.is_ended, self.copies) = (0, false, usize::MAX);
        self.unacknowledged.clear();
        self.held_by.clear();
    }

    fn is_stored(&self) -> bool {
        self.is_ended && self.unacknowledged.is_empty()
    }

    fn is_held(&self) -> bool {
        let mut others = self.unacknowledged.keys();
        self.is_ended && others.all(|store| self.held_by.contains(store))
    }
}

/// How far something that parts become has come, in their order.
#[derive(Clone, Copy, Debug)]
struct Progress {
    /// Of the closed parts, from the front: so many.
    parts: usize,
    /// The leader knows that everything up to here is.
    reported: Epoch,
}

impl Progress {
    fn from(reported: Epoch) -> Self {
        Self { parts: 0, reported }
    }

    /// The newest epoch up to which everything is, if the leader does not know, and nothing
    /// before `least`.
    fn next_report(
        &mut self,
        (closed, open): (&VecDeque<Part>, Epoch),
        least: Epoch,
        is: impl Fn(&Part) -> bool,
    ) -> Option<Epoch> {
        while closed.get(self.parts).is_some_and(&is) {
            self.parts += 1;
        }
        let next = closed.get(self.parts).map_or(open, |part| part.epoch);
        let last = Epoch(next.0 - 1);
        if last <= self.reported || last < least {
            return None;
        }
        self.reported = last;
        Some(last)
    }
}

/// The parts of a node: the open epoch and closed ones that wrote something.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Ascending; not empty parts only.
    closed: VecDeque<Part>,
    /// Of `closed`, from the front: parts that have ended. The next one is being sent.
    ended: usize,
    /// Parts that all their stores have on disk.
    stored: Progress,
    /// Parts that all their stores have in memory, or on disk.
    held: Progress,
    open: Part,
    /// Frames in all parts.
    retained: usize,
    /// Stable parts, to be freed a piece at a time.
    released: Vec<Part>,
    /// The newest part of which stores got frames in this view; epoch 0 if there is none.
    last_ended: Epoch,
    /// The part of `closed` that has what the dead have left, if there is one.
    legacy: Option<Epoch>,
    /// It is not complete: nothing is sent before it is.
    awaits_legacy: bool,
}

impl Parts {
    pub(crate) fn new(epoch: Epoch) -> Self {
        let reported = Epoch(epoch.0.saturating_sub(1));
        Self {
            closed: VecDeque::new(),
            ended: 0,
            stored: Progress::from(reported),
            held: Progress::from(reported),
            open: Part::new(epoch),
            retained: 0,
            released: Vec::new(),
            last_ended: Epoch(0),
            legacy: None,
            awaits_legacy: false,
        }
    }

    pub(crate) fn retained(&self) -> usize {
        self.retained
    }

    /// A view begins in `epoch`: what was undone is forgotten, and all that is left goes to
    /// the stores of the new view, also what those of the old one have.
    pub(crate) fn enter(&mut self, epoch: Epoch, stable: Epoch, is_undone: impl Fn(Stamp) -> bool) {
        self.open(epoch);
        (self.ended, self.retained) = (0, 0);
        self.stored = Progress::from(stable);
        self.held = Progress::from(stable);
        self.last_ended = Epoch(0);
        self.awaits_legacy = false;
        let legacy = self.legacy.take();
        self.closed.retain(|part| Some(part.epoch) != legacy);
        for part in &mut self.closed {
            part.begin_anew();
            part.captured = 0;
            for written in &mut part.pages {
                written.undo(&is_undone);
                part.captured += written.frames().count();
            }
            self.retained += part.captured;
        }
    }

    /// Some of what the dead have left must go to the stores, as a part of this epoch. To be
    /// called when the node enters a view, whose first epoch is the next one.
    pub(crate) fn await_legacy(&mut self, epoch: Epoch) {
        let last = self.closed.back().map_or(Epoch(0), |part| part.epoch);
        assert!(last < epoch, "legacy-has-its-epoch: {last} is used");
        assert!(epoch < self.open.epoch, "legacy-has-its-epoch: {epoch}");
        self.closed.push_back(Part::new(epoch));
        self.legacy = Some(epoch);
        self.awaits_legacy = true;
    }

    /// Adds a version to the legacy.
    pub(crate) fn keep_legacy(&mut self, page: PageId, content: PageVersion) {
        let part = self.legacy_part().expect("there is one to be awaited");
        part.captured += 1;
        part.pages.push(Written {
            page,
            frame: Some(content),
            earlier: Vec::new(),
        });
        self.retained += 1;
    }

    /// The legacy is complete.
    pub(crate) fn end_legacy(&mut self) {
        self.awaits_legacy = false;
        let part = self.legacy_part().expect("it was awaited");
        if part.pages.is_empty() {
            let epoch = self.legacy.take();
            self.closed.retain(|part| Some(part.epoch) != epoch);
        }
    }

    fn legacy_part(&mut self) -> Option<&mut Part> {
        let epoch = self.legacy?;
        let at = self.closed.binary_search_by_key(&epoch, |part| part.epoch);
        at.ok().map(|at| &mut self.closed[at])
    }

    /// Every page written in an epoch that is not stable.
    pub(crate) fn written_pages(&self) -> impl Iterator<Item = PageId> + '_ {
        let parts = self.closed.iter().chain([&self.open]);
        parts
            .flat_map(|part| &part.pages)
            .map(|written| written.page)
    }

    /// The newest frame of each of the chosen pages.
    pub(crate) fn frames_of(
        &self,
        is_chosen: impl Fn(PageId) -> bool,
    ) -> BTreeMap<PageId, PageVersion> {
        let pages = self.closed.iter().flat_map(|part| &part.pages);
        let chosen = pages.filter(|written| is_chosen(written.page));
        let newest = chosen.filter_map(|written| Some((written.page, written.frame.clone()?)));
        newest.collect()
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

    /// A page is written for the first time in the open epoch; its place in the list.
    pub(crate) fn list(&mut self, page: PageId) -> u32 {
        let place = self.open.pages.len();
        self.open.pages.push(Written {
            page,
            frame: None,
            earlier: Vec::new(),
        });
        u32::try_from(place).expect("fewer pages than 2^32 are held")
    }

    /// Keeps a version for the epoch of its stamp, instead of an earlier one of it. The
    /// page has this place in the epoch's list.
    pub(crate) fn keep(&mut self, page: PageId, place: u32, content: PageVersion) {
        let epoch = content.stamp.epoch();
        let part = if epoch == self.open.epoch {
            &mut self.open
        } else {
            let at = self.closed.binary_search_by_key(&epoch, |part| part.epoch);
            &mut self.closed[at.expect("what is not captured is not stable")]
        };
        let written = &mut part.pages[place as usize];
        assert!(written.page == page, "every-write-is-kept: {page}");
        let interval = content.stamp.interval;
        match written.frame.replace(content) {
            Some(older) if older.stamp.interval == interval => return,
            Some(older) => written.earlier.push(older),
            None => {}
        }
        part.captured += 1;
        self.retained += 1;
    }

    /// The next page of a closed epoch whose frame must be sent.
    pub(crate) fn next_unsent(&self) -> Option<(Epoch, PageId)> {
        let part = self.closed.get(self.ended)?;
        (!self.awaits_legacy).then(|| (part.epoch, part.pages[part.sent].page))
    }

    /// The page of [`Parts::next_unsent`] goes to these stores: its frame.
    pub(crate) fn mark_sent(&mut self, page: PageId, stores: &[NodeId]) -> &PageVersion {
        let part = &mut self.closed[self.ended];
        let written = &part.pages[part.sent];
        assert!(written.page == page, "pages are sent in order");
        part.sent += 1;
        part.copies = part.copies.min(stores.len());
        for &store in stores {
            *part.unacknowledged.entry(store).or_insert(0) += 1;
        }
        written.frame.as_ref().expect("every-write-is-kept")
    }

    /// The page of [`Parts::next_unsent`] has nothing to send: it was undone.
    pub(crate) fn skip(&mut self) {
        self.closed[self.ended].sent += 1;
    }

    /// Whether the page of [`Parts::next_unsent`] has a frame.
    pub(crate) fn has_frame(&self) -> bool {
        let part = &self.closed[self.ended];
        part.pages[part.sent].frame.is_some()
    }

    /// A closed epoch whose frames were all sent just now.
    pub(crate) fn next_unended(&mut self) -> Option<Ended> {
        let part = self.closed.get_mut(self.ended)?;
        if part.sent < part.pages.len() {
            return None;
        }
        self.ended += 1;
        part.is_ended = true;
        let stores = part
            .unacknowledged
            .iter()
            .map(|(&store, &frames)| (store, frames));
        let ended = Ended {
            epoch: part.epoch,
            before: self.last_ended,
            stores: stores.collect(),
            copies: part.copies,
        };
        if !ended.stores.is_empty() {
            self.last_ended = ended.epoch;
        }
        Some(ended)
    }

    /// A store has the part. False if it was not asked.
    pub(crate) fn acknowledge(&mut self, store: NodeId, epoch: Epoch) -> bool {
        let Ok(at) = self.closed.binary_search_by_key(&epoch, |part| part.epoch) else {
            return false;
        };
        let part = &mut self.closed[at];
        part.is_ended && part.unacknowledged.remove(&store).is_some()
    }

    /// A store has the part in memory. False if it was not asked.
    pub(crate) fn note_held(&mut self, store: NodeId, epoch: Epoch) -> bool {
        let Ok(at) = self.closed.binary_search_by_key(&epoch, |part| part.epoch) else {
            return false;
        };
        let part = &mut self.closed[at];
        part.is_ended && part.held_by.insert(store)
    }

    /// The newest epoch up to which everything is stored, if the leader does not know.
    pub(crate) fn next_report(&mut self) -> Option<Epoch> {
        let parts = (&self.closed, self.open.epoch);
        // Of the legacy each page's last version goes to the stores: no epoch before is whole.
        let least = self.legacy.unwrap_or_default();
        self.stored.next_report(parts, least, Part::is_stored)
    }

    /// The newest epoch up to which everything is held, if the leader does not know.
    pub(crate) fn next_held(&mut self) -> Option<Epoch> {
        let parts = (&self.closed, self.open.epoch);
        self.held.next_report(parts, Epoch(0), Part::is_held)
    }

    /// What is stable is needed no more.
    pub(crate) fn release(&mut self, stable: Epoch) {
        while let Some(part) = self.closed.pop_front_if(|part| part.epoch <= stable) {
            assert!(part.is_stored(), "stable-is-stored: {}", part.epoch);
            self.retained -= part.captured;
            self.ended -= 1;
            self.stored.parts = self.stored.parts.saturating_sub(1);
            self.held.parts = self.held.parts.saturating_sub(1);
            self.released.push(part);
        }
    }

    /// Frees up to so many pages of released parts: of a large part it takes a while.
    pub(crate) fn free(&mut self, pages_max: usize) {
        let mut left = pages_max;
        while left > 0
            && let Some(part) = self.released.last_mut()
        {
            let freed = left.min(part.pages.len());
            part.pages.truncate(part.pages.len() - freed);
            left -= freed;
            if part.pages.is_empty() {
                self.released.pop();
            }
        }
    }

    /// Whether `page` stands in the list of what was written in `epoch`.
    pub(crate) fn is_listed(&self, page: PageId, epoch: Epoch) -> bool {
        let parts = self.closed.iter().chain([&self.open]);
        parts
            .filter(|part| part.epoch == epoch)
            .any(|part| part.pages.iter().any(|written| written.page == page))
    }

    /// Asserts what the parts promise of themselves.
    pub(crate) fn check(&self, epoch: Epoch) {
        assert!(self.open.epoch == epoch, "open-part-is-current");
        let parts = self.closed.iter().chain([&self.open]);
        let kept = |part: &Part| part.pages.iter().flat_map(Written::frames).count();
        let frames: usize = parts.map(kept).sum();
        assert!(frames == self.retained, "frames-are-counted");
        assert!(
            self.closed.iter().is_sorted_by_key(|part| part.epoch),
            "epochs-ascend"
        );
        assert!(self.stored.reported < epoch, "reported-is-left");
        assert!(self.stored.parts <= self.ended, "parts end in order");
        assert!(self.held.parts <= self.ended, "parts end in order");
    }
}
