//! The state of the undo model: memories, disks, the leader's records, and the history that
//! only an observer knows.
use crate::undo::config::{Config, NODES, PAGES};

/// What one node commits between two cuts, in order: epoch, then place in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(crate) struct Interval {
    pub(crate) epoch: u8,
    pub(crate) sub: u8,
}

impl Interval {
    /// Later than all.
    pub(crate) const NEVER: Self = Self::end_of(u8::MAX);

    /// The last one of an epoch.
    pub(crate) const fn end_of(epoch: u8) -> Self {
        Self {
            epoch,
            sub: u8::MAX,
        }
    }
}

/// Who wrote a version.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Stamp {
    pub(crate) node: u8,
    pub(crate) at: Interval,
}

/// A version of a page; number 0 is a page of zeroes, which nobody wrote.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Version {
    pub(crate) number: u8,
    pub(crate) stamp: Stamp,
    /// The place of its writer in the history: what the bytes are, to the observer.
    pub(crate) writer: u8,
}

/// A version and its page.
pub(crate) type Frame = (u8, Version);
/// The newest interval of each other node that this work depends on.
pub(crate) type Edges = [Option<Interval>; NODES];

/// Work of a node that is not stable yet.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Work {
    pub(crate) at: Interval,
    pub(crate) previous: Option<Interval>,
    pub(crate) edges: Edges,
    /// Its last version of each page that it wrote.
    pub(crate) frames: Vec<Frame>,
}

/// What a store knows of an epoch of a node: its frames, wherever they are, and what it
/// depends on.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Manifest {
    pub(crate) node: u8,
    pub(crate) last: Interval,
    /// The interval before its first.
    pub(crate) previous: Option<Interval>,
    pub(crate) edges: Edges,
    pub(crate) frames: Vec<Frame>,
}

/// A node's memory.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Node {
    pub(crate) is_alive: bool,
    pub(crate) epoch: u8,
    pub(crate) sub: u8,
    pub(crate) cache: [Option<Version>; PAGES],
    /// In order; the last one may be open.
    pub(crate) work: Vec<Work>,
    /// Versions of others that it overwrote.
    pub(crate) before: Vec<Frame>,
    /// Decisions that it has applied.
    pub(crate) applied: u8,
}

/// Where a disk is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Place {
    Here,
    Away,
    Gone,
}

/// A store's disk.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Disk {
    pub(crate) place: Place,
    pub(crate) frames: Vec<Frame>,
    pub(crate) manifests: Vec<Manifest>,
    pub(crate) applied: u8,
}

/// What a recovery has recorded: what is kept of each node, and the next view's first epoch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Decision {
    pub(crate) kept: [Interval; NODES],
    pub(crate) first_epoch: u8,
}

/// What the cluster does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Phase {
    Working,
    /// A node has failed; nothing of the old view is accepted any more.
    Fenced,
    /// A decision is recorded; not everybody has applied it.
    Applying,
}

/// A transaction that has committed.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Done {
    pub(crate) stamp: Stamp,
    /// The versions that it read or overwrote.
    pub(crate) used: Vec<Frame>,
    pub(crate) wrote: Vec<Frame>,
    /// The failure after which it was undone.
    pub(crate) undone_after: Option<u8>,
}

impl Done {
    pub(crate) fn is_undone(&self) -> bool {
        self.undone_after.is_some()
    }
}

/// A promise broken in the very step, as the property names it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Fault {
    /// Somebody got, or would get, another version than the current one.
    Served,
    /// The current version of a page is nowhere.
    Nowhere,
    /// A decision has undone what was stable.
    StableUndone,
}

/// The whole cluster.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    pub(crate) phase: Phase,
    pub(crate) nodes: [Node; NODES],
    pub(crate) disks: [Disk; NODES],
    /// Who owns each page, if it is not in the stores only.
    pub(crate) owners: [Option<u8>; PAGES],
    pub(crate) stable: u8,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) crashes: u8,
    pub(crate) ticks_left: u8,
    /// Transactions that have run, a bit each.
    pub(crate) has_run: u8,
    pub(crate) history: Vec<Done>,
    pub(crate) fault: Option<Fault>,
}

impl State {
    pub(crate) fn first(config: &Config) -> Self {
        let node = Node {
            is_alive: true,
            epoch: 1,
            sub: 0,
            cache: [None; PAGES],
            work: Vec::new(),
            before: Vec::new(),
            applied: 0,
        };
        let disk = Disk {
            place: Place::Here,
            frames: Vec::new(),
            manifests: Vec::new(),
            applied: 0,
        };
        Self {
            phase: Phase::Working,
            nodes: core::array::from_fn(|_| node.clone()),
            disks: core::array::from_fn(|_| disk.clone()),
            owners: [None; PAGES],
            stable: 0,
            decisions: Vec::new(),
            crashes: 0,
            ticks_left: config.ticks,
            has_run: 0,
            history: Vec::new(),
            fault: None,
        }
    }

    pub(crate) fn fail(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    pub(crate) fn alive(&self) -> impl Iterator<Item = usize> + '_ {
        (0..NODES).filter(|&node| self.nodes[node].is_alive)
    }

    pub(crate) fn disks_here(&self) -> impl Iterator<Item = usize> + '_ {
        (0..NODES).filter(|&disk| self.disks[disk].place == Place::Here)
    }

    /// What the page is, to the observer.
    pub(crate) fn current(&self, page: u8) -> Version {
        self.newest(page, |_| true)
    }

    /// The same of what cannot be lost any more.
    pub(crate) fn current_stable(&self, page: u8) -> Version {
        self.newest(page, |version| version.stamp.at.epoch <= self.stable)
    }

    fn newest(&self, page: u8, counts: impl Fn(&Version) -> bool) -> Version {
        let living = self.history.iter().filter(|done| !done.is_undone());
        let wrote = living.flat_map(|done| &done.wrote);
        let of_page = wrote.filter(|frame| frame.0 == page);
        let mut versions = of_page.map(|frame| frame.1).filter(counts);
        versions.next_back().unwrap_or_default()
    }
}

/// Counts of the models are tiny.
pub(crate) fn small(count: usize) -> u8 {
    u8::try_from(count).expect("nodes, pages and transactions are few")
}
