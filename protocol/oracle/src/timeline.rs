//! What has happened as seen from one period: everything that was committed up to
//! its end, without what the fallbacks before it had undone.
//!
//! A period's own transactions are all in its timeline, also those that the next
//! fallback takes back: while it lasted, nobody could know.
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use types::PageId;

use crate::{Attempt, AttemptId, History, Moment, Period, Token};

/// The committed transactions of a period and of what it was built on.
#[derive(Debug)]
pub struct Timeline<'history> {
    /// The whole history.
    pub history: &'history History,
    /// The period.
    pub period: Period,
    /// Committed and not undone, in commit order.
    committed: Vec<AttemptId>,
    /// Who wrote a version.
    writers: BTreeMap<(PageId, Token), AttemptId>,
    /// Who overwrote a version (the first one, should there be several).
    overwriters: BTreeMap<(PageId, Token), AttemptId>,
}

impl<'history> Timeline<'history> {
    /// The timeline that `period` sees.
    #[must_use]
    pub fn new(history: &'history History, period: Period) -> Self {
        let mut committed: Vec<(Moment, AttemptId)> = history
            .iter()
            .filter(|(_, attempt)| attempt.period <= period)
            .filter_map(|(id, attempt)| attempt.commit().map(|commit| (id, commit)))
            .filter(|&(_, (stamp, _))| !history.is_undone(stamp, period))
            .map(|(id, (_, at))| (at, id))
            .collect();
        committed.sort_unstable();
        let committed: Vec<AttemptId> = committed.into_iter().map(|(_, id)| id).collect();
        let mut writers = BTreeMap::new();
        let mut overwriters = BTreeMap::new();
        for &id in &committed {
            let attempt = history.attempt(id);
            for write in &attempt.writes {
                writers.entry((write.page, write.token)).or_insert(id);
                if let Some(before) = attempt.first_read(write.page) {
                    overwriters.entry((write.page, before)).or_insert(id);
                }
            }
        }
        Self {
            history,
            period,
            committed,
            writers,
            overwriters,
        }
    }

    /// The committed attempts in commit order.
    #[must_use]
    pub fn committed(&self) -> &[AttemptId] {
        &self.committed
    }

    /// All attempts that began in the period, committed or not.
    pub fn attempts(&self) -> impl Iterator<Item = (AttemptId, &'history Attempt)> + '_ {
        self.history
            .iter()
            .filter(|(_, attempt)| attempt.period == self.period)
    }

    /// Who wrote this version; `None` for zeroes and for tokens of nobody here.
    #[must_use]
    pub fn writer(&self, page: PageId, token: Token) -> Option<AttemptId> {
        self.writers.get(&(page, token)).copied()
    }

    /// Who overwrote this version.
    #[must_use]
    pub fn overwriter(&self, page: PageId, token: Token) -> Option<AttemptId> {
        self.overwriters.get(&(page, token)).copied()
    }

    /// When this version became current: `None` if it never did.
    #[must_use]
    pub fn current_from(&self, page: PageId, token: Token) -> Option<Moment> {
        if token == Token::ZERO {
            return Some(Moment(0));
        }
        self.writer(page, token)
            .map(|writer| self.commit_moment(writer))
    }

    /// When this version stopped being current: `None` if it still is.
    #[must_use]
    pub fn current_until(&self, page: PageId, token: Token) -> Option<Moment> {
        self.overwriter(page, token)
            .map(|writer| self.commit_moment(writer))
    }

    /// When a committed attempt committed.
    #[must_use]
    pub fn commit_moment(&self, id: AttemptId) -> Moment {
        let (_, at) = self
            .history
            .attempt(id)
            .commit()
            .expect("only of committed attempts");
        at
    }
}
