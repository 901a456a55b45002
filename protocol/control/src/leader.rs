//! The leader: when to decide what.
//!
//! One decision at a time is on its way to the voters. When it is taken it is applied
//! and told, and what is due next is worked out afresh from what is known then: first
//! who must leave or may join, then what has become stable.
mod epochs;
pub(crate) mod orders;
mod telling;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use types::limits::MEMBERS_MAX;
use types::{Cut, Durability, Duration, Epoch, Instant, NodeId, StoreId, View};
use wire::{Envelope, Message};

use self::orders::{RestoreRefused, Ticket};
use crate::event::{Event, FailedWhy, RefusedWhy};
use crate::gather::Gather;
use crate::ladder::Ladder;
use crate::line::recovery_line;
use crate::roll::{Patience, Roll};
use crate::state::{Command, ControlState, Effect, Process};
use crate::voting::VoterId;

/// A lease is renewed well before it ends, also if some answers are late.
const HEARTBEATS_PER_LEASE: u64 = 6;

/// A connection whose other end is no member yet; numbered by the platform.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct JoinerId(pub u64);

/// What a leader is told about its cluster.
#[derive(Clone, Debug)]
pub struct Config {
    /// The disk of the leader's own process.
    pub store: StoreId,
    /// Processes that form a new cluster.
    pub expected: usize,
    /// Time from one epoch to the next.
    pub epoch_length: Duration,
    /// An epoch that somebody waits for ends sooner, but not before it has lasted so long;
    /// if that is not less, nothing but time ends epochs.
    pub epoch_min: Duration,
    /// Silence after which a member is given up.
    pub failure_timeout: Duration,
    /// Silence for which a member keeps what it has, whatever happens to its links, as
    /// long as its process may live. Heartbeats go out six times in that time.
    pub lease: Duration,
    /// How long a restart waits for disks that it could do without.
    pub join_grace: Duration,
    /// What is to make work safe when the cluster is started; `None`: what did before.
    pub durability: Option<Durability>,
    /// How long epochs without a name are to be kept; `None`: as before.
    pub ladder: Option<Ladder>,
    /// The time when the leader begins, in milliseconds since 1970.
    pub wall_ms: u64,
}

/// Everything that can happen to a leader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// A process wants in; the leader's own process too.
    Join {
        /// Its connection.
        joiner: JoinerId,
        /// What it says of itself.
        process: Process,
    },
    /// The connection of a process that wanted in is gone.
    JoinerLost {
        /// Which.
        joiner: JoinerId,
    },
    /// A member said something; its own node too.
    Message(Envelope),
    /// The link with this member is lost.
    LinkLost {
        /// Which.
        node: NodeId,
        /// What is known of its process.
        fate: Fate,
    },
    /// Those whose votes count or may count soon, if that has changed.
    Voters(BTreeSet<VoterId>),
    /// The decision of the last [`Output::Propose`] is taken.
    Decided,
    /// Time has passed.
    Tick,
}

/// What is known of a process to which a link is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It is dead: its system has said so.
    Dead,
    /// It may live, and not know that it is not reached.
    Unknown,
}

/// Everything that a leader can ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub enum Output {
    /// Have this decided, then say [`Input::Decided`].
    Propose(Command),
    /// The process behind this connection is this node from now on.
    Bind {
        /// The connection.
        joiner: JoinerId,
        /// The node.
        node: NodeId,
    },
    /// Send to a member; to the own node by handing it over.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// Send to a process that is no member.
    SendJoiner {
        /// To whom.
        joiner: JoinerId,
        /// What.
        message: Message,
    },
    /// The own node enters this epoch, before anything else is sent.
    AdvanceEpoch(Epoch),
    /// For people.
    Event(Event),
}

/// How far a leader has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// No member is left of earlier lives; processes come in.
    Gathering,
    /// The members of the last view go on, and wait for this leader's first view.
    TakingOver,
    /// A view of this leader's is in force.
    Running,
}

