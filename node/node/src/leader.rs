//! The leader's side of a node: carries what the control state machine decides to its
//! log, to the members and to this node, and keeps what people want to know.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use admin::{Fallen, NodeInfo, Status, VoterInfo};
use control::{
    DrainRefused, Event, FailedWhy, Fate, Input, JoinerId as ControlJoiner, Leader, Output,
    Process, VoterId,
};
use platform::{Disk, JoinerId};
use types::{Duration, Epoch, Instant, NodeId, ViewNumber};
use wire::{Envelope, Message, NodeReport};

use crate::core::Core;
use crate::{FatalReason, Platform};

/// The leader's own node joins like every other, over no connection.
pub(crate) const OWN: ControlJoiner = ControlJoiner(u64::MAX);

/// How long the leader waits for disks without which the cluster cannot go on, before it
/// gives up: their nodes may be about to be started again.
const DISKS_AWAITED: Duration = Duration::from_millis(4_000);

/// What makes a node the leader, while it is.
pub(crate) struct Leadership {
    pub(crate) leader: Leader,
    /// The number of this leadership among the voters.
    term: u64,
    /// The leader's own node, once it is a member.
    me: Option<NodeId>,
    started: Instant,
    /// From the start to the first commit.
    start: Option<Duration>,
    snapshots: u64,
    reports: BTreeMap<NodeId, NodeReport>,
    /// Sums of the members that are gone.
    gone: NodeReport,
    last_failure: Option<Failure>,
    /// Too many disks are away to go on.
    missing: Option<Missing>,
}

/// Disks that the cluster waits for.
struct Missing {
    message: String,
    until: Instant,
}

/// A failure and when it was noticed.
struct Failure {
    told: Fallen,
    noticed: Instant,
    /// The view without the node, once it has begun.
    over_in: Option<ViewNumber>,
}

impl Leadership {
    /// A leader's; its node is `me`, if it is a member. `started`: when the cluster
    /// began to lack a leader.
    pub(crate) fn new(leader: Leader, term: u64, me: Option<NodeId>, started: Instant) -> Self {
        Self {
            leader,
            term,
            me,
            started,
            start: None,
            snapshots: 0,
            reports: BTreeMap::new(),
            gone: NodeReport::default(),
            last_failure: None,
            missing: None,
        }
    }

    /// Its number among the voters.
    pub(crate) fn term(&self) -> u64 {
        self.term
    }

    /// Whether a view of this leader's is in force.
    pub(crate) fn is_running(&self) -> bool {
        self.leader.is_running()
    }

    /// Who should vote.
    pub(crate) fn electorate(&self) -> BTreeSet<VoterId> {
        self.leader.electorate()
    }

