//! Transactions of the node: pages as the kernel sees them, commit, retry.
use alloc::format;
use alloc::string::String;

use dtm::{Access, AccessResult, Attempt, CommitMode, PageMemory, TxnStatus, Why};
use kernel::{Failure, Pages, Refusal, Stop};
use platform::{Disk, Wait};
use types::{Duration, PageBytes, PageId, Stamp, Version, ViewNumber};

use crate::Platform;
use crate::core::Core;

/// Longest sleep of a wait for a page; whatever arrives ends it.
const WAIT_MAX: Duration = Duration::from_millis(10);

/// Why a transaction of the node did not happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotDone {
    /// The kernel refused it.
    Refused(Refusal),
    /// A fallback has undone what it builds on.
    Undone,
    /// It needs this version of a page, which no store can read any more.
    Lost(PageId, Version),
    /// The node is about to end.
    Ending,
}

/// Pages of the running transaction.
pub(crate) struct Transaction<'a, P: Platform, D: Disk> {
    pub(crate) core: &'a mut Core<P, D>,
}

impl<P: Platform, D: Disk> Pages for Transaction<'_, P, D> {
    fn read(&mut self, page: PageId) -> Result<&PageBytes, Stop> {
        self.core.access(page, Access::Read)?;
        Ok(self.core.memory.bytes(page))
    }

    fn write(&mut self, page: PageId) -> Result<&mut PageBytes, Stop> {
        self.core.access(page, Access::Write)?;
        Ok(self.core.memory.table_page_mut(page))
    }
}

impl<P: Platform, D: Disk> Core<P, D> {
    /// Makes a page accessible to the running transaction; the node goes on handling
    /// events while it waits for it.
    pub(crate) fn access(&mut self, page: PageId, access: Access) -> Result<(), Stop> {
        let mut is_asked = false;
        loop {
            match self.dtm.access(self.now, page, access, &mut self.memory) {
                AccessResult::Ready => return Ok(()),
                AccessResult::Stopped => {
                    self.check_vital();
                    return Err(Stop);
                }
                // If this node is its home, and its own store has it, that is all it takes.
                AccessResult::Wait if !is_asked => {
                    is_asked = true;
                    self.flush();
                }
                AccessResult::Wait => self.pump(self.within(WAIT_MAX)),
            }
            if !self.is_going_on() {
                return Err(Stop);
            }
        }
    }

    /// Without some pages no node runs anything.
    fn check_vital(&mut self) {
        if let Some((page, version)) = self.lost_page()
            && kernel::is_vital(page)
        {
            self.store_failed(&loss(page, version));
        }
    }

    /// The page that the running transaction needs and nobody has any more.
    pub(crate) fn lost_page(&self) -> Option<(PageId, Version)> {
        match self.dtm.transaction() {
            TxnStatus::Marked(Why::Lost(page, version)) => Some((page, version)),
            _ => None,
        }
    }

    /// Whether the running transaction may do better when it runs again.
    pub(crate) fn has_bad_luck(&self) -> bool {
        matches!(
            self.dtm.transaction(),
            TxnStatus::Marked(Why::Conflict | Why::Fallback)
        )
    }

    /// Commits the running transaction, or says why it cannot. Either way it is over.
    pub(crate) fn commit(&mut self) -> Result<Stamp, Why> {
        if !self.is_going_on() {
            self.rollback();
            return Err(Why::Fallback);
        }
        self.dtm.commit(self.now, &mut self.memory);
        loop {
            match self.dtm.transaction() {
                TxnStatus::Committed(stamp) => {
                    self.figures.committed(self.config.note);
                    return Ok(stamp);
                }
                TxnStatus::Marked(why) => {
                    self.rollback();
                    return Err(why);
                }
                TxnStatus::Committing if !self.is_going_on() => {
                    self.rollback();
                    return Err(Why::Fallback);
                }
                TxnStatus::Committing => self.pump(self.within(WAIT_MAX)),
                status => unreachable!("a transaction that commits is not {status:?}"),
            }
        }
    }

    /// Whether transactions go on: the node does not end, and its commits count.
    pub(crate) fn is_going_on(&self) -> bool {
        !self.is_ending() && self.may_commit()
    }

    /// Waits until they do, or the node ends.
    pub(crate) fn await_lease(&mut self) {
        while !self.is_ending() && !self.may_commit() {
            self.pump(self.within(WAIT_MAX));
        }
    }

    /// Undoes the running transaction.
    pub(crate) fn rollback(&mut self) {
        self.dtm.rollback(self.now, &mut self.memory);
        self.flush();
    }

    /// Runs `body` as one transaction, as often as it takes.
    pub(crate) fn transact<T>(
        &mut self,
        body: impl FnMut(&mut Transaction<'_, P, D>) -> Result<T, Failure>,
    ) -> Result<(T, Stamp), NotDone> {
        self.run_transaction(None, body)
    }

    /// Like [`Core::transact`], for one that builds on others in the same view.
    pub(crate) fn transact_in<T>(
        &mut self,
        view: ViewNumber,
        body: impl FnMut(&mut Transaction<'_, P, D>) -> Result<T, Failure>,
    ) -> Result<(T, Stamp), NotDone> {
        self.run_transaction(Some(view), body)
    }

    fn run_transaction<T>(
        &mut self,
        view: Option<ViewNumber>,
        mut body: impl FnMut(&mut Transaction<'_, P, D>) -> Result<T, Failure>,
    ) -> Result<(T, Stamp), NotDone> {
        let mut attempt = Attempt::First;
        loop {
            self.await_lease();
            if self.is_ending() {
                return Err(NotDone::Ending);
            }
            if view.is_some_and(|view| view != self.view_number()) {
                return Err(NotDone::Undone);
            }
            self.begin(attempt, CommitMode::Apply);
            attempt = Attempt::Retry;
            match body(&mut Transaction { core: self }) {
                Ok(value) => {
                    if let Ok(stamp) = self.commit() {
                        return Ok((value, stamp));
                    }
                }
                Err(failure) => {
                    let (lost, has_bad_luck) = (self.lost_page(), self.has_bad_luck());
                    self.rollback();
                    match (failure, lost) {
                        (_, Some((page, version))) if !self.is_ending() => {
                            return Err(NotDone::Lost(page, version));
                        }
                        (Failure::Refused(refusal), None) if !has_bad_luck => {
                            return Err(NotDone::Refused(refusal));
                        }
                        _ => {}
                    }
                }
            }
            self.pump(Wait::No);
        }
    }
}

/// What people read of a page that is lost.
pub(crate) fn loss(page: PageId, version: Version) -> String {
    format!(
        "page {page}, version {}, is damaged in every store that had it; the nodes' logs name \
         the segments: restore one of them from a copy",
        version.0
    )
}
