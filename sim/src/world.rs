//! The loop of events: virtual time, who gets what when, and what follows from it.
use std::collections::{BTreeMap, BTreeSet};

use dtm::{Counters, Input, Output};
use types::limits::REPLICAS;
use types::{Duration, Epoch, Instant, Member, NodeId, PageId, Prng, StoreId, ViewNumber};
use wire::{Envelope, Message};

use crate::client::{Cause, Client, Next, Role};
use crate::common::Common;
use crate::event::Event;
use crate::leader::{Leader, Stability};
use crate::network::{Network, Sent};
use crate::node::Node;
use crate::plant::Planted;
use crate::recorder::Recorder;
use crate::scenario::Scenario;
use crate::store::Store;
use crate::trace::Trace;
use crate::workload::{Script, index_below};
use crate::{Faults, Options, Property, Watch, coherence};

/// The cluster and its surroundings.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) common: Common,
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    pub(crate) stores: BTreeMap<StoreId, Store>,
    pub(crate) leader: Leader,
    pub(crate) network: Network,
    /// Highest epoch that any node, dead ones included, has used.
    pub(crate) epoch_used: Epoch,
    pub(crate) nodes_created: u32,
    /// Of all fallbacks together.
    pub(crate) survivors: u64,
    /// Disks that will come back, and crashes and returns that nobody has noticed.
    pub(crate) unnoticed: u32,
    /// Of these: noticed, but nothing is decided.
    pub(crate) undecided: u32,
    pub(crate) counters_of_dead: Counters,
    /// Nodes that were told to leave; of them, those that can go when that is decided.
    pub(crate) leaving: BTreeSet<NodeId>,
    pub(crate) released: BTreeSet<NodeId>,
    /// Newest view in which everything stable was at all its stores.
    pub(crate) replicated: ViewNumber,
    /// Nodes that live and were given up: the cluster goes on without them.
    pub(crate) given_up: BTreeSet<NodeId>,
    /// How many have left.
    pub(crate) left: u64,
    pub(crate) happened: Faults,
    pub(crate) sent: Sent,
    pages: Vec<PageId>,
    watch: Watch,
    queue: BTreeMap<(Instant, u64), Event>,
    events_pushed: u64,
}

/// Why a part of a run has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// What it waited for has happened.
    Done,
    /// It has not, within the events allowed; or something failed.
    Stopped,
}

impl World {
    pub(crate) fn new(prng: Prng, scenario: Scenario, options: &Options) -> Self {
        let planted = Planted(options.plant);
        let is_traced = options.watch != Watch::Nothing;
        let common = Common {
            now: Instant::default(),
            prng,
            scenario,
            recorder: Recorder::default(),
            trace: Trace::new(is_traced.then_some(options.events_kept)),
            planted,
            is_prey_alive: true,
            failure: None,
        };
        let first = u32::try_from(common.scenario.nodes).expect("a few nodes");
        let members: Vec<Member> = (1..=first)
            .map(|number| Member {
                node: NodeId(number),
                store: StoreId(u64::from(number) * 7919),
            })
            .collect();
        let mut world = Self {
            nodes: BTreeMap::new(),
            stores: members.iter().map(|m| (m.store, Store::new())).collect(),
            leader: Leader::new(members.clone(), common.scenario.durability),
            network: Network::new(common.scenario.delays),
            epoch_used: Epoch(0),
            nodes_created: 0,
            survivors: 0,
            unnoticed: 0,
            undecided: 0,
            counters_of_dead: Counters::default(),
            leaving: BTreeSet::new(),
            released: BTreeSet::new(),
            replicated: ViewNumber(0),
            given_up: BTreeSet::new(),
            left: 0,
            happened: Faults::default(),
            sent: Sent::default(),
            pages: common.scenario.layout.pages(),
            watch: options.watch,
            queue: BTreeMap::new(),
            events_pushed: 0,
            common,
        };
        members
            .iter()
            .for_each(|member| world.create_node(member.store));
        world.announce_view();
        world.push(Duration::ZERO, Event::Epoch);
        for (at, fault) in world.common.scenario.faults.clone() {
            world.push(at.since(Instant::default()), Event::Fault(fault));
        }
        world
    }

