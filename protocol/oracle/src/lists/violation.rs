//! Why there is no order that explains what clients saw.
use alloc::vec::Vec;
use core::fmt;

use super::{Element, List, OperationId};
use crate::DependencyKind;

/// Why one operation comes before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edge {
    /// Comes first.
    pub from: OperationId,
    /// Comes second.
    pub to: OperationId,
    /// Why.
    pub kind: DependencyKind,
    /// Through this list; `None` for real time.
    pub list: Option<List>,
}

/// A broken promise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Violation {
    /// Two operations append the same element; the history cannot be judged.
    Reused {
        /// The list.
        list: List,
        /// The element.
        element: Element,
        /// The two.
        writers: [OperationId; 2],
    },
    /// An element was seen that nobody had asked to append, or that was refused.
    Invented {
        /// Who saw it.
        reader: OperationId,
        /// The list.
        list: List,
        /// The element.
        element: Element,
    },
    /// An element was appended twice.
    Twice {
        /// Who saw it.
        reader: OperationId,
        /// The list.
        list: List,
        /// The element.
        element: Element,
    },
    /// Two operations saw different elements at the same place of a list.
    Fork {
        /// The list.
        list: List,
        /// The two.
        readers: [OperationId; 2],
        /// What each saw there.
        elements: [Element; 2],
    },
    /// An append was acknowledged and nobody else has ever seen it.
    Lost {
        /// The list.
        list: List,
        /// The element.
        element: Element,
        /// Who had appended it.
        writer: OperationId,
        /// Who should have seen it.
        reader: OperationId,
    },
    /// An operation saw a list as it had been before it began.
    Stale {
        /// The list.
        list: List,
        /// The element that it did not see.
        element: Element,
        /// Who had appended it.
        writer: OperationId,
        /// Who should have seen it.
        reader: OperationId,
    },
    /// Operations each of which must come before the next, and the last before the first.
    Cycle {
        /// The edges, each beginning where the one before ends.
        edges: Vec<Edge>,
    },
}

impl Violation {
    /// The operations that are involved.
    #[must_use]
    pub fn operations(&self) -> Vec<OperationId> {
        match self {
            Self::Reused { writers: pair, .. } | Self::Fork { readers: pair, .. } => pair.to_vec(),
            Self::Invented { reader, .. } | Self::Twice { reader, .. } => [*reader].to_vec(),
            Self::Lost { writer, reader, .. } | Self::Stale { writer, reader, .. } => {
                [*writer, *reader].to_vec()
            }
            Self::Cycle { edges } => edges.iter().map(|edge| edge.from).collect(),
        }
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, .. } = self;
        let list = self.list.map_or(0, |list| list.0);
        match self.kind {
            DependencyKind::ReadFrom => write!(f, "{to} saw in list {list} what {from} appended"),
            DependencyKind::Overwrite => write!(f, "{to} appended to list {list} after {from}"),
            DependencyKind::Anti => write!(f, "{to} appended to list {list}, not seen by {from}"),
            DependencyKind::RealTime => write!(f, "{to} began after {from} had its answer"),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reused {
                list: List(list),
                element: Element(element),
                writers: [a, b],
            } => write!(f, "{a} and {b} both append {element} to list {list}"),
            Self::Invented {
                list: List(list),
                element: Element(element),
                reader,
            } => write!(
                f,
                "{reader} saw {element} in list {list}, which nobody had appended"
            ),
            Self::Twice {
                list: List(list),
                element: Element(element),
                reader,
            } => write!(f, "{reader} saw {element} twice in list {list}"),
            Self::Fork {
                list: List(list),
                readers: [a, b],
                elements: [Element(at_a), Element(at_b)],
            } => write!(f, "{a} saw {at_a} where {b} saw {at_b} in list {list}"),
            Self::Lost {
                list: List(list),
                element: Element(element),
                writer,
                reader,
            } => write!(
                f,
                "{writer} appended {element} to list {list} and was answered, {reader} does not \
                 see it, nor does anybody else"
            ),
            Self::Stale {
                list: List(list),
                element: Element(element),
                writer,
                reader,
            } => write!(
                f,
                "{reader} saw list {list} as it was before {writer} had appended {element}"
            ),
            Self::Cycle { edges } => {
                write!(f, "no serial order:")?;
                edges.iter().try_for_each(|edge| write!(f, " {edge};"))
            }
        }
    }
}

impl core::error::Error for Violation {}