    /// What people want to know of a member's message.
    pub(crate) fn note(&mut self, envelope: &Envelope, now: Instant) {
        if let Message::Report(report) = envelope.message {
            self.on_report(envelope.from, envelope.view, report, now);
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let patience = self.missing.as_ref().map(|missing| missing.until);
        self.leader
            .next_deadline()
            .into_iter()
            .chain(patience)
            .min()
    }

    fn on_report(&mut self, from: NodeId, view: ViewNumber, report: NodeReport, now: Instant) {
        self.reports.insert(from, report);
        if let Some(failure) = &mut self.last_failure
            && report.has_committed_in_view
            && failure.over_in.is_some_and(|began| began <= view)
            && failure.told.recovered_us.is_none()
        {
            failure.told.recovered_us = Some(now.since(failure.noticed).as_micros());
        }
        if report.has_committed_in_view && self.start.is_none() {
            self.start = Some(now.since(self.started));
        }
    }

    fn on_member_failed(&mut self, node: NodeId, why: FailedWhy, now: Instant) {
        if let Some(report) = self.reports.remove(&node) {
            add(&mut self.gone, &report);
        }
        let noticed_by = match why {
            FailedWhy::LinkLost => "its connection was closed",
            FailedWhy::Unreachable => "it is not reached any more",
            FailedWhy::Silent => "it has been silent for too long",
            FailedWhy::Isolated => "it and other members do not reach each other",
            FailedWhy::LeftEarly => "it left before it was a member",
            FailedWhy::Deposed => "it led, and the voters have not heard of it any more",
        };
        // The voters have noticed before anybody led who could be told.
        let noticed = match why {
            FailedWhy::Deposed => self.started,
            _ => now,
        };
        let told = Fallen {
            node: node.0,
            name: self.name_of(node),
            noticed_by: noticed_by.to_string(),
            fallback_to: 0,
            nodes_reset: 0,
            recovered_us: None,
        };
        self.last_failure = Some(Failure {
            told,
            noticed,
            over_in: None,
        });
    }

    fn on_view_began(&mut self, number: ViewNumber, reset: usize, stable: Epoch) {
        self.missing = None;
        let view = self.leader.view();
        let is_gone = |node: &NodeId| view.is_some_and(|view| view.member(*node).is_none());
        for (_, report) in self.reports.extract_if(.., |node, _| is_gone(node)) {
            add(&mut self.gone, &report);
        }
        if let Some(failure) = self
            .last_failure
            .as_mut()
            .filter(|failure| failure.over_in.is_none())
        {
            failure.over_in = Some(number);
            failure.told.fallback_to = stable.0;
            failure.told.nodes_reset = u32::try_from(reset).expect("members are few");
        }
    }

    /// Why nodes cannot leave, in words.
    fn why_not(&self, refused: &DrainRefused) -> String {
        match refused {
            DrainRefused::NotRunning => String::from(
                "expected a cluster that runs, found one that gathers its nodes: ask again",
            ),
            DrainRefused::NoMember(node) => format!(
                "expected a member, found {node}, which is none: `plurix status` shows all members"
            ),
            DrainRefused::UnderWay(nodes) => {
                let names: Vec<String> = nodes.iter().map(|&node| self.name_of(node)).collect();
                format!(
                    "expected that nobody leaves, found that {} does: wait until it has left",
                    names.join(", ")
                )
            }
            DrainRefused::Last => String::from(
                "expected that a node stays, found none that would: the last one has everything; \
                 `plurix down` stops the cluster",
            ),
            DrainRefused::Voters { voters, away } => {
                let name = |voter: &VoterId| {
                    let process = self.leader.state().process_of(*voter);
                    process.map_or_else(|| voter.to_string(), |process| process.name.clone())
                };
                let names: Vec<String> = away.iter().map(name).collect();
                format!(
                    "expected that {} of the {} voters that would stay are there, found {} away: \
                     wait until they are back",
                    voters.len() / 2 + 1,
                    voters.len(),
                    names.join(", ")
                )
            }
        }
    }

    fn name_of(&self, node: NodeId) -> String {
        let state = self.leader.state();
        let member = state.view().and_then(|view| view.member(node));
        let process = member.and_then(|member| state.process(member.store));
        process.map_or_else(|| node.to_string(), |process| process.name.clone())
    }
}

impl<P: Platform, D: Disk> Core<P, D> {
    pub(crate) fn tell_leader(&mut self, input: Input) {
        let now = self.now;
        if let Some(leadership) = &mut self.leadership {
            leadership.leader.handle(now, input);
        }
    }

    pub(crate) fn on_join(&mut self, joiner: JoinerId, process: Process) {
        self.tell_leader(Input::Join {
            joiner: ControlJoiner(joiner.0),
            process,
        });
    }

    pub(crate) fn forget_joiner(&mut self, joiner: JoinerId) {
        self.tell_leader(Input::JoinerLost {
            joiner: ControlJoiner(joiner.0),
        });
    }

    pub(crate) fn on_member_lost(&mut self, node: NodeId, fate: Fate) {
        self.tell_leader(Input::LinkLost { node, fate });
    }

    /// When the leader has something to do by itself; never while it may not act.
    pub(crate) fn next_of_leadership(&self) -> Option<Instant> {
        let leadership = self.leadership.as_ref();
        let acting = leadership.filter(|_| self.voter.has_lease(self.now));
        acting.and_then(Leadership::next_deadline)
    }