/// Who leaves and who joins, before it is known how far anybody goes back.
struct Change {
    leave: Vec<NodeId>,
    /// Of these, those that do not leave in order.
    lost: Vec<NodeId>,
    join: Vec<Process>,
    leaving: Vec<NodeId>,
    leader: StoreId,
}

impl Change {
    fn with(self, cuts: Vec<Cut>) -> Command {
        let Self {
            leave,
            join,
            leaving,
            leader,
            ..
        } = self;
        Command::ChangeMembers {
            leave,
            join,
            leaving,
            leader,
            cuts,
        }
    }
}

/// What somebody wants to have decided.
#[derive(Clone, Debug)]
struct Order {
    ticket: Ticket,
    command: Command,
}

/// Decides for the cluster.
#[derive(Debug)]
pub struct Leader {
    config: Config,
    state: ControlState,
    /// When it began: then its wall clock was that of its configuration.
    began: Instant,
    phase: Phase,
    /// Processes that wait to be let in.
    joiners: BTreeMap<JoinerId, Process>,
    pub(crate) roll: Roll,
    /// Members that are to leave in order; those of the view, and perhaps more.
    pub(crate) leaving: BTreeSet<NodeId>,
    /// Whose votes count, once that is known.
    pub(crate) voters: Option<BTreeSet<VoterId>>,
    epoch: Epoch,
    epoch_began: Instant,
    /// The newest epoch that a member waits for.
    awaited: Epoch,
    /// The present epoch has lasted long enough, and no other one may begin.
    is_stopped: bool,
    /// Told in this view to be in the memories of all stores' nodes.
    held: Epoch,
    /// What the members of the view are asked before the next one.
    gather: Option<Gather>,
    /// What people want to have decided, in the order in which they said so.
    orders: VecDeque<Order>,
    /// Of these, the one on its way to the voters.
    carried_out: Option<Order>,
    /// Those that could not be done when their turn came.
    dropped: BTreeMap<Ticket, RestoreRefused>,
    next_ticket: Ticket,
    /// The epochs that the members of the view know to be kept.
    told_kept: Vec<Epoch>,
    /// The decision on its way to the voters.
    deciding: Option<Command>,
    /// Reported as missing, so as to say it once.
    missing: Vec<StoreId>,
    /// Until when a restart waits for disks that it could do without.
    grace_ends: Option<Instant>,
    next_heartbeat: Instant,
    outputs: VecDeque<Output>,
}

impl Leader {
    /// A leader with what was decided in earlier lives: the default for a new cluster.
    #[must_use]
    pub fn new(now: Instant, config: Config, state: ControlState) -> Self {
        assert!(
            (1..=MEMBERS_MAX).contains(&config.expected),
            "a view can have so many members"
        );
        assert!(config.epoch_length > Duration::ZERO, "epochs take time");
        assert!(
            config.lease > Duration::ZERO && config.lease <= config.failure_timeout,
            "an answer takes time, and nobody acts who was given up"
        );
        Self {
            began: now,
            grace_ends: Some(now + config.join_grace),
            config,
            state,
            phase: Phase::Gathering,
            joiners: BTreeMap::new(),
            roll: Roll::default(),
            leaving: BTreeSet::new(),
            voters: None,
            epoch: Epoch(0),
            epoch_began: now,
            awaited: Epoch(0),
            is_stopped: false,
            held: Epoch(0),
            gather: None,
            orders: VecDeque::new(),
            carried_out: None,
            dropped: BTreeMap::new(),
            next_ticket: Ticket(0),
            told_kept: Vec::new(),
            deciding: None,
            missing: Vec::new(),
            next_heartbeat: now,
            outputs: VecDeque::new(),
        }
    }

