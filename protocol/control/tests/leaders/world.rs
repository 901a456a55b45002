//! A leader and the cluster around it, played by the tests.
use control::{
    Command, Config, ControlState, DrainRefused, Event, Fate, Input, JoinerId, Leader, Output,
    Process, VoterId,
};
use std::collections::{BTreeMap, BTreeSet};
use types::{Durability, Duration, Epoch, Instant, NodeId, StoreId, View, ViewNumber};
use wire::{Envelope, IntervalEdges, Message, Testimony};

pub(crate) const EPOCH: Duration = Duration::from_millis(100);
pub(crate) const EPOCH_MIN: Duration = Duration::from_millis(2);
pub(crate) const TIMEOUT: Duration = Duration::from_millis(1000);
pub(crate) const LEASE: Duration = Duration::from_millis(120);
pub(crate) const GRACE: Duration = Duration::from_millis(5000);
/// The time when leaders begin.
pub(crate) const WALL_MS: u64 = 1_700_000_000_000;
/// The disk of the leader's own process.
pub(crate) const OWN: u64 = 0xA;

/// When a decision becomes durable.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Persist {
    AtOnce,
    OnDemand,
}

/// A leader and all that it has asked for.
pub(crate) struct World {
    pub(crate) leader: Leader,
    pub(crate) now: Instant,
    pub(crate) persist: Persist,
    /// Decisions that are taken, and the one that is not yet.
    pub(crate) log: Vec<Command>,
    pub(crate) pending: Option<Command>,
    pub(crate) sent: Vec<(NodeId, Message)>,
    /// Members that owe an answer to a heartbeat.
    pub(crate) asked: BTreeSet<NodeId>,
    /// Members that do not say on what their work depends.
    pub(crate) muted: BTreeSet<NodeId>,
    /// What the others say; nothing unless it stands here.
    pub(crate) intervals: BTreeMap<NodeId, Vec<IntervalEdges>>,
    pub(crate) refused: Vec<JoinerId>,
    pub(crate) events: Vec<Event>,
    pub(crate) epochs: Vec<Epoch>,
    pub(crate) bound: BTreeMap<JoinerId, NodeId>,
}

pub(crate) fn state_of(log: &[Command]) -> ControlState {
    let mut state = ControlState::default();
    for command in log {
        let _ = state.apply(command);
    }
    state
}

/// Of the leader with this disk.
pub(crate) fn config_of(store: u64) -> Config {
    Config {
        store: StoreId(store),
        expected: 3,
        epoch_length: EPOCH,
        epoch_min: EPOCH_MIN,
        failure_timeout: TIMEOUT,
        lease: LEASE,
        join_grace: GRACE,
        durability: None,
        ladder: None,
        wall_ms: WALL_MS,
    }
}

impl World {
    pub(crate) fn new(expected: usize) -> Self {
        Self::recovered(expected, vec![])
    }

    pub(crate) fn recovered(expected: usize, log: Vec<Command>) -> Self {
        Self::with(
            Config {
                expected,
                ..config_of(OWN)
            },
            log,
        )
    }

    /// The same, told what is to make work safe.
    pub(crate) fn started(expected: usize, durability: Durability, log: Vec<Command>) -> Self {
        Self::with(
            Config {
                expected,
                durability: Some(durability),
                ..config_of(OWN)
            },
            log,
        )
    }

    fn with(config: Config, log: Vec<Command>) -> Self {
        let mut world = Self::led(config, state_of(&log));
        world.log = log;
        world
    }

    /// A leader that finds this on its disk.
    pub(crate) fn led(config: Config, state: ControlState) -> Self {
        let now = Instant::from_nanos(1);
        Self {
            leader: Leader::new(now, config, state),
            now,
            persist: Persist::AtOnce,
            log: vec![],
            pending: None,
            sent: vec![],
            asked: BTreeSet::new(),
            muted: BTreeSet::new(),
            intervals: BTreeMap::new(),
            refused: vec![],
            events: vec![],
            epochs: vec![],
            bound: BTreeMap::new(),
        }
    }

    /// A running cluster of the leader and `others` more.
    pub(crate) fn running(others: u64) -> Self {
        let count = usize::try_from(others).unwrap() + 1;
        let mut world = Self::new(count);
        (OWN..=OWN + others).for_each(|store| world.join(store));
        assert_eq!(world.view().members.len(), count);
        world
    }

    pub(crate) fn restart(&self) -> Self {
        Self::recovered(9, self.log.clone())
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.leader.handle(self.now, input);
        self.pump();
    }

    pub(crate) fn pump(&mut self) {
        let mut fenced = vec![];
        while let Some(output) = self.leader.poll_output() {
            match output {
                Output::Propose(record) => {
                    assert!(self.pending.replace(record).is_none(), "one at a time");
                    if self.persist == Persist::AtOnce {
                        self.persisted();
                    }
                }
                Output::Bind { joiner, node } => {
                    self.bound.insert(joiner, node);
                }
                Output::Send { to, message } => {
                    if message == Message::Heartbeat {
                        assert!(self.asked.insert(to), "{to} owes an answer");
                    }
                    if matches!(message, Message::NewView { .. }) {
                        self.asked.remove(&to);
                    }
                    if matches!(message, Message::Fence { .. }) {
                        fenced.push(to);
                    }
                    self.sent.push((to, message));
                }
                Output::SendJoiner { joiner, .. } => self.refused.push(joiner),
                Output::AdvanceEpoch(epoch) => self.epochs.push(epoch),
                Output::Event(event) => self.events.push(event),
            }
        }
        // Whoever is asked answers at once, unless he is dead or the test does it.
        for node in fenced {
            if self.muted.contains(&node) {
                continue;
            }
            let intervals = self.intervals.get(&node).cloned().unwrap_or_default();
            let parts = vec![];
            self.say(node, Message::Intervals(Testimony { intervals, parts }));
        }
    }