    pub(crate) fn on_leadership_time(&mut self) {
        if !self.voter.has_lease(self.now) {
            return;
        }
        let due = self.leadership.as_ref().and_then(Leadership::next_deadline);
        if due.is_some_and(|deadline| deadline <= self.now) {
            self.tell_leader(Input::Tick);
        }
        let missing = self
            .leadership
            .as_ref()
            .and_then(|leadership| leadership.missing.as_ref());
        if let Some(missing) = missing.filter(|missing| missing.until <= self.now) {
            self.fatal = Some(FatalReason::CannotLead(missing.message.clone()));
        }
    }

    /// Does what the leader wants; false if it wants nothing, or may not act.
    pub(crate) fn flush_leadership(&mut self) -> bool {
        if !self.voter.has_lease(self.now) {
            return false;
        }
        let Some(leadership) = &mut self.leadership else {
            return false;
        };
        let mut outputs = Vec::new();
        while let Some(output) = leadership.leader.poll_output() {
            outputs.push(output);
        }
        let is_busy = !outputs.is_empty();
        for output in in_order(outputs, leadership.me) {
            self.on_leader_output(output);
            if self.leadership.is_none() {
                // Its word counts no more.
                break;
            }
        }
        is_busy
    }

    fn on_leader_output(&mut self, output: Output) {
        let now = self.now;
        let leadership = self
            .leadership
            .as_mut()
            .expect("its output is being handled");
        match output {
            Output::Send { to, message } if leadership.me == Some(to) => {
                if let Message::Stable { .. } = message {
                    leadership.snapshots += 1;
                }
                let envelope = self.envelope(message);
                self.on_message(envelope);
            }
            Output::Send { to, message } => self.say(to, message),
            Output::SendJoiner { joiner, message } => {
                let envelope = self.envelope(message);
                self.platform.send_joiner(JoinerId(joiner.0), &envelope);
            }
            Output::Bind { joiner: OWN, node } => leadership.me = Some(node),
            Output::Bind { joiner, node } => self.platform.bind(JoinerId(joiner.0), node),
            Output::Propose(command) => self.propose(command),
            Output::AdvanceEpoch(_) => self.feed(dtm::Input::AdvanceEpoch),
            Output::Event(event) => self.on_leader_event(event, now),
        }
    }

    fn on_leader_event(&mut self, event: Event, now: Instant) {
        let leadership = self
            .leadership
            .as_mut()
            .expect("its event is being handled");
        match event {
            Event::MemberFailed { node, why } => leadership.on_member_failed(node, why, now),
            Event::ViewBegan {
                number,
                reset,
                stable,
                ..
            } => leadership.on_view_began(number, reset, stable),
            Event::StoresMissing { missing, may_miss } => {
                let names: Vec<String> = missing
                    .iter()
                    .map(|(store, name)| format!("{store} (of {name})"))
                    .collect();
                let names = names.join(", ");
                let message = format!(
                    "the disks {names} are missing, expected at most {may_miss} of the cluster's \
                     to be: start it again with the nodes that have them"
                );
                let until = now + DISKS_AWAITED;
                leadership.missing = Some(Missing { message, until });
            }
            Event::Refused { .. } | Event::EpochsStopped { .. } => {}
        }
    }

    /// These members are to leave for good; why not, if they cannot.
    pub(crate) fn drain(&mut self, nodes: &BTreeSet<NodeId>) -> Result<(), Option<String>> {
        let replica = &self.voter.replica;
        let voters = replica.state().electorate().into_iter();
        let heard = voters.filter(|voter| replica.is_alive(self.now, *voter));
        let heard: BTreeSet<VoterId> = heard.collect();
        let leadership = self.leadership.as_mut().ok_or(None)?;
        let drained = leadership.leader.drain(self.now, nodes, &heard);
        drained.map_err(|refused| Some(leadership.why_not(&refused)))
    }

    /// Tells all members that the cluster stops.
    pub(crate) fn say_down(&mut self) {
        let me = self.dtm.me();
        let view = self.dtm.view().expect("the cluster runs");
        let others: Vec<NodeId> = view.nodes().filter(|node| *node != me).collect();
        for node in others {
            self.say(node, Message::Down);
        }
        self.platform.flush();
    }

