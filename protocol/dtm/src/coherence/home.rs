//! The home of a page: who holds it, one transition at a time, the others in a queue.
//!
//! A transition is over when its requester says so (`ReadConfirm`, `Confirm`), never
//! earlier: no data can be overtaken by an invalidation. What a home knows lasts one
//! view; it serves nobody before it has the inventory of every member's store, and
//! with it everybody's epoch.
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use types::limits::FIRST_APPLICATION_REGION;
use types::{Extent, Living, NodeId, PageId, Seq, Stamp, TxnTimestamp, Version, View};
use wire::{Held, HeldAs, Hold, Image, Message, Outcome, PageVersion, ReadRefusal, ReadWish};

use crate::links::Links;

/// What a requester wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wish {
    /// A copy, or the page itself.
    Read(ReadWish),
    /// To be the only holder.
    Exclusive,
}

/// A request that a home has or keeps for later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) page: PageId,
    pub(crate) requester: NodeId,
    pub(crate) ts: TxnTimestamp,
    pub(crate) wish: Wish,
}

/// The transition in progress.
#[derive(Debug, PartialEq, Eq)]
enum Busy {
    No,
    Reading(NodeId),
    Fetching(Fetch),
    Upgrading(NodeId),
}

/// A read that waits for the stores.
#[derive(Debug, PartialEq, Eq)]
struct Fetch {
    requester: NodeId,
    hold: Hold,
    /// Nobody waits for it: what was never written is not worth sending.
    is_ahead: bool,
    missing: BTreeSet<NodeId>,
    newest: Option<PageVersion>,
    /// The newest version that a store has lost.
    damaged: Option<Version>,
}

/// An extent that was asked for in this view for the first time.
#[derive(Debug, Default)]
struct Asking {
    missing: BTreeSet<NodeId>,
    found: Vec<(NodeId, Held)>,
    requests: Vec<Request>,
}

/// Who holds a page. Invariant: the owner is no sharer.
#[derive(Debug)]
pub(crate) struct HomeEntry {
    owner: Option<NodeId>,
    sharers: BTreeSet<NodeId>,
    /// Which version the holders reported, as long as they do.
    reported: Option<Version>,
    seq: Seq,
    busy: Busy,
    queue: VecDeque<Request>,
}

/// The pages of which this node is home.
#[derive(Debug, Default)]
pub(crate) struct Home {
    entries: BTreeMap<PageId, HomeEntry>,
    /// Which members' stores have any page of an extent, as of the view's start.
    stored: BTreeMap<Extent, Vec<NodeId>>,
    /// Members whose inventory is not here completely.
    missing: BTreeSet<NodeId>,
    /// Requests that came before all inventories.
    gated: Vec<Request>,
    /// Whom to ask who holds an extent when it is asked for first: everybody, because
    /// copies outlive views. Nobody in the first view: there are none.
    members: Vec<NodeId>,
    /// Extents whose holders are known.
    known: BTreeSet<Extent>,
    /// Extents whose holders are being asked for.
    asking: BTreeMap<Extent, Asking>,
    /// Longest queue so far.
    pub(crate) queue_max: usize,
}

impl Home {
    /// A home that knows nothing yet but whom to hear from.
    pub(crate) fn new(view: &View) -> Self {
        let is_first = view.fallbacks.is_empty();
        Self {
            members: view.nodes().filter(|_| !is_first).collect(),
            missing: view.nodes().collect(),
            ..Self::default()
        }
    }

    /// True if this was the last inventory missing.
    pub(crate) fn on_inventory(
        &mut self,
        from: NodeId,
        extents: &[Extent],
        last: bool,
        links: &mut Links,
    ) -> bool {
        if !self.missing.contains(&from) {
            return false;
        }
        for &extent in extents {
            self.stored.entry(extent).or_default().push(from);
        }
        if !last {
            return false;
        }
        self.missing.remove(&from);
        if !self.missing.is_empty() {
            return false;
        }
        for request in core::mem::take(&mut self.gated) {
            self.on_request(request, links);
        }
        true
    }