    pub(crate) fn persisted(&mut self) {
        self.log
            .push(self.pending.take().expect("a decision is on its way"));
        self.input(Input::Decided);
    }

    pub(crate) fn join(&mut self, store: u64) {
        let (address, name) = (format!("10.0.0.{store}:7"), format!("machine-{store:x}"));
        let process = Process {
            store: StoreId(store),
            address,
            name,
            voter: Some(VoterId(store)),
        };
        self.input(Input::Join {
            joiner: JoinerId(store),
            process,
        });
    }

    /// A member's process ends, and its system says so.
    pub(crate) fn dies(&mut self, node: NodeId) {
        let fate = Fate::Dead;
        self.input(Input::LinkLost { node, fate });
    }

    /// A member is not reached any more.
    pub(crate) fn loses(&mut self, node: NodeId) {
        let fate = Fate::Unknown;
        self.input(Input::LinkLost { node, fate });
    }

    pub(crate) fn say(&mut self, from: NodeId, message: Message) {
        self.say_in(self.leader.epoch(), from, message);
    }

    /// A member says something in this epoch.
    pub(crate) fn say_in(&mut self, epoch: Epoch, from: NodeId, message: Message) {
        let view = self
            .leader
            .state()
            .view()
            .map_or(ViewNumber(0), |view| view.number);
        self.input(Input::Message(Envelope {
            from,
            view,
            epoch,
            message,
        }));
    }

    /// Every member's store has given the others what they lacked.
    pub(crate) fn replicated(&mut self) {
        let nodes: Vec<NodeId> = self.view().nodes().collect();
        for node in nodes {
            self.say(node, Message::Replicated);
        }
    }

    /// Members are to leave; all voters are heard.
    pub(crate) fn drain(&mut self, nodes: &[NodeId]) -> Result<(), DrainRefused> {
        let heard: BTreeSet<VoterId> = (OWN..OWN + 9).map(VoterId).collect();
        self.drain_heard(nodes, &heard)
    }

    pub(crate) fn drain_heard(
        &mut self,
        nodes: &[NodeId],
        heard: &BTreeSet<VoterId>,
    ) -> Result<(), DrainRefused> {
        let nodes = nodes.iter().copied().collect();
        let drained = self.leader.drain(self.now, &nodes, heard);
        self.pump();
        drained
    }

    /// The votes that are wanted are those that count.
    pub(crate) fn voters(&mut self) {
        let voters = self.leader.state().electorate();
        self.input(Input::Voters(voters));
    }

    /// Everything of every member up to the last epoch is stored.
    pub(crate) fn all_stored(&mut self) {
        self.pass(EPOCH, &[]);
        let epoch = Epoch(self.leader.epoch().0 - 1);
        let nodes: Vec<NodeId> = self.view().nodes().collect();
        nodes.into_iter().for_each(|node| self.stored(node, epoch));
    }

    pub(crate) fn stored(&mut self, node: NodeId, epoch: Epoch) {
        self.say(node, Message::EpochStored { epoch });
    }

    /// Somebody waits at this member for the present epoch.
    pub(crate) fn awaits(&mut self, node: NodeId) {
        let epoch = self.leader.epoch();
        self.say(node, Message::Awaited { epoch });
    }

    /// Time passes; members answer every heartbeat, except those.
    pub(crate) fn pass(&mut self, span: Duration, silent: &[NodeId]) {
        let end = self.now + span;
        loop {
            for node in self
                .asked
                .clone()
                .into_iter()
                .filter(|node| !silent.contains(node))
            {
                self.asked.remove(&node);
                self.say(node, Message::Heartbeat);
            }
            let Some(deadline) = self.leader.next_deadline().filter(|&at| at <= end) else {
                break;
            };
            self.now = self.now.max(deadline);
            self.input(Input::Tick);
        }
        self.now = end;
    }

    pub(crate) fn view(&self) -> View {
        self.leader.view().expect("the cluster runs").clone()
    }

    pub(crate) fn node(&self, store: u64) -> NodeId {
        let view = self.view();
        let member = view
            .members
            .iter()
            .find(|member| member.store == StoreId(store));
        member.expect("a member").node
    }

    pub(crate) fn stores(&self) -> Vec<u64> {
        self.view()
            .members
            .iter()
            .map(|member| member.store.0)
            .collect()
    }

    pub(crate) fn sent_stable(&self, to: NodeId) -> Vec<u64> {
        let stable = |(node, message): &(NodeId, Message)| match message {
            Message::Stable { epoch } if *node == to => Some(epoch.0),
            _ => None,
        };
        self.sent.iter().filter_map(stable).collect()
    }

    pub(crate) fn missing(&self) -> Vec<(u64, &str)> {
        let mut stores = self.events.iter().rev().filter_map(|event| match event {
            Event::StoresMissing { missing, .. } => Some(missing),
            _ => None,
        });
        let last = stores.next().expect("disks are missing");
        last.iter()
            .map(|(store, name)| (store.0, name.as_str()))
            .collect()
    }
}