    pub(crate) fn add_node(&mut self, id: NodeId, store: StoreId, client: Client) {
        let node = Node::new(id, store, client, &mut self.common);
        self.nodes.insert(id, node);
        self.push(Duration::ZERO, Event::Step(id));
        self.push(Duration::ZERO, Event::Snapshot(id));
    }

    pub(crate) fn push(&mut self, after: Duration, event: Event) {
        self.push_at(self.common.now + after, event);
    }

    pub(crate) fn push_at(&mut self, at: Instant, event: Event) {
        self.events_pushed += 1;
        self.queue.insert((at, self.events_pushed), event);
    }

    /// Lets things happen until `is_done`, something failed, or too much has happened.
    pub(crate) fn run_until(&mut self, events_max: u64, is_done: impl Fn(&Self) -> bool) -> End {
        for _ in 0..events_max {
            if self.common.failure.is_some() {
                return End::Stopped;
            }
            if is_done(self) {
                return End::Done;
            }
            let ((at, _), event) = self.queue.pop_first().expect("epochs never end");
            self.common.now = at;
            self.on_event(event);
        }
        End::Stopped
    }

    /// Something happens now: to a node that stands still, as soon as that goes on.
    fn on_event(&mut self, event: Event) {
        if let Event::Arrival {
            to,
            envelope,
            passage,
        } = &event
            && self.network.is_lost((envelope.from, *to), *passage)
        {
            return;
        }
        let recipient = event.recipient().and_then(|id| self.nodes.get_mut(&id));
        match recipient.filter(|node| node.asleep_until().is_some()) {
            Some(node) => node.pile_up(event),
            None => self.handle(event),
        }
    }

    pub(crate) fn handle(&mut self, event: Event) {
        match event {
            Event::Arrival { to, envelope, .. } => self.on_arrival(to, envelope),
            Event::Deadline(id) => self.on_deadline(id),
            Event::Step(id) => self.on_step(id),
            Event::Snapshot(id) => self.on_snapshot(id),
            Event::Synced {
                at,
                view,
                to,
                epoch,
            } => self.on_synced(at, view, to, epoch),
            Event::Epoch => self.on_epoch(),
            Event::EndEarly => self.end_epoch(),
            Event::Fault(fault) => self.on_fault(fault),
            Event::Decide => self.on_decide(),
            Event::Fence { node, number } => self.on_fence(node, number),
            Event::Enter { node, view } => self.on_enter(node, &view),
            Event::Return(store) => self.on_return(store),
            Event::Replicate => self.on_replicate(),
            Event::Wake(id) => self.on_wake(id),
            Event::Silent { node, until } => self.on_silent(node, until),
            Event::HoldEnds { line, end } => self.on_hold_end(line, end),
            Event::LinkLost { at, node } => self.on_link_lost(at, node),
            Event::Settle { view, pair } => self.on_settle(view, pair),
            Event::Expelled(id) => self.on_expelled(id),
        }
    }

    pub(crate) fn on_arrival(&mut self, to: NodeId, envelope: Envelope) {
        let Some(node) = self.nodes.get_mut(&to) else {
            return;
        };
        self.common.note(format_args!(
            "{to} <- {} view {} epoch {}: {:?}",
            envelope.from, envelope.view.0, envelope.epoch, envelope.message
        ));
        if is_for_surroundings(&envelope.message) && node.view() < Some(envelope.view) {
            node.keep_early(envelope);
            return;
        }
        let is_current = node.view() == Some(envelope.view);
        self.feed(to, Input::Message(envelope.clone()));
        if is_current {
            self.on_surroundings(to, envelope);
        }
    }

