//! The story of a run: a cluster is formed, a program started, clients call it while faults
//! happen; then all is to be well again, also after a last loss of power, and the cluster
//! stops in order.
use std::collections::BTreeMap;

use admin::{Failure, FailureKind, Request, Response, Status};
use oracle::Moment;
use types::{Durability, Duration, Instant, Prng};

use crate::client::{Call, Client, Diary, PROGRAM, understand};
use crate::cue::Waiting;
use crate::guest;
use crate::historian::Historian;
use crate::item::Item;
use crate::machine::Place;
use crate::mortal::Mortals;
use crate::names::{MachineId, Pid};
use crate::report::Property;
use crate::scenario::{Detour, Scenario};
use crate::tool::{Asker, Told};
use crate::world::{Word, World};

/// How often somebody looks how the cluster is.
const LOOK_EVERY: Duration = Duration::from_millis(80);
/// A cluster without faults has done whatever is next within less.
const SETTLE_TIME: Duration = Duration::from_millis(60_000);
/// What is in memories is on disks long before.
const REST_TIME: Duration = Duration::from_millis(3_000);
/// No run has so much to do, unless nodes ask each other in vain, again and again.
const ITEMS_MAX: u64 = 3_000_000;
/// What is asked for the story's sake is answered within less, or asked again.
const STORY_TIME: Duration = Duration::from_millis(10_000);
const STATUS_TIME: Duration = Duration::from_millis(500);

/// How far the story has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// All nodes become members.
    Forming,
    Deploying,
    Starting,
    /// Clients call, faults happen.
    Chaos,
    /// No more faults: everybody is to be a member again.
    Healing,
    /// Clients come to their ends.
    Closing,
    /// All lists are read.
    Reading,
    /// A snapshot is taken.
    Keeping,
    /// Clients call, faults happen, and all of that is to be undone.
    Detour,
    /// Everybody is to be a member again, and clients come to their ends.
    Mending,
    /// The memory goes back to the snapshot.
    GoingBack,
    /// Everybody is to be a member again.
    Recovering,
    /// What is safe in memories gets to disks, and what is damaged is mended.
    Resting,
    /// All machines have lost power, and come back.
    Restarting,
    /// All lists are read once more.
    ReadingAgain,
    /// Nothing is to be left of programs that have ended.
    Burying,
    /// The cluster stops.
    Stopping,
}

/// What is known of a process by its own words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Said {
    pub(crate) at: Instant,
    pub(crate) status: Status,
}

/// The story so far.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) phase: Phase,
    since: Instant,
    pub(crate) diary: Diary,
    pub(crate) statuses: BTreeMap<Pid, Said>,
    /// Faults under way or to come.
    pub(crate) faults_left: usize,
    /// One machine has lost its disks.
    pub(crate) have_lost_disks: bool,
    /// Faults that wait for their cue.
    pub(crate) cues: Vec<Waiting>,
    pub(crate) historian: Historian,
    pub(crate) mortals: Mortals,
    /// The story's own question is not answered.
    is_asking: bool,
    reading: Option<(Moment, Call)>,
    down: Vec<MachineId>,
    /// Where the memory is to go back to, once.
    pub(crate) detour: Option<Detour>,
    /// How long it took to become well again.
    pub(crate) healed_in: Duration,
    pub(crate) restarted_in: Duration,
}

impl Story {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self {
            phase: Phase::Forming,
            since: Instant::default(),
            diary: Diary::default(),
            statuses: BTreeMap::new(),
            faults_left: scenario.faults.len(),
            have_lost_disks: false,
            cues: Vec::new(),
            historian: Historian::default(),
            mortals: Mortals::default(),
            is_asking: false,
            reading: None,
            down: Vec::new(),
            detour: scenario.detour.clone(),
            healed_in: Duration::ZERO,
            restarted_in: Duration::ZERO,
        }
    }
}

impl World {
    pub(crate) fn begin_story(&mut self) {
        self.push(LOOK_EVERY, Item::Look);
    }

    pub(crate) fn enter(&mut self, phase: Phase) {
        self.note(format_args!("{phase:?}"));
        self.story.phase = phase;
        self.story.since = self.now;
        self.story.is_asking = false;
        self.look_at_board_again();
    }

    /// Time since the phase began.
    fn took(&self) -> Duration {
        self.now.since(self.story.since)
    }

