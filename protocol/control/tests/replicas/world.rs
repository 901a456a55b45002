//! Voters with lossy links, slow disks and crashes, and what is known of all.
use control::{
    Checkpoint, Command, Packet, Record, Replica, ReplicaConfig, ReplicaOutput, VoterId,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash};
use types::{Duration, Epoch, Instant, Prng};

pub(crate) const TIMEOUT_MS: u64 = 400;
pub(crate) const PROMISE_MS: u64 = 80;
pub(crate) const SYNC_MS: u64 = 3;

/// A voter's disk: records that a crash keeps, and the others.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) durable: Vec<Record>,
    pub(crate) written: Vec<Record>,
    /// How many of them the sync covers that is under way, and when it is done.
    pub(crate) syncing: Option<(u64, usize)>,
}

pub(crate) struct Host {
    pub(crate) disk: Disk,
    pub(crate) replica: Option<Replica>,
    pub(crate) starts: u64,
    /// Whom it has heard since it was started.
    pub(crate) heard: BTreeSet<u64>,
    clock: Clock,
    /// Its process stands still until then.
    pub(crate) stopped_until: u64,
}

/// A voter's clock: what it has shown when, and how fast it has gone since, in percent.
#[derive(Clone, Copy)]
struct Clock {
    at_ms: u64,
    shown_ns: u64,
    percent: u64,
}

/// What a voter hears of a leader from its own system.
#[derive(Clone, Copy)]
pub(crate) enum News {
    /// A connection has ended: whoever led in this term is dead, or has hung up.
    End { term: u64 },
    /// This voter's machine acknowledges nothing.
    Silence { leader: u64 },
}

/// Some voters, and what is known of all.
pub(crate) struct World {
    pub(crate) hosts: BTreeMap<u64, Host>,
    pub(crate) now_ms: u64,
    pub(crate) random: Prng,
    /// Packets on their way, by time of arrival.
    pub(crate) net: BTreeMap<(u64, u64), (u64, u64, Packet)>,
    pub(crate) sent: u64,
    pub(crate) loss_percent: u64,
    /// Who is not heard by whom.
    pub(crate) cut: BTreeSet<(u64, u64)>,
    /// When who hears what of a leader.
    pub(crate) news: Vec<(u64, u64, News)>,
    /// How long disks take.
    pub(crate) sync_ms: u64,
    /// Whose disks do not get done.
    pub(crate) stuck: BTreeSet<u64>,
    pub(crate) truth: BTreeMap<u64, Command>,
    /// Epoch proposed last; each is proposed once.
    pub(crate) proposed: u64,
    pub(crate) leaders: BTreeMap<u64, u64>,
    pub(crate) restored: u64,
    pub(crate) trace: DefaultHasher,
}

impl World {
    /// Voter 1 has founded a cluster; the others listen to whatever comes.
    pub(crate) fn new(seed: u64, voters: u64, loss_percent: u64) -> Self {
        let mut world = Self {
            hosts: BTreeMap::new(),
            now_ms: 1,
            random: Prng::new(seed),
            net: BTreeMap::new(),
            sent: 0,
            loss_percent,
            cut: BTreeSet::new(),
            news: Vec::new(),
            sync_ms: SYNC_MS,
            stuck: BTreeSet::new(),
            truth: BTreeMap::new(),
            proposed: 0,
            leaders: BTreeMap::new(),
            restored: 0,
            trace: DefaultHasher::new(),
        };
        for id in 1..=voters {
            let host = Host {
                disk: Disk::default(),
                replica: None,
                starts: 0,
                heard: BTreeSet::new(),
                clock: Clock {
                    at_ms: 0,
                    shown_ns: 0,
                    percent: 100,
                },
                stopped_until: 0,
            };
            world.hosts.insert(id, host);
            world.start(id);
        }
        let now = world.now();
        world.replica(1).found(now);
        world
    }