    pub(crate) fn on_request(&mut self, request: Request, links: &mut Links) {
        if !self.missing.is_empty() {
            self.gated.push(request);
            return;
        }
        if self.has_to_ask(request, links) {
            return;
        }
        let entry = self.entries.entry(request.page).or_default();
        entry.queue.push_back(request);
        self.queue_max = self.queue_max.max(entry.queue.len());
        self.serve_queue(request.page, links);
    }

    /// Whether the request waits until the holders of its extent are known.
    fn has_to_ask(&mut self, request: Request, links: &mut Links) -> bool {
        let extent = request.page.extent();
        if self.members.is_empty() || self.known.contains(&extent) {
            return false;
        }
        let asking = self.asking.entry(extent).or_insert_with(|| {
            for &member in &self.members {
                links.send(member, Message::GetHolders { extent });
            }
            Asking {
                missing: self.members.iter().copied().collect(),
                ..Asking::default()
            }
        });
        asking.requests.push(request);
        true
    }

    /// A member says what it holds. False if it was not asked.
    #[must_use]
    pub(crate) fn on_holders(
        &mut self,
        from: NodeId,
        extent: Extent,
        pages: &[Held],
        links: &mut Links,
    ) -> bool {
        let Some(asking) = self.asking.get_mut(&extent) else {
            return false;
        };
        if !asking.missing.remove(&from) {
            return false;
        }
        asking.found.extend(pages.iter().map(|&held| (from, held)));
        if !asking.missing.is_empty() {
            return true;
        }
        let asking = self.asking.remove(&extent).expect("just looked at");
        self.known.insert(extent);
        for (node, held) in asking.found {
            self.entries
                .entry(held.page)
                .or_default()
                .rebuild(node, held);
        }
        for request in asking.requests {
            self.on_request(request, links);
        }
        true
    }

    pub(crate) fn on_read_confirm(
        &mut self,
        from: NodeId,
        page: PageId,
        seq: Seq,
        held: Option<Hold>,
        links: &mut Links,
    ) {
        let entry = self.entry(page);
        assert!(
            entry.busy == Busy::Reading(from),
            "one-transition: {page} {from}"
        );
        assert!(entry.seq == seq, "one-transition: {page} {seq:?}");
        match held {
            None => {}
            Some(Hold::Shared) => {
                entry.sharers.insert(from);
            }
            Some(Hold::Exclusive) => {
                assert!(entry.sharers.is_empty(), "given-away-whole: {page}");
                entry.owner = Some(from);
            }
        }
        entry.busy = Busy::No;
        self.serve_queue(page, links);
    }

    pub(crate) fn on_confirm(
        &mut self,
        from: NodeId,
        page: PageId,
        seq: Seq,
        outcome: &Outcome,
        links: &mut Links,
    ) {
        let entry = self.entry(page);
        assert!(
            entry.busy == Busy::Upgrading(from),
            "one-transition: {page} {from}"
        );
        assert!(entry.seq == seq, "one-transition: {page} {seq:?}");
        entry.settle(from, outcome);
        entry.busy = Busy::No;
        self.serve_queue(page, links);
    }

    /// An answer of a store. False if none was asked for.
    #[must_use]
    pub(crate) fn on_store_data(
        &mut self,
        from: NodeId,
        page: PageId,
        content: Option<PageVersion>,
        links: &mut Links,
    ) -> bool {
        let Some(fetch) = self.fetch_from(from, page) else {
            return false;
        };
        if version(&content) > version(&fetch.newest) {
            fetch.newest = content;
        }
        self.finish_fetch(page, links);
        true
    }

    /// A store had the page and cannot read it. False if it was not asked.
    #[must_use]
    pub(crate) fn on_store_damaged(
        &mut self,
        from: NodeId,
        page: PageId,
        version: Version,
        links: &mut Links,
    ) -> bool {
        let Some(fetch) = self.fetch_from(from, page) else {
            return false;
        };
        fetch.damaged = fetch.damaged.max(Some(version));
        self.finish_fetch(page, links);
        true
    }

    /// The fetch in which the store's answer was missing until now.
    fn fetch_from(&mut self, store: NodeId, page: PageId) -> Option<&mut Fetch> {
        let Busy::Fetching(fetch) = &mut self.entries.get_mut(&page)?.busy else {
            return None;
        };
        fetch.missing.remove(&store).then_some(fetch)
    }

