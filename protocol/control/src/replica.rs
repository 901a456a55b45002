//! A voter: its part of the replicated log of decisions, without IO.
//!
//! The crate `noraft` knows the rules of Raft; this shell adds what it leaves to its
//! user: the decisions themselves, what waits for the disk, questions before an
//! election (so that a voter that was cut off deposes nobody), leases, snapshots, and
//! who votes. Time and a seed come in as arguments.
//!
//! What a voter says after it has asked for a record to be made durable is held until
//! that is so ([`Replica::persisted`]); decisions are applied under the same rule, for
//! a voter that votes alone decides before its disk knows. A leader's decisions go to the
//! others before its own disk has them, so that all disks write at once. The library counts
//! the leader's log as soon as it is in memory, so two things see to it that nothing is
//! decided before a majority of *disks* has it: the leader applies nothing, and tells nobody
//! that anything is decided, but what its own disk has.
mod election;
mod repeats;
mod saying;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::fmt;
use noraft::{Action, ClusterConfig, Log, LogEntries, LogEntry, LogIndex, Node, Term};
use types::{Duration, Instant, Prng};

use self::election::Canvass;
use self::repeats::Repeats;
use self::saying::message;
use crate::state::{Command, ControlState, Effect};
use crate::voting::{
    Ballot, Checkpoint, Electorate, Entries, Entry, Ground, Packet, Position, Record, VoterId,
};

/// Entries kept in memory before a checkpoint is due.
const ENTRIES_MAX: usize = 4096;

/// What a voter is told about itself.
#[derive(Clone, Copy, Debug)]
pub struct ReplicaConfig {
    /// Its id.
    pub me: VoterId,
    /// For so long a voter that has heard a leader votes for no other, whatever happens. A
    /// leader's lease is three quarters of it.
    pub promise: Duration,
    /// A leader that is silent for so long may be replaced, though nothing else tells that it
    /// is gone. No shorter than a promise.
    pub election_timeout: Duration,
    /// Spreads elections.
    pub seed: u64,
}

/// Everything that a voter can ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub enum ReplicaOutput {
    /// Make this record durable; then say so with [`Replica::persisted`], once for each,
    /// in their order. A checkpoint stands for all records before it.
    Persist(Record),
    /// Say this to another voter.
    Send {
        /// To whom.
        to: VoterId,
        /// What.
        packet: Packet,
    },
    /// A decision is taken and applied.
    Applied {
        /// Its place in the log.
        index: u64,
        /// The leadership that has proposed it.
        term: u64,
        /// Which.
        command: Command,
        /// What follows from it.
        effect: Effect,
    },
    /// The state of a leader has replaced this voter's.
    Restored,
}

/// The leader's log does not go with what this voter knows to be decided: one of the
/// disks has lost something. The voter must stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Conflict;

/// What waits for the disk.
#[derive(Debug)]
enum Held {
    Send(VoterId, Packet),
    /// `None`: an entry that is no decision.
    Apply(Position, Option<Command>),
    Restore(u64, Box<ControlState>),
}

/// A voter.
#[derive(Debug)]
pub struct Replica {
    config: ReplicaConfig,
    node: Node,
    random: Prng,
    /// Decisions in the log, by index, from the last checkpoint on.
    commands: BTreeMap<u64, Command>,
    state: ControlState,
    /// `state` contains the entries up to here.
    applied: u64,
    /// Entries up to here are applied or held.
    queued: u64,
    /// Records asked for, those of them that are durable, and the last ballot's number.
    recorded: u64,
    durable: u64,
    ballot_at: u64,
    /// Records of entries that are not durable yet, and the entry before each.
    writing: VecDeque<(u64, u64)>,
    records: VecDeque<Record>,
    held: VecDeque<(u64, Held)>,
    /// When to ask for votes, or to show that this leader is alive.
    deadline: Instant,
    /// Until when this voter's promise to the last leader counts.
    bound_until: Instant,
    /// When the leader has been silent for so long that it is missed.
    missed_at: Instant,
    /// The leader is known to be gone; from then on nothing is promised to it.
    lost_since: Option<Instant>,
    /// Before, it stands for election only if all voters have been started anew.
    reluctant_until: Instant,
    /// Who leads, as heard last.
    leader: Option<VoterId>,
    /// It has heard a leader, or been one, since it was started.
    is_led: bool,
    canvass: Option<Canvass>,
    /// Until when it waits for votes, and wants nobody else to have any.
    stands_until: Instant,
    rounds: u64,
    /// The ground of the election that is going on.
    ground: Ground,
    /// The leader's: when it began to lead.
    led_at: Instant,
    /// The leader's: when it sent what was answered last.
    answered: BTreeMap<VoterId, Instant>,
    /// The leader's: who may take it for dead.
    doubted: BTreeSet<VoterId>,
    snapshot_sent: BTreeMap<VoterId, Instant>,
    /// The leader's: what it has said again.
    repeats: Repeats,
    /// The stamp of what is being answered.
    echo_ns: u64,
}