    /// The same, and all of them vote.
    pub(crate) fn voting(seed: u64, voters: u64, loss_percent: u64) -> Self {
        let mut world = Self::new(seed, voters, loss_percent);
        let all: Vec<u64> = (1..=voters).collect();
        world.until("all vote", |world| world.adjust(&all));
        world
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::from_nanos(self.now_ms * 1_000_000)
    }

    /// The time on a voter's clock.
    pub(crate) fn now_at(&self, id: u64) -> Instant {
        let Clock {
            at_ms,
            shown_ns,
            percent,
        } = self.hosts[&id].clock;
        Instant::from_nanos(shown_ns + (self.now_ms - at_ms) * 10_000 * percent)
    }

    /// A voter's clock goes at this pace from now on, in percent of the true one.
    pub(crate) fn set_pace(&mut self, id: u64, percent: u64) {
        let clock = Clock {
            at_ms: self.now_ms,
            shown_ns: self.now_at(id).as_nanos(),
            percent,
        };
        self.hosts.get_mut(&id).unwrap().clock = clock;
    }

    pub(crate) fn replica(&mut self, id: u64) -> &mut Replica {
        self.hosts.get_mut(&id).unwrap().replica.as_mut().unwrap()
    }

    pub(crate) fn start(&mut self, id: u64) {
        let now = self.now_at(id);
        let host = self.hosts.get_mut(&id).unwrap();
        host.starts += 1;
        host.heard.clear();
        host.stopped_until = 0;
        let config = ReplicaConfig {
            me: VoterId(id),
            promise: Duration::from_millis(PROMISE_MS),
            election_timeout: Duration::from_millis(TIMEOUT_MS),
            seed: id * 1000 + host.starts,
        };
        let bytes = host.disk.durable.iter().map(Record::encode);
        let records = bytes.map(|bytes| Record::decode(&bytes).unwrap());
        let found = Checkpoint::replay(records).unwrap();
        host.replica = Some(Replica::new(now, config, found));
    }

    /// A voter dies; if it leads, the others see their connections with it end within so
    /// many milliseconds.
    pub(crate) fn crash_seen(&mut self, id: u64, within_ms: u64) {
        let term = self.replica(id).term();
        let did_lead = self.replica(id).is_leader();
        self.crash(id);
        for other in self.alive() {
            if did_lead {
                let at = self.now_ms + 1 + self.random.below(within_ms);
                self.news.push((at, other, News::End { term }));
            }
        }
    }

    /// The leader ends its connection with a voter, which sees that within so many
    /// milliseconds.
    pub(crate) fn hang_up(&mut self, other: u64, within_ms: u64) {
        let leads = |id: &u64| self.hosts[id].replica.as_ref().unwrap().is_leader();
        let leaders: Vec<u64> = self.alive().into_iter().filter(leads).collect();
        for leader in leaders.into_iter().filter(|&leader| leader != other) {
            let now = self.now_at(leader);
            let replica = self.replica(leader);
            let term = replica.term();
            replica.doubt(now, VoterId(other));
            let at = self.now_ms + self.random.below(within_ms);
            self.news.push((at, other, News::End { term }));
        }
    }

    /// A voter notices after so many milliseconds that a leader's machine is silent.
    pub(crate) fn notice(&mut self, id: u64, leader: u64, after_ms: u64) {
        let at = self.now_ms + after_ms;
        self.news.push((at, id, News::Silence { leader }));
    }

    /// A voter's process stands still for so long; what it is told waits.
    pub(crate) fn stop(&mut self, id: u64, millis: u64) {
        self.hosts.get_mut(&id).unwrap().stopped_until = self.now_ms + millis;
    }

    fn is_stopped(&self, id: u64) -> bool {
        self.hosts[&id].stopped_until > self.now_ms
    }

