//! The intervals of this node and their edges, from commit to commit.
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use types::{Epoch, Interval, NodeId, PageId, Stamp, View};
use wire::{IntervalEdges, Testimony};

use crate::deps::Edges;
use crate::pages::Mapping;
use crate::{Dtm, PageState};

/// Pages received with unstable versions are looked through when there are so many more
/// than the last time.
const FOREIGN_SLACK: usize = 256;

/// Intervals of this node that are not stable, and pages that will become edges.
#[derive(Debug)]
pub(crate) struct Dependencies {
    /// With commits, ascending.
    closed: VecDeque<(Interval, Edges)>,
    open: Interval,
    /// Whether anything was committed in the open interval.
    has_commits: bool,
    edges: Edges,
    /// Pages that were mapped with an unstable version of another node, and of which no
    /// commit has taken note since.
    unnoted: Vec<PageId>,
    /// Pages that came with an unstable version of another node.
    foreign: Vec<PageId>,
    /// Length of `foreign` at which it is looked through.
    foreign_max: usize,
    /// The leader knows the intervals and their edges: none may be added.
    is_fenced: bool,
}

impl Dependencies {
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self {
            closed: VecDeque::new(),
            open: Interval { epoch, sub: 0 },
            has_commits: false,
            edges: Edges::default(),
            unnoted: Vec::new(),
            foreign: Vec::new(),
            foreign_max: FOREIGN_SLACK,
            is_fenced: false,
        }
    }

    /// The interval in which a commit happens now.
    pub(crate) fn open(&self) -> Interval {
        self.open
    }

    pub(crate) fn is_fenced(&self) -> bool {
        self.is_fenced
    }

    pub(crate) fn has_unnoted_pages(&self) -> bool {
        !self.unnoted.is_empty()
    }

    pub(crate) fn note_commit(&mut self) {
        self.has_commits = true;
    }

    /// Closes the open interval.
    pub(crate) fn advance(&mut self, epoch: Epoch) {
        self.close(Interval { epoch, sub: 0 });
    }

    fn close(&mut self, next: Interval) {
        assert!(next > self.open, "epochs-ascend");
        let edges = core::mem::take(&mut self.edges);
        if core::mem::take(&mut self.has_commits) {
            self.closed.push_back((self.open, edges));
        }
        self.open = next;
    }

    /// A page came with a version of another node that is not stable.
    pub(crate) fn received(&mut self, page: PageId) {
        self.foreign.push(page);
    }

    /// It was mapped, so whatever commits may have read it.
    pub(crate) fn mapped(&mut self, page: PageId) {
        self.unnoted.push(page);
    }

    /// Nobody asks for these pages any more.
    pub(crate) fn forget(&mut self, is_it: impl Fn(&PageId) -> bool) {
        self.unnoted.retain(|page| !is_it(page));
        self.foreign.retain(|page| !is_it(page));
    }

    pub(crate) fn release(&mut self, stable: Epoch) {
        let is_stable = |(interval, _): &mut (Interval, Edges)| interval.epoch <= stable;
        while self.closed.pop_front_if(is_stable).is_some() {}
    }

    /// Of the closed intervals after an epoch and up to another: the last, if it is of the
    /// later epoch, and the edges of all.
    pub(crate) fn between(&self, after: Epoch, until: Epoch) -> (Option<Interval>, Edges) {
        let begin = self.closed.partition_point(|(of, _)| of.epoch <= after);
        let end = self.closed.partition_point(|(of, _)| of.epoch <= until);
        let mut all = Edges::default();
        let edges = self.closed.range(begin..end).map(|(_, edges)| edges);
        edges.flat_map(Edges::iter).for_each(|to| all.add(to));
        let last = self.closed.range(begin..end).next_back();
        let last = last.map(|&(interval, _)| interval);
        (last.filter(|last| last.epoch == until), all)
    }

    /// Intervals above `stable` with their edges, ascending; none is added from now on.
    fn fence(&mut self, stable: Epoch) -> Vec<IntervalEdges> {
        self.is_fenced = true;
        let open = self.has_commits.then_some((&self.open, &self.edges));
        let closed = self
            .closed
            .iter()
            .map(|(interval, edges)| (interval, edges));
        let unstable = closed
            .chain(open)
            .filter(|(interval, _)| interval.epoch > stable);
        unstable
            .map(|(&interval, edges)| IntervalEdges {
                interval,
                edges: edges.iter().collect(),
            })
            .collect()
    }

    /// A view begins, which undoes some intervals; whether it does.
    fn enter(&mut self, epoch: Epoch, is_undone: impl Fn(Interval) -> bool) -> bool {
        self.close(Interval { epoch, sub: 0 });
        let before = self.closed.len();
        self.closed.retain(|&(interval, _)| !is_undone(interval));
        self.is_fenced = false;
        self.closed.len() < before
    }
}