impl Replica {
    /// A voter that continues from what its log contains.
    #[must_use]
    pub fn new(now: Instant, config: ReplicaConfig, found: Checkpoint) -> Self {
        assert!(
            config.promise <= config.election_timeout,
            "nobody is missed to whom something is promised"
        );
        let is_blank = found.is_blank();
        let Checkpoint {
            ballot,
            at,
            electorate,
            state,
            tail,
        } = found;
        let entries = Entries {
            after: at,
            entries: tail,
        };
        let me = config.me.into();
        let node = if is_blank {
            Node::start(me)
        } else {
            let log = Log::new((&electorate).into(), (&entries).into());
            let vote = ballot.vote.map(Into::into);
            Node::restart(me, Term::new(ballot.term), vote, log)
        };
        // A blank log has promised nothing.
        let (promise, patience) = if is_blank {
            (Duration::ZERO, Duration::ZERO)
        } else {
            (config.promise, config.election_timeout)
        };
        let mut this = Self {
            config,
            node,
            random: Prng::new(config.seed),
            commands: BTreeMap::new(),
            state,
            applied: at.index,
            queued: at.index,
            recorded: 0,
            durable: 0,
            ballot_at: 0,
            writing: VecDeque::new(),
            records: VecDeque::new(),
            held: VecDeque::new(),
            deadline: now,
            bound_until: now + promise,
            missed_at: now + patience,
            lost_since: None,
            reluctant_until: now + patience + patience + patience,
            leader: None,
            is_led: false,
            canvass: None,
            stands_until: now,
            rounds: 0,
            ground: Ground::Silence,
            led_at: now,
            answered: BTreeMap::new(),
            doubted: BTreeSet::new(),
            snapshot_sent: BTreeMap::new(),
            repeats: Repeats::default(),
            echo_ns: 0,
        };
        this.note_commands(&(&entries).into(), &entries);
        this.drain(now);
        this.deadline = now;
        this
    }

    /// Founds a cluster: this voter is the only one, and leads. To be called on one
    /// process of the cluster, once in its life.
    pub fn found(&mut self, now: Instant) {
        let created = self.node.create_cluster(&[self.config.me.into()]);
        assert!(!created.is_invalid(), "founded-once");
        self.is_led = true;
        self.drain(now);
    }

    /// This voter's process is a member of the cluster. A voter that is none lets those
    /// go first that are: their leadership takes nobody's place in the cluster away.
    pub fn be_member(&mut self, now: Instant) {
        self.reluctant_until = self.reluctant_until.min(now);
    }

    /// The next thing to do. To be called until there is none, before more is fed.
    pub fn poll_output(&mut self) -> Option<ReplicaOutput> {
        if let Some(record) = self.records.pop_front() {
            return Some(ReplicaOutput::Persist(record));
        }
        loop {
            let durable = self.durable;
            let at = self.held.iter().position(|(after, _)| *after <= durable)?;
            let (_, held) = self.held.remove(at).expect("just found");
            match held {
                Held::Send(to, packet) => return Some(ReplicaOutput::Send { to, packet }),
                Held::Apply(Position { index, term }, command) => {
                    assert_eq!(index, self.applied + 1, "decisions-in-order");
                    self.applied = index;
                    if let Some(command) = command {
                        let effect = self.state.apply(&command);
                        return Some(ReplicaOutput::Applied {
                            index,
                            term,
                            command,
                            effect,
                        });
                    }
                }
                Held::Restore(index, state) => {
                    assert!(index >= self.applied, "decided-is-decided");
                    self.applied = index;
                    self.state = *state;
                    return Some(ReplicaOutput::Restored);
                }
            }
        }
    }

