//! The one transaction that a node runs at a time: its status and its bookkeeping.
mod abort;
mod access;
mod begin;
mod commit;

use alloc::vec::Vec;
use types::{NodeId, PageId, Stamp, TxnTimestamp, Version};

use crate::Access;

/// Whether a transaction starts afresh.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attempt {
    /// A new transaction: it gets a new, younger timestamp.
    First,
    /// The transaction that was rolled back last, again: it keeps its timestamp, so
    /// that it grows older than whatever it meets.
    Retry,
}

/// Answer to an access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum AccessResult {
    /// The page is mapped; for a write it is unprotected and can be rolled back.
    Ready,
    /// The page is on its way: handle inputs, then ask again.
    Wait,
    /// The transaction is marked: roll it back and retry.
    Stopped,
}

/// What becomes of the memory effects of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommitMode {
    /// They become the next state of the cluster.
    Apply,
    /// They are undone: a query. What it has seen is validated all the same.
    Discard,
}

/// Why a transaction was marked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// Another transaction won a page that this one touched.
    Conflict,
    /// A new view began; the memory on which the transaction ran is gone.
    Fallback,
    /// It needs a page whose newest version, this one, is damaged in every store that had
    /// it. Running it again does not help.
    Lost(PageId, Version),
}

/// How the transaction stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TxnStatus {
    /// There is none; begin one.
    Idle,
    /// Its body runs.
    Running,
    /// Its body is over; it waits for pages to become exclusive.
    Committing,
    /// It cannot commit any more: roll it back.
    Marked(Why),
    /// It has committed in this interval; begin the next one.
    Committed(Stamp),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Idle,
    Running,
    Committing,
    Committed(Stamp),
}

/// Bookkeeping of the transaction. Its lists are reused from one to the next.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) phase: Phase,
    /// What becomes of its effects.
    pub(crate) mode: CommitMode,
    mark: Option<Why>,
    pub(crate) ts: TxnTimestamp,
    /// Attempts of this transaction that lost a page.
    losses: u32,
    ageing_losses: u32,
    /// Counts attempts; a page whose `touched` equals it was accessed by this one.
    pub(crate) number: u64,
    /// Pages with a before-image; those lost meanwhile included.
    pub(crate) dirty: Vec<PageId>,
    /// Dirty pages that are not modified yet. Counted while committing.
    pub(crate) missing: usize,
    /// Pages whose old bytes are kept mapped for a marked transaction.
    pub(crate) stale: Vec<PageId>,
    /// What the last committed transaction has written.
    pub(crate) written: Vec<PageId>,
    waiting: Option<(PageId, Access)>,
    /// The commit was put off because too many frames are kept.
    is_throttled: bool,
}

impl Transaction {
    pub(crate) fn new(ageing_losses: u32) -> Self {
        Self {
            phase: Phase::Idle,
            mode: CommitMode::Apply,
            mark: None,
            ts: TxnTimestamp {
                lamport: 0,
                node: NodeId(0),
            },
            losses: 0,
            ageing_losses,
            number: 0,
            dirty: Vec::new(),
            missing: 0,
            stale: Vec::new(),
            written: Vec::new(),
            waiting: None,
            is_throttled: false,
        }
    }

    pub(crate) fn status(&self) -> TxnStatus {
        match (self.phase, self.mark) {
            (Phase::Running | Phase::Committing, Some(why)) => TxnStatus::Marked(why),
            (Phase::Running, None) => TxnStatus::Running,
            (Phase::Committing, None) => TxnStatus::Committing,
            (Phase::Idle, _) => TxnStatus::Idle,
            (Phase::Committed(stamp), _) => TxnStatus::Committed(stamp),
        }
    }

    /// Between begin and commit or roll-back.
    pub(crate) fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Committing)
    }

    pub(crate) fn is_marked(&self) -> bool {
        self.is_active() && self.mark.is_some()
    }

    /// Its body is over and it can still commit.
    pub(crate) fn is_committing(&self) -> bool {
        self.phase == Phase::Committing && self.mark.is_none()
    }

    /// A living transaction waits for just this page.
    pub(crate) fn is_waiting_for(&self, page: PageId) -> bool {
        let is_waited_for = self.waiting.is_some_and(|(waited, _)| waited == page);
        self.phase == Phase::Running && self.mark.is_none() && is_waited_for
    }

    /// The page that it waits for will be written, as far as one knows; `is_usual`: it was
    /// the last time. A query writes nothing, whatever it does to its view.
    pub(crate) fn means_to_write(&self, is_usual: bool) -> bool {
        let wants_to = self
            .waiting
            .is_some_and(|(_, access)| access == Access::Write);
        self.mode == CommitMode::Apply && (wants_to || is_usual)
    }

    /// Whether it keeps a page that it touched from a request of this priority: older
    /// wins, but one that runs only defends itself once it has lost often enough.
    pub(crate) fn refuses(&self, ts: TxnTimestamp) -> bool {
        let defends = match self.phase {
            Phase::Committing => true,
            Phase::Running => self.losses >= self.ageing_losses,
            Phase::Idle | Phase::Committed(_) => false,
        };
        defends && self.mark.is_none() && self.ts.is_older_than(ts)
    }
}
