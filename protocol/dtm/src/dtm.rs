//! The state of one node's memory and its four kinds of methods: inputs, commands
//! of the running transaction, outputs, getters.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use types::{Epoch, Extent, Instant, NodeId, PageId, RegionId, Stamp, Version, View};
use wire::{PageVersion, Testimony};

use crate::coherence::ahead::Streams;
use crate::coherence::contention::Contention;
use crate::coherence::home::Home;
use crate::coherence::requester::Upgrade;
use crate::dead::Dead;
use crate::deps::Dependencies;
use crate::event::Events;
use crate::images::Images;
use crate::links::Links;
use crate::pages::{Mapping, PageEntry, PageTable};
use crate::snapshot::legacy::Legacy;
use crate::snapshot::parts::Parts;
use crate::snapshot::received::Received;
use crate::timer::Backoffs;
use crate::txn::Transaction;
use crate::view::Early;
use crate::{
    Access, AccessResult, Attempt, CommitMode, Config, Counters, Event, Input, Output, PageMemory,
    TxnStatus,
};

/// State of a page at a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PageState {
    /// No copy here.
    #[default]
    Invalid,
    /// A read copy.
    Shared,
    /// This node is responsible for the current version; others hold copies.
    Owned,
    /// The only copy: written without asking anybody.
    Modified,
}

/// What a node knows of a page: for checkers and dashboards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageStatus {
    /// Its coherence state.
    pub state: PageState,
    /// Version of the committed bytes here.
    pub version: Version,
    /// Who produced them.
    pub stamp: Stamp,
    /// Whether the page is in the view of the running transaction.
    pub is_mapped: bool,
    /// Whether the running transaction has written it (perhaps the same bytes).
    pub is_dirty: bool,
    /// Whether it is mapped only for transactions that touch it.
    pub is_contended: bool,
}

/// The memory of one node.
///
/// Call [`Dtm::handle`] for what happens and the commands for what the transaction
/// does; after each, [`Dtm::poll_output`] until `None`; then look at
/// [`Dtm::transaction`] and [`Dtm::next_deadline`].
#[derive(Debug)]
pub struct Dtm {
    pub(crate) config: Config,
    pub(crate) view: Option<View>,
    pub(crate) links: Links,
    pub(crate) early: Early,
    pub(crate) pages: PageTable,
    pub(crate) images: Images,
    pub(crate) home: Home,
    /// Exclusive transitions asked for. Invariant: one for each page that says so.
    pub(crate) upgrades: BTreeMap<PageId, Upgrade>,
    pub(crate) backoffs: Backoffs,
    pub(crate) contention: Contention,
    pub(crate) txn: Transaction,
    /// Lamport time: at least that of every timestamp seen.
    pub(crate) lamport: u64,
    pub(crate) snapshot: Parts,
    /// Parts of others at this node's store.
    pub(crate) received: Received,
    /// Of these, what has lost its producer and has still to be given to other stores.
    pub(crate) legacy: Legacy,
    pub(crate) deps: Dependencies,
    pub(crate) dead: Dead,
    /// Pages with a read outstanding.
    pub(crate) reading: Vec<PageId>,
    pub(crate) streams: Streams,
    /// Versions that this node kept for the stores and of which it has no copy, from
    /// before the view: they may be nowhere else.
    pub(crate) offers: BTreeMap<PageId, PageVersion>,
    /// Newest epoch that cannot be lost any more.
    pub(crate) stable: Epoch,
    /// Newest epoch of which the leader has said that it is in the memories of the stores' nodes.
    pub(crate) held: Epoch,
    pub(crate) counters: Counters,
    pub(crate) events: Events,
}

