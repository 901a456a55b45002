//! Which committed transaction must come before which, because of the data.
use alloc::vec::Vec;
use core::fmt;
use types::PageId;

use crate::{AttemptId, Timeline};

/// Why one transaction comes before another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DependencyKind {
    /// The second read what the first wrote.
    ReadFrom,
    /// The second overwrote what the first wrote.
    Overwrite,
    /// The second overwrote what the first had read.
    Anti,
    /// The first had committed before the second began.
    RealTime,
}

/// An edge of the order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Dependency {
    /// Comes first.
    pub from: AttemptId,
    /// Comes second.
    pub to: AttemptId,
    /// Why.
    pub kind: DependencyKind,
    /// Through this page; `None` for real time.
    pub page: Option<PageId>,
}

/// All dependencies through pages between the committed transactions of a timeline.
#[must_use]
pub fn dependencies(timeline: &Timeline<'_>) -> Vec<Dependency> {
    let mut found = Vec::new();
    for &id in timeline.committed() {
        let attempt = timeline.history.attempt(id);
        for read in &attempt.reads {
            let page = Some(read.page);
            if let Some(from) = timeline.writer(read.page, read.token) {
                let overwrites = attempt.writes.iter().any(|write| write.page == read.page);
                let kind = if overwrites {
                    DependencyKind::Overwrite
                } else {
                    DependencyKind::ReadFrom
                };
                found.push(Dependency {
                    from,
                    to: id,
                    kind,
                    page,
                });
            }
            match timeline.overwriter(read.page, read.token) {
                Some(to) if to != id => {
                    found.push(Dependency {
                        from: id,
                        to,
                        kind: DependencyKind::Anti,
                        page,
                    });
                }
                _ => {}
            }
        }
    }
    found
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, .. } = self;
        match (self.kind, self.page) {
            (DependencyKind::ReadFrom, Some(page)) => write!(f, "{to} read {page} of {from}"),
            (DependencyKind::Overwrite, Some(page)) => write!(f, "{to} overwrote {page} of {from}"),
            (DependencyKind::Anti, Some(page)) => write!(f, "{to} overwrote {page} read by {from}"),
            _ => write!(f, "{to} began after {from} had committed"),
        }
    }
}
