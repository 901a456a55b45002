//! What the log says about everything in it: which decisions undid what, which epochs are
//! stable, which are to be retained. Every segment repeats what still counts, so that those
//! before it may go.
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use types::{Epoch, NodeId, Stamp};

use crate::fact::Fact;
use crate::record::{StableMeta, Undone};
use crate::superseded::Retained;

/// Stable epochs that are remembered.
const SNAPSHOTS_MAX: usize = 1024;

/// A stable epoch, as this store saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// The epoch.
    pub epoch: Epoch,
    /// When it became known to be stable, in milliseconds since 1970.
    pub wall_ms: u64,
    /// Bytes written to this store since the snapshot before.
    pub bytes: u64,
    /// Pages of which this store had a stable version.
    pub pages: u64,
}

/// Decisions and stable epochs.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Decisions, by the node that they are about.
    undone: BTreeMap<NodeId, Vec<Undone>>,
    stable: Epoch,
    snapshots: VecDeque<Snapshot>,
    retained: Retained,
}

impl History {
    /// Takes in a record of the log.
    pub(crate) fn note(&mut self, fact: &Fact) {
        match fact {
            Fact::Undone(undone) => drop(self.note_undone(*undone)),
            Fact::Stable(meta) => self.note_stable(*meta),
            Fact::Retained(epochs) => self.retained = epochs.iter().copied().collect(),
            Fact::Existing(_) | Fact::Dropped(_) => (),
        }
    }

    /// Whether it is new.
    pub(crate) fn note_undone(&mut self, undone: Undone) -> bool {
        let known = self.undone.entry(undone.cut.node).or_default();
        let is_new = !known.contains(&undone);
        if is_new {
            known.push(undone);
        }
        is_new
    }

    pub(crate) fn note_stable(&mut self, meta: StableMeta) {
        let StableMeta {
            epoch,
            wall_ms,
            bytes,
            pages,
        } = meta;
        if epoch <= self.stable {
            return;
        }
        self.stable = epoch;
        self.snapshots.push_back(Snapshot {
            epoch,
            wall_ms,
            bytes,
            pages,
        });
        if self.snapshots.len() > SNAPSHOTS_MAX {
            let is_retained = |one: &Snapshot| self.retained.contains(&one.epoch);
            let oldest = self.snapshots.iter().position(|one| !is_retained(one));
            self.snapshots.remove(oldest.unwrap_or(0));
        }
    }

    /// Whether some decision undid what was committed in this interval of this node.
    pub(crate) fn is_undone(&self, stamp: Stamp) -> bool {
        let decided = self.undone.get(&stamp.node);
        decided
            .into_iter()
            .flatten()
            .any(|undone| undone.cut.undoes(stamp, undone.first_epoch))
    }

    /// All decisions.
    pub(crate) fn all_undone(&self) -> impl Iterator<Item = Undone> + '_ {
        self.undone.values().flatten().copied()
    }

    /// The newest stable epoch.
    pub(crate) fn stable(&self) -> Epoch {
        self.stable
    }

    /// The last stable epochs, oldest first.
    pub(crate) fn snapshots(&self) -> impl Iterator<Item = &Snapshot> {
        self.snapshots.iter()
    }

    /// The epochs that are to be retained.
    pub(crate) fn retained(&self) -> &Retained {
        &self.retained
    }

    /// Whether this is an epoch whose versions are kept.
    pub(crate) fn is_kept(&self, epoch: Epoch) -> bool {
        epoch == self.stable || epoch < self.stable && self.retained.contains(&epoch)
    }

    /// What a new segment repeats.
    pub(crate) fn repeated(&self) -> Vec<Fact> {
        let undone = self.undone.values().flatten().copied().map(Fact::Undone);
        let is_kept = |one: &&Snapshot| self.is_kept(one.epoch);
        let stable = self.snapshots.iter().filter(is_kept);
        let stable = stable.copied().map(Snapshot::fact);
        let retained = Fact::Retained(self.retained.iter().copied().collect());
        undone.chain(stable).chain([retained]).collect()
    }
}

impl Snapshot {
    fn fact(self) -> Fact {
        let Self {
            epoch,
            wall_ms,
            bytes,
            pages,
        } = self;
        Fact::Stable(StableMeta {
            epoch,
            wall_ms,
            bytes,
            pages,
        })
    }
}
