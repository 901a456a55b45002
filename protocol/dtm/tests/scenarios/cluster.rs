//! Nodes joined by links that deliver when asked, with stores that never fail. After
//! every step it checks what one node, and what all of them together, promise.
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dtm::{
    Access, AccessResult, Attempt, CommitMode, Config, Dtm, Input, Output, PageState, TxnStatus,
};
use types::{
    Cut, Durability, Duration, Epoch, Extent, Fallback, Instant, Living, Member, NodeId, PageId,
    RegionId, Stamp, StoreId, Version, View, ViewNumber, placement,
};
use wire::{Envelope, IntervalEdges, Message, PageVersion, Testimony};

use crate::memory::TestMemory;

/// Steps after which a scenario that should have come to an end has not.
const STEPS_MAX: usize = 100_000;

pub(crate) struct Node {
    pub(crate) dtm: Dtm,
    pub(crate) memory: TestMemory,
    store: BTreeMap<PageId, Vec<PageVersion>>,
    /// Pages whose newest version the store cannot read any more.
    damaged: BTreeSet<PageId>,
}

pub(crate) struct Cluster {
    nodes: BTreeMap<u32, Node>,
    links: BTreeMap<(u32, u32), VecDeque<Envelope>>,
    held: BTreeSet<(u32, u32)>,
    now: Instant,
    /// Everything sent so far, in order.
    pub(crate) sent: Vec<(u32, u32, Message)>,
    /// What each member has told the leader.
    pub(crate) reported: BTreeMap<u32, Epoch>,
    committed: BTreeMap<PageId, Version>,
    /// Every commit of a page, in order.
    commits: Vec<(PageId, Version, Stamp)>,
    decided: Vec<Fallback>,
}

pub(crate) fn config() -> Config {
    Config {
        seed: 1,
        ageing_losses: 2,
        retry_after: Duration::from_micros(100),
        calm_after_epochs: 3,
        contended_after: 2,
        frames_max: 1000,
    }
}

/// View `number` of nodes 1 to `count`, led by node 1.
pub(crate) fn view(number: u64, count: u32, stable: u64, first_epoch: u64) -> View {
    let member = |node| Member {
        node: NodeId(node),
        store: StoreId(u64::from(node) * 11),
    };
    let nodes = (1..=count).map(NodeId);
    let decision = Fallback::to_stable(Epoch(stable), Epoch(first_epoch), nodes);
    View {
        number: ViewNumber(number),
        leader: NodeId(1),
        members: (1..=count).map(member).collect(),
        leaving: vec![],
        stable: Epoch(stable),
        first_epoch: Epoch(first_epoch),
        durability: Durability::Disk,
        fallbacks: if number == 1 { vec![] } else { vec![decision] },
    }
}

/// The `nth` page of a region whose home is `home` among `count` nodes.
fn page_at(region: u32, home: u32, nth: u32, count: u32) -> PageId {
    let view = view(1, count, 0, 1);
    let mut pages = (0..10_000).map(|extent| PageId::new(region, extent * 256));
    let found = pages.find(|page| placement::home(&view, page.extent()) == NodeId(home));
    PageId::new(region, found.unwrap().index.0 + nth)
}

impl Cluster {
    /// Nodes 1 to `count` in their first view, inventories exchanged.
    pub(crate) fn new(count: u32) -> Self {
        Self::with_config(count, config())
    }

    pub(crate) fn with_config(count: u32, config: Config) -> Self {
        let mut cluster = Self::without_view(count, config);
        cluster.enter_all(&view(1, count, 0, 1));
        cluster.pump();
        cluster
    }

    pub(crate) fn without_view(count: u32, config: Config) -> Self {
        let node = |id| {
            let dtm = Dtm::new(Config {
                seed: u64::from(id),
                ..config
            });
            (
                id,
                Node {
                    dtm,
                    memory: TestMemory::default(),
                    store: BTreeMap::new(),
                    damaged: BTreeSet::new(),
                },
            )
        };
        Self {
            nodes: (1..=count).map(node).collect(),
            links: BTreeMap::new(),
            held: BTreeSet::new(),
            now: Instant::from_nanos(0),
            sent: vec![],
            reported: BTreeMap::new(),
            committed: BTreeMap::new(),
            commits: vec![],
            decided: vec![],
        }
    }

    /// A node says on what it depends, and stands fenced.
    pub(crate) fn fence(&mut self, id: u32) -> Vec<IntervalEdges> {
        self.testify(id, &[]).intervals
    }

