//! Crashes, views, returning disks. What goes wrong stays within what the cluster
//! promises to survive: nobody crashes while he has the only copy of a stable version.
use std::collections::{BTreeMap, BTreeSet};

use dtm::Input;
use types::{
    Duration, Epoch, Extent, Fallback, Instant, Member, NodeId, PageId, StoreId, View, placement,
};
use wire::{Message, PageVersion};

use crate::Property;
use crate::client::{Cause, Client, Role};
use crate::event::Event;
use crate::scenario::{Disks, Fault};
use crate::store::Store;
use crate::workload::index_below;
use crate::world::{World, add};

impl World {
    pub(crate) fn on_fault(&mut self, fault: Fault) {
        let (count, noticed_after, disks) = match fault {
            Fault::Crash {
                victims,
                noticed_after,
                disks,
            } => (victims, noticed_after, disks),
            Fault::Join => {
                let store = StoreId(1_000_000 + u64::from(self.nodes_created));
                self.stores.insert(store, Store::new());
                self.unnoticed += 1;
                self.on_return(store);
                return;
            }
            Fault::Drain => return self.on_drain(),
            Fault::Pause { lasts } => return self.on_pause(lasts),
            Fault::Hold { lasts, end } => return self.on_hold(lasts, end),
            Fault::Reset { down } => return self.on_reset(down),
            Fault::SlowDisk { lasts, sync_max } => return self.on_slow_disk(lasts, sync_max),
        };
        let victims = self.choose_victims(count);
        if victims.is_empty() || !self.may_crash(&victims) {
            self.common
                .note(format_args!("{fault:?} is not survivable now"));
            return;
        }
        for id in victims {
            self.crash(id, disks);
        }
        self.unnoticed += 1;
        self.push(noticed_after, Event::Decide);
    }

    /// Nodes that count.
    pub(crate) fn candidates(&self) -> Vec<NodeId> {
        let nodes = self.nodes.keys().copied();
        nodes.filter(|node| !self.given_up.contains(node)).collect()
    }

    /// Up to `count` members; at least one node stays.
    fn choose_victims(&mut self, count: usize) -> Vec<NodeId> {
        let mut candidates = self.candidates();
        let count = count.min(candidates.len().saturating_sub(1));
        let prng = &mut self.common.prng;
        (0..count)
            .map(|_| candidates.swap_remove(index_below(candidates.len(), prng)))
            .collect()
    }

    /// Whether somebody is left who does not leave, and the newest stable version of every
    /// page is also at a node that does not crash.
    fn may_crash(&self, victims: &[NodeId]) -> bool {
        let is_left = |node: &NodeId| !victims.contains(node) && !self.given_up.contains(node);
        let stays = |node: &NodeId| is_left(node) && !self.leaving.contains(node);
        let stores = |is_counted: &dyn Fn(&NodeId) -> bool| {
            let nodes = self.nodes.values().filter(|node| is_counted(&node.id));
            self.newest_stable(nodes.map(|node| &self.stores[&node.store]))
        };
        let is_victim = |node: &NodeId| victims.contains(node);
        self.nodes.keys().any(stays) && stores(&|_| true) == stores(&|node| !is_victim(node))
    }