    fn tell_news(&mut self) {
        let now_ms = self.now_ms;
        let hosts = &self.hosts;
        let is_due =
            |(at, id, _): &mut (u64, u64, News)| *at <= now_ms && hosts[id].stopped_until <= now_ms;
        let due: Vec<_> = self.news.extract_if(.., is_due).collect();
        for (_, id, news) in due {
            let now = self.now_at(id);
            let replica = self.hosts.get_mut(&id).unwrap().replica.as_mut();
            match (replica, news) {
                (Some(replica), News::End { term }) => replica.leader_died(now, term),
                (Some(replica), News::Silence { leader }) => {
                    replica.leader_silent(now, VoterId(leader));
                }
                (None, _) => {}
            }
        }
    }

    /// What was not synced may be there or not.
    pub(crate) fn crash(&mut self, id: u64) {
        let random = &mut self.random;
        let host = self.hosts.get_mut(&id).unwrap();
        let written = std::mem::take(&mut host.disk.written);
        let count = random.below(written.len() as u64 + 1);
        let kept = written.into_iter().take(usize::try_from(count).unwrap());
        host.disk.durable.extend(kept);
        host.disk.syncing = None;
        host.replica = None;
    }

    pub(crate) fn alive(&self) -> Vec<u64> {
        let alive = self.hosts.iter().filter(|(_, host)| host.replica.is_some());
        alive.map(|(&id, _)| id).collect()
    }

    /// Who leads and may act.
    pub(crate) fn acting(&self) -> Option<u64> {
        let mut acting = self.hosts.iter().filter(|&(&id, host)| {
            let replica = host.replica.as_ref();
            replica.is_some_and(|replica| replica.has_lease(self.now_at(id)))
        });
        let first = acting.next().map(|(&id, _)| id);
        assert!(acting.next().is_none(), "one-leader-acts");
        first
    }

    /// One that has applied all and may decide.
    pub(crate) fn settled(&self) -> Option<u64> {
        let is_settled = |id: &u64| self.hosts[id].replica.as_ref().unwrap().is_settled();
        self.acting().filter(is_settled)
    }

    /// Whether the electorate is `wanted`; if not, brings it a step closer.
    pub(crate) fn adjust(&mut self, wanted: &[u64]) -> bool {
        let wanted: BTreeSet<VoterId> = wanted.iter().copied().map(VoterId).collect();
        let Some(id) = self.acting() else {
            return false;
        };
        let now = self.now_at(id);
        let replica = self.replica(id);
        let electorate = replica.electorate();
        replica.adjust(now, &wanted);
        electorate.voters == wanted && electorate.next.is_empty() && replica.is_settled()
    }

    pub(crate) fn propose(&mut self, id: u64) -> u64 {
        self.proposed += 1;
        let epoch = Epoch(self.proposed);
        let now = self.now_at(id);
        assert!(
            self.replica(id)
                .propose(now, Command::Stable { epoch, wall_ms: 0 })
        );
        epoch.0
    }

    /// A decision is taken, and all that are alive know it.
    pub(crate) fn decide(&mut self) {
        self.until("somebody may decide", |world| world.settled().is_some());
        self.decide_without(&[]);
    }

    /// The leader's decision is taken, and all that are alive but these know it.
    pub(crate) fn decide_without(&mut self, ids: &[u64]) {
        let leader = self.settled().unwrap();
        let epoch = self.propose(leader);
        self.until("all know", |world| {
            let know = |id: &u64| {
                let replica = world.hosts[id].replica.as_ref().unwrap();
                ids.contains(id) || replica.state().stable().0 >= epoch
            };
            world.alive().iter().all(know)
        });
    }