    /// The same, with what has come to its store from these.
    pub(crate) fn testify(&mut self, id: u32, lost: &[u32]) -> Testimony {
        let stable = self.dtm(id).stable();
        let lost: Vec<NodeId> = lost.iter().copied().map(NodeId).collect();
        self.with(id, |node, _| node.dtm.fence(stable, &lost))
    }

    /// Gives a node all that the dead have left in its store.
    pub(crate) fn inherit(&mut self, id: u32) {
        while let Some((page, version, stamp)) = self.dtm(id).next_legacy() {
            self.with(id, |node, _| {
                let is_it = |one: &&PageVersion| (one.version, one.stamp) == (version, stamp);
                let versions = node.store.get(&page).into_iter().flatten();
                let content = versions.rev().find(is_it).cloned();
                let content = content.filter(|_| !node.damaged.contains(&page));
                node.dtm.inherit(page, content);
            });
        }
    }

    /// A decision that goes into the next view.
    pub(crate) fn decide(&mut self, mut cuts: Vec<Cut>, first_epoch: u64) {
        cuts.sort_unstable();
        self.decided.push(Fallback {
            stable: self.dtm(1).stable(),
            cuts,
            first_epoch: Epoch(first_epoch),
        });
    }

    /// Nodes die; the others are fenced and enter the next view.
    pub(crate) fn lose(&mut self, dead: &[u32], cuts: Vec<Cut>, first_epoch: u64) {
        self.nodes.retain(|id, _| !dead.contains(id));
        self.links.retain(|(_, to), _| !dead.contains(to));
        self.decide(cuts, first_epoch);
        let old = self.dtm(1).view().expect("the cluster runs");
        let is_left = |member: &&Member| !dead.contains(&member.node.0);
        let next = View {
            number: ViewNumber(old.number.0 + 1),
            members: old.members.iter().filter(is_left).copied().collect(),
            stable: self.dtm(1).stable(),
            first_epoch: Epoch(first_epoch),
            fallbacks: self.decided.clone(),
            ..old.clone()
        };
        let ids: Vec<u32> = self.nodes.keys().copied().collect();
        for id in ids {
            self.fence(id);
        }
        self.enter_all(&next);
        self.pump();
        let ids: Vec<u32> = self.nodes.keys().copied().collect();
        for id in ids {
            if matches!(self.status(id), TxnStatus::Marked(_)) {
                self.rollback(id);
            }
        }
    }

    /// All processes end and start again, with the disks that they had.
    pub(crate) fn restart_all(&mut self, view: &View) {
        for (&id, node) in &mut self.nodes {
            let seed = u64::from(id);
            node.dtm = Dtm::new(Config { seed, ..config() });
            node.memory = TestMemory::default();
        }
        self.links.clear();
        self.enter_all(view);
        self.pump();
    }

    /// A page of linear memory, homed at `home`.
    pub(crate) fn linear(&self, home: u32, nth: u32) -> PageId {
        page_at(300, home, nth, u32::try_from(self.nodes.len()).unwrap())
    }

    /// A page outside linear memory, homed at `home`.
    pub(crate) fn exact(&self, home: u32, nth: u32) -> PageId {
        page_at(2, home, nth, u32::try_from(self.nodes.len()).unwrap())
    }

    pub(crate) fn node(&self, id: u32) -> &Node {
        &self.nodes[&id]
    }

    pub(crate) fn dtm(&self, id: u32) -> &Dtm {
        &self.nodes[&id].dtm
    }

    pub(crate) fn state(&self, id: u32, page: PageId) -> PageState {
        self.dtm(id).page(page).state
    }

    pub(crate) fn status(&self, id: u32) -> TxnStatus {
        self.dtm(id).transaction()
    }

    pub(crate) fn is_committed(&self, id: u32) -> bool {
        matches!(self.status(id), TxnStatus::Committed(_))
    }

    // Transactions.

    pub(crate) fn begin(&mut self, id: u32) {
        self.begin_with(id, Attempt::First, CommitMode::Apply);
    }

    pub(crate) fn begin_query(&mut self, id: u32) {
        self.begin_with(id, Attempt::First, CommitMode::Discard);
    }

    fn begin_with(&mut self, id: u32, attempt: Attempt, mode: CommitMode) {
        self.with(id, |node, now| {
            node.dtm.begin(now, attempt, mode, &mut node.memory)
        });
    }

    /// Begins a transaction that is younger than all that run so far.
    pub(crate) fn begin_younger(&mut self, id: u32) {
        for _ in 0..100 {
            self.begin(id);
            self.rollback(id);
        }
        self.begin(id);
    }