    /// So many more records are durable.
    pub fn persisted(&mut self, count: u64) {
        self.durable += count;
        assert!(self.durable <= self.recorded, "promised-is-durable");
        let durable = self.durable;
        while self
            .writing
            .pop_front_if(|(record, _)| *record <= durable)
            .is_some()
        {}
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        if now < self.deadline {
            return;
        }
        if !self.node.role().is_leader() {
            self.canvass(now);
        } else if let Some(&doubted) = self.doubted.first()
            && !self.is_in_office(now)
        {
            // Its promises may be those that are missing.
            self.step_down(now, doubted);
        } else {
            self.deadline = now + self.pause();
            self.node.heartbeat();
            self.drain(now);
        }
    }

    /// When to call [`Replica::tick`] at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        self.deadline
    }

    /// Another voter says something.
    ///
    /// # Errors
    /// If this voter must stop.
    pub fn handle(&mut self, now: Instant, from: VoterId, packet: &Packet) -> Result<(), Conflict> {
        match packet {
            Packet::Canvass { round, last, cause } => {
                if let Some(ground) = self.on_canvass(now, from, (*last).into(), *cause) {
                    let support = Packet::Support {
                        round: *round,
                        ground,
                        is_led: self.is_led,
                    };
                    self.send(from, support, self.recorded);
                }
            }
            Packet::Support {
                round,
                ground,
                is_led,
            } => self.on_support(now, from, *round, (*ground, *is_led)),
            Packet::Snapshot {
                at,
                electorate,
                state,
            } => self.install(*at, electorate, state),
            Packet::AskVote { ground, .. } => match (self.vote_ground(now), ground) {
                (None, _) | (Some(Ground::Restart), Ground::Silence) => {}
                _ => self.tell(now, from, packet)?,
            },
            Packet::Append { term, stamp_ns, .. } => {
                let (term, stamp_ns) = (*term, *stamp_ns);
                let is_leaders = term >= self.term() && !self.is_leader();
                if is_leaders {
                    self.hear(now, from);
                }
                self.echo_ns = stamp_ns;
                self.tell(now, from, packet)?;
                if is_leaders && self.durable < self.recorded {
                    // The promise is kept in memory, and by waiting after a restart: the
                    // leader need not wait for this voter's disk to count on it.
                    self.send(from, Packet::Heard { term, stamp_ns }, 0);
                }
            }
            Packet::Heard { term, stamp_ns } => self.on_answer(now, from, *term, *stamp_ns),
            Packet::Appended { term, stamp_ns, .. } => {
                self.on_answer(now, from, *term, *stamp_ns);
                self.tell(now, from, packet)?;
            }
            Packet::Resigned { term } => self.on_resigned(now, from, *term),
            Packet::Vote { .. } => self.tell(now, from, packet)?,
        }
        Ok(())
    }

    /// A decision to take. Only a leader's are; it is applied when it is taken, if it
    /// is. Whether it was proposed.
    pub fn propose(&mut self, now: Instant, command: Command) -> bool {
        let position = self.node.propose_command();
        if position.is_invalid() {
            return false;
        }
        self.commands.insert(position.index.get(), command);
        self.drain(now);
        true
    }

    /// Brings the electorate a step closer to `wanted`: newcomers listen first, and
    /// vote when they have the whole log; whoever is not wanted votes no more. Each
    /// step needs a majority of the old and of the new electorate. A leader that is not
    /// wanted itself leads no more when that is decided. To be called by the leader again
    /// and again.
    pub fn adjust(&mut self, now: Instant, wanted: &BTreeSet<VoterId>) {
        let last = self.node.log().last_position().index;
        let is_busy = self.node.config().is_joint_consensus() || self.node.commit_index() != last;
        if !self.node.role().is_leader() || is_busy {
            return;
        }
        let config = self.node.config().clone();
        let present = Electorate::from(&config);
        let listeners: BTreeSet<VoterId> = wanted.difference(&present.voters).copied().collect();
        let has_log = |voter: &VoterId| {
            let has = self.node.follower_match_index((*voter).into());
            has.is_some_and(|index| index >= last)
        };
        let mut next: BTreeSet<VoterId> = present.voters.intersection(wanted).copied().collect();
        next.extend(
            present
                .listeners
                .intersection(&listeners)
                .filter(|v| has_log(v)),
        );
        let alive = next.iter().filter(|&&voter| self.is_alive(now, voter));
        let proposed = if next != present.voters && alive.count() > next.len() / 2 {
            Electorate {
                listeners: listeners.difference(&next).copied().collect(),
                next,
                voters: present.voters,
            }
        } else if listeners != present.listeners {
            Electorate {
                listeners,
                ..present
            }
        } else {
            return;
        };
        let proposed = self.node.propose_config(ClusterConfig::from(&proposed));
        assert!(!proposed.is_invalid(), "the leader's proposal is in order");
        self.drain(now);
    }

    /// Whether so many entries are kept in memory that a checkpoint is due.
    #[must_use]
    pub fn wants_checkpoint(&self) -> bool {
        self.node.log().entries().len() >= ENTRIES_MAX
    }

    /// Replaces all records so far by one, if anything was applied since the last one.
    pub fn checkpoint(&mut self) {
        let log = self.node.log();
        let position = log.get_position_and_config(LogIndex::new(self.applied));
        let Some((at, config)) = position.filter(|(at, _)| *at != log.snapshot_position()) else {
            return;
        };
        let config = config.clone();
        let is_taken = self.node.handle_snapshot_installed(at, config);
        assert!(is_taken, "applied-is-decided");
        self.record_checkpoint(self.state.clone());
    }

    /// What is decided, as far as this voter knows.
    #[must_use]
    pub fn state(&self) -> &ControlState {
        &self.state
    }

    /// The last entry of the log that is part of [`Replica::state`].
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// Whether the leader has applied all that is in its log: what it knows is all that
    /// was ever decided, and nothing of an earlier leader can come any more.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.node.role().is_leader() && self.applied == self.node.log().last_position().index.get()
    }

    /// Who leads, as heard last.
    #[must_use]
    pub fn leader(&self) -> Option<VoterId> {
        self.leader
    }

    /// Number of the newest leadership known.
    #[must_use]
    pub fn term(&self) -> u64 {
        self.node.current_term().get()
    }

    /// Whether it leads, with or without a lease.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.node.role().is_leader()
    }

    /// Who votes.
    #[must_use]
    pub fn electorate(&self) -> Electorate {
        self.node.config().into()
    }

    /// Those on whom it depends, by what is decided for sure, who leads next: while a
    /// change of the electorate is under way, the old voters.
    #[must_use]
    pub fn decided_voters(&self) -> BTreeSet<VoterId> {
        let log = self.node.log();
        let decided = log.get_position_and_config(self.node.commit_index());
        let config = decided.map_or_else(|| log.snapshot_config(), |(_, config)| config);
        Electorate::from(config).voters
    }

    /// Whether nothing was ever decided here.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.node.config().unique_nodes().next().is_none()
    }

    /// Its id.
    #[must_use]
    pub fn me(&self) -> VoterId {
        self.config.me
    }

    /// Gives a packet to the library, and does what it asks for.
    fn tell(&mut self, now: Instant, from: VoterId, packet: &Packet) -> Result<(), Conflict> {
        let Some(message) = message(from, packet) else {
            return Ok(());
        };
        let was_leader = self.node.role().is_leader();
        self.node.handle_message(&message).map_err(|_| Conflict)?;
        if was_leader && !self.node.role().is_leader() {
            self.leader = None;
            self.say_resigned();
        }
        match packet {
            Packet::Append { entries, .. } => self.drain_with(now, entries),
            _ => self.drain(now),
        }
        Ok(())
    }

    /// Takes over the state of a leader, whose log does not reach back far enough.
    fn install(&mut self, at: Position, electorate: &Electorate, state: &ControlState) {
        let is_news = at.index > self.node.commit_index().get() && at.term <= self.term();
        if !is_news || self.node.role().is_leader() {
            return;
        }
        let config = ClusterConfig::from(electorate);
        if !self.node.handle_snapshot_installed(at.into(), config) {
            return;
        }
        self.queued = at.index;
        self.record_checkpoint(state.clone());
        let restore = Held::Restore(at.index, Box::new(state.clone()));
        self.held.push_back((self.recorded, restore));
        self.hold_decided();
    }

    fn drain(&mut self, now: Instant) {
        self.drain_with(now, &Entries::default());
    }

    /// Does what the library asks for; the decisions in entries that it takes over are
    /// found in `incoming` or are this voter's own.
    fn drain_with(&mut self, now: Instant, incoming: &Entries) {
        let actions: Vec<Action> = self.node.actions_mut().collect();
        let is_ballot =
            |action: &Action| matches!(action, Action::SaveCurrentTerm | Action::SaveVotedFor);
        if actions.iter().any(is_ballot) {
            let ballot = self.ballot();
            self.record(Record::Ballot(ballot));
            self.ballot_at = self.recorded;
            // What was answered before was said of an older leadership.
            self.canvass = None;
        }
        for action in actions {
            match action {
                Action::SaveCurrentTerm => {
                    self.answered.clear();
                    self.doubted.clear();
                    self.repeats.clear();
                }
                Action::SaveVotedFor => {}
                Action::SetElectionTimeout => self.reset_deadline(now),
                Action::AppendLogEntries(entries) => {
                    self.note_commands(&entries, incoming);
                    let entries = self.with_commands(&entries);
                    let before = entries.after.index;
                    self.record(Record::Entries(entries));
                    self.writing.push_back((self.recorded, before));
                }
                Action::BroadcastMessage(message) => {
                    let peers: Vec<VoterId> = self.node.peers().map(VoterId::from).collect();
                    for peer in peers {
                        self.send_message(now, peer, &message);
                    }
                }
                Action::SendMessage(to, message) => {
                    if self.is_worth_saying(now, to.into(), &message) {
                        self.send_message(now, to.into(), &message);
                    }
                }
                Action::InstallSnapshot(to) => self.send_snapshot(now, to.into()),
            }
        }
        if self.node.role().is_leader() {
            if self.leader.replace(self.config.me) != Some(self.config.me) {
                self.led_at = now;
            }
            self.lost_since = None;
            self.is_led = true;
        }
        self.hold_decided();
    }

    fn note_commands(&mut self, taken: &LogEntries, incoming: &Entries) {
        for (position, entry) in taken.iter_with_positions() {
            let index = position.index.get();
            let offset = index.checked_sub(incoming.after.index + 1);
            let offset = offset.and_then(|offset| usize::try_from(offset).ok());
            let found = offset.and_then(|offset| incoming.entries.get(offset));
            if let (LogEntry::Command, Some(Entry::Command(command))) = (entry, found) {
                self.commands.insert(index, command.clone());
            }
        }
    }

    /// Entries with the decisions in them.
    fn with_commands(&self, entries: &LogEntries) -> Entries {
        let entry = |(position, entry): (noraft::LogPosition, LogEntry)| match entry {
            LogEntry::Term(term) => Entry::Term(term.get()),
            LogEntry::ClusterConfig(config) => Entry::Electorate((&config).into()),
            LogEntry::Command => {
                let command = self.commands.get(&position.index.get());
                Entry::Command(command.expect("the log has its decisions").clone())
            }
        };
        Entries {
            after: entries.prev_position().into(),
            entries: entries.iter_with_positions().map(entry).collect(),
        }
    }

    /// Decided entries are applied as soon as all that was asked for is durable.
    fn hold_decided(&mut self) {
        while self.queued < self.node.commit_index().get() {
            self.queued += 1;
            let index = LogIndex::new(self.queued);
            let entries = self.node.log().entries();
            let term = entries.get_term(index).expect("it is in the log").get();
            let command = match entries.get_entry(index) {
                Some(LogEntry::Command) => {
                    let command = self.commands.get(&self.queued);
                    Some(command.expect("the log has its decisions").clone())
                }
                _ => None,
            };
            let at = Position {
                index: self.queued,
                term,
            };
            let apply = Held::Apply(at, command);
            self.held.push_back((self.recorded, apply));
        }
    }

    fn ballot(&self) -> Ballot {
        Ballot {
            term: self.term(),
            vote: self.node.voted_for().map(VoterId::from),
        }
    }

    fn record(&mut self, record: Record) {
        self.recorded += 1;
        self.records.push_back(record);
    }

    fn record_checkpoint(&mut self, state: ControlState) {
        let log = self.node.log();
        let at = Position::from(log.snapshot_position());
        self.commands = self.commands.split_off(&(at.index + 1));
        let checkpoint = Checkpoint {
            ballot: self.ballot(),
            at,
            electorate: log.snapshot_config().into(),
            state,
            tail: self.with_commands(log.entries()).entries,
        };
        self.record(Record::Checkpoint(Box::new(checkpoint)));
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the leader's decisions contradict those in this node's control log"
        )
    }
}

impl core::error::Error for Conflict {}
