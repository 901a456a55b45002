//! Copies on the disks that should have them: after the members have changed, each store
//! gives what is stable in it to the stores of the new placement that lack it.
//!
//! In the background and at a bounded rate: one extent at a time, asked for before it is
//! sent, synced at its new place before the next. What is not stable needs nothing of this:
//! its producers send it again.
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use platform::Disk;
use types::{Duration, Extent, Instant, NodeId, PageId, Version, View, ViewNumber, placement};
use wire::{Envelope, Message};

use crate::Platform;
use crate::core::Core;

/// Pages sent at a time.
const PAGES_AT_ONCE: usize = 32;
/// Not more often than this: some 100 MB a second.
const EVERY: Duration = Duration::from_millis(1);

/// What this node's store still has to give.
#[derive(Debug)]
pub(crate) struct Copies {
    view: ViewNumber,
    todo: VecDeque<(Extent, NodeId)>,
    current: Step,
    next: Instant,
    /// The leader knows that nothing is left.
    is_told: bool,
}

/// The exchange about one extent with one store.
#[derive(PartialEq, Eq, Debug)]
enum Step {
    None,
    /// Which versions has it?
    Asked(Extent, NodeId),
    /// What it lacks; then it is asked to sync.
    Sending(Extent, NodeId, Vec<PageId>),
    Ended(Extent, NodeId),
}

impl Copies {
    /// Nothing to do.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            view: ViewNumber(0),
            todo: VecDeque::new(),
            current: Step::None,
            next: now,
            is_told: true,
        }
    }

    /// A view has begun: everything in this store is looked at again.
    pub(crate) fn begin(&mut self, now: Instant, view: &View, me: NodeId, extents: &[Extent]) {
        let others = |&extent: &Extent| {
            let stores = placement::stores(view, extent).into_iter();
            stores
                .filter(move |&store| store != me)
                .map(move |store| (extent, store))
        };
        *self = Self {
            view: view.number,
            todo: extents.iter().flat_map(others).collect(),
            current: Step::None,
            next: now,
            is_told: false,
        };
    }

    /// When there is something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let is_waiting = matches!(self.current, Step::Asked(..) | Step::Ended(..));
        (!self.is_told && !is_waiting).then_some(self.next)
    }
}

impl<P: Platform, D: Disk> Core<P, D> {
    /// A piece of the work, if it is time for one.
    pub(crate) fn on_copies_time(&mut self) {
        let is_due = self.copies.next_deadline().is_some_and(|at| at <= self.now);
        if !is_due || self.copies.view != self.view_number() {
            return;
        }
        self.copies.next = self.now + EVERY;
        match core::mem::replace(&mut self.copies.current, Step::None) {
            Step::None => self.next_extent(),
            Step::Sending(extent, to, pages) => self.send_copies(extent, to, pages),
            waiting @ (Step::Asked(..) | Step::Ended(..)) => self.copies.current = waiting,
        }
    }

    fn next_extent(&mut self) {
        if let Some((extent, to)) = self.copies.todo.pop_front() {
            self.copies.current = Step::Asked(extent, to);
            self.say(to, Message::GetCopies { extent });
        } else {
            self.copies.is_told = true;
            let leader = self.dtm.view().expect("a view has begun").leader;
            self.say(leader, Message::Replicated);
        }
    }

    fn send_copies(&mut self, extent: Extent, to: NodeId, mut pages: Vec<PageId>) {
        for page in pages.split_off(pages.len().saturating_sub(PAGES_AT_ONCE)) {
            match self.store.read_stable(page) {
                Ok(Some(content)) => self.say(to, Message::StoreFrame { page, content }),
                Ok(None) => {}
                // Another store has a good copy, and gives that.
                Err(store::ReadError::Damaged(damage)) => {
                    (self.config.note)(&alloc::format!("the store: {damage}"));
                }
                Err(error) => return self.store_failed(&error),
            }
        }
        self.copies.current = if pages.is_empty() {
            self.say(to, Message::CopiesEnd { extent });
            Step::Ended(extent, to)
        } else {
            Step::Sending(extent, to, pages)
        };
    }

    /// What stores say to each other about copies.
    pub(crate) fn on_copies_message(&mut self, envelope: Envelope) {
        let from = envelope.from;
        match envelope.message {
            Message::GetCopies { extent } => {
                let pages = self.store.stable_pages(extent);
                self.say(from, Message::Copies { extent, pages });
            }
            Message::Copies { extent, pages }
                if self.copies.current == Step::Asked(extent, from) =>
            {
                let theirs: BTreeMap<PageId, Version> = pages.into_iter().collect();
                let mut lacking = self.store.stable_pages(extent);
                lacking.retain(|(page, version)| theirs.get(page) < Some(version));
                let lacking = lacking.into_iter().map(|(page, _)| page);
                let lacking: Vec<PageId> = lacking.collect();
                self.copies.current = if lacking.is_empty() {
                    Step::None
                } else {
                    Step::Sending(extent, from, lacking)
                };
            }
            Message::CopiesEnd { extent } => self.store.end_copies(from, extent),
            Message::CopiesStored { extent }
                if self.copies.current == Step::Ended(extent, from) =>
            {
                self.copies.current = Step::None;
            }
            // Nobody has asked for it.
            Message::Copies { .. } | Message::CopiesStored { .. } => {}
            other => unreachable!("{other:?} is not about copies"),
        }
    }

    /// Acknowledges copies that have reached the disk.
    pub(crate) fn acknowledge_copies(&mut self) {
        for (node, extent) in self.store.take_stored_copies() {
            self.say(node, Message::CopiesStored { extent });
        }
    }
}