    pub(crate) fn retry(&mut self, id: u32) {
        self.begin_with(id, Attempt::Retry, CommitMode::Apply);
    }

    pub(crate) fn access(&mut self, id: u32, page: PageId, access: Access) -> AccessResult {
        self.with(id, |node, now| {
            node.dtm.access(now, page, access, &mut node.memory)
        })
    }

    fn access_waiting(&mut self, id: u32, page: PageId, access: Access) {
        for _ in 0..STEPS_MAX {
            match self.access(id, page, access) {
                AccessResult::Ready => return,
                AccessResult::Wait => self.step(),
                AccessResult::Stopped => panic!("transaction of {id} lost {page}"),
            }
        }
        panic!("{id} never got {page}");
    }

    pub(crate) fn read(&mut self, id: u32, page: PageId) -> u64 {
        self.access_waiting(id, page, Access::Read);
        self.node(id).memory.value(page)
    }

    pub(crate) fn write(&mut self, id: u32, page: PageId, value: u64) {
        self.access_waiting(id, page, Access::Write);
        self.nodes
            .get_mut(&id)
            .unwrap()
            .memory
            .set_value(page, value);
    }

    /// Writes a page that was looked at first: it is fetched as a copy, not whole.
    pub(crate) fn update(&mut self, id: u32, page: PageId, value: u64) {
        self.read(id, page);
        self.write(id, page, value);
    }

    /// Ends the body; what comes of it is left to later deliveries.
    pub(crate) fn commit(&mut self, id: u32) {
        self.with(id, |node, now| node.dtm.commit(now, &mut node.memory));
    }

    /// Ends the body and lets time pass until the transaction has committed.
    pub(crate) fn finish(&mut self, id: u32) {
        self.commit(id);
        self.until_committed(id);
    }

    pub(crate) fn until_committed(&mut self, id: u32) {
        for _ in 0..STEPS_MAX {
            match self.status(id) {
                TxnStatus::Committed(_) => return,
                TxnStatus::Committing => self.step(),
                status => panic!("transaction of {id} is {status:?}"),
            }
        }
        panic!("transaction of {id} never committed");
    }

    pub(crate) fn rollback(&mut self, id: u32) {
        self.with(id, |node, now| node.dtm.rollback(now, &mut node.memory));
    }

    /// A whole transaction that writes one page.
    pub(crate) fn put(&mut self, id: u32, page: PageId, value: u64) {
        self.begin(id);
        self.write(id, page, value);
        self.finish(id);
    }

    /// A whole transaction that reads one page.
    pub(crate) fn get(&mut self, id: u32, page: PageId) -> u64 {
        self.begin(id);
        let value = self.read(id, page);
        self.finish(id);
        value
    }

    // Messages and time.

    /// Keeps what `from` sends to `to` from now on; what was sent before arrives first.
    pub(crate) fn hold(&mut self, from: u32, to: u32) {
        while self.in_flight(from, to).is_some() {
            self.deliver(from, to);
        }
        self.held.insert((from, to));
    }

    pub(crate) fn release(&mut self, from: u32, to: u32) {
        self.held.remove(&(from, to));
    }

    /// Delivers the first message on a link, held or not.
    pub(crate) fn deliver(&mut self, from: u32, to: u32) -> Message {
        let queue = self.links.get_mut(&(from, to)).expect("nothing was sent");
        let envelope = queue.pop_front().expect("nothing is in flight");
        let message = envelope.message.clone();
        self.receive(to, envelope);
        message
    }

    /// Throws the first message on a link away.
    pub(crate) fn lose_message(&mut self, from: u32, to: u32) {
        let lost = self
            .links
            .get_mut(&(from, to))
            .and_then(VecDeque::pop_front);
        assert!(lost.is_some(), "nothing is in flight");
    }

    /// The first message on a link.
    pub(crate) fn in_flight(&self, from: u32, to: u32) -> Option<&Message> {
        Some(&self.links.get(&(from, to))?.front()?.message)
    }

    /// Delivers everything on links that are not held, until there is nothing more.
    pub(crate) fn pump(&mut self) {
        for _ in 0..STEPS_MAX {
            if !self.deliver_any() {
                return;
            }
        }
        panic!("messages never end");
    }

    /// Delivers one message, or lets time pass to the next deadline.
    pub(crate) fn step(&mut self) {
        if self.deliver_any() {
            return;
        }
        let deadlines = self
            .nodes
            .values()
            .filter_map(|node| node.dtm.next_deadline());
        self.now = deadlines
            .min()
            .expect("nothing can happen any more")
            .max(self.now);
        let ids: Vec<u32> = self.nodes.keys().copied().collect();
        for id in ids {
            self.input(id, Input::Tick);
        }
    }

