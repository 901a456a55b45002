//! The state of one node's memory and its four kinds of methods: inputs, commands
//! of the running transaction, outputs, getters.
use types::{Epoch, Instant, NodeId, PageId, Stamp, Version, View};

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
#[derive(Debug)]
pub struct Dtm {
    config: Config,
}

impl Dtm {
    /// A memory without a view: it waits for [`Input::View`].
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// Feeds one input. Bounded work; never blocks; same inputs give same outputs.
    pub fn handle(&mut self, _now: Instant, _input: Input, _memory: &mut impl PageMemory) {}

    /// The next thing to do for the node. Call until `None` after each input or command.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }

    /// When to call `handle(now, Input::Tick, ..)` at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// Begins a transaction.
    pub fn begin(&mut self, _now: Instant, _attempt: Attempt, _memory: &mut impl PageMemory) {}

    /// The transaction is about to use `page`.
    pub fn access(
        &mut self,
        _now: Instant,
        _page: PageId,
        _access: Access,
        _memory: &mut impl PageMemory,
    ) -> AccessResult {
        AccessResult::Wait
    }

    /// The transaction's body is over.
    pub fn commit(&mut self, _now: Instant, _mode: CommitMode, _memory: &mut impl PageMemory) {}

    /// Undoes the transaction, be it running, committing or marked.
    pub fn rollback(&mut self, _now: Instant, _memory: &mut impl PageMemory) {}

    /// Copies up to `pages_max` pages of closed epochs and sends them to their stores.
    /// True if more are left. Call it between transactions and while one waits.
    pub fn snapshot_step(
        &mut self,
        _now: Instant,
        _pages_max: usize,
        _memory: &impl PageMemory,
    ) -> bool {
        false
    }

    /// How the transaction stands.
    #[must_use]
    pub fn transaction(&self) -> TxnStatus {
        TxnStatus::Idle
    }

    /// Pages written by the transaction that committed last (silent stores left out).
    #[must_use]
    pub fn written(&self) -> &[PageId] {
        &[]
    }

    /// The view, once there is one.
    #[must_use]
    pub fn view(&self) -> Option<&View> {
        None
    }

    /// This node's id in the view.
    #[must_use]
    pub fn me(&self) -> NodeId {
        NodeId(0)
    }

    /// The node's epoch: what every envelope of the node must carry.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        Epoch(0)
    }

    /// The newest epoch known to be stable.
    #[must_use]
    pub fn stable(&self) -> Epoch {
        Epoch(0)
    }

    /// What happened so far, in numbers.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        unimplemented!()
    }

    /// What this node knows of `page`.
    #[must_use]
    pub fn page(&self, _page: PageId) -> PageStatus {
        unimplemented!()
    }

    /// All pages of which this node has a copy, ascending.
    pub fn cached_pages(&self) -> impl Iterator<Item = PageId> + '_ {
        core::iter::empty()
    }

    /// Keeps the newest `capacity` events for [`Dtm::poll_event`]; 0, the default, none.
    pub fn keep_events(&mut self, _capacity: usize) {}

    /// The oldest event that is kept.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// Asserts every named invariant of `docs/protocol.md` that one node can check.
    ///
    /// # Panics
    /// If one does not hold.
    pub fn check_invariants(&self, _memory: &impl PageMemory) {}
}