    /// The newest stable version of every page that these stores have.
    fn newest_stable<'store>(
        &self,
        stores: impl Iterator<Item = &'store Store>,
    ) -> BTreeMap<PageId, PageVersion> {
        let mut newest: BTreeMap<PageId, PageVersion> = BTreeMap::new();
        for store in stores {
            for (page, content) in store.snapshot(self.leader.view(), self.leader.stable()) {
                let entry = newest.entry(page).or_insert_with(|| content.clone());
                if content.version > entry.version {
                    *entry = content;
                }
            }
        }
        newest
    }

    /// Whether the members of the next view have everything stable that is on any disk; if
    /// not the cluster waits for the others.
    fn has_all_stable(&self) -> bool {
        let members = self.members();
        let present = members.iter().map(|member| &self.stores[&member.store]);
        let (present, all) = (
            self.newest_stable(present),
            self.newest_stable(self.stores.values()),
        );
        let version = |page| {
            present
                .get(page)
                .map(|content: &PageVersion| content.version)
        };
        all.iter()
            .all(|(page, content)| version(page) >= Some(content.version))
    }

    fn crash(&mut self, id: NodeId, disks: Disks) {
        self.common
            .note(format_args!("{id} crashes, its disk: {disks:?}"));
        self.happened.crashes += 1;
        let last = self.common.now + self.common.span(Duration::from_micros(500));
        let store = self.end(id, last);
        match disks {
            Disks::Lost => {
                self.stores.remove(&store);
            }
            Disks::Return(after) => {
                self.unnoticed += 1;
                self.push(after, Event::Return(store));
            }
        }
    }

    /// A node is no more; what it has sent arrives up to `last`. Its disk.
    pub(crate) fn end(&mut self, id: NodeId, last: Instant) -> StoreId {
        let mut node = self.nodes.remove(&id).expect("who ends has lived");
        node.client.on_end(&mut self.common);
        self.counters_of_dead = add(self.counters_of_dead, node.dtm.counters());
        self.network.cut(id, last);
        self.given_up.remove(&id);
        node.store
    }

    /// A disk comes back with a node that nobody knows.
    pub(crate) fn on_return(&mut self, store: StoreId) {
        self.create_node(store);
        self.common
            .note(format_args!("{store} returns with n{}", self.nodes_created));
        self.push(Duration::from_micros(100), Event::Decide);
    }

    /// The control plane looks who is there. If it is not who was there, it asks those of
    /// the last view that are left on what their work depends.
    pub(crate) fn on_decide(&mut self) {
        self.undecided += 1;
        let view = self.leader.view();
        let is_marked = self.leaving().eq(view.leaving.iter().copied());
        if self.members() == view.members && is_marked {
            self.unnoticed -= core::mem::take(&mut self.undecided);
            return;
        }
        if !self.has_all_stable() {
            self.common.note(format_args!("disks are missing"));
            return;
        }
        let view = self.leader.view().clone();
        let survivors: Vec<NodeId> = view.nodes().filter(|node| self.stays(node)).collect();
        let number = self.leader.gather(survivors.iter().copied());
        for &node in &survivors {
            let delay = self.common.span(self.common.scenario.view_delay_max);
            // The answer has to come, too.
            let way_back = self.network.open_at((node, view.leader));
            let at = self.told_at(node, delay).max(way_back);
            self.push_at(at, Event::Fence { node, number });
        }
        if survivors.is_empty() {
            self.decide();
        }
    }

    /// A member of the last view stands still, but for local work, and says on what its
    /// work depends.
    pub(crate) fn on_fence(&mut self, id: NodeId, number: u64) {
        let stable = self.leader.stable();
        let lost = self.leader.view().nodes();
        let lost: Vec<NodeId> = lost.filter(|node| !self.stays(node)).collect();
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if !self.leader.is_gathering(number) {
            return;
        }
        if node.view() < Some(self.leader.view().number) {
            // The question comes after the view, over the same link.
            node.asked = Some(number);
            return;
        }
        let testimony = node.dtm.fence(stable, &lost);
        let testimony = self.common.planted.testify(testimony);
        self.common
            .note(format_args!("{id} is fenced: {testimony:?}"));
        let is_complete = self.leader.on_testimony(id, testimony);
        self.settle(id, Cause::Input);
        if is_complete {
            self.decide();
        }
    }

    fn members(&self) -> Vec<Member> {
        let member = |node: &crate::node::Node| Member {
            node: node.id,
            store: node.store,
        };
        let stays = |node: &&crate::node::Node| self.stays(&node.id);
        self.nodes.values().filter(stays).map(member).collect()
    }

    /// Whether a node lives, was not given up, and has not left.
    fn stays(&self, node: &NodeId) -> bool {
        let is_going = self.released.contains(node) || self.given_up.contains(node);
        self.nodes.contains_key(node) && !is_going
    }

    /// When something arrives that the leader says to a node after `delay`.
    pub(crate) fn told_at(&self, node: NodeId, delay: Duration) -> Instant {
        let line = (self.leader.view().leader, node);
        self.network.open_at(line).max(self.common.now + delay)
    }

    fn decide(&mut self) {
        if !self.has_all_stable() {
            self.common.note(format_args!("disks are missing"));
            return;
        }
        self.unnoticed -= core::mem::take(&mut self.undecided);
        let gap = 2 + self.common.prng.below(3);
        // A view that some members have not entered yet may be in use at others.
        let used = self.epoch_used.max(self.leader.view().first_epoch);
        self.leader.forget(self.common.planted.epochs_forgotten());
        let is_spared =
            |node: &NodeId| self.common.planted.spares_sleepers() && self.given_up.contains(node);
        let is_lost =
            |node: &NodeId| !self.stays(node) && !self.released.contains(node) && !is_spared(node);
        let lost: Vec<NodeId> = self.leader.view().nodes().filter(is_lost).collect();
        let members = self.members();
        let leaving = self.leaving().collect();
        self.survivors += (self.leader.view().members.len() - lost.len()) as u64;
        self.let_go();
        let next = (members, leaving);
        let fallback = self.leader.decide(next, &lost, Epoch(used.0 + gap));
        self.common.note(format_args!("decided: {fallback:?}"));
        self.check_promise(&fallback);
        let history = &mut self.common.recorder.history;
        history.fallbacks.push(fallback);
        history.deaths.push(lost);
        self.announce_view();
        self.expel();
        self.push(Duration::from_micros(500), Event::Replicate);
    }

    /// Nothing is taken back that was told to be safe. (Who has only looked at something
    /// leaves nothing that could be taken back.)
    fn check_promise(&mut self, fallback: &Fallback) {
        let promised = self.leader.promised();
        let attempts = self.common.recorder.history.attempts.iter();
        let mut written = attempts.filter(|attempt| !attempt.writes.is_empty());
        let broken = written.find_map(|attempt| {
            let (stamp, _) = attempt.commit()?;
            (stamp.epoch() <= promised && fallback.undoes(stamp)).then_some(stamp)
        });
        if let Some(stamp) = broken {
            let detail = format!("{stamp:?} is undone, and epochs up to {promised} were safe");
            self.common.fail(Property::Contract, detail);
        }
    }

    /// Sends the view to its members.
    pub(crate) fn announce_view(&mut self) {
        let view = self.leader.view().clone();
        for node in view.nodes() {
            let scenario = &self.common.scenario;
            let delay = scenario.decision + self.common.span(scenario.view_delay_max);
            let view = view.clone();
            self.push_at(self.told_at(node, delay), Event::Enter { node, view });
        }
    }

    /// A view reaches a member: its disk first, then its memory, then what had waited.
    pub(crate) fn on_enter(&mut self, id: NodeId, view: &View) {
        let Some(node) = self.nodes.get(&id) else {
            return;
        };
        if node.view() >= Some(view.number) {
            return;
        }
        let view = &self.common.planted.announced(view);
        self.common.note(format_args!("{id} enters {view:?}"));
        let store = self
            .stores
            .get_mut(&node.store)
            .expect("a node's disk is there");
        if !self.common.planted.keeps_undone() {
            store.on_view(view);
        }
        let mut extents: BTreeSet<Extent> = store.inventory().into_iter().collect();
        self.feed(
            id,
            Input::View {
                view: view.clone(),
                you: id,
            },
        );
        extents.extend(self.nodes[&id].dtm.offered_extents());
        self.say_inventory(id, placement::by_home(view, extents));
        let early = self
            .nodes
            .get_mut(&id)
            .expect("it has just entered")
            .take_early();
        for envelope in early {
            self.on_arrival(id, envelope);
        }
        let node = self.nodes.get_mut(&id).expect("as above");
        if let Some(number) = node.asked.take() {
            self.on_fence(id, number);
        }
    }

    /// Each home is told which of its extents the node has something of.
    fn say_inventory(&mut self, id: NodeId, homes: BTreeMap<NodeId, Vec<Extent>>) {
        let per_message = self.common.scenario.extents_per_message;
        for (home, extents) in homes {
            let mut parts: Vec<Vec<_>> = extents.chunks(per_message).map(<[_]>::to_vec).collect();
            let last = parts.pop().unwrap_or_default();
            for extents in parts {
                let last = false;
                self.say(id, home, Message::Inventory { extents, last });
            }
            let (extents, last) = (last, true);
            self.say(id, home, Message::Inventory { extents, last });
        }
    }

    /// In the background, stable versions are copied to the disks of the new placement.
    pub(crate) fn on_replicate(&mut self) {
        let view = self.leader.view().clone();
        let is_asleep = |node: &NodeId| {
            let node = self.nodes.get(node);
            node.is_some_and(|node| node.asleep_until().is_some())
        };
        if view.nodes().any(|node| is_asleep(&node)) {
            self.push(Duration::from_micros(500), Event::Replicate);
            return;
        }
        let members = view.nodes().filter_map(|node| self.nodes.get(&node));
        let newest = self.newest_stable(members.map(|node| &self.stores[&node.store]));
        if view.nodes().all(|node| self.nodes.contains_key(&node)) {
            self.replicated = view.number;
        }
        for (page, content) in newest {
            for target in placement::stores(&view, page.extent()) {
                if let Some(node) = self.nodes.get(&target) {
                    let store = self
                        .stores
                        .get_mut(&node.store)
                        .expect("a node's disk is there");
                    store.keep(page, &content);
                }
            }
        }
        self.release();
    }

    /// Adds a node that serves this disk; it waits for a view.
    pub(crate) fn create_node(&mut self, store: StoreId) {
        self.nodes_created += 1;
        let id = NodeId(self.nodes_created);
        let scenario = &self.common.scenario;
        let role = match (scenario.hunt, id) {
            (false, _) => Role::Worker,
            (true, NodeId(1)) => Role::Prey,
            (true, _) => Role::Hunter,
        };
        let quota = if role == Role::Hunter {
            0
        } else {
            scenario.quota
        };
        self.add_node(id, store, Client::new(role, quota));
    }
}
