//! What can be wrong with a history.
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use types::{Epoch, PageId};

use crate::{AttemptId, Dependency, Period, Token, TxnId};

/// What is promised.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Property {
    /// The versions of a page form a chain.
    SingleWriter,
    /// Committed transactions have an order that agrees with data and real time.
    StrictSerialisability,
    /// No attempt sees what was never there together.
    Opacity,
    /// Every transaction commits in the end.
    Progress,
    /// What was committed up to an epoch is a prefix.
    EpochCuts,
    /// What goes on after a fallback goes on from what it kept, without a trace of what it undid.
    Fallback,
    /// Whatever depends on lost work is undone.
    Recovery,
}

/// A broken promise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Violation {
    /// A transaction depends on one that was undone, and was kept.
    OrphanKept {
        /// The dependency.
        edge: Dependency,
        /// Which fallback.
        period: Period,
    },
    /// Two committed transactions overwrote the same version.
    Fork {
        /// The page.
        page: PageId,
        /// The version that both overwrote.
        before: Token,
        /// The two.
        writers: [AttemptId; 2],
    },
    /// A transaction committed a write of a page that it had not seen.
    NoPredecessor {
        /// The writer.
        writer: AttemptId,
        /// The page.
        page: PageId,
    },
    /// Two attempts used the same token; the history cannot be judged.
    TokenReused {
        /// The page.
        page: PageId,
        /// The token.
        token: Token,
        /// The two.
        writers: [AttemptId; 2],
    },
    /// An attempt read what nobody had committed.
    NeverCommitted {
        /// The reader.
        reader: AttemptId,
        /// The page.
        page: PageId,
        /// What it saw there.
        token: Token,
    },
    /// Committed transactions each of which must come before the next, and the last
    /// before the first.
    Cycle {
        /// The edges, each beginning where the one before ends.
        edges: Vec<Dependency>,
    },
    /// The first version was overwritten before the second was there.
    NeverTogether {
        /// The reader.
        reader: AttemptId,
        /// Overwritten first: the page and its token.
        older: (PageId, Token),
        /// Committed later: the page and its token.
        newer: (PageId, Token),
    },
    /// A version had been overwritten before the attempt that read it began.
    StaleRead {
        /// The reader.
        reader: AttemptId,
        /// The page.
        page: PageId,
        /// The overwriter.
        overwriter: AttemptId,
    },
    /// A transaction never committed.
    Unfinished {
        /// The transaction.
        txn: TxnId,
        /// How often it was tried.
        attempts: usize,
    },
    /// A transaction lost again and again.
    Starved {
        /// The transaction.
        txn: TxnId,
        /// How often it lost a conflict.
        losses: usize,
    },
    /// A transaction of an epoch depends on one of a later epoch.
    NoPrefix {
        /// The dependency that leads back.
        edge: Dependency,
        /// Epochs of its ends.
        epochs: [Epoch; 2],
    },
    /// A transaction was committed in an epoch that does not belong to its period.
    ForeignEpoch {
        /// The transaction.
        attempt: AttemptId,
        /// Its epoch.
        epoch: Epoch,
    },
    /// An attempt saw what a fallback had undone before it began.
    UndoneTrace {
        /// The reader.
        reader: AttemptId,
        /// The undone writer.
        writer: AttemptId,
        /// The page.
        page: PageId,
    },
    /// After a fallback, a page holds an older version than the stable one.
    StableLost {
        /// Who saw it.
        reader: AttemptId,
        /// The page.
        page: PageId,
        /// Who had overwritten what it saw, in an epoch that survived.
        lost: AttemptId,
    },
    /// A fallback went behind an epoch that had been called stable.
    PromiseBroken {
        /// The epoch.
        epoch: Epoch,
        /// The period that the fallback began.
        period: Period,
    },
}

impl Violation {
    /// The promise that is broken.
    #[must_use]
    pub fn property(&self) -> Property {
        match self {
            Self::Fork { .. } | Self::NoPredecessor { .. } | Self::TokenReused { .. } => {
                Property::SingleWriter
            }
            Self::Cycle { .. } => Property::StrictSerialisability,
            Self::NeverCommitted { .. } | Self::NeverTogether { .. } | Self::StaleRead { .. } => {
                Property::Opacity
            }
            Self::Unfinished { .. } | Self::Starved { .. } => Property::Progress,
            Self::NoPrefix { .. } => Property::EpochCuts,
            Self::OrphanKept { .. } => Property::Recovery,
            Self::ForeignEpoch { .. }
            | Self::UndoneTrace { .. }
            | Self::StableLost { .. }
            | Self::PromiseBroken { .. } => Property::Fallback,
        }
    }