    /// Looks how far the cluster is, and what is next.
    pub(crate) fn on_look(&mut self) {
        for process in self.alive() {
            self.ask(Asker::Status, process, &Request::Status, STATUS_TIME);
        }
        self.read_past();
        if self.are_faults_planned() || self.story.phase == Phase::Recovering {
            self.look_at_mortals();
        }
        let is_late = !self.are_faults_planned() && self.took() > SETTLE_TIME;
        if is_late || self.queue.count() > ITEMS_MAX {
            let (phase, took) = (self.story.phase, self.took().as_millis());
            let detail = format!("{phase:?} has taken {took} ms; {}", self.who_is_there());
            self.fail(Property::Progress, detail);
            return;
        }
        let is_served =
            self.story.phase == Phase::Starting && self.are_callers_served() && self.is_board_up();
        let is_closed = self.story.phase == Phase::Closing
            && self.story.diary.clients.iter().all(Client::is_idle)
            && self.are_callers_idle()
            && self.is_board_well();
        match self.story.phase {
            Phase::Forming if self.is_whole() => self.enter(Phase::Deploying),
            Phase::Deploying => self.ask_for_story(&Request::Deploy {
                name: PROGRAM.to_owned(),
                wasm: guest::LISTS.to_vec(),
            }),
            Phase::Starting if is_served => self.ask_for_story(&Request::Run {
                module: PROGRAM.to_owned(),
                program: PROGRAM.to_owned(),
                workers: 0,
                arguments: Vec::new(),
                inputs: Vec::new(),
            }),
            Phase::Chaos if self.story.faults_left == 0 => self.enter(Phase::Healing),
            Phase::Healing if self.is_whole() => {
                self.story.healed_in = self.took();
                self.story.diary.is_closed = true;
                self.close_callers();
                self.enter(Phase::Closing);
            }
            Phase::Closing if is_closed => self.enter(Phase::Reading),
            Phase::Reading | Phase::ReadingAgain => self.read_on(),
            Phase::Keeping
            | Phase::Detour
            | Phase::Mending
            | Phase::GoingBack
            | Phase::Recovering => self.look_at_detour(),
            Phase::Resting if self.took() > REST_TIME => self.lose_power(),
            Phase::Restarting if self.is_whole() => {
                self.story.restarted_in = self.took();
                self.enter(Phase::ReadingAgain);
            }
            Phase::Burying => self.look_for_remains(),
            Phase::Stopping => self.ask_leader(&Request::Down),
            _ => {}
        }
        self.push(LOOK_EVERY, Item::Look);
    }

    /// Whether everybody is a member who should be, and everything has its copies.
    pub(crate) fn is_whole(&self) -> bool {
        self.members_if_whole().is_some()
    }

    /// How many members there are then.
    pub(crate) fn members_if_whole(&self) -> Option<usize> {
        let wanted = self.machines.iter().filter(|m| m.place == Place::Wanted);
        let (_, status) = self.leader()?;
        let count = status.nodes.len();
        let is_whole = status.is_replicated
            && count == wanted.count()
            && count == self.alive().len()
            && status.nodes.iter().all(|node| !node.is_leaving);
        is_whole.then_some(count)
    }

    /// For people: who runs, and what the leader says.
    fn who_is_there(&self) -> String {
        let alive = self.alive().into_iter().map(|id| self.name_of(id));
        let alive = alive.collect::<Vec<_>>().join(", ");
        let members = |status: &Status| {
            let names = status.nodes.iter().map(|node| node.name.as_str());
            format!("members {}", names.collect::<Vec<_>>().join(", "))
        };
        let leader = self.leader().map(|(_, status)| members(status));
        format!(
            "there are {alive}; {}",
            leader.unwrap_or_else(|| "nobody leads".into())
        )
    }

    /// The process that said last that it leads, and what it said.
    pub(crate) fn leader(&self) -> Option<(Pid, &Status)> {
        let alive = self.alive();
        let recent = self.story.statuses.iter().filter(|(process, said)| {
            alive.contains(process)
                && said.status.leader != 0
                && self.now.since(said.at) < LOOK_EVERY.doubled().doubled()
        });
        let newest = recent.max_by_key(|(_, said)| (said.status.view, said.at));
        newest.map(|(process, said)| (*process, &said.status))
    }

    pub(crate) fn on_status_told(&mut self, process: Pid, told: Told) {
        let Told::Answer(response) = told else {
            return;
        };
        let Response::Status(status) = *response else {
            return;
        };
        self.check_status(process, &status);
        let at = self.now;
        self.story.statuses.insert(process, Said { at, status });
    }

    pub(crate) fn ask_for_story(&mut self, request: &Request) {
        if !self.story.is_asking
            && let Some(&node) = self.alive().first()
        {
            self.story.is_asking = true;
            self.ask(Asker::Story, node, request, STORY_TIME);
        }
    }

