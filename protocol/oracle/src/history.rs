//! What is recorded of a cluster's run.
//!
//! Whoever records must write down a commit at the moment at which the memory decided
//! it, before anything that the decision caused can be seen elsewhere.
use alloc::vec::Vec;
use core::fmt;
use types::{Epoch, Fallback, NodeId, PageId, Stamp};

/// Identifies a version of a page: the number that its writer put there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Token(pub u64);

/// Position in the total order of recorded events.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Moment(pub u64);

/// A transaction with all its attempts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TxnId(pub u64);

/// Position of an attempt in [`History::attempts`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub usize);

/// How many fallbacks lie before: 0 until the first one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Period(pub usize);

/// A page as an attempt saw it before writing it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Read {
    /// The page.
    pub page: PageId,
    /// The token in it.
    pub token: Token,
}

/// A page as an attempt left it. Writing back what was there is no write.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Write {
    /// The page.
    pub page: PageId,
    /// The fresh token put into it.
    pub token: Token,
}

/// Why an attempt did not commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Abort {
    /// Another transaction won.
    Conflict,
    /// A fallback stopped it.
    Fallback,
    /// Its node crashed, or left before it could run again.
    Crash,
    /// Its program gave up, to be run again.
    Own,
}

/// What became of an attempt. Whether a fallback undid it later follows from its stamp.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Recording ended before it did.
    Running,
    /// It left no trace.
    Aborted(Abort),
    /// It took effect.
    Committed {
        /// In this interval of this node.
        stamp: Stamp,
        /// At this moment.
        at: Moment,
    },
}

/// One run of a transaction's body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// The transaction.
    pub txn: TxnId,
    /// Where it ran.
    pub node: NodeId,
    /// Fallbacks that its node had been through when it began.
    pub period: Period,
    /// When it began.
    pub begin: Moment,
    /// Everything it saw, also after it was doomed; a page more than once only if
    /// its contents changed. Each written page is among the reads.
    pub reads: Vec<Read>,
    /// What it wrote.
    pub writes: Vec<Write>,
    /// What became of it.
    pub outcome: Outcome,
}

/// Somebody was told that an epoch cannot be lost any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StableNotice {
    /// The epoch.
    pub epoch: Epoch,
    /// Fallbacks before the promise was made.
    pub period: Period,
}

/// A run of a cluster.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    /// In the order of their beginnings.
    pub attempts: Vec<Attempt>,
    /// In the order in which they were decided.
    pub fallbacks: Vec<Fallback>,
    /// For each fallback: the members that the cluster had lost.
    pub deaths: Vec<Vec<NodeId>>,
    /// In the order in which they were given.
    pub stable_notices: Vec<StableNotice>,
}

impl Token {
    /// Of a page that nobody has written.
    pub const ZERO: Self = Self(0);
}

impl Attempt {
    /// Stamp and moment of its commit, if it committed.
    #[must_use]
    pub fn commit(&self) -> Option<(Stamp, Moment)> {
        match self.outcome {
            Outcome::Committed { stamp, at } => Some((stamp, at)),
            Outcome::Running | Outcome::Aborted(_) => None,
        }
    }

    /// The token that it saw first in `page`.
    #[must_use]
    pub fn first_read(&self, page: PageId) -> Option<Token> {
        self.reads
            .iter()
            .find(|read| read.page == page)
            .map(|read| read.token)
    }
}

impl History {
    /// The attempt with this id.
    #[must_use]
    pub fn attempt(&self, id: AttemptId) -> &Attempt {
        &self.attempts[id.0]
    }

    /// All attempts with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (AttemptId, &Attempt)> + '_ {
        self.attempts
            .iter()
            .enumerate()
            .map(|(index, attempt)| (AttemptId(index), attempt))
    }

    /// All periods, the one after the last fallback included.
    pub fn periods(&self) -> impl Iterator<Item = Period> + use<> {
        (0..=self.fallbacks.len()).map(Period)
    }

    /// Whether what was committed with `stamp` has been undone when `period` begins.
    #[must_use]
    pub fn is_undone(&self, stamp: Stamp, period: Period) -> bool {
        self.fallbacks[..period.0]
            .iter()
            .any(|fallback| fallback.undoes(stamp))
    }
}

impl fmt::Debug for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a{}", self.0)
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
