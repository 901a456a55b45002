//! The trace of a run: its digest, and the story for whoever has to understand a failure.
use std::collections::VecDeque;
use std::fmt::Arguments;

use types::Instant;

/// Digest and story.
#[derive(Debug)]
pub(crate) struct Trace {
    digest: u64,
    last: VecDeque<String>,
    kept: usize,
}

impl Trace {
    pub(crate) fn new(kept: usize) -> Self {
        Self {
            digest: 0xCBF2_9CE4_8422_2325,
            last: VecDeque::new(),
            kept,
        }
    }

    /// Notes that something has happened, in numbers.
    pub(crate) fn mix(&mut self, number: u64) {
        // FNV-1a over words: equality of two runs is all that it has to show.
        self.digest = (self.digest ^ number).wrapping_mul(0x0100_0000_01B3);
        self.digest ^= self.digest >> 29;
    }

    /// Tells something.
    pub(crate) fn note(&mut self, now: Instant, what: Arguments<'_>) {
        if self.kept == 0 {
            return;
        }
        if self.last.len() == self.kept {
            self.last.pop_front();
        }
        let micros = now.as_nanos() / 1000;
        let (ms, rest) = (micros / 1000, micros % 1000);
        self.last.push_back(format!("{ms:>7}.{rest:03} ms  {what}"));
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    /// The last of the story, oldest first.
    pub(crate) fn last(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }
}
