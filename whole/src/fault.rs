//! What goes wrong: each fault begins, and what it leaves to be done is planned.
use std::fmt;
use std::str::FromStr;

use admin::Request;
use types::{Duration, Prng};

use crate::cue::Waiting;
use crate::item::{Heal, Item};
use crate::machine::{Drive, Place, Syncs};
use crate::names::{MachineId, Pid};
use crate::tool::Asker;
use crate::world::{Word, World};

/// Whom a fault hits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Who {
    Node(usize),
    /// Whoever leads then; if nobody does, this node.
    Leader {
        or: usize,
    },
}

/// What a system says of a process that is killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Death {
    /// That it has ended.
    Seen,
    /// The same, and what was on its way is lost.
    Abrupt,
    /// Nothing: its machine is off.
    Silent,
}

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// A node is killed, and started again with its disks.
    Kill {
        who: Who,
        death: Death,
        away: Duration,
    },
    /// So are two, shortly after one another.
    KillTwo {
        first: Who,
        second: usize,
        gap: Duration,
        away: Duration,
    },
    /// All machines lose power.
    Blackout { away: Duration },
    /// A process stands still, then goes on.
    Pause { who: Who, time: Duration },
    /// A machine is cut off from all others.
    Isolate { who: Who, time: Duration },
    /// What one machine says to another does not arrive.
    OneWay {
        from: Who,
        to: usize,
        time: Duration,
    },
    /// Two machines do not reach each other.
    Split {
        one: Who,
        other: usize,
        time: Duration,
    },
    /// The same, several times.
    Flap {
        one: Who,
        other: usize,
        each: Duration,
        times: u32,
    },
    /// Syncs take long.
    SlowDisk {
        who: Who,
        sync: Duration,
        time: Duration,
    },
    /// A machine's disks are lost; it comes back with empty ones. Once in a run, if all is well.
    LoseDisks { who: Who, away: Duration },
    /// Bits in a quarter of what is on the disk of a store flip. Once in a run, if all is well.
    Rot { who: Who },
    /// A machine's store loses what it wrote last, a whole file, while the machine is off. If it
    /// is refused then, its operator begins with an empty disk. Once in a run, if all is well.
    LoseTail { who: Who, away: Duration },
    /// A machine with empty disks comes.
    Join,
    /// A member is to leave for good.
    Drain { who: Who },
    /// Something happens to whoever says something.
    Cue(Waiting),
}

/// A kind of fault.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum FaultKind {
    /// A node is killed and started again.
    Kill,
    /// Two are, shortly after one another.
    KillTwo,
    /// All machines lose power.
    Blackout,
    /// A process stands still for a while.
    Pause,
    /// A machine is cut off for a while.
    Isolate,
    /// A path is cut in one direction.
    OneWay,
    /// A path is cut.
    Split,
    /// A path is cut again and again.
    Flap,
    /// Syncs take long.
    SlowDisk,
    /// A machine loses its disks.
    LoseDisks,
    /// Bits on a disk flip.
    Rot,
    /// A store loses its newest file.
    LoseTail,
    /// A machine comes.
    Join,
    /// A member leaves for good.
    Drain,
    /// Something happens to whoever says something.
    Cue,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Kill,
        Self::KillTwo,
        Self::Blackout,
        Self::Pause,
        Self::Isolate,
        Self::OneWay,
        Self::Split,
        Self::Flap,
        Self::SlowDisk,
        Self::LoseDisks,
        Self::Rot,
        Self::LoseTail,
        Self::Join,
        Self::Drain,
        Self::Cue,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::KillTwo => "kill-two",
            Self::Blackout => "blackout",
            Self::Pause => "pause",
            Self::Isolate => "isolate",
            Self::OneWay => "one-way",
            Self::Split => "split",
            Self::Flap => "flap",
            Self::SlowDisk => "slow-disk",
            Self::LoseDisks => "lose-disks",
            Self::Rot => "rot",
            Self::LoseTail => "lose-tail",
            Self::Join => "join",
            Self::Drain => "drain",
            Self::Cue => "cue",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FaultKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|kind| kind.name()).collect();
            format!("expected one of {}", names.join(", "))
        })
    }
}

impl Fault {
    pub(crate) fn kind(&self) -> FaultKind {
        match self {
            Self::Kill { .. } => FaultKind::Kill,
            Self::KillTwo { .. } => FaultKind::KillTwo,
            Self::Blackout { .. } => FaultKind::Blackout,
            Self::Pause { .. } => FaultKind::Pause,
            Self::Isolate { .. } => FaultKind::Isolate,
            Self::OneWay { .. } => FaultKind::OneWay,
            Self::Split { .. } => FaultKind::Split,
            Self::Flap { .. } => FaultKind::Flap,
            Self::SlowDisk { .. } => FaultKind::SlowDisk,
            Self::LoseDisks { .. } => FaultKind::LoseDisks,
            Self::Rot { .. } => FaultKind::Rot,
            Self::LoseTail { .. } => FaultKind::LoseTail,
            Self::Join => FaultKind::Join,
            Self::Drain { .. } => FaultKind::Drain,
            Self::Cue(_) => FaultKind::Cue,
        }
    }
}