    fn deliver_any(&mut self) -> bool {
        let ready = |(pair, queue): (&(u32, u32), &VecDeque<Envelope>)| {
            (!queue.is_empty() && !self.held.contains(pair)).then_some(*pair)
        };
        let Some((from, to)) = self.links.iter().find_map(ready) else {
            return false;
        };
        self.deliver(from, to);
        true
    }

    pub(crate) fn input(&mut self, id: u32, input: Input) {
        self.with(id, |node, now| {
            node.dtm.handle(now, input, &mut node.memory)
        });
    }

    /// Hands an envelope to a node as if it came over a link.
    pub(crate) fn receive(&mut self, to: u32, envelope: Envelope) {
        self.serve_store(to, &envelope);
        self.input(to, Input::Message(envelope));
    }

    // Epochs, snapshots, views.

    pub(crate) fn advance_epoch(&mut self) {
        self.input(1, Input::AdvanceEpoch);
    }

    /// Copies and sends what closed epochs have written at a node.
    pub(crate) fn snapshot(&mut self, id: u32) {
        while self.snapshot_slice(id) {}
    }

    /// A slice of at most two pages of that; true if more are left.
    pub(crate) fn snapshot_slice(&mut self, id: u32) -> bool {
        self.with(id, |node, now| node.dtm.snapshot_step(now, 2, &node.memory))
    }

    /// Ends the epoch, stores it and makes it stable everywhere.
    pub(crate) fn make_stable(&mut self) -> Epoch {
        self.advance_epoch();
        self.pump();
        let ids: Vec<u32> = self.nodes.keys().copied().collect();
        ids.iter().for_each(|&id| self.snapshot(id));
        self.pump();
        let stable = ids.iter().map(|id| self.reported[id]).min().unwrap();
        for to in ids {
            self.receive(to, self.envelope(1, Message::Stable { epoch: stable }));
        }
        stable
    }

    fn envelope(&self, from: u32, message: Message) -> Envelope {
        let dtm = self.dtm(from);
        let view = dtm.view().unwrap().number;
        Envelope {
            from: NodeId(from),
            view,
            epoch: dtm.epoch(),
            message,
        }
    }

    /// What the leader says if in this epoch only these regions were needed of the applications
    /// below 310.
    pub(crate) fn living(&self, epoch: Epoch, regions: &[u32]) -> Envelope {
        let living = Living {
            epoch,
            below: RegionId(310),
            regions: regions.iter().copied().map(RegionId).collect(),
        };
        self.envelope(1, Message::Living(living))
    }

    /// The leader says so, and nodes give back what they have of others.
    pub(crate) fn bury(&mut self, living: &Envelope, nodes: &[u32]) {
        for &id in nodes {
            self.receive(id, living.clone());
            self.forget_dead(id);
        }
    }

    /// A node gives back all that it has of the dead.
    pub(crate) fn forget_dead(&mut self, id: u32) {
        while self.forget_some(id) {}
    }

    /// A node gives back an extent of what it has of the dead; whether more is left.
    pub(crate) fn forget_some(&mut self, id: u32) -> bool {
        self.with(id, |node, _| node.dtm.forget_dead(1, &mut node.memory))
    }

    pub(crate) fn enter_all(&mut self, view: &View) {
        let ids: Vec<u32> = self.nodes.keys().copied().collect();
        self.forget_undone(view);
        ids.into_iter().for_each(|id| self.enter(id, view));
    }

    /// One node enters a view and tells the members of it what its store has.
    pub(crate) fn enter(&mut self, id: u32, view: &View) {
        self.input(
            id,
            Input::View {
                view: view.clone(),
                you: NodeId(id),
            },
        );
        let node = &self.nodes[&id];
        let stored = node.store.keys().map(|page| page.extent());
        let extents: BTreeSet<Extent> = stored.chain(node.dtm.offered_extents()).collect();
        for (to, extents) in placement::by_home(view, extents) {
            let (to, last) = (to.0, true);
            let message = Message::Inventory { extents, last };
            let envelope = self.envelope(id, message);
            if to == id {
                self.receive(id, envelope);
            } else {
                self.links.entry((id, to)).or_default().push_back(envelope);
            }
        }
    }

    /// Stores drop undone versions; the truth to check against goes back with them.
    pub(crate) fn forget_undone(&mut self, view: &View) {
        for node in self.nodes.values_mut() {
            for versions in node.store.values_mut() {
                versions.retain(|content| !view.is_undone(content.stamp));
            }
        }
        self.commits.retain(|&(.., stamp)| !view.is_undone(stamp));
        let left = self
            .commits
            .iter()
            .map(|&(page, version, _)| (page, version));
        self.committed = left.collect();
    }

