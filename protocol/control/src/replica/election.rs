//! Who may lead: questions before an election, promises to a leader, its lease.
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use noraft::ClusterConfig;
use types::{Duration, Instant};

use super::Replica;
use crate::voting::{Cause, Ground, Packet, VoterId};

/// Signs of life of a leader per promise: some may be late.
const HEARTBEATS: u64 = 6;
/// Where a promise is divided into so many parts, the shortest pause between two questions is
/// one of them: what is on its way to another voter has arrived by then.
const PAUSES: u64 = 16;

/// How a leader knows that a majority follows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Confirmed {
    /// By answers to what it has sent then.
    At(Instant),
    /// It is the majority.
    ByItself,
}

/// A round of questions before an election.
#[derive(Debug)]
pub(super) struct Canvass {
    round: u64,
    /// Have promised nothing to anybody any more.
    free: BTreeSet<VoterId>,
    /// The same, or have heard no leader since they were started.
    unled: BTreeSet<VoterId>,
    /// Some of them have heard a leader: members go on, and should lead.
    is_any_led: bool,
}

impl Replica {
    /// Whether it leads and no other can: a majority has promised so until later.
    #[must_use]
    pub fn has_lease(&self, now: Instant) -> bool {
        self.lease_end().is_some_and(|end| now < end)
    }

    /// Until when it leads and no other can, as far as is known.
    #[must_use]
    pub fn lease_end(&self) -> Option<Instant> {
        Some(match self.confirmed()? {
            Confirmed::ByItself => Instant::from_nanos(u64::MAX),
            Confirmed::At(sent) => sent + three_quarters(self.config.promise),
        })
    }

    /// Whether it leads and may soon act again, if it does not act now. A leader that was slow
    /// goes on as if nothing had happened; one that a majority has not answered for long is
    /// as good as none.
    #[must_use]
    pub fn is_in_office(&self, now: Instant) -> bool {
        let confirmed = match self.confirmed() {
            Some(Confirmed::ByItself) => return true,
            Some(Confirmed::At(sent)) => sent.max(self.led_at),
            None => self.led_at,
        };
        self.is_leader() && now < confirmed + three_quarters(self.config.election_timeout)
    }

    /// When the leader sent the last that a majority has answered.
    fn confirmed(&self) -> Option<Confirmed> {
        if !self.node.role().is_leader() {
            return None;
        }
        let config = self.node.config();
        let halves = [&config.voters, &config.new_voters];
        let halves = halves.into_iter().filter(|half| !half.is_empty());
        let me = noraft::NodeId::from(self.config.me);
        let heard = |half: &BTreeSet<noraft::NodeId>| {
            let others = half.iter().filter(|&&voter| voter != me);
            let others = others.filter(|&&voter| !self.doubted.contains(&voter.into()));
            let mut heard: Vec<Option<Instant>> = others
                .map(|&voter| self.answered.get(&voter.into()).copied())
                .collect();
            heard.sort_unstable_by(|a, b| b.cmp(a));
            // Of n voters n/2 others and this one are a majority.
            let needed = half.len() / 2 + usize::from(!half.contains(&me));
            match needed {
                // Alone it needs nobody's promise.
                0 => Some(Confirmed::ByItself),
                count => heard.get(count - 1).copied().flatten().map(Confirmed::At),
            }
        };
        let mut least = Confirmed::ByItself;
        for half in halves {
            least = least.min(heard(half)?);
        }
        Some(least)
    }

    /// Another voter has answered this leader, or has heard it and will.
    pub(super) fn on_answer(&mut self, now: Instant, from: VoterId, term: u64, stamp_ns: u64) {
        let sent = Instant::from_nanos(stamp_ns);
        if term == self.term() && self.is_leader() && sent <= now {
            let answered = self.answered.entry(from).or_insert(sent);
            *answered = sent.max(*answered);
        }
    }

