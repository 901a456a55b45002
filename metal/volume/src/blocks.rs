//! Blocks: runs of them, and which are free.
use alloc::vec;
use alloc::vec::Vec;

const WORD_BITS: u32 = u64::BITS;

/// Blocks that follow one another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Run {
    pub(crate) first: u32,
    pub(crate) count: u32,
}

impl Run {
    pub(crate) fn end(self) -> u32 {
        self.first + self.count
    }
}

/// Adds a run to others, in one with the last if it follows it.
pub(crate) fn push_run(runs: &mut Vec<Run>, run: Run) {
    match runs.last_mut() {
        Some(last) if last.end() == run.first => last.count += run.count,
        _ => runs.push(run),
    }
}

/// Which blocks of a volume are free.
#[derive(Debug)]
pub(crate) struct FreeBlocks {
    /// A bit each, set if it is taken.
    taken: Vec<u64>,
    total: u32,
    /// Where to look next.
    cursor: u32,
}

impl FreeBlocks {
    pub(crate) fn new(total: u32) -> Self {
        let words = total.div_ceil(WORD_BITS) as usize;
        Self {
            taken: vec![0; words],
            total,
            cursor: 0,
        }
    }

    fn is_free(&self, block: u32) -> bool {
        block < self.total && self.taken[(block / WORD_BITS) as usize] & bit(block) == 0
    }

    /// Takes these blocks; `false` if they are not all there and free.
    pub(crate) fn take(&mut self, run: Run) -> bool {
        let Some(end) = run.first.checked_add(run.count) else {
            return false;
        };
        if end > self.total || !(run.first..end).all(|block| self.is_free(block)) {
            return false;
        }
        for block in run.first..end {
            self.taken[(block / WORD_BITS) as usize] |= bit(block);
        }
        true
    }

    pub(crate) fn release(&mut self, run: Run) {
        for block in run.first..run.end() {
            assert!(
                !self.is_free(block) && block < self.total,
                "block {block} is released once"
            );
            self.taken[(block / WORD_BITS) as usize] &= !bit(block);
        }
    }

    /// Takes some blocks, up to `count` that follow one another: behind `after` if those are
    /// free, else the next that are.
    pub(crate) fn allocate(&mut self, after: Option<Run>, count: u32) -> Option<Run> {
        let behind = after.map(Run::end).filter(|&block| self.is_free(block));
        let first = behind.or_else(|| self.next_free())?;
        let length = (first..self.total)
            .take(count as usize)
            .take_while(|&block| self.is_free(block))
            .count();
        let count = u32::try_from(length).expect("no more than were asked for");
        let run = Run { first, count };
        let is_taken = self.take(run);
        assert!(is_taken, "they were free");
        self.cursor = run.end() % self.total;
        Some(run)
    }

    fn next_free(&self) -> Option<u32> {
        let words = self.total.div_ceil(WORD_BITS);
        let start = self.cursor / WORD_BITS;
        let mut around = (start..words).chain(0..start);
        // Bits of the last word that stand for no block are not set, and are not free.
        around.find_map(|word| {
            let free = !self.taken[word as usize];
            let block = word * WORD_BITS + free.trailing_zeros();
            (free != 0 && block < self.total).then_some(block)
        })
    }
}

fn bit(block: u32) -> u64 {
    1 << (block % WORD_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_given_in_runs_and_each_once() {
        let mut free = FreeBlocks::new(100);
        assert!(free.take(Run { first: 3, count: 2 }));
        assert!(!free.take(Run { first: 4, count: 2 }));
        assert!(!free.take(Run {
            first: 99,
            count: 2
        }));
        assert!(!free.take(Run {
            first: u32::MAX,
            count: 2
        }));
        let first = free.allocate(None, 50).unwrap();
        assert_eq!(first, Run { first: 0, count: 3 });
        let second = free.allocate(Some(Run { first: 3, count: 2 }), 10).unwrap();
        assert_eq!(
            second,
            Run {
                first: 5,
                count: 10
            }
        );
        let mut count = 15;
        while let Some(run) = free.allocate(Some(second), 7) {
            count += run.count;
        }
        assert_eq!(count, 100);
        free.release(Run {
            first: 98,
            count: 2,
        });
        assert_eq!(
            free.allocate(None, 7),
            Some(Run {
                first: 98,
                count: 2
            })
        );
        assert_eq!(free.allocate(None, 7), None);
    }
}
