//! The one transaction that a node runs at a time: its status and its bookkeeping.
use types::Stamp;

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