impl Dtm {
    /// A memory without a view: it waits for [`Input::View`].
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            view: None,
            links: Links::new(),
            early: Early::new(),
            pages: PageTable::default(),
            images: Images::new(),
            home: Home::default(),
            upgrades: BTreeMap::new(),
            backoffs: Backoffs::new(config.seed, config.retry_after),
            contention: Contention::default(),
            txn: Transaction::new(config.ageing_losses),
            lamport: 0,
            snapshot: Parts::new(Epoch(0)),
            received: Received::default(),
            legacy: Legacy::new(),
            deps: Dependencies::new(Epoch(0)),
            dead: Dead::default(),
            reading: Vec::new(),
            streams: Streams::default(),
            offers: BTreeMap::new(),
            stable: Epoch(0),
            held: Epoch(0),
            counters: Counters::default(),
            events: Events::default(),
        }
    }

    /// Feeds one input. Bounded work; never blocks; same inputs give same outputs.
    ///
    /// The node may pass every message that reaches it: of those that are not for the
    /// memory only the epoch is taken. It must pass all that carry a newer epoch.
    pub fn handle(&mut self, now: Instant, input: Input, memory: &mut impl PageMemory) {
        match input {
            Input::Message(envelope) => self.on_envelope(now, envelope, memory),
            Input::View { view, you } => self.on_view(now, view, you, memory),
            Input::LinkLost { node } => self.links.cut_off(node),
            Input::AdvanceEpoch => self.on_advance_epoch(),
            Input::Tick => {}
        }
        while let Some(page) = self.backoffs.expire(now) {
            self.ask_again(page);
        }
        self.settle(now, memory);
    }

    /// The next thing to do for the node. Call until `None` after each input or command.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.links.next_output()
    }

    /// When to call `handle(now, Input::Tick, ..)` at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.backoffs.next()
    }

    /// Begins a transaction whose effects will be kept or not.
    ///
    /// # Panics
    /// If one is running, or there is no view.
    pub fn begin(
        &mut self,
        _now: Instant,
        attempt: Attempt,
        mode: CommitMode,
        memory: &mut impl PageMemory,
    ) {
        self.begin_attempt(attempt, mode, memory);
    }

    /// The transaction is about to use `page`.
    ///
    /// # Panics
    /// If no transaction runs its body.
    pub fn access(
        &mut self,
        now: Instant,
        page: PageId,
        access: Access,
        memory: &mut impl PageMemory,
    ) -> AccessResult {
        self.access_page(now, page, access, memory)
    }

    /// The transaction's body is over. [`Dtm::transaction`] tells whether it has
    /// committed already; if not, it does so in a later [`Dtm::handle`] or is marked.
    ///
    /// # Panics
    /// If no transaction runs its body.
    pub fn commit(&mut self, now: Instant, memory: &mut impl PageMemory) {
        self.end_body(now, memory);
    }

    /// Undoes the transaction, be it running, committing or marked.
    ///
    /// # Panics
    /// If there is none.
    pub fn rollback(&mut self, _now: Instant, memory: &mut impl PageMemory) {
        self.undo(memory);
    }

    /// Copies up to `pages_max` pages of closed epochs and sends them to their stores.
    /// True if more are left. Call it at any time, also while a transaction runs: its commit
    /// may wait for the stores.
    pub fn snapshot_step(
        &mut self,
        _now: Instant,
        pages_max: usize,
        memory: &impl PageMemory,
    ) -> bool {
        self.send_parts(pages_max, memory)
    }

    /// The leader asks for the intervals above `stable` in which this node has committed
    /// something, on what they depend, and what has come to its store from those that are
    /// lost. The answer is final: until the next view begins the node sends nothing and
    /// hears nothing, and only transactions commit that add no dependency.
    pub fn fence(&mut self, stable: Epoch, lost: &[NodeId]) -> Testimony {
        self.close_fence(stable, lost)
    }

    /// A version that a dead node has left, for [`Dtm::inherit`]: this node's store has it.
    #[must_use]
    pub fn next_legacy(&self) -> Option<(PageId, Version, Stamp)> {
        let (&page, &(version, stamp)) = self.legacy.first_key_value()?;
        Some((page, version, stamp))
    }

    /// Gives the version of [`Dtm::next_legacy`] as the store has it; `None` if it is not
    /// there, or damaged. The memory sees to it that it gets its copies.
    ///
    /// # Panics
    /// If it is another version, or none was asked for.
    pub fn inherit(&mut self, page: PageId, content: Option<PageVersion>) {
        self.take_over(page, content);
    }

    /// The newest version of a page that this node has kept for the stores, if it has had
    /// no copy of it since this view began. Whoever answers for this node's store gives it
    /// if the store has none as new.
    #[must_use]
    pub fn offer(&self, page: PageId) -> Option<&PageVersion> {
        self.offers.get(&page)
    }

    /// The current version of a page, if this node has a copy of it.
    #[must_use]
    pub fn copy(&self, page: PageId, memory: &impl PageMemory) -> Option<PageVersion> {
        let entry = self.pages.get(page);
        let entry = entry.filter(|entry| entry.state != PageState::Invalid);
        entry.map(|entry| entry.committed(page, memory))
    }

    /// Whether this node has the page as it is now: nobody else has changed it since it last
    /// looked.
    #[must_use]
    pub fn holds(&self, page: PageId) -> bool {
        let entry = self.pages.get(page);
        entry.is_some_and(|entry| entry.state != PageState::Invalid)
    }

    /// Extents with offers: they belong into the inventory of this node's store.
    #[must_use]
    pub fn offered_extents(&self) -> BTreeSet<Extent> {
        self.offers.keys().map(|page| page.extent()).collect()
    }

    /// Regions of which some page is mapped.
    #[must_use]
    pub fn mapped_regions(&self) -> BTreeSet<RegionId> {
        let mapped = self.pages.iter();
        let mapped = mapped.filter(|(_, entry)| entry.mapping != Mapping::Absent);
        mapped.map(|(page, _)| page.region).collect()
    }

    /// How the transaction stands.
    #[must_use]
    pub fn transaction(&self) -> TxnStatus {
        self.txn.status()
    }

    /// Pages written by the transaction that committed last (silent stores left out).
    #[must_use]
    pub fn written(&self) -> &[PageId] {
        &self.txn.written
    }

    /// The view, once there is one.
    #[must_use]
    pub fn view(&self) -> Option<&View> {
        self.view.as_ref()
    }

    /// This node's id in the view.
    #[must_use]
    pub fn me(&self) -> NodeId {
        self.links.me
    }

    /// The node's epoch: what every envelope of the node must carry.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.links.epoch
    }

    /// The newest epoch known to be stable.
    #[must_use]
    pub fn stable(&self) -> Epoch {
        self.stable
    }

    /// The newest epoch whose work is as safe as the cluster's durability asks for: what was
    /// said because of it may leave.
    #[must_use]
    pub fn safe(&self) -> Epoch {
        self.stable.max(self.held)
    }

    /// Whether nothing more may be said about pages to this member in this view, neither
    /// by the memory nor by the node's store: it may have missed something.
    #[must_use]
    pub fn is_cut_off(&self, node: NodeId) -> bool {
        self.links.is_cut_off(node)
    }

    /// Whether this node's homes serve: it has the inventories of all members.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.view.is_some() && self.home.is_open()
    }

    /// What happened so far, in numbers.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What this node knows of `page`.
    #[must_use]
    pub fn page(&self, page: PageId) -> PageStatus {
        let unknown = PageEntry::default();
        let entry = self.pages.get(page).unwrap_or(&unknown);
        PageStatus {
            state: entry.state,
            version: entry.version,
            stamp: entry.stamp,
            is_mapped: entry.mapping != Mapping::Absent,
            is_dirty: entry.is_dirty(),
            is_contended: entry.is_contended,
        }
    }

    /// All pages of which this node has a copy, ascending.
    pub fn cached_pages(&self) -> impl Iterator<Item = PageId> + '_ {
        let known = self.pages.iter();
        known
            .filter(|(_, entry)| entry.state != PageState::Invalid)
            .map(|(page, _)| page)
    }

    /// Keeps the newest `capacity` events for [`Dtm::poll_event`]; 0, the default, none.
    pub fn keep_events(&mut self, capacity: usize) {
        self.events.keep(capacity);
    }

    /// The oldest event that is kept.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    /// Asserts every named invariant of `docs/protocol.md` that one node can check.
    ///
    /// # Panics
    /// If one does not hold.
    pub fn check_invariants(&self, memory: &impl PageMemory) {
        self.check_all(memory);
    }
}