    /// Serves the newest version once all stores have answered, or refuses it: if the only
    /// ones that are left are older than a damaged one.
    fn finish_fetch(&mut self, page: PageId, links: &mut Links) {
        let entry = self.entry(page);
        let Busy::Fetching(fetch) = &mut entry.busy else {
            unreachable!("its answers were just counted");
        };
        if !fetch.missing.is_empty() {
            return;
        }
        let (requester, hold) = (fetch.requester, fetch.hold);
        let seq = entry.seq;
        let refused = |reason| Message::ReadNack { page, seq, reason };
        let message = match (fetch.damaged, fetch.newest.take()) {
            (Some(damaged), newest) if Some(damaged) > version(&newest) => {
                refused(ReadRefusal::Lost(damaged))
            }
            (_, None) if fetch.is_ahead => refused(ReadRefusal::NotStored),
            (_, newest) => Message::Data {
                page,
                seq,
                content: newest.unwrap_or(ZERO),
                hold,
            },
        };
        entry.busy = Busy::Reading(requester);
        links.send(requester, message);
    }

    /// Forgets what it knows of dead regions, of so many pages at most; whether more is left.
    pub(crate) fn forget_dead(&mut self, living: &Living, pages_max: usize) -> bool {
        let mut left = pages_max;
        let mut from = PageId::new(FIRST_APPLICATION_REGION, 0);
        while let Some((&PageId { region, .. }, _)) = self.entries.range(from..).next() {
            if region >= living.below {
                break;
            }
            let next = PageId::new(region.0 + 1, 0);
            if living.is_dead(region) {
                let entries = self.entries.extract_if(from..next, |_, _| true);
                left -= entries.take(left).count();
                if left == 0 {
                    return true;
                }
            }
            from = next;
        }
        let lives = |extent: &Extent| !living.is_dead(extent.region);
        self.stored.retain(|extent, _| lives(extent));
        self.asking.retain(|extent, _| lives(extent));
        self.known.retain(lives);
        false
    }

    fn entry(&mut self, page: PageId) -> &mut HomeEntry {
        self.entries
            .get_mut(&page)
            .expect("a transition is confirmed to the home that began it")
    }

    fn serve_queue(&mut self, page: PageId, links: &mut Links) {
        let entry = self
            .entries
            .get_mut(&page)
            .expect("only called with an entry");
        while entry.busy == Busy::No {
            let Some(request) = entry.queue.pop_front() else {
                return;
            };
            match request.wish {
                Wish::Exclusive => entry.serve_exclusive(request, links),
                Wish::Read(wish) => {
                    let stores = self.stored.get(&page.extent());
                    let stores: &[NodeId] = stores.map_or(&[], Vec::as_slice);
                    entry.serve_read(request, wish, stores, links);
                }
            }
        }
    }

    /// Whether the node may serve requests.
    pub(crate) fn is_open(&self) -> bool {
        self.missing.is_empty()
    }

    /// Asserts what the directory promises of itself.
    pub(crate) fn check(&self) {
        for (page, entry) in &self.entries {
            if let Some(owner) = entry.owner {
                assert!(
                    !entry.sharers.contains(&owner),
                    "owner-is-no-sharer: {page}"
                );
            }
            assert!(
                entry.busy != Busy::No || entry.queue.is_empty(),
                "queue-is-served: {page}"
            );
        }
        assert!(self.is_open() || self.entries.is_empty(), "inventory-gate");
    }
}

/// A page that nobody has written.
const ZERO: PageVersion = PageVersion {
    version: Version(0),
    stamp: Stamp::ZERO,
    image: Image::ZERO,
};

fn version(content: &Option<PageVersion>) -> Option<Version> {
    content.as_ref().map(|content| content.version)
}

impl Default for HomeEntry {
    fn default() -> Self {
        Self {
            owner: None,
            sharers: BTreeSet::new(),
            reported: None,
            seq: Seq(0),
            busy: Busy::No,
            queue: VecDeque::new(),
        }
    }
}