    /// What a message means for the node's store and its control plane.
    fn on_surroundings(&mut self, to: NodeId, envelope: Envelope) {
        let Envelope { from, view, .. } = envelope;
        match envelope.message {
            Message::StoreRead { page } => {
                let stored = self.store_of(to).newest(page);
                let offered = self.nodes[&to].dtm.offer(page).cloned();
                let offered = offered.filter(|_| !self.common.planted.withholds_offers());
                let newest = stored.into_iter().chain(offered);
                let content = newest.max_by_key(|content| content.version);
                self.say(to, from, Message::StoreData { page, content });
            }
            Message::StoreFrame { page, content } => {
                self.store_of(to).on_frame(from, page, &content);
            }
            Message::PartEnd { epoch, frames, .. } => {
                let found = self.store_of(to).on_part_end(from);
                if found != frames {
                    let detail =
                        format!("{from} sent {to} {found} frames of epoch {epoch}, not {frames}");
                    self.common.fail(Property::Contract, detail);
                }
                let now = self.common.now;
                let sync_max = self.store_of(to).sync_max(now);
                let sync_max = sync_max.unwrap_or(self.common.scenario.sync_max);
                let delay = self.common.span(sync_max);
                self.push(
                    delay,
                    Event::Synced {
                        at: to,
                        view,
                        to: from,
                        epoch,
                    },
                );
            }
            // What was stored for an earlier view is at the stores of that view.
            Message::EpochStored { epoch } if view == self.leader.view().number => {
                self.on_epoch_stored(from, epoch);
            }
            Message::EpochHeld { epoch } if view == self.leader.view().number => {
                self.on_epoch_held(from, epoch);
            }
            _ => {}
        }
    }

    /// Gives an input to a node's memory and looks what follows.
    pub(crate) fn feed(&mut self, to: NodeId, input: Input) {
        let node = self
            .nodes
            .get_mut(&to)
            .expect("inputs are for living nodes");
        node.handle(input, &self.common);
        self.settle(to, Cause::Input);
    }

    /// After anything that may have changed a node's memory: check it, see what has
    /// become of the transaction, send what it wants to send.
    pub(crate) fn settle(&mut self, id: NodeId, cause: Cause) {
        let node = self.nodes.get_mut(&id).expect("living nodes change");
        if self.watch != Watch::Nothing {
            node.dtm.check_invariants(&node.memory);
        }
        let next = node.react(cause, &mut self.common);
        self.schedule(id, next);
        let node = &self.nodes[&id];
        self.epoch_used = self.epoch_used.max(node.epoch());
        let pages = if self.watch == Watch::Everything {
            &self.pages[..]
        } else {
            &[]
        };
        for &page in pages {
            if let Err(detail) = coherence::check(self.nodes.values(), node, page) {
                self.common.fail(Property::Coherence, detail);
            }
        }
        loop {
            let node = self.nodes.get_mut(&id).expect("as above");
            let Some(Output::Send { to, envelope }) = node.dtm.poll_output() else {
                break;
            };
            self.send(to, envelope);
        }
        self.watch_deadline(id);
    }

    fn watch_deadline(&mut self, id: NodeId) {
        let now = self.common.now;
        let node = self
            .nodes
            .get_mut(&id)
            .expect("living nodes have deadlines");
        let Some(at) = node.deadline().map(|at| at.max(now)) else {
            return;
        };
        if node.deadline_at.is_none_or(|watched| at < watched) {
            node.deadline_at = Some(at);
            self.push_at(at, Event::Deadline(id));
        }
    }

    fn on_deadline(&mut self, id: NodeId) {
        let now = self.common.now;
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if node.deadline_at.is_some_and(|at| at <= now) {
            node.deadline_at = None;
        }
        if node.deadline().is_some_and(|at| at <= now) {
            self.feed(id, Input::Tick);
        } else {
            self.watch_deadline(id);
        }
    }

    fn schedule(&mut self, id: NodeId, next: Next) {
        let Next::After(delay) = next else {
            return;
        };
        let at = self.common.now + delay;
        let node = self.nodes.get_mut(&id).expect("living nodes step");
        if node.step_at.is_none_or(|due| at < due) {
            node.step_at = Some(at);
            self.push_at(at, Event::Step(id));
        }
    }

