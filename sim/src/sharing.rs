//! Nodes that work on pages of their own most of the time, and now and then on pages that
//! they share with others: how far a failure reaches depends on how often.
use std::ops::Range;

use types::limits::FIRST_APPLICATION_REGION;
use types::{Duration, NodeId, PAGES_PER_EXTENT, PageId, Prng};

use crate::workload::Script;

/// Pages that only one node uses, per node.
const OWN_PAGES: u32 = 16;
/// Shared pages, per node.
const SHARED_PAGES: u32 = 4;

/// Who shares how much with whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sharing {
    /// In the cluster at the start.
    pub(crate) nodes: u32,
    /// Nodes that share pages with each other, and with nobody else.
    pub(crate) group: u32,
    /// Of a hundred transactions, how many use shared pages.
    pub(crate) percent: u64,
    /// Between two transactions of a node.
    pub(crate) rest_max: Duration,
}

impl Sharing {
    /// A transaction of this node: it increments two pages.
    pub(crate) fn script(&self, node: NodeId, prng: &mut Prng) -> Script {
        let pages = if prng.chance(self.percent, 100) {
            self.shared_pages(node)
        } else {
            Self::own_pages(node)
        };
        let count = u64::from(pages.end - pages.start);
        let one = prng.below(count);
        let other = (one + 1 + prng.below(count - 1)) % count;
        let page = |at: u64| page(pages.start + u32::try_from(at).expect("below a u32"));
        Script::Increment {
            pages: vec![page(one), page(other)],
        }
    }

    /// Of an extent of its own.
    fn own_pages(node: NodeId) -> Range<u32> {
        let first = (node.0 - 1) * PAGES_PER_EXTENT;
        first..first + OWN_PAGES
    }

    /// In extents behind those of all nodes; each group has its own, and they are full but
    /// for the last.
    fn shared_pages(&self, node: NodeId) -> Range<u32> {
        let count = SHARED_PAGES * self.group;
        let group = (node.0 - 1) / self.group;
        let extent = self.nodes + group * count.div_ceil(PAGES_PER_EXTENT);
        let first = extent * PAGES_PER_EXTENT;
        first..first + count
    }
}

/// Of the linear memory that all nodes work on.
fn page(index: u32) -> PageId {
    PageId::new(FIRST_APPLICATION_REGION, index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn groups_share_and_nothing_else_is_shared() {
        let sharing = Sharing {
            nodes: 200,
            group: 100,
            percent: 50,
            rest_max: Duration::ZERO,
        };
        let of = |node| sharing.shared_pages(NodeId(node));
        assert_eq!(of(1), of(100));
        assert_eq!(of(101), of(200));
        let own = (1..=200).flat_map(|node| Sharing::own_pages(NodeId(node)));
        let all: Vec<u32> = own.chain(of(1)).chain(of(200)).collect();
        let different: BTreeSet<u32> = all.iter().copied().collect();
        assert_eq!(all.len(), different.len());
    }
}