    pub(crate) fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let end = self.now_ms + 60_000;
        while !is_so(self) {
            assert!(self.now_ms < end, "in vain: {what}");
            self.pass(1);
        }
    }

    pub(crate) fn pass(&mut self, millis: u64) {
        for _ in 0..millis {
            self.now_ms += 1;
            self.tell_news();
            self.deliver();
            for id in self.alive() {
                if !self.is_stopped(id) {
                    self.turn(id);
                }
            }
            let _ = self.acting();
        }
    }

    pub(crate) fn deliver(&mut self) {
        let due: Vec<_> = self
            .net
            .range(..=(self.now_ms, u64::MAX))
            .map(|(&key, _)| key)
            .collect();
        for key in due {
            let (from, to, packet) = self.net.remove(&key).unwrap();
            if self.is_stopped(to) {
                let at = self.hosts[&to].stopped_until;
                self.net.insert((at, key.1), (from, to, packet));
                continue;
            }
            let now = self.now_at(to);
            let packet = Packet::decode(&packet.encode()).unwrap();
            let is_heard = !self.cut.contains(&(from, to));
            let Some(host) = self.hosts.get_mut(&to).filter(|_| is_heard) else {
                continue;
            };
            if let Some(replica) = &mut host.replica {
                replica.handle(now, VoterId(from), &packet).unwrap();
                if host.heard.insert(from) {
                    replica.meet(now, VoterId(from));
                }
            }
        }
    }

    pub(crate) fn turn(&mut self, id: u64) {
        let (now, now_ms) = (self.now_at(id), self.now_ms);
        let is_stuck = self.stuck.contains(&id);
        let host = self.hosts.get_mut(&id).unwrap();
        let replica = host.replica.as_mut().unwrap();
        replica.tick(now);
        let mut outputs = VecDeque::new();
        let syncing = &mut host.disk.syncing;
        if let Some((_, count)) = syncing.take_if(|(at, _)| !is_stuck && *at <= now_ms) {
            host.disk.durable.extend(host.disk.written.drain(..count));
            replica.persisted(count as u64);
        }
        while let Some(output) = replica.poll_output() {
            match output {
                ReplicaOutput::Persist(record) => host.disk.written.push(record),
                output => outputs.push_back(output),
            }
        }
        let count = host.disk.written.len();
        if count > 0 && host.disk.syncing.is_none() {
            host.disk.syncing = Some((now_ms + self.sync_ms, count));
        }
        if replica.is_leader() {
            let leader = self.leaders.entry(replica.term()).or_insert(id);
            assert_eq!(*leader, id, "one leader of a term");
        }
        for output in outputs {
            self.take(id, output);
        }
    }

    pub(crate) fn take(&mut self, id: u64, output: ReplicaOutput) {
        match output {
            ReplicaOutput::Send { to, packet } => {
                (self.now_ms, id, to.0, packet.encode()).hash(&mut self.trace);
                self.sent += 1;
                if !self.random.chance(self.loss_percent, 100) {
                    let at = self.now_ms + 1 + self.random.below(5);
                    self.net.insert((at, self.sent), (id, to.0, packet));
                }
            }
            ReplicaOutput::Applied { index, command, .. } => {
                let known = self.truth.entry(index).or_insert_with(|| command.clone());
                assert_eq!(*known, command, "one decision at a place");
            }
            ReplicaOutput::Restored => {
                self.restored += 1;
                let (applied, stable) = {
                    let replica = self.replica(id);
                    (replica.applied(), replica.state().stable())
                };
                let highest = |(_, command): (&u64, &Command)| match command {
                    Command::Stable { epoch, .. } => *epoch,
                    _ => Epoch(0),
                };
                let known = self.truth.range(..=applied).map(highest).max();
                assert!(
                    known.unwrap_or_default() >= stable,
                    "a snapshot invents nothing"
                );
            }
            ReplicaOutput::Persist(_) => unreachable!("taken before"),
        }
    }

    /// Nothing passes between these and the others.
    pub(crate) fn isolate(&mut self, ids: &[u64]) {
        for &inside in ids {
            for outside in self.hosts.keys().copied().filter(|id| !ids.contains(id)) {
                self.cut.insert((inside, outside));
                self.cut.insert((outside, inside));
            }
        }
    }
}