impl Dtm {
    /// Whether a version is of another node and may still be lost.
    pub(crate) fn is_foreign(&self, stamp: Stamp) -> bool {
        stamp.node != self.links.me && stamp.epoch() > self.stable
    }

    /// Takes note of what the transaction that is about to commit has read or overwrites.
    /// A new edge closes an interval that holds commits already: they must not depend on
    /// it. False if the interval's edges are known to the leader and there is a new one.
    pub(crate) fn note_edges(&mut self) -> bool {
        let mut found = Edges::default();
        let mut later = Vec::new();
        let mut is_new = false;
        for at in 0..self.deps.unnoted.len() {
            let page = self.deps.unnoted[at];
            let Some(entry) = self.pages.get(page) else {
                continue;
            };
            let is_readable = entry.mapping == Mapping::Current;
            if !is_readable || !self.is_foreign(entry.stamp) {
                continue;
            }
            if page.is_linear() || entry.touched == self.txn.number {
                is_new |= self.deps.edges.is_new(entry.stamp);
                found.add(entry.stamp);
            } else {
                later.push(page);
            }
        }
        if is_new && self.deps.is_fenced {
            return false;
        }
        self.deps.unnoted = later;
        if is_new && self.deps.has_commits {
            let Interval { epoch, sub } = self.deps.open;
            let sub = sub.checked_add(1).expect("fewer cuts than commits");
            self.deps.close(Interval { epoch, sub });
            self.counters.intervals_cut += 1;
        }
        found.iter().for_each(|to| self.deps.edges.add(to));
        true
    }

    /// The intervals above `stable` that hold commits, with their edges, and what has come
    /// from the lost and from those that are gone. Until the next view no edge is added,
    /// nothing is sent and nothing is heard: transactions commit if they need neither.
    pub(crate) fn close_fence(&mut self, stable: Epoch, lost: &[NodeId]) -> Testimony {
        self.links.fence();
        let view = self.current_view();
        let is_lost = |node| lost.contains(&node) || view.member(node).is_none();
        let parts = self.received.parts_of(is_lost);
        let intervals = self.deps.fence(stable);
        Testimony { intervals, parts }
    }

    /// Goes on in a view as the node that this was. Pages that stay mapped with unstable
    /// versions of others are noted again if the commits that had noted them are undone.
    pub(crate) fn enter_deps(&mut self, epoch: Epoch, view: &View) {
        let node = self.links.me;
        let is_undone = |interval| view.is_undone(Stamp { node, interval });
        let has_lost = self.deps.enter(epoch, is_undone);
        self.prune_foreign();
        if has_lost {
            let is_mapped = |&&page: &&PageId| {
                let entry = self.pages.get(page);
                entry.is_some_and(|entry| entry.mapping == Mapping::Current)
            };
            let mapped = self.deps.foreign.iter().filter(is_mapped);
            self.deps.unnoted = mapped.copied().collect();
        }
    }

    /// Pages that came with unstable versions of others, for whoever must look at them.
    pub(crate) fn foreign_pages(&self) -> &[PageId] {
        &self.deps.foreign
    }

    /// Called when something has become stable.
    pub(crate) fn settle_deps(&mut self) {
        self.deps.release(self.stable);
        if self.deps.foreign.len() >= self.deps.foreign_max {
            self.prune_foreign();
        }
    }

    fn prune_foreign(&mut self) {
        let mut foreign = core::mem::take(&mut self.deps.foreign);
        foreign.sort_unstable();
        foreign.dedup();
        foreign.retain(|&page| {
            let entry = self.pages.get(page).expect("what came has an entry");
            entry.state != PageState::Invalid && self.is_foreign(entry.stamp)
        });
        self.deps.foreign_max = 2 * foreign.len() + FOREIGN_SLACK;
        self.deps.foreign = foreign;
    }
}