    pub(crate) fn ask_leader(&mut self, request: &Request) {
        if !self.story.is_asking
            && let Some((leader, _)) = self.leader()
        {
            self.story.is_asking = true;
            self.ask(Asker::Story, leader, request, STORY_TIME);
        }
    }

    /// Reads the next of all lists.
    fn read_on(&mut self) {
        if self.story.is_asking || !self.is_board_well() {
            return;
        }
        let nodes = self.alive();
        if nodes.is_empty() {
            return;
        }
        let end = self.story.diary.lists();
        let first = self.story.reading.take();
        let first = first.map_or(0, |(_, call)| call.read_end());
        if first >= end {
            if !self.is_counted() {
                return;
            }
            self.count_again();
            match self.story.phase {
                Phase::Reading if self.story.detour.is_some() => self.enter(Phase::Keeping),
                // Mending takes a while, too.
                Phase::Reading if self.story.have_lost_disks => self.enter(Phase::Resting),
                Phase::Reading => match self.scenario.durability {
                    Durability::Disk => self.lose_power(),
                    Durability::Memory => self.enter(Phase::Resting),
                },
                _ => self.enter(Phase::Burying),
            }
            return;
        }
        let node = nodes[usize::try_from(self.prng.below(nodes.len() as u64)).expect("few")];
        let call = Call::read(first, end);
        let request = call.request();
        self.story.reading = Some((self.moment(), call));
        self.story.is_asking = true;
        self.ask(Asker::Story, node, &request, STORY_TIME);
    }

    pub(crate) fn on_story_told(&mut self, told: Told) {
        self.story.is_asking = false;
        match (self.story.phase, told) {
            (Phase::Reading | Phase::ReadingAgain, told) => self.on_read(told),
            (Phase::Keeping | Phase::GoingBack, Told::Answer(response)) => {
                self.on_detour_told(*response);
            }
            (Phase::Burying, Told::Answer(response)) => self.on_remains_told(*response),
            (Phase::Deploying, Told::Answer(response)) => match *response {
                Response::Deployed { .. } => self.enter(Phase::Starting),
                other => self.note(format_args!("not deployed: {other:?}")),
            },
            (Phase::Starting, Told::Answer(response)) => match *response {
                Response::Started { .. } => self.begin_chaos(),
                other => self.note(format_args!("not started: {other:?}")),
            },
            (Phase::Stopping, Told::Answer(response)) if *response == Response::Done => {
                // Those who are told now end one after the other.
                self.story.is_asking = true;
            }
            (_, Told::Answer(response)) => match *response {
                Response::Failed(Failure {
                    kind: FailureKind::BadRequest,
                    message,
                }) => self.note(format_args!("refused: {message}")),
                other => self.note(format_args!("{other:?}")),
            },
            (_, told) => self.note(format_args!("{told:?}")),
        }
    }

    fn on_read(&mut self, told: Told) {
        let (begin, call) = self.story.reading.clone().expect("it has asked");
        let answer = understand(self.moment(), told);
        match answer {
            oracle::lists::Answer::Given { .. } => {
                self.story.diary.operations.push(call.told(begin, answer));
            }
            // It is asked again, from the beginning.
            _ => self.story.reading = None,
        }
    }

    fn begin_chaos(&mut self) {
        self.enter(Phase::Chaos);
        for number in 0..self.scenario.clients {
            let prng = Prng::new(self.prng.next_u64());
            self.story.diary.clients.push(Client::new(prng));
            self.push(Duration::ZERO, Item::Client(number));
        }
        self.begin_callers();
        self.begin_typing();
        for (after, fault) in self.scenario.faults.clone() {
            self.push(after, Item::Fault(fault));
        }
    }

    /// All machines at once; what was not synced may be lost.
    fn lose_power(&mut self) {
        self.enter(Phase::Restarting);
        let machines: Vec<MachineId> = self.machines.iter().map(|one| one.id).collect();
        for &machine in &machines {
            self.kill(machine, Word::Silence);
        }
        for machine in machines {
            let after = Duration::from_millis(100) + self.up_to(Duration::from_millis(500));
            self.plan_start(machine, after);
        }
    }

    /// A node has stopped because the cluster does.
    pub(crate) fn on_down(&mut self, machine: MachineId) {
        if self.story.phase != Phase::Stopping {
            let detail = format!("{machine} stops, and nobody has asked for it");
            return self.fail(Property::Life, detail);
        }
        self.story.down.push(machine);
        if self.alive().is_empty() {
            self.note(format_args!("all have stopped"));
            self.is_over = true;
        }
    }
}