    /// The leader of a cluster that goes on: the one before is gone, or was cut off from
    /// the voters. Begins a view without whoever is `lost`, and without the old leader
    /// if that is another; one that was leaving may have handed on its place, and stays
    /// until it can go. `None` if its process is no member.
    #[must_use]
    pub fn take_over(
        now: Instant,
        config: Config,
        state: ControlState,
        lost: &BTreeMap<NodeId, Fate>,
    ) -> Option<Self> {
        let view = state.view()?;
        let mut members = view.members.iter();
        let me = members.find(|member| member.store == config.store)?.node;
        let (last, leader) = (view.clone(), me);
        let old = last.leader;
        let mut this = Self::new(now, config, state);
        this.phase = Phase::TakingOver;
        let ours = View {
            leader,
            ..last.clone()
        };
        this.roll.begin(now, &ours);
        this.leaving.extend(&last.leaving);
        if old != me && !last.is_leaving(old) {
            this.fail(old, FailedWhy::Deposed);
        }
        for (&node, &fate) in lost {
            this.lose(node, fate);
        }
        // The old leader may have been lost before it had told everybody.
        this.tell_view(&last);
        this.decide(now);
        Some(this)
    }

    /// Feeds one input. Bounded work; never blocks.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Join { joiner, process } => self.on_join(joiner, process),
            Input::JoinerLost { joiner } => drop(self.joiners.remove(&joiner)),
            Input::Message(envelope) => self.on_message(now, &envelope),
            Input::LinkLost { node, fate } => self.lose(node, fate),
            Input::Voters(voters) => self.voters = Some(voters),
            Input::Decided => self.on_decided(now),
            Input::Tick => (),
        }
        self.act(now);
    }

    /// Does what is due.
    pub(crate) fn act(&mut self, now: Instant) {
        self.expire(now);
        self.decide(now);
    }

    /// The next thing to do. To be called until there is none, before more is fed.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to feed [`Input::Tick`] at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let silence = self.roll.next_deadline(self.patience());
        match self.phase {
            Phase::Gathering => self.grace_ends.filter(|_| self.state.view().is_some()),
            Phase::TakingOver => silence,
            Phase::Running => {
                // Epochs that have stopped go on when something becomes stable.
                let epoch = (!self.is_stopped).then(|| self.epoch_ends());
                let timers = [epoch, Some(self.next_heartbeat), silence];
                timers.into_iter().flatten().min()
            }
        }
    }

    /// What is decided.
    #[must_use]
    pub fn state(&self) -> &ControlState {
        &self.state
    }

    /// Whether a view of this leader's is in force.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    /// The view in force, `None` while the cluster gathers.
    #[must_use]
    pub fn view(&self) -> Option<&View> {
        self.state.view().filter(|_| self.phase != Phase::Gathering)
    }

    /// The epoch of the cluster.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Processes that wait to be let in.
    pub fn joiners(&self) -> impl Iterator<Item = &Process> {
        self.joiners.values()
    }

    fn on_join(&mut self, joiner: JoinerId, process: Process) {
        let store = process.store;
        let members = self.view().map_or(0, |view| view.members.len());
        let is_ours = self.phase != Phase::Gathering && store == self.config.store;
        // Who asks again, perhaps over another connection, is let in over that.
        self.joiners.retain(|_, other| *other != process);
        if is_ours || self.joiners.values().any(|other| other.store == store) {
            self.refuse(joiner, store, RefusedWhy::SameStore);
        } else if self.is_well_served(store) {
            // What its process asked before it was a member comes late, over a connection
            // that it has given up; or it is dead, and its successor asks again when that is
            // noticed. Nobody is taken for dead because of a question.
        } else if members + self.joiners.len() - self.roll.failed().len() >= MEMBERS_MAX {
            self.refuse(joiner, store, RefusedWhy::Full);
        } else {
            self.joiners.insert(joiner, process);
            if let Some(node) = self.member_of(store)
                && self.roll.fail_unseen(node, self.config.lease)
            {
                // It asks although it was let in: perhaps over a connection of which it does
                // not know any more, so that it has not heard of it.
                let why = FailedWhy::LeftEarly;
                self.event(Event::MemberFailed { node, why });
            }
        }
    }

    /// The member that has this disk.
    fn member_of(&self, store: StoreId) -> Option<NodeId> {
        let mut members = self.view().into_iter().flat_map(|view| &view.members);
        let member = members.find(|member| member.store == store);
        member.map(|member| member.node)
    }

    /// Whether a member has this disk that is well and has said something in this view.
    fn is_well_served(&self, store: StoreId) -> bool {
        let node = self.member_of(store);
        node.is_some_and(|node| self.roll.is_well(node) && self.roll.is_heard(node))
    }

    fn refuse(&mut self, joiner: JoinerId, store: StoreId, why: RefusedWhy) {
        self.outputs.push_back(Output::SendJoiner {
            joiner,
            message: Message::Expelled,
        });
        self.event(Event::Refused { joiner, store, why });
    }

    fn on_message(&mut self, now: Instant, envelope: &Envelope) {
        let Envelope {
            from,
            view,
            epoch: epoch_there,
            ref message,
        } = *envelope;
        let is_current = self.view().is_some_and(|current| current.number == view);
        if !is_current || !self.roll.is_well(from) {
            return;
        }
        self.roll.hear(now, from);
        match *message {
            Message::Heartbeat => self.on_heartbeat(from, epoch_there),
            Message::Awaited { epoch } if epoch <= self.epoch => {
                self.awaited = epoch.max(self.awaited);
            }
            // A member leaves an epoch only when it hears of a later one from us.
            Message::EpochStored { epoch } if epoch < self.epoch => {
                self.roll.on_epoch_stored(from, epoch);
            }
            Message::EpochHeld { epoch } if epoch < self.epoch => {
                self.roll.on_epoch_held(from, epoch);
                self.tell_held();
            }
            Message::Unreachable { node } => self.roll.on_unreachable(now, from, node),
            Message::Replicated => self.roll.on_replicated(from),
            Message::Intervals(ref testimony) => {
                if let Some(gather) = &mut self.gather {
                    gather.on_testimony(from, testimony);
                }
            }
            _ => (),
        }
    }

    /// A member has answered.
    fn on_heartbeat(&mut self, from: NodeId, epoch: Epoch) {
        // Of an epoch that began meanwhile nobody was told who had still to answer.
        let is_behind = epoch < self.epoch;
        if self.roll.on_answer(from) || (is_behind && self.roll.ask_one(from)) {
            let message = Message::Heartbeat;
            self.outputs.push_back(Output::Send { to: from, message });
        }
    }

    fn patience(&self) -> Patience {
        Patience {
            failure_timeout: self.config.failure_timeout,
            lease: self.config.lease,
        }
    }

    fn lose(&mut self, node: NodeId, fate: Fate) {
        let why = FailedWhy::Unreachable;
        match fate {
            Fate::Dead => self.fail(node, FailedWhy::LinkLost),
            Fate::Unknown if self.roll.fail_unseen(node, self.config.lease) => {
                self.event(Event::MemberFailed { node, why });
            }
            Fate::Unknown => {}
        }
    }

    fn fail(&mut self, node: NodeId, why: FailedWhy) {
        if self.roll.fail(node) {
            self.event(Event::MemberFailed { node, why });
        }
    }

    /// Does what time asks for.
    fn expire(&mut self, now: Instant) {
        self.grace_ends = self.grace_ends.filter(|&ends| now < ends);
        if self.phase == Phase::Gathering {
            return;
        }
        for (node, why) in self.roll.expire(now, self.patience()) {
            self.event(Event::MemberFailed { node, why });
        }
        if self.phase != Phase::Running {
            return;
        }
        let mut is_due = self.next_heartbeat <= now;
        if self.epoch_ends() <= now && self.advance_epoch() {
            self.epoch_began = now;
            is_due = true;
        }
        if is_due {
            let part = Duration::from_nanos(self.config.lease.as_nanos() / HEARTBEATS_PER_LEASE);
            self.next_heartbeat = now + part;
            for to in self.roll.ask() {
                self.outputs.push_back(Output::Send {
                    to,
                    message: Message::Heartbeat,
                });
            }
        }
    }

    /// Takes the next decision, if none is on its way and one is due.
    fn decide(&mut self, now: Instant) {
        if self.deciding.is_some() {
            return;
        }
        if let Some(command) = self.configuration_due() {
            self.outputs.push_back(Output::Propose(command.clone()));
            self.deciding = Some(command);
            return;
        }
        let command = match self.membership_due() {
            // Nothing else is decided while the members stand fenced.
            Some(change) => self.draw_line(&change).map(|cuts| change.with(cuts)),
            None => {
                let order = self.next_order();
                let order = order.or_else(|| self.stable_due(now));
                order.or_else(|| self.replicated_due())
            }
        };
        if let Some(command) = command {
            self.outputs.push_back(Output::Propose(command.clone()));
            self.deciding = Some(command);
        }
    }

    /// What the operator wants otherwise, if the cluster is being started.
    fn configuration_due(&self) -> Option<Command> {
        let (config, state) = (&self.config, &self.state);
        let durability = config.durability.unwrap_or_else(|| state.durability());
        let ladder = config.ladder.as_ref();
        let ladder = ladder.unwrap_or_else(|| state.snapshots().ladder());
        let is_so = durability == state.durability() && ladder == state.snapshots().ladder();
        let ladder = ladder.clone();
        let is_due = self.phase == Phase::Gathering && !is_so;
        is_due.then_some(Command::Configure { durability, ladder })
    }

    /// How far each member goes back with this change. `None` while survivors have still to
    /// say on what their work depends.
    fn draw_line(&mut self, change: &Change) -> Option<Vec<Cut>> {
        let Some(last) = self.state.view() else {
            return Some(Vec::new());
        };
        let is_left = |node: &NodeId| !change.leave.contains(node);
        let survivors: Vec<NodeId> = last.nodes().filter(is_left).collect();
        let (number, stable) = (last.number, self.state.stable());
        let asked = self.gather.as_ref();
        if asked.is_none_or(|asked| !asked.is_of(number, &survivors)) {
            for &to in &survivors {
                let lost = change.lost.clone();
                let message = Message::Fence { stable, lost };
                self.outputs.push_back(Output::Send { to, message });
            }
            self.gather = Some(Gather::new(number, survivors));
        }
        let testimonies = self.gather.as_ref().and_then(Gather::testimonies)?;
        let past = &self.state.view().expect("looked at above").fallbacks;
        Some(recovery_line(stable, past, &change.lost, testimonies))
    }

    /// Who must leave and who may join, if that is anybody and enough disks are there.
    fn membership_due(&mut self) -> Option<Change> {
        if self.roll.is_waiting() {
            // Somebody may not know yet that it is a member no more.
            return None;
        }
        let mut change = self.change_of_members();
        let last = self.state.view();
        let is_same = change.leave.is_empty() && self.joiners.is_empty();
        let is_marked = last.is_some_and(|view| view.leaving == change.leaving);
        if self.phase == Phase::Running && is_same && is_marked {
            return None;
        }
        let members = last.into_iter().flat_map(|view| &view.members);
        let kept = members
            .filter(|member| !change.leave.contains(&member.node))
            .map(|member| member.store);
        let joining = self.joiners.values().map(|process| process.store);
        let present: BTreeSet<StoreId> = kept.chain(joining).collect();
        if !present.contains(&self.config.store) {
            return None;
        }
        let missing = self.state.missing(&present);
        let is_enough = match last {
            None => self.joiners.len() >= self.config.expected,
            Some(_) if self.phase != Phase::Gathering || self.grace_ends.is_none() => {
                missing.len() <= self.state.may_miss()
            }
            Some(_) => missing.is_empty(),
        };
        if !is_enough {
            let is_late = self.phase != Phase::Gathering || self.grace_ends.is_none();
            if last.is_some() && is_late {
                self.report_missing(missing);
            }
            return None;
        }
        self.missing.clear();
        change.join = self.joiners.values().cloned().collect();
        change.join.sort_by_key(|process| process.store);
        Some(change)
    }

    /// Who leaves the last view, and who is about to; nobody joins yet.
    fn change_of_members(&self) -> Change {
        let last = self.state.view();
        let is_released = self.are_released();
        let goes = |node| is_released && last.is_some_and(|view| view.is_leaving(node));
        let is_lost = |node| self.phase == Phase::Gathering || !self.roll.is_well(node);
        let nodes = || last.into_iter().flat_map(View::nodes);
        let kept = nodes().filter(|&node| !goes(node) && !is_lost(node));
        let kept: BTreeSet<NodeId> = kept.collect();
        let gone = || nodes().filter(|node| !kept.contains(node));
        Change {
            leave: gone().collect(),
            lost: gone().filter(|&node| !goes(node)).collect(),
            join: Vec::new(),
            leaving: kept.intersection(&self.leaving).copied().collect(),
            leader: self.config.store,
        }
    }

    fn report_missing(&mut self, missing: Vec<StoreId>) {
        if missing == self.missing {
            return;
        }
        let name = |store| {
            self.state
                .process(store)
                .map_or_else(String::new, |p| p.name.clone())
        };
        let named = missing.iter().map(|&store| (store, name(store))).collect();
        let may_miss = self.state.may_miss();
        self.missing = missing;
        self.event(Event::StoresMissing {
            missing: named,
            may_miss,
        });
    }

    /// What every member has stored, if that is more than before. While somebody has
    /// failed nothing becomes stable: the stores that it served are fewer.
    fn stable_due(&self, now: Instant) -> Option<Command> {
        let epoch = self.roll.stored();
        let is_due = self.is_running() && self.roll.failed().is_empty();
        let since_ms = now.since(self.began).as_millis();
        let wall_ms = self.config.wall_ms + since_ms;
        let command = Command::Stable { epoch, wall_ms };
        (is_due && epoch > self.state.stable()).then_some(command)
    }

    /// That everything stable has its copies, if that was not known.
    fn replicated_due(&self) -> Option<Command> {
        let view = self.view().filter(|_| self.is_running())?;
        let is_due = self.roll.is_replicated() && !self.state.is_replicated();
        is_due.then_some(Command::Replicated { view: view.number })
    }

    fn on_decided(&mut self, now: Instant) {
        let command = self
            .deciding
            .take()
            .expect("only what was proposed is decided");
        self.carried_out = None;
        let before = self.state.stable();
        match self.state.apply(&command) {
            Effect::View(view) => self.begin_view(now, &view, &command),
            Effect::Stable(epoch) => {
                // Before what it had in this epoch is superseded.
                self.tell_kept();
                self.tell_all(&Message::Stable { epoch });
            }
            Effect::None => self.tell_kept(),
        }
        assert!(before <= self.state.stable(), "what is stable stays stable");
        assert!(
            self.epoch <= self.state.epoch_limit(),
            "epochs stay below the limit"
        );
    }

    /// Tells everybody, and starts to watch them.
    fn begin_view(&mut self, now: Instant, view: &View, command: &Command) {
        assert!(self.epoch < view.first_epoch, "no epoch is used twice");
        let is_told = self.phase != Phase::Gathering;
        if let (true, Command::ChangeMembers { leave, cuts, .. }) = (is_told, command) {
            for &to in leave {
                // Who leaves in order loses nothing.
                let message = match cuts.iter().any(|cut| cut.node == to) {
                    true => Message::Expelled,
                    false => Message::Left,
                };
                self.outputs.push_back(Output::Send { to, message });
            }
        }
        self.phase = Phase::Running;
        self.gather = None;
        self.is_stopped = false;
        self.held = Epoch(0);
        self.epoch = view.first_epoch;
        self.epoch_began = now;
        self.next_heartbeat = now;
        self.roll.begin(now, view);
        self.leaving.retain(|&node| view.member(node).is_some());
        self.bind_joined(view, command);
        self.tell_view(view);
        self.event(Event::ViewBegan {
            number: view.number,
            members: view.members.len(),
            stable: view.stable,
            reset: view.reset().count(),
        });
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}