    fn on_step(&mut self, id: NodeId) {
        let now = self.common.now;
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if node.step_at.is_some_and(|due| due != now) {
            return;
        }
        node.step_at = None;
        let next = node.step(&mut self.common);
        self.schedule(id, next);
        self.settle(id, Cause::Step);
        if self.common.scenario.hunt {
            let is_prey = |node: &Node| node.client.role() == Role::Prey && !node.client.is_idle();
            self.common.is_prey_alive = self.nodes.values().any(is_prey);
        }
    }

    fn on_snapshot(&mut self, id: NodeId) {
        let now = self.common.now;
        let slice_after_max = self.common.scenario.slice_after_max;
        let pages_max = 1 + index_below(4, &mut self.common.prng);
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if node.view().is_some() {
            self.inherit(id, pages_max);
            let node = self.nodes.get_mut(&id).expect("looked at above");
            let clock = node.clock(now);
            node.dtm.snapshot_step(clock, pages_max, &node.memory);
            self.settle(id, Cause::Step);
        }
        let delay = Duration::from_micros(10) + self.common.span(slice_after_max);
        self.push(delay, Event::Snapshot(id));
    }

    /// A node gets from its disk what the dead have left there.
    fn inherit(&mut self, id: NodeId, pages_max: usize) {
        for _ in 0..pages_max {
            let Some((page, version, stamp)) = self.nodes[&id].dtm.next_legacy() else {
                return;
            };
            let content = self.store_of(id).version(page, (version, stamp));
            self.common
                .note(format_args!("{id} inherits {page}: {content:?}"));
            let node = self.nodes.get_mut(&id).expect("a living node");
            node.dtm.inherit(page, content);
        }
    }

    fn on_synced(&mut self, at: NodeId, view: ViewNumber, to: NodeId, epoch: Epoch) {
        if self
            .nodes
            .get(&at)
            .is_some_and(|node| node.view() == Some(view))
        {
            self.say(at, to, Message::PartStored { epoch });
        }
    }

    fn on_epoch(&mut self) {
        let length = self.common.scenario.epoch_length;
        self.push(length, Event::Epoch);
        self.end_epoch();
    }

    /// The leader's node enters the next epoch, if it can.
    fn end_epoch(&mut self) {
        let leader = self.leader.view().leader;
        let number = self.leader.view().number;
        let leads = |node: &&Node| node.view() == Some(number) && node.asleep_until().is_none();
        let is_leading = self.nodes.get(&leader).filter(leads).is_some();
        if is_leading && !self.given_up.contains(&leader) {
            self.feed(leader, Input::AdvanceEpoch);
        }
    }

    /// Whether something may be called stable now, or safe.
    fn stability(&self) -> Stability {
        let view = self.leader.view();
        let dead = view
            .nodes()
            .filter(|node| !self.nodes.contains_key(node))
            .count();
        let copies = REPLICAS.min(view.staying().count());
        if dead < copies && self.given_up.is_empty() {
            Stability::Safe
        } else {
            Stability::Frozen
        }
    }

    /// The leader's node has heard that a member's parts are in its stores' nodes' memories.
    fn on_epoch_held(&mut self, from: NodeId, epoch: Epoch) {
        let stability = self.stability();
        let Some(epoch) = self.leader.on_epoch_held(from, epoch, stability) else {
            return;
        };
        self.common.note(format_args!("safe: {epoch}"));
        let view = self.leader.view().clone();
        for to in view.nodes() {
            self.say(view.leader, to, Message::Held { epoch });
        }
    }

    /// The leader's node has heard that a member has stored its parts.
    fn on_epoch_stored(&mut self, from: NodeId, epoch: Epoch) {
        let stability = self.stability();
        let Some(stable) = self.leader.on_epoch_stored(from, epoch, stability) else {
            return;
        };
        let view = self.leader.view().clone();
        self.common.note(format_args!("stable: {stable}"));
        self.common.recorder.stable(stable);
        for to in view.nodes() {
            self.say(view.leader, to, Message::Stable { epoch: stable });
        }
        if self.common.scenario.ends_early && self.common.prng.chance(1, 2) {
            self.push(Duration::ZERO, Event::EndEarly);
        }
        self.release();
    }

