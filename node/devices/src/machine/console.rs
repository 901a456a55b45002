//! A line of text, from the side of whoever reads it.
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Bytes that are kept.
const KEPT_BYTES: usize = 64 << 10;

/// What was written to a line of text, as far as it is kept.
#[derive(Debug, Default)]
pub struct Console {
    kept: VecDeque<u8>,
    /// All bytes that were ever written.
    end: u64,
}

impl Console {
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.end += bytes.len() as u64;
        self.kept.extend(bytes);
        let excess = self.kept.len().saturating_sub(KEPT_BYTES);
        self.kept.drain(..excess);
    }

    /// What was written from this position on, as far as it is kept: its first position, the
    /// bytes, and where to go on.
    #[must_use]
    pub fn since(&self, from: u64) -> (u64, Vec<u8>, u64) {
        let first = self.end - self.kept.len() as u64;
        // A position from before this node had the line is not one of it.
        let from = if from > self.end {
            first
        } else {
            from.max(first)
        };
        let skipped = usize::try_from(from - first).expect("at most what is kept");
        (
            from,
            self.kept.range(skipped..).copied().collect(),
            self.end,
        )
    }
}