    /// How the cluster is, as the leader knows it; another node knows little.
    pub(crate) fn status(&self) -> Status {
        let view = self.dtm.view();
        let mut status = Status {
            view: view.map_or(0, |view| view.number.0),
            epoch: self.dtm.epoch().0,
            stable: self.dtm.stable().0,
            ..Status::default()
        };
        if let Some(leadership) = self.leadership.as_ref().filter(|l| l.is_running()) {
            status.leader = leadership.me.map_or(0, |node| node.0);
            leadership.describe(&mut status, self.now);
            self.describe_voters(&mut status);
        }
        status
    }

    fn describe_voters(&self, status: &mut Status) {
        let replica = &self.voter.replica;
        let state = replica.state();
        let info = |voter: &VoterId| {
            let process = state.process_of(*voter);
            VoterInfo {
                name: process.map_or_else(|| voter.to_string(), |process| process.name.clone()),
                is_there: replica.is_alive(self.now, *voter),
            }
        };
        status.voters = replica.decided_voters().iter().map(info).collect();
    }
}

impl Leadership {
    fn describe(&self, status: &mut Status, now: Instant) {
        status.snapshots = self.snapshots;
        status.durability = self.leader.state().durability();
        status.uptime_ms = now.since(self.started).as_millis();
        status.start_us = self.start.map_or(0, Duration::as_micros);
        status.last_failure = self
            .last_failure
            .as_ref()
            .map(|failure| failure.told.clone());
        let mut sum = self.gone;
        let state = self.leader.state();
        for member in self
            .leader
            .view()
            .into_iter()
            .flat_map(|view| &view.members)
        {
            let report = self.reports.get(&member.node).copied().unwrap_or_default();
            add(&mut sum, &report);
            let process = state.process(member.store).expect("members are known");
            status.nodes.push(NodeInfo {
                node: member.node.0,
                name: process.name.clone(),
                is_leaving: self.leader.is_leaving(member.node),
                address: process.address.clone(),
                store: member.store.0,
                transactions: report.transactions,
                aborts: report.aborts,
                steps: report.steps,
                pages_fetched: report.pages_fetched,
                bytes_stored: report.bytes_stored,
                bytes_cleaned: report.bytes_cleaned,
                bytes_on_disk: report.bytes_on_disk,
                bytes_live: report.bytes_live,
                frames_stored: report.frames_stored,
                pause_us_max: report.pause_us_max,
                intruders: report.intruders,
                messages_ignored: report.messages_ignored,
                versions_damaged: report.versions_damaged,
                versions_mended: report.versions_mended,
                versions_lost: report.versions_lost,
            });
        }
        status.is_replicated = state.is_replicated();
        status.transactions = sum.transactions;
        status.aborts = sum.aborts;
        status.bytes_stored = sum.bytes_stored;
        status.pause_us_max = sum.pause_us_max;
    }
}

impl core::fmt::Debug for Leadership {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Leadership")
            .field("leader", &self.leader)
            .finish_non_exhaustive()
    }
}

fn add(sum: &mut NodeReport, report: &NodeReport) {
    sum.transactions += report.transactions;
    sum.aborts += report.aborts;
    sum.steps += report.steps;
    sum.pages_fetched += report.pages_fetched;
    sum.bytes_stored += report.bytes_stored;
    sum.frames_stored += report.frames_stored;
    sum.pause_us_max = sum.pause_us_max.max(report.pause_us_max);
}

/// The leader's outputs in an order that its own node can follow: it enters a view
/// before it tells others of it in that view's name.
fn in_order(mut outputs: Vec<Output>, me: Option<NodeId>) -> Vec<Output> {
    let own = outputs.iter().find_map(|output| match output {
        Output::Bind { joiner: OWN, node } => Some(*node),
        _ => None,
    });
    let is_view = |output: &Output| match output {
        Output::Send {
            to,
            message: Message::NewView { .. },
        } => Some(*to),
        _ => None,
    };
    let first = outputs.iter().position(|output| is_view(output).is_some());
    let mine = outputs
        .iter()
        .position(|output| is_view(output).is_some_and(|to| own.or(me) == Some(to)));
    if let (Some(first), Some(mine)) = (first, mine) {
        outputs[first..=mine].rotate_right(1);
    }
    outputs
}
