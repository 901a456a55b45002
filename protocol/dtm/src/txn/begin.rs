//! The start of a transaction: its priority, and contended pages out of the way.
use types::TxnTimestamp;

use crate::pages::Mapping;
use crate::txn::Phase;
use crate::{Attempt, CommitMode, Dtm, PageMemory};

impl Dtm {
    pub(crate) fn begin_attempt(
        &mut self,
        attempt: Attempt,
        mode: CommitMode,
        memory: &mut impl PageMemory,
    ) {
        assert!(
            !self.current_view().is_leaving(self.links.me),
            "who-leaves-begins-nothing"
        );
        assert!(
            !self.txn.is_active(),
            "one-transaction: the last one has not ended"
        );
        self.unmap_contended(memory);
        let is_new = attempt == Attempt::First
            || self.txn.ts.lamport == 0
            || self.txn.ts.node != self.links.me;
        if is_new {
            self.lamport += 1;
            self.txn.ts = TxnTimestamp {
                lamport: self.lamport,
                node: self.links.me,
            };
            self.txn.losses = 0;
        }
        self.txn.number += 1;
        self.txn.mode = mode;
        self.txn.phase = Phase::Running;
        self.txn.mark = None;
        assert!(
            self.txn.dirty.is_empty() && self.txn.stale.is_empty(),
            "clean-start"
        );
    }

    /// A timestamp was seen: whatever begins here from now on is younger.
    pub(crate) fn see(&mut self, ts: TxnTimestamp) {
        self.lamport = self.lamport.max(ts.lamport);
    }

    fn unmap_contended(&mut self, memory: &mut impl PageMemory) {
        while let Some(page) = self.contention.mapped.pop() {
            let entry = self.pages.entry(page);
            if entry.mapping != Mapping::Current || !entry.is_contended {
                continue;
            }
            entry.side = Some(self.images.copy_of(memory.bytes(page)));
            entry.mapping = Mapping::Absent;
            memory.unmap(page);
        }
    }
}