    /// The leader is alive.
    pub(super) fn hear(&mut self, now: Instant, leader: VoterId) {
        self.bound_until = now + self.config.promise;
        self.missed_at = now + self.config.election_timeout;
        self.lost_since = None;
        self.is_led = true;
        self.leader = Some(leader);
        self.canvass = None;
    }

    /// The leader's view: whether the voter has answered lately.
    #[must_use]
    pub fn is_alive(&self, now: Instant, voter: VoterId) -> bool {
        let timeout = self.config.election_timeout;
        let answered = self.answered.get(&voter);
        voter == self.config.me || answered.is_some_and(|&at| now < at + timeout)
    }

    /// Asks all voters whether they would vote for this one.
    pub(super) fn canvass(&mut self, now: Instant) {
        self.deadline = now + self.pause_of_canvass(now);
        let me = noraft::NodeId::from(self.config.me);
        let is_voter =
            |config: &ClusterConfig| config.voters.contains(&me) || config.new_voters.contains(&me);
        if !is_voter(self.node.config()) {
            self.deadline = now + self.config.election_timeout;
            return;
        }
        self.rounds += 1;
        self.canvass = Some(Canvass {
            round: self.rounds,
            free: BTreeSet::new(),
            unled: BTreeSet::new(),
            is_any_led: false,
        });
        let peers: Vec<VoterId> = self.node.peers().map(VoterId::from).collect();
        for peer in peers {
            self.ask_support(now, peer);
        }
        if let Some(ground) = self.support_ground(now, self.cause(now)) {
            self.on_support(now, self.config.me, self.rounds, (ground, self.is_led));
        }
    }

    fn ask_support(&mut self, now: Instant, voter: VoterId) {
        let question = Packet::Canvass {
            round: self.rounds,
            last: self.node.log().last_position().into(),
            cause: self.cause(now),
        };
        self.send(voter, question, self.recorded);
    }

    /// Only now is it known that this voter is there, or where: what it was asked before has
    /// not reached it, perhaps. When all are started at once, nobody waits for the next round.
    pub fn meet(&mut self, now: Instant, voter: VoterId) {
        let canvass = self.canvass.as_ref();
        let is_open = canvass.is_some_and(|canvass| !canvass.unled.contains(&voter));
        if is_open && self.node.peers().any(|peer| voter == peer.into()) {
            self.ask_support(now, voter);
        }
    }

    /// Time until the others are asked again, if they do not want it now.
    fn pause_of_canvass(&mut self, now: Instant) -> Duration {
        let timeout = self.config.election_timeout.as_nanos();
        let (pause, spread) = if let Some(since) = self.lost_since {
            // Others may be bound for a moment longer. If they are for long the leader is not
            // lost to them: ever more seldom.
            let shortest = self.config.promise.as_nanos() / PAUSES;
            let pause = shortest + now.since(since).as_nanos();
            (pause.min(timeout), shortest)
        } else if self.is_led && self.leader.is_some() {
            (timeout, timeout / 2)
        } else {
            (timeout / 16, timeout / 16)
        };
        Duration::from_nanos(pause + self.random.below(spread.max(1)))
    }

    /// Why this voter asks. One that is to stand back does not urge others.
    fn cause(&self, now: Instant) -> Cause {
        match self.lost_since {
            Some(_) if now >= self.reluctant_until => Cause::Lost,
            _ => Cause::Missed,
        }
    }

    /// Another voter asks for support: on which ground it has it, if it has.
    pub(super) fn on_canvass(
        &mut self,
        now: Instant,
        from: VoterId,
        last: noraft::LogPosition,
        cause: Cause,
    ) -> Option<Ground> {
        let is_new_enough = last >= self.node.log().last_position();
        let ground = self.support_ground(now, cause).filter(|_| is_new_enough)?;
        let is_urgent = ground == Ground::Restart || cause == Cause::Lost;
        if is_urgent && !self.is_leader() {
            // It is about to ask for votes: whoever asked for them at the same time would take
            // some away. Of two that have asked each other the first goes on.
            if from < self.config.me {
                self.canvass = None;
            }
            let pause = Duration::from_nanos(self.config.promise.as_nanos() / 4);
            self.deadline = self.deadline.max(now + pause);
        }
        Some(ground)
    }