impl World {
    pub(crate) fn on_fault(&mut self, fault: Fault) {
        self.note(format_args!("fault: {fault:?}"));
        *self.counts.faults.entry(fault.kind()).or_default() += 1;
        match fault {
            Fault::Kill { who, death, away } => {
                let machine = self.find(who);
                self.kill_for(machine, death, away);
            }
            Fault::KillTwo {
                first,
                second,
                gap,
                away,
            } => {
                let first = self.find(first);
                let second = self.other_than(first, second);
                self.kill_for(first, Death::Seen, away);
                return self.heal_after(gap, Heal::Kill(second, away));
            }
            Fault::Blackout { away } => {
                let all: Vec<MachineId> = self.machines.iter().map(|one| one.id).collect();
                for machine in all {
                    self.kill(machine, Word::Silence);
                    let later = self.up_to(Duration::from_millis(300));
                    self.plan_start(machine, away + later);
                }
            }
            Fault::Pause { who, time } => {
                let machine = self.find(who);
                if let Some(process) = self.machines[machine.0].process {
                    return self.pause(process, time);
                }
            }
            Fault::Isolate { who, time } => {
                let one = self.find(who);
                let others = self.machines.iter().map(|machine| machine.id);
                let others = others.filter(|&other| other != one);
                let paths = others.flat_map(|other| [(one, other), (other, one)]);
                let paths = paths.collect();
                return self.cut_for(paths, time);
            }
            Fault::OneWay { from, to, time } => {
                let from = self.find(from);
                let to = self.other_than(from, to);
                return self.cut_for(vec![(from, to)], time);
            }
            Fault::Split { one, other, time } => {
                let paths = self.link(one, other);
                return self.cut_for(paths, time);
            }
            Fault::Flap {
                one,
                other,
                each,
                times,
            } => return self.flap(one, other, each, times),
            Fault::SlowDisk { who, sync, time } => {
                let machine = self.find(who);
                let one = &mut self.machines[machine.0];
                one.slow += 1;
                one.syncs = Syncs {
                    min: Duration::ZERO,
                    more: sync,
                };
                return self.heal_after(time, Heal::Disks(machine));
            }
            Fault::LoseDisks { who, away } => self.lose_disks(who, away),
            Fault::Rot { who } => self.rot(who),
            Fault::LoseTail { who, away } => self.lose_tail(who, away),
            Fault::Join => {
                let machine = self.add_machine();
                self.plan_start(machine, Duration::ZERO);
            }
            Fault::Drain { who } => self.drain(who),
            Fault::Cue(waiting) => return self.await_cue(waiting),
        }
        self.story.faults_left -= 1;
    }

    pub(crate) fn on_heal(&mut self, heal: Heal) {
        self.note(format_args!("over: {heal:?}"));
        match heal {
            Heal::Paths(paths) => {
                for path in paths {
                    self.wire().mend(path);
                }
            }
            Heal::CutAgain(paths, time) => {
                self.story.faults_left -= 1;
                return self.cut_for(paths, time);
            }
            Heal::Disks(machine) => {
                let syncs = self.scenario.syncs;
                let one = &mut self.machines[machine.0];
                one.slow -= 1;
                if one.slow == 0 {
                    one.syncs = syncs;
                }
            }
            Heal::Cue(waiting) => return self.drop_cue(&waiting),
            Heal::Process(process) => self.resume(process),
            Heal::Kill(machine, away) => self.kill_for(machine, Death::Seen, away),
        }
        self.story.faults_left -= 1;
    }

    /// A fault under way that ends then.
    fn heal_after(&mut self, time: Duration, heal: Heal) {
        self.push(time, Item::Heal(heal));
    }

    fn cut_for(&mut self, paths: Vec<(MachineId, MachineId)>, time: Duration) {
        for &path in &paths {
            self.wire().cut(path);
        }
        self.heal_after(time, Heal::Paths(paths));
    }

    fn flap(&mut self, one: Who, other: usize, each: Duration, times: u32) {
        let paths = self.link(one, other);
        self.cut_for(paths.clone(), each);
        let mut after = each;
        for _ in 1..times {
            after = after + each;
            self.story.faults_left += 1;
            self.heal_after(after, Heal::CutAgain(paths.clone(), each));
            // What is cut again heals once more.
            self.story.faults_left += 1;
            after = after + each;
        }
    }

    fn kill_for(&mut self, machine: MachineId, death: Death, away: Duration) {
        let word = match death {
            Death::Seen => Word::End,
            Death::Abrupt => Word::Reset,
            Death::Silent => Word::Silence,
        };
        if self.machines[machine.0].place == Place::Wanted {
            self.kill(machine, word);
            self.plan_start(machine, away);
        }
    }