impl HomeEntry {
    /// A member has brought a copy from the last view. What was undone was dropped before
    /// anybody could report it, and whoever overwrote a version took all copies of it: so
    /// all that is reported is the current version, and of holders there is one owner.
    fn rebuild(&mut self, node: NodeId, held: Held) {
        let Held {
            page,
            version,
            held_as,
        } = held;
        let is_same = self
            .reported
            .replace(version)
            .is_none_or(|known| known == version);
        assert!(is_same, "copies-are-current: {page} {node}");
        match held_as {
            HeldAs::Sharer => {
                self.sharers.insert(node);
            }
            HeldAs::Owner | HeldAs::OnlyHolder => {
                assert!(self.owner.is_none(), "one-owner: {page} {node}");
                self.owner = Some(node);
            }
        }
    }

    fn serve_read(
        &mut self,
        request: Request,
        wish: ReadWish,
        stores: &[NodeId],
        links: &mut Links,
    ) {
        let Request {
            page,
            requester,
            ts,
            ..
        } = request;
        assert!(
            self.owner != Some(requester),
            "owner-never-asks: {page} {requester}"
        );
        self.seq = Seq(self.seq.0 + 1);
        self.sharers.remove(&requester);
        self.busy = Busy::Reading(requester);
        let seq = self.seq;
        let is_free = self.sharers.is_empty();
        let is_ahead = matches!(wish, ReadWish::Ahead(_));
        let hold = match wish {
            ReadWish::Whole | ReadWish::Ahead(Hold::Exclusive) if is_free => Hold::Exclusive,
            _ => Hold::Shared,
        };
        if is_ahead && (!is_free || self.owner.is_some() || stores.is_empty()) {
            let reason = ReadRefusal::NotStored;
            links.send(requester, Message::ReadNack { page, seq, reason });
        } else if let Some(source) = self.source(wish, links.me) {
            links.send(
                source,
                Message::Forward {
                    page,
                    seq,
                    requester,
                    ts,
                    hold,
                },
            );
        } else if stores.is_empty() {
            links.send(
                requester,
                Message::Data {
                    page,
                    seq,
                    content: ZERO,
                    hold,
                },
            );
        } else {
            let missing = stores.iter().copied().collect();
            self.busy = Busy::Fetching(Fetch {
                requester,
                hold,
                is_ahead,
                missing,
                newest: None,
                damaged: None,
            });
            for &store in stores {
                links.send(store, Message::StoreRead { page });
            }
        }
    }

    /// Who serves a read: this node if it can, else the owner, else some sharer;
    /// `None`: nobody has written the page in this view, so the stores are current.
    fn source(&self, wish: ReadWish, me: NodeId) -> Option<NodeId> {
        if wish == ReadWish::CopyOfOwner {
            return self.owner;
        }
        let near = self.sharers.get(&me);
        near.copied()
            .or(self.owner)
            .or_else(|| self.sharers.first().copied())
    }

    fn serve_exclusive(&mut self, request: Request, links: &mut Links) {
        let Request {
            page,
            requester,
            ts,
            ..
        } = request;
        if self.owner != Some(requester) && !self.sharers.contains(&requester) {
            links.send(requester, Message::Stale { page });
            return;
        }
        self.seq = Seq(self.seq.0 + 1);
        self.busy = Busy::Upgrading(requester);
        let mut need: Vec<NodeId> = self.sharers.iter().copied().chain(self.owner).collect();
        need.retain(|&holder| holder != requester);
        need.sort_unstable();
        let seq = self.seq;
        links.send(
            requester,
            Message::Grant {
                page,
                seq,
                need: need.clone(),
            },
        );
        for holder in need {
            links.send(
                holder,
                Message::Invalidate {
                    page,
                    seq,
                    requester,
                    ts,
                },
            );
        }
    }

    /// Applies what the requester reports. A partly refused transition has a result,
    /// too: who gave up its copy is out, and the ownership may have moved.
    fn settle(&mut self, requester: NodeId, outcome: &Outcome) {
        if outcome.exclusive {
            self.owner = Some(requester);
            self.sharers.clear();
            return;
        }
        self.sharers
            .retain(|sharer| outcome.refused_by.contains(sharer));
        if outcome.is_owner {
            self.owner = Some(requester);
        }
        if outcome.keeps_copy {
            self.sharers.insert(requester);
        }
        if let Some(owner) = self.owner {
            self.sharers.remove(&owner);
        }
    }
}
