//! A node that wants a page: asks the home, collects the answers, reports the outcome.
use alloc::vec::Vec;
use types::{Instant, NodeId, PageId, Seq, placement};
use wire::{Hold, Message, Outcome, PageVersion, ReadRefusal, ReadWish};

use crate::coherence::ahead::Streams;
use crate::pages::Pending;
use crate::{Dtm, PageMemory, PageState, Why};

/// An exclusive transition that this node has asked for. Answers may come before the
/// home's `Grant`.
#[derive(Debug, Default)]
pub(crate) struct Upgrade {
    /// Transition and who answers; unknown until the grant.
    grant: Option<(Seq, Vec<NodeId>)>,
    acknowledged_by: Vec<NodeId>,
    refused_by: Vec<NodeId>,
    /// The owner handed the page over.
    owner_moved: bool,
}

impl Upgrade {
    fn is_complete(&self) -> bool {
        let answers = self.acknowledged_by.len() + self.refused_by.len();
        self.grant
            .as_ref()
            .is_some_and(|(_, need)| need.len() == answers)
    }

    fn has_answer_of(&self, node: NodeId) -> bool {
        self.acknowledged_by.contains(&node) || self.refused_by.contains(&node)
    }
}

impl Dtm {
    pub(crate) fn home_of(&self, page: PageId) -> NodeId {
        placement::home(self.current_view(), page.extent())
    }

    /// Asks for a read copy, unless a request is outstanding or was just refused.
    pub(crate) fn request_shared(&mut self, page: PageId) {
        let entry = self.pages.entry(page);
        assert!(
            entry.state == PageState::Invalid,
            "only an absent page is read: {page}"
        );
        if entry.pending != Pending::None || self.backoffs.is_waiting(page) {
            return;
        }
        let is_to_be_written = self.txn.means_to_write(entry.habit.expects_write());
        let wish = match core::mem::take(&mut entry.from_owner) {
            true => ReadWish::CopyOfOwner,
            false if is_to_be_written => ReadWish::Whole,
            false => ReadWish::Copy,
        };
        self.send_read(page, Pending::Read, wish);
    }

    /// Sends the one request for an absent page.
    pub(crate) fn send_read(&mut self, page: PageId, pending: Pending, wish: ReadWish) {
        self.pages.entry(page).pending = pending;
        self.reading.push(page);
        let home = self.home_of(page);
        if home != self.links.me {
            self.counters.fetches_remote += 1;
        }
        let ts = self.txn.ts;
        self.links.send(home, Message::GetShared { page, ts, wish });
    }

    /// Asks to be the only holder, unless a request is outstanding or was just refused.
    pub(crate) fn request_exclusive(&mut self, page: PageId) {
        let entry = self.pages.entry(page);
        assert!(
            entry.state != PageState::Invalid,
            "writers-hold-a-copy: {page}"
        );
        assert!(
            entry.state != PageState::Modified,
            "only a shared page is upgraded: {page}"
        );
        if entry.pending != Pending::None || self.backoffs.is_waiting(page) {
            return;
        }
        entry.pending = Pending::Exclusive;
        let known = self.upgrades.insert(page, Upgrade::default());
        assert!(known.is_none(), "one-request-per-page: {page}");
        let home = self.home_of(page);
        self.links.send(
            home,
            Message::GetExclusive {
                page,
                ts: self.txn.ts,
            },
        );
    }

    /// Makes the request again that the living transaction still needs, if any.
    pub(crate) fn ask_again(&mut self, page: PageId) {
        let Some(entry) = self.pages.get(page) else {
            return;
        };
        if self.txn.is_waiting_for(page) && entry.state == PageState::Invalid {
            self.request_shared(page);
        } else if self.txn.is_committing() && entry.is_dirty() && entry.state != PageState::Modified
        {
            self.request_exclusive(page);
        }
    }

    pub(crate) fn on_data(
        &mut self,
        page: PageId,
        seq: Seq,
        content: PageVersion,
        hold: Hold,
        memory: &mut impl PageMemory,
    ) {
        let entry = self.pages.entry(page);
        assert!(entry.pending.is_read(), "data-is-asked-for: {page}");
        assert!(
            entry.state == PageState::Invalid,
            "only an absent page is read: {page}"
        );
        assert!(
            content.stamp.epoch() <= self.links.epoch,
            "data-brings-its-epoch: {page}"
        );
        let pending = core::mem::take(&mut entry.pending);
        let stamp = content.stamp;
        entry.state = match hold {
            Hold::Shared => PageState::Shared,
            Hold::Exclusive => PageState::Modified,
        };
        entry.version = content.version;
        entry.stamp = content.stamp;
        entry.side = Some(self.images.frame_of(&content.image));
        self.read_is_over(page);
        if self.is_foreign(stamp) {
            self.deps.received(page);
        }
        if self.txn.is_waiting_for(page) {
            // In this very step, lest it is lost before the transaction has used it.
            // A marked transaction waits for nothing: it must not see newer pages.
            self.map(page, memory);
            self.touch(page);
        } else {
            self.pages.entry(page).is_ahead = pending == Pending::Ahead;
        }
        self.confirm_read(page, seq, Some(hold));
    }

