//! A node's part in the agreement about what is decided: its log, its word to the other
//! voters, and whether it leads.
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use control::{
    Checkpoint, Command, Effect, Electorate, Entry, Fate, Input, Leader, Packet, Process, Record,
    Replica, ReplicaConfig, ReplicaOutput, VoterId,
};
use platform::{Disk, DiskError};
use store::ControlLog;
use types::{Duration, Instant, NodeId, View};
use wire::Envelope;

use crate::core::Core;
use crate::leader::Leadership;
use crate::lines::{Lines, Source};
use crate::{FatalReason, Platform};

/// How often a leader looks whether others should vote.
const ADJUST_EVERY: Duration = Duration::from_millis(50);

/// What a node knows of decisions.
pub struct Voter<D> {
    pub(crate) replica: Replica,
    log: ControlLog<D>,
    pub(crate) lines: Lines,
    /// What this node goes by when it leads.
    config: control::Config,
    suffrage: Suffrage,
    /// What its log says of those who vote; not all of it may be decided.
    names: BTreeMap<VoterId, String>,
    /// Until when no other voter can lead, if this one does; looked up once per turn.
    lease_end: Option<Instant>,
    next_adjustment: Instant,
    /// Members whose link is lost, and what is known of their processes.
    pub(crate) lost: BTreeMap<NodeId, Fate>,
    /// The leadership that has decided the newest view, if this voter has seen it decide.
    view_term: Option<u64>,
    /// When the link with the leader was lost.
    pub(crate) leaderless_since: Option<Instant>,
}

/// Whether a node may vote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Suffrage {
    /// It may.
    Full,
    /// Another node of its process does: those that fail together have one vote.
    None,
}

/// Whether a node begins a cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// If nothing is known of an earlier life, a new cluster begins here.
    Founds,
    /// The cluster is there, or others are about to bring it back.
    Joins,
}

impl<D: Disk> Voter<D> {
    /// A voter that continues from the records of its log.
    ///
    /// # Errors
    /// If the records are none of this version, or do not follow each other.
    pub fn new(
        config: control::Config,
        suffrage: Suffrage,
        origin: Origin,
        (log, records): (ControlLog<D>, Vec<Vec<u8>>),
        seed: u64,
        now: Instant,
    ) -> Result<Self, String> {
        let records: Result<Vec<Record>, _> =
            records.iter().map(|bytes| Record::decode(bytes)).collect();
        let found = records.and_then(Checkpoint::replay);
        let found = found.map_err(|error| error.to_string())?;
        let mut lines = Lines::default();
        let mut names = BTreeMap::new();
        for process in known_processes(&found) {
            if let Some(voter) = process.voter {
                lines.note(voter, &process.address, Source::Hearsay);
                names.insert(voter, process.name.clone());
            }
        }
        let is_new = found.is_blank();
        let replica_config = ReplicaConfig {
            me: VoterId(log.id().0),
            promise: config.lease,
            election_timeout: Duration::from_nanos(config.failure_timeout.as_nanos() / 2),
            seed,
        };
        let mut replica = Replica::new(now, replica_config, found);
        if is_new && origin == Origin::Founds {
            replica.found(now);
        }
        Ok(Self {
            replica,
            log,
            lines,
            config,
            suffrage,
            names,
            lease_end: None,
            next_adjustment: now,
            lost: BTreeMap::new(),
            view_term: None,
            leaderless_since: None,
        })
    }

    /// A voter is reached there. What it was asked before may have gone elsewhere.
    pub(crate) fn note(&mut self, now: Instant, voter: VoterId, address: &str, source: Source) {
        self.lines.note(voter, address, source);
        if !self.lines.is_open(voter) {
            self.replica.meet(now, voter);
        }
    }

    /// The same, of what is said of a process.
    pub(crate) fn note_process(&mut self, now: Instant, process: &Process, source: Source) {
        if let Some(voter) = process.voter {
            self.note(now, voter, &process.address, source);
        }
    }

    /// Why its disk has failed, if that was not said before.
    pub(crate) fn disk_failure(&mut self) -> Option<DiskError> {
        self.log.failure()
    }

    /// With which control log this process votes, if it does.
    pub(crate) fn vote(&self) -> Option<VoterId> {
        (self.suffrage == Suffrage::Full).then(|| self.replica.me())
    }

    pub(crate) fn next_deadline(&self, now: Instant) -> Instant {
        let next = self.replica.next_deadline();
        let end = self.lease_end.filter(|&end| now < end);
        end.map_or(next, |end| end.min(next))
    }

    /// Whether this node's voter leads, and no other can.
    pub(crate) fn has_lease(&self, now: Instant) -> bool {
        self.lease_end.is_some_and(|end| now < end)
    }

    /// Where the leader is reached, as far as this voter knows; never this one itself.
    pub(crate) fn leader_address(&self) -> Option<&str> {
        let leader = self
            .replica
            .leader()
            .filter(|&leader| leader != self.replica.me());
        leader.and_then(|leader| self.lines.address(leader))
    }