    /// What a node's store has of a page, oldest first.
    pub(crate) fn stored(&self, id: u32, page: PageId) -> Vec<PageVersion> {
        self.nodes[&id]
            .store
            .get(&page)
            .cloned()
            .unwrap_or_default()
    }

    /// The newest version that a node's store has of a page cannot be read any more.
    pub(crate) fn damage(&mut self, id: u32, page: PageId) {
        self.nodes.get_mut(&id).unwrap().damaged.insert(page);
    }

    fn serve_store(&mut self, id: u32, envelope: &Envelope) {
        let node = self.nodes.get_mut(&id).unwrap();
        let answer = match &envelope.message {
            Message::StoreRead { page } => {
                let versions = node.store.get(page).into_iter().flatten();
                let versions = versions.chain(node.dtm.offer(*page));
                let newest = versions.max_by_key(|one| one.version);
                match newest {
                    Some(newest) if node.damaged.contains(page) => Message::StoreDamaged {
                        page: *page,
                        version: newest.version,
                    },
                    _ => Message::StoreData {
                        page: *page,
                        content: newest.cloned(),
                    },
                }
            }
            Message::StoreFrame { page, content } => {
                node.store.entry(*page).or_default().push(content.clone());
                return;
            }
            Message::PartEnd { epoch, .. } => Message::PartStored { epoch: *epoch },
            Message::EpochStored { epoch } => {
                let known = self.reported.insert(envelope.from.0, *epoch);
                assert!(known < Some(*epoch), "reports ascend");
                return;
            }
            _ => return,
        };
        let to = envelope.from.0;
        let answer = self.envelope(id, answer);
        self.links.entry((id, to)).or_default().push_back(answer);
    }

    // The machinery of every step.

    fn with<T>(&mut self, id: u32, change: impl FnOnce(&mut Node, Instant) -> T) -> T {
        let was_committed = self.is_committed(id);
        let node = self.nodes.get_mut(&id).unwrap();
        let result = change(node, self.now);
        node.dtm.check_invariants(&node.memory);
        if !was_committed && self.is_committed(id) {
            self.record_commit(id);
        }
        self.collect(id);
        self.check_together();
        result
    }

    fn record_commit(&mut self, id: u32) {
        for &page in self.nodes[&id].dtm.written() {
            let version = self.nodes[&id].dtm.page(page).version;
            let known = self.committed.insert(page, version).unwrap_or_default();
            assert_eq!(known.next(), version, "{page} written by {id}");
            let stamp = self.nodes[&id].dtm.page(page).stamp;
            self.commits.push((page, version, stamp));
        }
    }

    fn collect(&mut self, id: u32) {
        while let Some(Output::Send { to, envelope }) =
            self.nodes.get_mut(&id).unwrap().dtm.poll_output()
        {
            let (from, to) = (envelope.from.0, to.0);
            self.sent.push((from, to, envelope.message.clone()));
            if from == to {
                self.receive(to, envelope);
            } else {
                self.links
                    .entry((from, to))
                    .or_default()
                    .push_back(envelope);
            }
        }
    }

    /// Single writer, one owner, and no copy that is not the current version.
    fn check_together(&self) {
        let newest = self.nodes.values().filter_map(|node| node.dtm.view());
        let Some(newest) = newest.map(|view| view.number).max() else {
            return;
        };
        let in_view = |node: &&Node| node.dtm.view().is_some_and(|view| view.number == newest);
        let mut owners: BTreeMap<PageId, u32> = BTreeMap::new();
        let mut copies: BTreeMap<PageId, u32> = BTreeMap::new();
        let mut modified = BTreeSet::new();
        for node in self.nodes.values().filter(in_view) {
            for page in node.dtm.cached_pages() {
                let status = node.dtm.page(page);
                let current = self.committed.get(&page).copied().unwrap_or_default();
                assert_eq!(status.version, current, "copies-are-current: {page}");
                *copies.entry(page).or_default() += 1;
                if status.state != PageState::Shared {
                    *owners.entry(page).or_default() += 1;
                }
                if status.state == PageState::Modified {
                    modified.insert(page);
                }
            }
        }
        assert!(
            owners.values().all(|&count| count == 1),
            "one-owner: {owners:?}"
        );
        for page in modified {
            assert_eq!(copies[&page], 1, "single-writer: {page}");
        }
    }
}