    fn pause(&mut self, id: Pid, time: Duration) {
        let until = self.now + time;
        let process = self.process_mut(id);
        process.is_paused = true;
        process.paused_until = process.paused_until.max(until);
        process.slept_until = process.slept_until.max(until);
        self.heal_after(time, Heal::Process(id));
    }

    fn resume(&mut self, id: Pid) {
        let now = self.now;
        let process = self.process_mut(id);
        if process.paused_until > now {
            return;
        }
        process.is_paused = false;
        if std::mem::take(&mut process.is_wake_due) {
            self.wake_at(id, now);
        }
    }

    /// What is promised survives the loss of one disk of three, once everything has its
    /// copies, and three vote.
    fn lose_disks(&mut self, who: Who, away: Duration) {
        let voters = self.leader().map_or(0, |(_, status)| {
            status.voters.iter().filter(|voter| voter.is_there).count()
        });
        let may = voters > 2 && !self.story.have_lost_disks;
        let Some(members) = self.members_if_whole().filter(|_| may) else {
            return;
        };
        self.story.have_lost_disks = true;
        let machine = self.find(who);
        self.note(format_args!("{machine} of {members} loses its disks"));
        self.kill_for(machine, Death::Silent, away);
        self.machines[machine.0].disks = Default::default();
    }

    /// Whether a disk of so many at least may lose something: every other copy is there.
    fn may_lose(&self, members_min: usize) -> bool {
        let members = self.members_if_whole();
        let is_enough = members.is_some_and(|members| members >= members_min);
        is_enough && !self.story.have_lost_disks
    }

    /// What flips is found and mended before long.
    fn rot(&mut self, who: Who) {
        let machine = self.find(who);
        let Some(id) = self.machines[machine.0]
            .process
            .filter(|_| self.may_lose(2))
        else {
            return;
        };
        self.story.have_lost_disks = true;
        if self.planted.rots_everywhere() {
            return self.rot_everywhere();
        }
        let mut prng = Prng::new(self.prng.next_u64());
        let disk = &mut self.process_mut(id).drives[Drive::Store.index()];
        let count = disk.rot(4, &mut prng);
        self.note(format_args!("{count} frames of {machine} are damaged"));
        self.ask(
            Asker::Story,
            id,
            &Request::Scrub,
            Duration::from_millis(5_000),
        );
    }

    /// Also memories lose what they had.
    fn rot_everywhere(&mut self) {
        self.on_fault(Fault::Blackout {
            away: Duration::from_millis(300),
        });
        self.story.faults_left += 1;
        let mut prng = Prng::new(self.prng.next_u64());
        for machine in &mut self.machines {
            machine.disks[Drive::Store.index()].rot(4, &mut prng);
        }
    }

    fn lose_tail(&mut self, who: Who, away: Duration) {
        let machine = self.find(who);
        if !self.may_lose(3) || self.machines[machine.0].place != Place::Wanted {
            return;
        }
        self.story.have_lost_disks = true;
        self.kill_for(machine, Death::Silent, away);
        let one = &mut self.machines[machine.0];
        let is_lost = one.disks[Drive::Store.index()].lose_newest();
        one.tail_lost_before = is_lost.then_some(one.starts + 1);
        self.note(format_args!("{machine} has lost a file: {is_lost}"));
    }

    fn drain(&mut self, who: Who) {
        let machine = self.find(who);
        let address = self.machines[machine.0].address();
        let Some((leader, status)) = self.leader() else {
            return;
        };
        let node = status.nodes.iter().find(|node| node.address == address);
        let Some(node) = node.map(|node| node.node) else {
            return;
        };
        let request = Request::Drain { nodes: vec![node] };
        self.ask(Asker::Story, leader, &request, Duration::from_millis(5_000));
    }

    /// The machine that is meant; if it has no process, the next that has.
    fn find(&self, who: Who) -> MachineId {
        let count = self.machines.len();
        let first = match who {
            Who::Node(number) => number,
            Who::Leader { or } => match self.leader() {
                Some((leader, _)) => return self.process(leader).machine,
                None => or,
            },
        };
        let mut all = (0..count).map(|step| MachineId((first + step) % count));
        let has_process = |one: &MachineId| self.machines[one.0].process.is_some();
        all.find(has_process).unwrap_or(MachineId(first % count))
    }

    fn other_than(&self, one: MachineId, number: usize) -> MachineId {
        let count = self.machines.len();
        let other = MachineId(number % count);
        match other == one {
            true => MachineId((number + 1) % count),
            false => other,
        }
    }

    fn link(&self, one: Who, other: usize) -> Vec<(MachineId, MachineId)> {
        let one = self.find(one);
        let other = self.other_than(one, other);
        vec![(one, other), (other, one)]
    }
}
