//! A list of numbered pieces of work that nodes help themselves from.

use core::cell::Cell;

use crate::host::node;
use crate::shared::{PageAligned, PerNode};

/// Hands out the numbers `0..count`, each once.
///
/// A node takes a block of consecutive numbers at a time onto a page of its own, and only
/// that touches what all nodes share. When the blocks are gone, nodes take over what
/// others have not used. A step that takes a number has, when it commits, done that piece
/// of work: nothing is lost when a step is undone or a node dies.
#[derive(Debug)]
pub struct WorkList {
    count: u64,
    block: u64,
    /// First number that no node has taken yet.
    next: PageAligned<Cell<u64>>,
    /// What each node has taken but not handed out: first number and end.
    taken: PerNode<Cell<(u64, u64)>>,
}

impl WorkList {
    /// A list of the numbers `0..count` that nodes take in blocks of `block`.
    pub fn new(count: u64, block: u64) -> Self {
        assert!(block > 0, "a block holds at least one piece of work");
        let (next, taken) = (PageAligned::default(), PerNode::default());
        Self {
            count,
            block,
            next,
            taken,
        }
    }

    /// How many pieces of work there are in all.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The next piece of work; `None` when all have been handed out.
    pub fn take(&self) -> Option<u64> {
        self.take_at(node())
    }

    fn take_at(&self, node: usize) -> Option<u64> {
        let mine = self.taken.of(node);
        if mine.get().0 == mine.get().1 {
            mine.set(self.next_block().or_else(|| self.steal())?);
        }
        let (first, end) = mine.get();
        mine.set((first + 1, end));
        Some(first)
    }

    fn next_block(&self) -> Option<(u64, u64)> {
        let first = self.next.get();
        let end = first.saturating_add(self.block).min(self.count);
        if first == end {
            return None;
        }
        self.next.set(end);
        Some((first, end))
    }

    /// Takes the later half of what the node with the most left has.
    fn steal(&self) -> Option<(u64, u64)> {
        let left = |slot: &Cell<(u64, u64)>| slot.get().1 - slot.get().0;
        let victim = self.taken.iter().max_by_key(|slot| left(slot))?;
        let (first, end) = victim.get();
        if first == end {
            return None;
        }
        let middle = first + (end - first) / 2;
        victim.set((first, middle));
        Some((middle, end))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::WorkList;

    /// Nodes take in an order given by a small generator; returns what each got.
    fn drain(count: u64, block: u64, nodes: usize, mut seed: u64) -> Vec<Vec<u64>> {
        let list = WorkList::new(count, block);
        let mut got = vec![Vec::new(); nodes];
        loop {
            seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let node = (seed >> 33) as usize % nodes;
            match list.take_at(node) {
                Some(number) => got[node].push(number),
                None => return got,
            }
        }
    }
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn every_number_is_handed_out_once() {
        for (count, block, nodes) in [(0, 1, 1), (1, 8, 3), (100, 8, 4), (1000, 7, 16)] {
            let got = drain(count, block, nodes, count ^ block);
            let all: BTreeSet<u64> = got.iter().flatten().copied().collect();
            assert_eq!(all, (0..count).collect());
            assert_eq!(got.iter().map(Vec::len).sum::<usize>() as u64, count);
        }
    }

    #[test]
    fn a_block_goes_to_one_node() {
        let list = WorkList::new(32, 8);
        assert_eq!(list.take_at(0), Some(0));
        assert_eq!(list.take_at(1), Some(8));
        assert_eq!(list.take_at(0), Some(1));
    }

    #[test]
    fn what_a_stopped_node_has_taken_is_taken_over() {
        let list = WorkList::new(16, 8);
        assert_eq!(list.take_at(0), Some(0));
        let rest: BTreeSet<u64> = (0..15).map_while(|_| list.take_at(1)).collect();
        assert_eq!(rest, (1..16).collect());
        assert_eq!(list.take_at(0), None);
    }
}