    pub(super) fn on_support(
        &mut self,
        now: Instant,
        from: VoterId,
        round: u64,
        (ground, is_led): (Ground, bool),
    ) {
        let Some(canvass) = self.canvass.as_mut().filter(|c| c.round == round) else {
            return;
        };
        if ground == Ground::Silence {
            canvass.free.insert(from);
        }
        canvass.unled.insert(from);
        canvass.is_any_led |= is_led;
        let config = self.node.config();
        let has_majority = |half: &BTreeSet<noraft::NodeId>| {
            let free = half.iter().filter(|&&v| canvass.free.contains(&v.into()));
            half.is_empty() || free.count() > half.len() / 2
        };
        let mut voters = config.voters.union(&config.new_voters);
        let have_all = voters.all(|&voter| canvass.unled.contains(&voter.into()));
        let is_ready = now >= self.reluctant_until;
        let ground = if have_all && (is_ready || !canvass.is_any_led) {
            Ground::Restart
        } else if is_ready && has_majority(&config.voters) && has_majority(&config.new_voters) {
            Ground::Silence
        } else {
            return;
        };
        if self.node.role().is_leader() {
            return;
        }
        self.canvass = None;
        self.leader = None;
        self.ground = ground;
        self.answered.clear();
        self.stands_until = now + self.config.promise;
        self.node.handle_election_timeout();
        self.drain(now);
    }

    /// This voter leads no more. If it votes no more either, nobody else leads yet, and the
    /// others need not wait until they miss it.
    pub(super) fn say_resigned(&mut self) {
        let config = self.node.config();
        let me = noraft::NodeId::from(self.config.me);
        if config.is_joint_consensus() || config.voters.contains(&me) {
            return;
        }
        let voters: Vec<VoterId> = config.voters.iter().map(|&id| id.into()).collect();
        let term = self.term();
        for voter in voters {
            self.send(voter, Packet::Resigned { term }, self.recorded);
        }
    }

    /// The leader leads no more: what this voter has promised it is over. By the time of the
    /// first question the others have heard it, too.
    pub(super) fn on_resigned(&mut self, now: Instant, from: VoterId, term: u64) {
        if self.leader != Some(from) || term != self.term() {
            return;
        }
        self.lose(now, from);
    }

    /// The process that led in this term is dead: what this voter has promised it is over.
    /// Nobody need miss it first.
    pub fn leader_died(&mut self, now: Instant, term: u64) {
        if self.leader.is_none() || self.is_leader() || term != self.term() {
            return;
        }
        let dead = self.leader.expect("looked at above");
        self.lose(now, dead);
    }

    /// Nobody leads any more, for sure.
    fn lose(&mut self, now: Instant, leader: VoterId) {
        self.leader = None;
        self.bound_until = now;
        self.missed_at = now;
        self.ask_in_turn(now, leader);
    }

    /// The machine of this voter's process answers no more, not even for its system. If it
    /// leads, nobody else hears it either, perhaps: this voter asks as soon as its promise is
    /// over, and not only when it has missed the leader for long. The promise itself stays:
    /// the leader may be there, and act.
    pub fn leader_silent(&mut self, now: Instant, voter: VoterId) {
        if self.leader == Some(voter) && !self.is_leader() {
            self.ask_in_turn(now.max(self.bound_until), voter);
        }
    }

    /// This voter asks for votes soon after `since`. By the time of the first question the
    /// others should know what it knows; one after the other asks, so that none takes votes
    /// from another.
    fn ask_in_turn(&mut self, since: Instant, lost: VoterId) {
        self.lost_since = Some(since);
        let others = self.node.config().voters.iter().map(|&voter| voter.into());
        let before = others.filter(|&voter: &VoterId| voter != lost && voter < self.config.me);
        let turn = before.count() as u64;
        let pause = self.config.promise.as_nanos() / PAUSES;
        self.deadline = since + Duration::from_nanos(pause / 2 + turn * pause);
    }