    /// For people: what is missing for a leader.
    pub(crate) fn why_no_leader(&self) -> String {
        let Electorate { voters, next, .. } = self.replica.electorate();
        let voters = if next.is_empty() { voters } else { next };
        if voters.is_empty() {
            return "no process that was reached knows the cluster's decisions".into();
        }
        let name = |voter: &VoterId| match self.replica.state().process_of(*voter) {
            Some(process) => process.name.clone(),
            None => {
                let name = self.names.get(voter).cloned();
                name.unwrap_or_else(|| voter.to_string())
            }
        };
        let names: Vec<String> = voters.iter().map(name).collect();
        format!(
            "decisions need {} of the {} control logs of {}",
            names.len() / 2 + 1,
            names.len(),
            names.join(", ")
        )
    }
}

/// Every process that a log knows of, oldest first.
fn known_processes(found: &Checkpoint) -> impl Iterator<Item = &Process> {
    let joined = found.tail.iter().filter_map(|entry| match entry {
        Entry::Command(Command::ChangeMembers { join, .. }) => Some(join),
        _ => None,
    });
    found.state.processes().chain(joined.flatten())
}

impl<P: Platform, D: Disk> Core<P, D> {
    /// Whether this node's commits count: nobody can have given its place away.
    pub(crate) fn may_commit(&self) -> bool {
        let Some(view) = self.dtm.view() else {
            return false;
        };
        if view.leader == self.dtm.me() {
            return self.leadership.is_some() && self.voter.has_lease(self.now);
        }
        let follower = self.follower.as_ref();
        follower.is_some_and(|follower| !follower.is_expired(self.now))
    }

    pub(crate) fn on_voter_message(&mut self, from: VoterId, address: &str, bytes: &[u8]) {
        let leader = self.voter.replica.leader();
        self.voter.note(self.now, from, address, Source::Itself);
        // Bytes of another version are as good as lost.
        let Ok(packet) = Packet::decode(bytes) else {
            return;
        };
        if let Err(conflict) = self.voter.replica.handle(self.now, from, &packet) {
            self.store_failed(&conflict);
        }
        self.review_leadership();
        if self.voter.replica.leader() != leader && self.voter.leader_address().is_some() {
            self.on_leader_known();
        }
    }

    /// Tells the voter which of its records are durable.
    pub(crate) fn on_control_log(&mut self) {
        match self.voter.log.poll() {
            Ok(count) => self.voter.replica.persisted(count as u64),
            Err(error) => self.store_failed(&error),
        }
    }

    pub(crate) fn on_voter_time(&mut self) {
        self.voter.replica.tick(self.now);
        if self.voter.log.wants_checkpoint() || self.voter.replica.wants_checkpoint() {
            self.voter.replica.checkpoint();
        }
        self.review_leadership();
        let has_lease = self.voter.has_lease(self.now);
        match &self.leadership {
            Some(leadership) if has_lease && leadership.is_running() => self.adjust_electorate(),
            Some(_) => {}
            None if has_lease && self.voter.replica.is_settled() && self.fatal.is_none() => {
                self.lead();
            }
            None => {}
        }
    }

    /// A leadership without a lease stands still, and goes on when the voters answer again:
    /// somebody was slow. One that another may have followed is over, and so is one that has
    /// lost the voters for long: what it knows of the members is too old.
    fn review_leadership(&mut self) {
        let replica = &self.voter.replica;
        self.voter.lease_end = replica.lease_end();
        let term = replica.is_in_office(self.now).then(|| replica.term());
        let leadership = self.leadership.as_ref();
        if leadership.is_some_and(|leadership| Some(leadership.term()) != term) {
            self.leadership = None;
        }
    }

    /// The members change, and with them those who vote.
    fn adjust_electorate(&mut self) {
        if self.now < self.voter.next_adjustment {
            return;
        }
        self.voter.next_adjustment = self.now + ADJUST_EVERY;
        let leadership = self.leadership.as_ref();
        let Some(wanted) = leadership.map(Leadership::electorate) else {
            return;
        };
        let replica = &mut self.voter.replica;
        replica.adjust(self.now, &wanted);
        let Electorate {
            voters,
            next,
            listeners,
        } = replica.electorate();
        let count = replica.decided_voters().into_iter();
        let count = count.chain(voters).chain(next).chain(listeners).collect();
        self.tell_leader(Input::Voters(count));
    }

