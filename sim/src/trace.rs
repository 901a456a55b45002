//! The trace of a run: its digest, and the last events for whoever has to understand
//! a failure.
use std::collections::VecDeque;
use std::fmt::Arguments;

use types::Instant;

/// Digest and last events.
#[derive(Debug)]
pub(crate) struct Trace {
    digest: u64,
    count: u64,
    last: VecDeque<String>,
    /// `None`: nothing is noted at all.
    kept: Option<usize>,
}

impl Trace {
    pub(crate) fn new(kept: Option<usize>) -> Self {
        Self {
            digest: 0xCBF2_9CE4_8422_2325,
            count: 0,
            last: VecDeque::new(),
            kept,
        }
    }

    /// Notes one event.
    pub(crate) fn note(&mut self, now: Instant, what: Arguments<'_>) {
        let Some(kept) = self.kept else {
            return;
        };
        let line = format!("{:>9}us  {what}", now.as_nanos() / 1000);
        // FNV-1a: equality of two runs is all that it has to show.
        for byte in line.bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        self.count += 1;
        if self.last.len() == kept {
            self.last.pop_front();
        }
        if kept > 0 {
            self.last.push_back(line);
        }
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The last events, oldest first.
    pub(crate) fn last(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }
}
