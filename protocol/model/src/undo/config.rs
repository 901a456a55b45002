//! What one run of the undo model looks at: transactions, crashes, and at most one planted
//! bug.

/// Pages of the model.
pub const PAGES: usize = 2;
/// Nodes, each with a disk that is a store.
pub const NODES: usize = 3;
/// Stores that keep a page.
pub const COPIES: usize = 2;

/// How a transaction ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It commits.
    Commits,
    /// It has fetched what it reads and become the only holder of what it wrote, and is
    /// rolled back then.
    Aborts,
}

/// A transaction, atomic here; each runs once at most, in any order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Txn {
    /// Where it runs.
    pub node: u8,
    /// Pages that it only reads.
    pub reads: &'static [u8],
    /// Pages that it reads and writes.
    pub writes: &'static [u8],
    /// How it ends.
    pub end: End,
}

/// A transaction that commits.
pub const fn txn(node: u8, reads: &'static [u8], writes: &'static [u8]) -> Txn {
    let end = End::Commits;
    Txn {
        node,
        reads,
        writes,
        end,
    }
}

/// A transaction that is rolled back.
pub const fn aborted(node: u8, reads: &'static [u8], writes: &'static [u8]) -> Txn {
    let end = End::Aborts;
    Txn {
        node,
        reads,
        writes,
        end,
    }
}

/// What becomes of the disk of a node that crashes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fate {
    /// Only the process died: the store answers.
    Kept,
    /// It is gone for ever.
    Lost,
    /// It is away, and comes back when the recovery is over.
    Returns,
}

/// A bug that a run contains on purpose; numbers are those of the design's faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plant {
    /// 1: a node that falls back restores before-images whatever their stamp.
    TrustedBeforeImages,
    /// 2: only pages whose home has moved get a new directory entry.
    MovedHomesOnly,
    /// 4: a node that need not fall back keeps pages that are undone.
    UndonePagesKept,
    /// 5: a node goes on in the epoch in which it was thrown back.
    NamesReused,
    /// 6: stores keep versions that are undone.
    StoresNotPurged,
    /// 7: a decision is forgotten when its recovery is over.
    DecisionsForgotten,
    /// 8: a second failure makes a recovery decide anew from what is left.
    DecisionNotDurable,
    /// 11: a part is judged without asking whether the one before it is there.
    PartsWithoutPrevious,
    /// 12: what leaves the node before its part is sent is not kept.
    NotKeptAtHandOver,
    /// 9: pages are not copied to other stores when a disk is lost.
    NotReplicated,
    /// 10: a part that one store has counts as stored.
    OneCopyIsStable,
    /// 13: stable work of a dead node is lost, too, if its part is not in the stores any more.
    StableIsJudged,
    /// What depends on lost work is undone, but not what depends on that.
    NoClosure,
    /// Sub-intervals are not cut: right, but more is undone than must be (16).
    NoCut,
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// What is printed.
    pub name: &'static str,
    /// What may run.
    pub txns: &'static [Txn],
    /// Epochs that nodes may begin by themselves.
    pub ticks: u8,
    /// A crash each; any node may be the one.
    pub crashes: &'static [Fate],
    /// The bug, if any.
    pub plant: Option<Plant>,
}

impl Config {
    pub(crate) fn has(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }
}
