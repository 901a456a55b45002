//! Copies on the disks that should have them: after the members have changed, each store
//! gives what is stable in it, now or in an epoch that is retained, to the stores of the new
//! placement that lack it.
//!
//! In the background and at a bounded rate: one extent at a time, asked for before it is
//! sent, synced at its new place before the next. What is not stable needs nothing of this:
//! its producers send it again.
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use platform::Disk;
use types::{
    Duration, Extent, Instant, NodeId, PageId, Stamp, Version, View, ViewNumber, placement,
};
use wire::{Envelope, Message};

use crate::Platform;
use crate::core::Core;

/// Pages sent at a time.
const PAGES_AT_ONCE: usize = 32;
/// Versions named in one message at most.
const VERSIONS_PER_MESSAGE: usize = 1 << 13;
/// Not more often than this: some 100 MB a second.
const EVERY: Duration = Duration::from_millis(1);

/// A version that this node's store keeps.
type Kept = (PageId, Version, Stamp);

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
    /// Which versions has it? So far these.
    Asked(Extent, NodeId, BTreeSet<(PageId, Version)>),
    /// What it lacks; then it is asked to sync.
    Sending(Extent, NodeId, Vec<Kept>),
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

    /// A view has begun: from `at` on everything in this store is looked at again.
    pub(crate) fn begin(&mut self, at: Instant, view: &View, me: NodeId, extents: &[Extent]) {
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
            next: at,
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
            Step::Sending(extent, to, kept) => self.send_copies(extent, to, kept),
            waiting @ (Step::Asked(..) | Step::Ended(..)) => self.copies.current = waiting,
        }
    }

    fn next_extent(&mut self) {
        if let Some((extent, to)) = self.copies.todo.pop_front() {
            self.copies.current = Step::Asked(extent, to, BTreeSet::new());
            self.say(to, Message::GetCopies { extent });
        } else {
            self.copies.is_told = true;
            let leader = self.dtm.view().expect("a view has begun").leader;
            self.say(leader, Message::Replicated);
        }
    }

    fn send_copies(&mut self, extent: Extent, to: NodeId, mut kept: Vec<Kept>) {
        let piece = kept.split_off(kept.len().saturating_sub(PAGES_AT_ONCE));
        for (page, version, stamp) in piece {
            match self.store.read_version(page, version, stamp) {
                Ok(Some(content)) => self.say(to, Message::StoreFrame { page, content }),
                // It is superseded by now.
                Ok(None) => {}
                // Another store has a good copy, and gives that.
                Err(store::ReadError::Damaged(damage)) => {
                    (self.config.note)(&alloc::format!("the store: {damage}"));
                }
                Err(error) => return self.store_failed(&error),
            }
        }
        self.copies.current = if kept.is_empty() {
            self.say(to, Message::CopiesEnd { extent });
            Step::Ended(extent, to)
        } else {
            Step::Sending(extent, to, kept)
        };
    }

    /// What stores say to each other about copies.
    pub(crate) fn on_copies_message(&mut self, envelope: Envelope) {
        let from = envelope.from;
        match envelope.message {
            Message::GetCopies { extent } => {
                self.tell_kept(from, extent);
            }
            Message::Copies {
                extent,
                versions,
                last,
            } => self.on_copies(from, extent, versions, last),
            Message::CopiesEnd { extent } => self.store.end_copies(from, extent),
            Message::CopiesStored { extent }
                if self.copies.current == Step::Ended(extent, from) =>
            {
                self.copies.current = Step::None;
            }
            // Nobody has asked for it.
            Message::CopiesStored { .. } => {}
            other => unreachable!("{other:?} is not about copies"),
        }
    }

    /// Says which versions of the extent this node's store keeps.
    fn tell_kept(&mut self, to: NodeId, extent: Extent) {
        let kept = self.store.kept_versions(extent);
        let versions = kept.iter().map(|&(page, version, _)| (page, version));
        let versions: Vec<(PageId, Version)> = versions.collect();
        let mut rest = versions.as_slice();
        loop {
            let (piece, more) = rest.split_at(rest.len().min(VERSIONS_PER_MESSAGE));
            let (versions, last) = (piece.to_vec(), more.is_empty());
            self.say(
                to,
                Message::Copies {
                    extent,
                    versions,
                    last,
                },
            );
            rest = more;
            if last {
                break;
            }
        }
    }

    /// What the store has that was asked.
    fn on_copies(
        &mut self,
        from: NodeId,
        extent: Extent,
        versions: Vec<(PageId, Version)>,
        last: bool,
    ) {
        let Step::Asked(asked, of, theirs) = &mut self.copies.current else {
            return;
        };
        if (*asked, *of) != (extent, from) {
            // Nobody has asked for it.
            return;
        }
        theirs.extend(versions);
        if !last {
            return;
        }
        let mut lacking = self.store.kept_versions(extent);
        lacking.retain(|&(page, version, _)| !theirs.contains(&(page, version)));
        self.copies.current = if lacking.is_empty() {
            Step::None
        } else {
            Step::Sending(extent, from, lacking)
        };
    }

    /// Acknowledges copies that have reached the disk.
    pub(crate) fn acknowledge_copies(&mut self) {
        for (node, extent) in self.store.take_stored_copies() {
            self.say(node, Message::CopiesStored { extent });
        }
    }
}