    /// A node's surroundings (its store, its control plane) say something in its name.
    pub(crate) fn say(&mut self, from: NodeId, to: NodeId, message: Message) {
        if self.nodes[&from].dtm.is_cut_off(to) {
            return;
        }
        let envelope = self.nodes[&from].envelope(message);
        self.send(to, envelope);
    }

    fn send(&mut self, to: NodeId, envelope: Envelope) {
        let percent = self.common.scenario.heartbeats_percent;
        if envelope.message == Message::Heartbeat && !self.common.prng.chance(percent, 100) {
            return;
        }
        let (to, envelope) = self
            .common
            .planted
            .tamper(to, envelope, &mut self.common.prng);
        let line = (envelope.from, to);
        if envelope.from != to {
            self.sent.count(&envelope.message);
        }
        let (now, prng) = (self.common.now, &mut self.common.prng);
        let passage = self.network.passage(now, line, prng);
        let arrival = Event::Arrival {
            to,
            envelope,
            passage,
        };
        self.push_at(passage.at, arrival);
    }

    fn store_of(&mut self, node: NodeId) -> &mut Store {
        let id = self.nodes[&node].store;
        self.stores.get_mut(&id).expect("a node's disk is there")
    }

    /// What the nodes, dead ones included, have done.
    pub(crate) fn counters(&self) -> Counters {
        let living = self.nodes.values().map(|node| node.dtm.counters());
        living.fold(self.counters_of_dead, add)
    }

    /// Lets every node read everything.
    pub(crate) fn inspect(&mut self) {
        let script = Script::Browse {
            pages: self.pages.clone(),
            then: None,
        };
        self.nodes
            .values_mut()
            .for_each(|node| node.client.queue(script.clone()));
    }
}

/// Adds up what two nodes have done; of the marks, the higher one.
pub(crate) fn add(one: Counters, other: &Counters) -> Counters {
    Counters {
        commits: one.commits + other.commits,
        commits_local: one.commits_local + other.commits_local,
        queries: one.queries + other.queries,
        aborts_conflict: one.aborts_conflict + other.aborts_conflict,
        aborts_fallback: one.aborts_fallback + other.aborts_fallback,
        aborts_lost: one.aborts_lost + other.aborts_lost,
        fetches_remote: one.fetches_remote + other.fetches_remote,
        pages_ahead: one.pages_ahead + other.pages_ahead,
        pages_given_away: one.pages_given_away + other.pages_given_away,
        exclusive_transitions: one.exclusive_transitions + other.exclusive_transitions,
        exclusive_refused: one.exclusive_refused + other.exclusive_refused,
        reads_refused: one.reads_refused + other.reads_refused,
        messages_ignored: one.messages_ignored + other.messages_ignored,
        frames_captured: one.frames_captured + other.frames_captured,
        frames_retained_max: one.frames_retained_max.max(other.frames_retained_max),
        silent_stores: one.silent_stores + other.silent_stores,
        commits_throttled: one.commits_throttled + other.commits_throttled,
        intervals_cut: one.intervals_cut + other.intervals_cut,
        pages_undone: one.pages_undone + other.pages_undone,
        pages_forgotten: one.pages_forgotten + other.pages_forgotten,
        pages_contended: one.pages_contended + other.pages_contended,
        home_queue_max: one.home_queue_max.max(other.home_queue_max),
    }
}

/// Messages that the memory does not handle: they wait outside for their view.
fn is_for_surroundings(message: &Message) -> bool {
    matches!(
        message,
        Message::StoreRead { .. }
            | Message::StoreFrame { .. }
            | Message::PartEnd { .. }
            | Message::Awaited { .. }
            | Message::EpochStored { .. }
            | Message::EpochHeld { .. }
    )
}