    /// The connection with this voter's process was ended here, or will be: it may take
    /// this leader for dead. Its promises to this leadership count no more. To be called
    /// before it can notice.
    pub fn doubt(&mut self, now: Instant, voter: VoterId) {
        if !self.is_leader() {
            return;
        }
        self.doubted.insert(voter);
        let config = self.node.config();
        let is_lost = |half: &BTreeSet<noraft::NodeId>| {
            let doubted = half.iter().filter(|&&v| self.doubted.contains(&v.into()));
            doubted.count() * 2 >= half.len().max(1)
        };
        if is_lost(&config.voters) || !config.new_voters.is_empty() && is_lost(&config.new_voters) {
            self.step_down(now, voter);
        }
    }

    /// This voter leads no more, as if `voter` had refused it its vote in a next leadership:
    /// no later promise could give it a lease in this one.
    pub(super) fn step_down(&mut self, now: Instant, voter: VoterId) {
        let term = noraft::Term::new(self.term() + 1);
        let message = noraft::Message::RequestVoteReply {
            from: voter.into(),
            term,
            vote_granted: false,
        };
        let taken = self.node.handle_message(&message);
        assert!(
            taken.is_ok() && !self.is_leader(),
            "nobody leads in two terms"
        );
        self.leader = None;
        self.drain(now);
    }

    /// Another process votes with this log now, and has seen no connection end.
    pub fn trust(&mut self, voter: VoterId) {
        self.doubted.remove(&voter);
    }

    /// Why a vote of this voter would harm no leader, if so.
    pub(super) fn vote_ground(&self, now: Instant) -> Option<Ground> {
        let is_free = match self.is_leader() {
            // Without a lease it acts as little as none.
            true => !self.has_lease(now),
            false => now >= self.bound_until,
        };
        self.ground(is_free)
    }

    /// The same, and why this voter wants an election. A slow leader keeps its place, unless
    /// whoever asks knows that more is wrong.
    fn support_ground(&self, now: Instant, cause: Cause) -> Option<Ground> {
        if self.node.role().is_candidate() && now < self.stands_until {
            return None;
        }
        let is_free = match (self.is_leader(), cause) {
            (true, _) => !self.is_in_office(now),
            (false, Cause::Lost) => now >= self.bound_until,
            (false, Cause::Missed) => now >= self.missed_at,
        };
        self.ground(is_free)
    }

    fn ground(&self, is_free: bool) -> Option<Ground> {
        match (is_free, self.is_led || self.is_leader()) {
            (true, _) => Some(Ground::Silence),
            (false, false) => Some(Ground::Restart),
            (false, true) => None,
        }
    }

    /// The library begins a pause anew. A leader's signs of life do not wait for another
    /// reason: what it says besides them may be held for the disk.
    pub(super) fn reset_deadline(&mut self, now: Instant) {
        let at = now + self.pause();
        self.deadline = match self.is_leader() {
            true => at.min(self.deadline),
            false => at,
        };
    }

    /// Time between two signs of a leader's life.
    pub(super) fn heartbeat_pause(&self) -> Duration {
        Duration::from_nanos(self.config.promise.as_nanos() / HEARTBEATS)
    }

    /// Time until the leader shows again that it is alive, or this voter gives it up.
    pub(super) fn pause(&mut self) -> Duration {
        let timeout = self.config.election_timeout.as_nanos();
        let spread = self.random.below((timeout / 2).max(1));
        Duration::from_nanos(match self.node.role() {
            noraft::Role::Leader => self.heartbeat_pause().as_nanos(),
            noraft::Role::Candidate => timeout / 4 + spread,
            noraft::Role::Follower => timeout + spread,
        })
    }
}

/// The part of a promise that its leader uses. The rest is for clocks that run unevenly.
fn three_quarters(span: Duration) -> Duration {
    Duration::from_nanos(span.as_nanos() / 4 * 3)
}