    /// The attempts that are involved.
    #[must_use]
    pub fn attempts(&self) -> Vec<AttemptId> {
        match self {
            Self::Fork { writers, .. } | Self::TokenReused { writers, .. } => writers.to_vec(),
            Self::NoPredecessor {
                writer: attempt, ..
            }
            | Self::NeverCommitted {
                reader: attempt, ..
            }
            | Self::NeverTogether {
                reader: attempt, ..
            }
            | Self::ForeignEpoch { attempt, .. } => vec![*attempt],
            Self::Cycle { edges } => edges.iter().map(|edge| edge.from).collect(),
            Self::OrphanKept { edge, .. } => vec![edge.from, edge.to],
            Self::StaleRead {
                reader,
                overwriter: other,
                ..
            }
            | Self::UndoneTrace {
                reader,
                writer: other,
                ..
            }
            | Self::StableLost {
                reader,
                lost: other,
                ..
            } => vec![*reader, *other],
            Self::NoPrefix { edge, .. } => vec![edge.from, edge.to],
            Self::Unfinished { .. } | Self::Starved { .. } | Self::PromiseBroken { .. } => vec![],
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cycle { edges } => {
                write!(f, "no serial order:")?;
                edges.iter().try_for_each(|edge| write!(f, " {edge};"))
            }
            Self::NoPrefix { edge, epochs } => {
                let [from, to] = epochs;
                write!(f, "{edge}, but their epochs are {from} and {to}")
            }
            Self::OrphanKept { edge, period } => {
                write!(f, "fallback {} kept one half of: {edge}", period.0 + 1)
            }
            Self::Unfinished { txn, attempts } => {
                let txn = txn.0;
                write!(f, "transaction {txn} did not commit in {attempts} attempts")
            }
            Self::Starved { txn, losses } => {
                write!(f, "transaction {} lost {losses} conflicts", txn.0)
            }
            versions => versions.fmt_versions(f),
        }
    }
}

/// Parts of the description, by what it is about.
impl Violation {
    fn fmt_versions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fork {
                page,
                before,
                writers,
            } => {
                let ([a, b], before) = (writers, before.0);
                write!(f, "{a} and {b} both overwrote version {before} of {page}")
            }
            Self::NoPredecessor { writer, page } => {
                write!(f, "{writer} overwrote {page} without having seen it")
            }
            Self::TokenReused {
                page,
                token,
                writers,
            } => {
                let [a, b] = writers;
                write!(f, "{a} and {b} both wrote token {} to {page}", token.0)
            }
            Self::NeverCommitted {
                reader,
                page,
                token,
            } => {
                let token = token.0;
                write!(
                    f,
                    "{reader} saw {token} in {page}, which nobody had committed"
                )
            }
            Self::NeverTogether {
                reader,
                older,
                newer,
            } => {
                let (a, b) = (older.0, newer.0);
                write!(
                    f,
                    "{reader} saw versions of {a} and {b} that were never there together"
                )
            }
            Self::StaleRead {
                reader,
                page,
                overwriter,
            } => {
                write!(
                    f,
                    "{reader} began after {overwriter} and saw {page} as it was before"
                )
            }
            fallback => fallback.fmt_fallback(f),
        }
    }

    fn fmt_fallback(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForeignEpoch { attempt, epoch } => {
                write!(
                    f,
                    "{attempt} committed in epoch {epoch}, outside of its view's epochs"
                )
            }
            Self::UndoneTrace {
                reader,
                writer,
                page,
            } => {
                write!(
                    f,
                    "{reader} saw {page} as {writer} had written it, which was undone"
                )
            }
            Self::StableLost { reader, page, lost } => {
                write!(
                    f,
                    "{reader} saw {page} without the stable version of {lost}"
                )
            }
            Self::PromiseBroken { epoch, period } => {
                let number = period.0;
                write!(
                    f,
                    "epoch {epoch} was called stable, fallback {number} undid it"
                )
            }
            other => fmt::Debug::fmt(other, f),
        }
    }
}

impl core::error::Error for Violation {}
