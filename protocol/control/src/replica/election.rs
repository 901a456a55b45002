//! Who may lead: questions before an election, promises to a leader, its lease.
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use noraft::ClusterConfig;
use types::{Duration, Instant};

use super::Replica;
use crate::voting::{Ground, Packet, VoterId};

/// Signs of life of a leader per election timeout.
const HEARTBEATS: u64 = 8;
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
                0 => Some(None),
                count => heard.get(count - 1).copied().flatten().map(Some),
            }
        };
        let mut end = Instant::from_nanos(u64::MAX);
        for half in halves {
            // Alone it needs nobody's promise.
            if let Some(answered) = heard(half)? {
                let lease = self.config.election_timeout.as_nanos() / 4 * 3;
                end = end.min(answered + Duration::from_nanos(lease));
            }
        }
        Some(end)
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
        let timeout = self.config.election_timeout.as_nanos();
        let (pause, spread) = if self.is_led && self.leader.is_some() {
            (timeout, timeout / 2)
        } else {
            (timeout / 16, timeout / 16)
        };
        let pause = pause + self.random.below(spread.max(1));
        self.deadline = now + Duration::from_nanos(pause);
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
        let last = self.node.log().last_position();
        let question = Packet::Canvass {
            round: self.rounds,
            last: last.into(),
        };
        let peers: Vec<VoterId> = self.node.peers().map(VoterId::from).collect();
        for peer in peers {
            self.send(peer, question.clone(), self.recorded);
        }
        if let Some(ground) = self.ground_now(now) {
            self.on_support(now, self.config.me, self.rounds, (ground, self.is_led));
        }
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
        self.leader = None;
        self.bound_until = now;
        let pause = self.config.election_timeout.as_nanos() / 16;
        let spread = self.random.below(pause.max(1));
        self.deadline = now + Duration::from_nanos(pause + spread);
    }

    /// The process that led in this term is dead: what this voter has promised it is over.
    /// Nobody need miss it first.
    pub fn leader_died(&mut self, now: Instant, term: u64) {
        if self.leader.is_none() || self.is_leader() || term != self.term() {
            return;
        }
        let dead = self.leader.take();
        self.bound_until = now;
        // By the time of the first question the others know it, too; one after the other
        // asks, so that none takes votes from another.
        let others = self.node.config().voters.iter().map(|&voter| voter.into());
        let before = others.filter(|&voter| Some(voter) != dead && voter < self.config.me);
        let turn = before.count() as u64;
        let timeout = self.config.election_timeout.as_nanos();
        self.deadline = now + Duration::from_nanos(timeout / 128 + turn * (timeout / 32));
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
    pub(super) fn ground_now(&self, now: Instant) -> Option<Ground> {
        if self.node.role().is_leader() {
            // Without a lease it is as good as none.
            return (!self.has_lease(now)).then_some(Ground::Silence);
        }
        if now >= self.bound_until {
            return Some(Ground::Silence);
        }
        (!self.is_led).then_some(Ground::Restart)
    }

    pub(super) fn ground_for(&self, now: Instant, last: noraft::LogPosition) -> Option<Ground> {
        let is_new_enough = last >= self.node.log().last_position();
        self.ground_now(now).filter(|_| is_new_enough)
    }

    /// Time until the leader shows again that it is alive, or this voter gives it up.
    pub(super) fn pause(&mut self) -> Duration {
        let timeout = self.config.election_timeout.as_nanos();
        let spread = self.random.below((timeout / 2).max(1));
        Duration::from_nanos(match self.node.role() {
            noraft::Role::Leader => timeout / HEARTBEATS,
            noraft::Role::Candidate => timeout / 4 + spread,
            noraft::Role::Follower => timeout + spread,
        })
    }
}