    pub(crate) fn on_read_nack(
        &mut self,
        now: Instant,
        page: PageId,
        seq: Seq,
        reason: ReadRefusal,
    ) {
        let entry = self.pages.entry(page);
        assert!(entry.pending.is_read(), "data-is-asked-for: {page}");
        entry.pending = Pending::None;
        entry.from_owner = reason == ReadRefusal::Miss;
        self.read_is_over(page);
        self.confirm_read(page, seq, None);
        match reason {
            ReadRefusal::Busy | ReadRefusal::Miss => {
                self.counters.reads_refused += 1;
                self.backoffs.start(now, page);
            }
            ReadRefusal::Lost(version) if self.txn.is_waiting_for(page) => {
                self.mark(Why::Lost(page, version));
            }
            ReadRefusal::Lost(_) => {}
            ReadRefusal::NotStored => {
                self.streams.refused(page);
                self.ask_again(page);
            }
        }
    }

    fn read_is_over(&mut self, page: PageId) {
        let at = self.reading.iter().position(|&reading| reading == page);
        let at = at.expect("outstanding reads are listed");
        self.reading.swap_remove(at);
    }

    /// Requests of the view that has ended are forgotten; whoever still needs a page asks
    /// again.
    pub(crate) fn forget_requests(&mut self) {
        let upgrades = core::mem::take(&mut self.upgrades);
        let reads = core::mem::take(&mut self.reading);
        // Another view, other holders: what was not to be had ahead may be now.
        self.streams = Streams::default();
        for page in upgrades.into_keys().chain(reads) {
            self.pages.entry(page).pending = Pending::None;
        }
        self.backoffs.clear();
    }

    fn confirm_read(&mut self, page: PageId, seq: Seq, held: Option<Hold>) {
        let home = self.home_of(page);
        self.links
            .send(home, Message::ReadConfirm { page, seq, held });
    }

    pub(crate) fn on_grant(
        &mut self,
        now: Instant,
        page: PageId,
        seq: Seq,
        need: Vec<NodeId>,
        memory: &mut impl PageMemory,
    ) {
        let state = self.pages.entry(page).state;
        assert!(state != PageState::Invalid, "granted-to-holders: {page}");
        let upgrade = self.upgrade(page);
        assert!(upgrade.grant.is_none(), "one grant per request: {page}");
        upgrade.grant = Some((seq, need));
        self.conclude(now, page, memory);
    }

    pub(crate) fn on_invalidate_ack(
        &mut self,
        now: Instant,
        from: NodeId,
        page: PageId,
        was_owner: bool,
        memory: &mut impl PageMemory,
    ) {
        let upgrade = self.upgrade(page);
        assert!(
            !upgrade.has_answer_of(from),
            "one answer per holder: {page} {from}"
        );
        upgrade.acknowledged_by.push(from);
        upgrade.owner_moved |= was_owner;
        self.conclude(now, page, memory);
    }

    pub(crate) fn on_invalidate_nack(
        &mut self,
        now: Instant,
        from: NodeId,
        page: PageId,
        memory: &mut impl PageMemory,
    ) {
        let upgrade = self.upgrade(page);
        assert!(
            !upgrade.has_answer_of(from),
            "one answer per holder: {page} {from}"
        );
        upgrade.refused_by.push(from);
        self.conclude(now, page, memory);
    }

    /// The home does not list this node any more: whoever asked is marked, because its
    /// copy was given up after that.
    pub(crate) fn on_stale(&mut self, page: PageId) {
        let entry = self.pages.entry(page);
        assert!(
            entry.pending == Pending::Exclusive,
            "answers-are-asked-for: {page}"
        );
        assert!(
            entry.state == PageState::Invalid,
            "stale-means-lost: {page}"
        );
        entry.pending = Pending::None;
        self.upgrades
            .remove(&page)
            .expect("one upgrade per pending exclusive request");
        self.ask_again(page);
    }

    fn upgrade(&mut self, page: PageId) -> &mut Upgrade {
        self.upgrades
            .get_mut(&page)
            .expect("holders answer only what was asked")
    }

    /// Ends the transition once everybody has answered, also for a dead transaction.
    fn conclude(&mut self, now: Instant, page: PageId, memory: &mut impl PageMemory) {
        if !self.upgrade(page).is_complete() {
            return;
        }
        let upgrade = self.upgrades.remove(&page).expect("just looked at");
        let (seq, need) = upgrade.grant.as_ref().expect("complete only with a grant");
        assert!(
            need.iter().all(|&node| upgrade.has_answer_of(node)),
            "the asked ones: {page}"
        );
        let exclusive = upgrade.refused_by.is_empty();
        let entry = self.pages.entry(page);
        assert!(
            entry.pending == Pending::Exclusive,
            "answers-are-asked-for: {page}"
        );
        entry.pending = Pending::None;
        if exclusive {
            entry.state = PageState::Modified;
        } else if upgrade.owner_moved {
            entry.state = PageState::Owned;
        }
        let is_owner = entry.is_owner();
        let is_wanted = entry.is_dirty() && self.txn.is_committing();
        let outcome = Outcome {
            exclusive,
            refused_by: upgrade.refused_by,
            is_owner,
            keeps_copy: true,
        };
        let message = Message::Confirm {
            page,
            seq: *seq,
            outcome,
        };
        let home = self.home_of(page);
        self.links.send(home, message);
        if exclusive {
            self.counters.exclusive_transitions += 1;
        } else {
            self.counters.exclusive_refused += 1;
            self.backoffs.start(now, page);
        }
        if exclusive && is_wanted {
            self.txn.missing -= 1;
            self.try_commit(memory);
        }
    }
}
