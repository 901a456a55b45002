//! Writes down what the transactions do, for the oracle.
use std::collections::BTreeMap;

use oracle::{
    Abort, Attempt, AttemptId, History, Moment, Outcome, Period, Read, StableNotice, Token, TxnId,
    Write,
};
use types::{Epoch, Instant, NodeId, PageId, Stamp};

use crate::memory::Cell;

/// The history of a run under construction.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) history: History,
    /// What has committed, and when, in the order of the commits.
    pub(crate) commits: Vec<(Instant, AttemptId)>,
    moments: u64,
    tokens: u64,
    txns: u64,
    /// The number that was written along with each token.
    values: BTreeMap<(PageId, Token), i64>,
}

impl Recorder {
    pub(crate) fn new_txn(&mut self) -> TxnId {
        self.txns += 1;
        TxnId(self.txns)
    }

    pub(crate) fn begin(&mut self, txn: TxnId, node: NodeId, period: Period) -> AttemptId {
        let begin = self.next_moment();
        self.history.attempts.push(Attempt {
            txn,
            node,
            period,
            begin,
            reads: vec![],
            writes: vec![],
            outcome: Outcome::Running,
        });
        AttemptId(self.history.attempts.len() - 1)
    }

    /// An attempt saw a page that it has not written.
    ///
    /// # Errors
    /// If the number in the page is not the one that was written with the token.
    pub(crate) fn read(&mut self, id: AttemptId, page: PageId, cell: Cell) -> Result<(), String> {
        let read = Read {
            page,
            token: cell.token,
        };
        let attempt = &mut self.history.attempts[id.0];
        if !attempt.reads.contains(&read) {
            attempt.reads.push(read);
        }
        let written = self.values.get(&(page, cell.token)).copied();
        let expected = if cell.token == Token::ZERO {
            Some(0)
        } else {
            written
        };
        if expected == Some(cell.value) {
            return Ok(());
        }
        Err(format!(
            "{id} saw {cell:?} in {page}, written was {expected:?} with this token"
        ))
    }

    /// A fresh cell with this number.
    pub(crate) fn cell(&mut self, page: PageId, value: i64) -> Cell {
        self.tokens += 1;
        let token = Token(self.tokens);
        self.values.insert((page, token), value);
        Cell { token, value }
    }

    pub(crate) fn commit(
        &mut self,
        now: Instant,
        id: AttemptId,
        stamp: Stamp,
        writes: impl Iterator<Item = (PageId, Token)>,
    ) {
        let at = self.next_moment();
        let attempt = &mut self.history.attempts[id.0];
        attempt.writes = writes.map(|(page, token)| Write { page, token }).collect();
        attempt.outcome = Outcome::Committed { stamp, at };
        self.commits.push((now, id));
    }

    pub(crate) fn abort(&mut self, id: AttemptId, why: Abort) {
        self.history.attempts[id.0].outcome = Outcome::Aborted(why);
    }

    pub(crate) fn stable(&mut self, epoch: Epoch) {
        let period = Period(self.history.fallbacks.len());
        self.history
            .stable_notices
            .push(StableNotice { epoch, period });
    }

    fn next_moment(&mut self) -> Moment {
        self.moments += 1;
        Moment(self.moments)
    }
}