    /// This node leads from now on.
    fn lead(&mut self) {
        let now = self.now;
        let config = control::Config {
            wall_ms: self.platform.wall_ns() / 1_000_000,
            ..self.voter.config.clone()
        };
        let (term, state) = (
            self.voter.replica.term(),
            self.voter.replica.state().clone(),
        );
        if self.dtm.view().is_none() {
            let own = self.own_process();
            let leader = Leader::new(now, config, state);
            self.leadership = Some(Leadership::new(leader, term, None, now));
            self.tell_leader(Input::Join {
                joiner: crate::leader::OWN,
                process: own,
            });
            self.let_curious_in();
            return;
        }
        let me = self.dtm.me();
        let is_member = state.view().is_some_and(|view| view.member(me).is_some());
        let leader = Leader::take_over(now, config, state, &self.voter.lost);
        let Some(leader) = leader.filter(|_| is_member) else {
            self.fatal = Some(FatalReason::Expelled);
            return;
        };
        let noticed = self.voter.leaderless_since.take().unwrap_or(now);
        self.leadership = Some(Leadership::new(leader, term, Some(me), noticed));
    }

    /// What this process says of itself.
    pub(crate) fn own_process(&self) -> Process {
        Process {
            store: self.store.id(),
            address: self.platform.address(),
            name: self.config.name.clone(),
            voter: self.voter.vote(),
        }
    }

    /// Does what the voter wants; false if it wants nothing.
    pub(crate) fn flush_voter(&mut self) -> bool {
        let mut is_busy = false;
        let mut has_written = false;
        while let Some(output) = self.voter.replica.poll_output() {
            is_busy = true;
            match output {
                ReplicaOutput::Persist(record) => {
                    has_written = true;
                    let written = match &record {
                        Record::Checkpoint(_) => self.voter.log.checkpoint(&record.encode()),
                        _ => self.voter.log.append(&record.encode()),
                    };
                    if let Err(error) = written {
                        self.store_failed(&error);
                    }
                }
                ReplicaOutput::Send { to, packet } => {
                    let (voter, platform) = (&mut self.voter, &mut self.platform);
                    let me = voter.replica.me();
                    voter.lines.send(platform, me, to, &packet);
                }
                ReplicaOutput::Applied {
                    command,
                    effect,
                    term,
                    ..
                } => {
                    if matches!(effect, Effect::View(_)) {
                        self.voter.view_term = Some(term);
                    }
                    self.on_decided(&command, effect);
                }
                ReplicaOutput::Restored => {
                    self.voter.view_term = None;
                    let view = self.voter.replica.state().view().cloned();
                    view.into_iter()
                        .for_each(|view| self.on_decided_view(&view));
                }
            }
        }
        if has_written {
            self.on_control_log();
        }
        is_busy
    }

    fn on_decided(&mut self, command: &Command, effect: Effect) {
        if let Command::ChangeMembers { join, .. } = command {
            for process in join {
                self.voter.note_process(self.now, process, Source::Hearsay);
                if let Some(voter) = process.voter {
                    self.voter.replica.trust(voter);
                }
            }
        }
        if self.leadership.is_some() {
            self.tell_leader(Input::Decided);
        } else if let Effect::View(view) = effect {
            self.on_decided_view(&view);
        }
    }

    /// A voter knows of a view without it before anybody tells it.
    fn on_decided_view(&mut self, view: &View) {
        let is_left_out = view.member(self.dtm.me()).is_none();
        let is_member = self.dtm.view().is_some_and(|old| old.number < view.number);
        if is_member && is_left_out {
            self.fatal = self.fatal.take().or(Some(FatalReason::Expelled));
        }
    }

    /// Has a decision of this node's leader taken by the voters.
    pub(crate) fn propose(&mut self, command: Command) {
        let is_proposed = self.voter.replica.propose(self.now, command);
        if !is_proposed {
            // Another leads by now.
            self.leadership = None;
        }
    }

    /// A connection with this member was ended here or there, or will be. If it leads and
    /// its process is dead, nobody need wait for it; if it does not, it may take this node
    /// for dead that leads.
    pub(crate) fn note_end(&mut self, node: NodeId, fate: Fate) {
        let voter = &mut self.voter;
        let view = voter.replica.state().view();
        let is_leader = view.is_some_and(|view| view.leader == node);
        match (fate, voter.view_term) {
            (Fate::Dead, Some(term)) if is_leader => voter.replica.leader_died(self.now, term),
            (Fate::Dead, _) => {}
            (Fate::Unknown, _) => {
                if let Some(id) = self.voter_of(node) {
                    self.voter.replica.doubt(self.now, id);
                    self.voter.lease_end = self.voter.replica.lease_end();
                }
            }
        }
    }

    /// With which control log a member of this node's view votes.
    pub(crate) fn voter_of(&self, node: NodeId) -> Option<VoterId> {
        let store = self.dtm.view()?.member(node)?.store;
        self.voter.replica.state().process(store)?.voter
    }

    /// Gives the leader a message of a member.
    pub(crate) fn tell_leadership(&mut self, envelope: Envelope) {
        let now = self.now;
        if let Some(leadership) = &mut self.leadership {
            leadership.note(&envelope, now);
            self.tell_leader(Input::Message(envelope));
        }
    }
}

impl<D> core::fmt::Debug for Voter<D> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Voter")
            .field("replica", &self.replica)
            .finish_non_exhaustive()
    }
}
