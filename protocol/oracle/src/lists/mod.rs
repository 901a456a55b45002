//! Judges histories of lists, as the clients of a cluster saw them from the outside.
//!
//! Each operation is one transaction that reads some lists and appends elements to some;
//! no element is appended twice. What clients are told must have an order in which each
//! operation happens between its beginning and its answer, and sees exactly what was
//! appended before: strict serialisability over all lists. An operation without an answer
//! may have happened, at any time after its beginning; one that was refused has not.
//!
//! A list tells in which order its elements came, so whoever reads a list reads its
//! history: nothing that happens inside the cluster need be recorded. Start with
//! [`Operation`] and [`check`].
mod orders;
mod serial;
mod violation;

use alloc::vec::Vec;
use core::fmt;

use crate::Moment;
use orders::Orders;

pub use violation::{Edge, Violation};

/// A list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct List(pub u64);

/// An element of a list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Element(pub u64);

/// Position of an operation in its history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct OperationId(pub usize);

/// A transaction as its client saw it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operation {
    /// When it was asked for.
    pub begin: Moment,
    /// What it appends, in this order.
    pub appends: Vec<(List, Element)>,
    /// What the client was told.
    pub answer: Answer,
}

/// What a client was told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It has happened.
    Given {
        /// When the answer came.
        at: Moment,
        /// What it read, as it was before it appended anything.
        reads: Vec<(List, Vec<Element>)>,
    },
    /// It has not happened and never will.
    Refused,
    /// Nothing.
    Missing,
}

/// Looks for an order that explains the operations.
///
/// # Errors
/// Why there is none.
pub fn check(operations: &[Operation]) -> Result<(), Violation> {
    let orders = Orders::new(operations)?;
    orders.check_recency()?;
    serial::check(&orders)
}

impl Operation {
    /// When its answer came, if one did.
    #[must_use]
    pub fn end(&self) -> Option<Moment> {
        match self.answer {
            Answer::Given { at, .. } => Some(at),
            Answer::Refused | Answer::Missing => None,
        }
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "o{}", self.0)
    }
}
