//! The world: its time, what is due, who is there, and what happens when something is due.
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Arguments;
use std::sync::{Arc, Condvar, Weak};

use node::FatalReason;
use platform::Event;
use store::{MemoryDisk, SyncMode, Tail};
use types::{Duration, Instant, Prng};

use crate::caller::Callers;
use crate::checks::Checks;
use crate::clock::Clock;
use crate::item::{Arrival, Item};
use crate::life::{self, Fate};
use crate::links::Links;
use crate::machine::{Drive, Machine, Place};
use crate::names::{MachineId, Pid, Side};
use crate::network::{Arrived, Network, Packet, Wire};
use crate::outside::Outside;
use crate::plant::Planted;
use crate::process::{Letter, Life, Process, Rest};
use crate::report::{Counts, Property};
use crate::scenario::Scenario;
use crate::stage::{Stage, Turn};
use crate::story::Story;
use crate::tool::Tools;
use crate::trace::Trace;
use crate::typist::Typist;

/// A process is started again so long after it has ended by itself.
const BREATH: Duration = Duration::from_millis(200);
/// From the start of a process until its node runs.
const BIRTH: Duration = Duration::from_millis(3);
/// Until a thread that slept runs, at most.
const LATENCY: Duration = Duration::from_micros(50);
/// One of so many times a process that could go on does not.
const STUTTER_ONE_OF: u64 = 400;
/// Events given between two looks at the links at most.
const EVENTS_PER_LOOK: u32 = 256;

/// All there is.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) stage: Weak<Stage>,
    pub(crate) now: Instant,
    pub(crate) queue: Queue,
    pub(crate) turn: Turn,
    pub(crate) is_over: bool,
    pub(crate) failure: Option<(Property, String)>,
    pub(crate) scenario: Scenario,
    pub(crate) prng: Prng,
    pub(crate) network: Network,
    pub(crate) machines: Vec<Machine>,
    processes: Vec<Process>,
    /// Threads that will never end.
    stranded: Vec<Pid>,
    pub(crate) tools: Tools,
    pub(crate) outside: Outside,
    pub(crate) callers: Callers,
    pub(crate) typist: Option<Typist>,
    pub(crate) story: Story,
    pub(crate) checks: Checks,
    pub(crate) planted: Planted,
    pub(crate) counts: Counts,
    pub(crate) trace: Trace,
    pub(crate) tells_messages: bool,
}

type Queue = crate::queue::Queue<Item>;

impl World {
    pub(crate) fn new(
        stage: Weak<Stage>,
        mut prng: Prng,
        scenario: Scenario,
        planted: Planted,
        trace: Trace,
    ) -> Self {
        let network = Network::new(scenario.delays, Prng::new(prng.next_u64()));
        let mut world = Self {
            stage,
            now: Instant::default(),
            queue: Queue::new(),
            turn: Turn::Main,
            is_over: false,
            failure: None,
            network,
            machines: Vec::new(),
            processes: Vec::new(),
            stranded: Vec::new(),
            tools: Tools::default(),
            outside: Outside::default(),
            callers: Callers::default(),
            typist: scenario.typist.map(Typist::new),
            story: Story::new(&scenario),
            checks: Checks::default(),
            planted,
            counts: Counts::default(),
            trace,
            tells_messages: false,
            prng,
            scenario,
        };
        for _ in 0..world.scenario.nodes {
            let machine = world.add_machine();
            let after = world.up_to(Duration::from_millis(100));
            world.plan_start(machine, after);
        }
        world.begin_story();
        world
    }

    pub(crate) fn add_machine(&mut self) -> MachineId {
        let id = MachineId(self.machines.len());
        let offset = Duration::from_millis(1_000 + self.prng.below(1 << 20));
        let range = self.scenario.drift_ppm;
        let drift = i64::try_from(self.prng.below(2 * range + 1)).expect("small")
            - i64::try_from(range).expect("small");
        let clock = Clock::new(offset, self.planted.drift(id, drift));
        self.machines
            .push(Machine::new(id, clock, self.scenario.syncs));
        id
    }

    pub(crate) fn process(&self, id: Pid) -> &Process {
        &self.processes[id.0]
    }

    pub(crate) fn process_mut(&mut self, id: Pid) -> &mut Process {
        &mut self.processes[id.0]
    }

    /// Processes that live, in the order of their machines.
    pub(crate) fn alive(&self) -> Vec<Pid> {
        self.machines.iter().filter_map(|one| one.process).collect()
    }

    /// What people call it.
    pub(crate) fn name_of(&self, id: Pid) -> String {
        let process = self.process(id);
        let life = self.machines[process.machine.0].starts;
        format!("{} ({id}, life {life})", process.machine)
    }

    pub(crate) fn note(&mut self, what: Arguments<'_>) {
        self.trace.note(self.now, what);
    }

    /// A promise was broken.
    pub(crate) fn fail(&mut self, property: Property, detail: String) {
        self.note(format_args!("{property}: {detail}"));
        self.failure.get_or_insert((property, detail));
        self.is_over = true;
    }

    pub(crate) fn up_to(&mut self, span: Duration) -> Duration {
        Duration::from_nanos(self.prng.below(span.as_nanos() + 1))
    }

    pub(crate) fn push(&mut self, after: Duration, item: Item) {
        self.queue.push(self.now + after, item);
    }

    /// Its own time, as the world sees it.
    pub(crate) fn here(&self, id: Pid) -> Instant {
        self.now + self.process(id).spent
    }

    /// What its clock shows.
    pub(crate) fn shown(&mut self, id: Pid) -> Instant {
        let here = self.here(id);
        let process = self.process_mut(id);
        match process.life {
            Life::Alive => process.clock.at(here),
            // Whatever it waits for: it need not wait long.
            Life::Dead | Life::Over => {
                process.ghost.0 = process.ghost.0 + Duration::from_micros(10);
                process.ghost.0
            }
        }
    }

    /// Whether anything is due before that.
    pub(crate) fn is_before(&self, until: Instant) -> bool {
        self.is_over || self.queue.next_at().is_some_and(|next| next < until)
    }

    /// It goes on then, and not when it was told before.
    pub(crate) fn wake_at(&mut self, id: Pid, at: Instant) {
        let process = self.process_mut(id);
        process.wake += 1;
        let number = process.wake;
        let at = at.max(self.now);
        self.queue.push(
            at,
            Item::Wake {
                process: id,
                number,
            },
        );
    }

    /// Something has happened that it may be waiting for.
    pub(crate) fn rouse(&mut self, id: Pid) {
        if self.process(id).rest == Rest::Asleep {
            self.process_mut(id).rest = Rest::Busy;
            let latency = self.up_to(LATENCY);
            self.wake_at(id, self.now + latency);
        }
    }

    /// Does what is due until it is somebody's turn.
    pub(crate) fn go_on(&mut self) -> Turn {
        while !self.is_over {
            let Some((at, item)) = self.queue.pop() else {
                break;
            };
            self.now = self.now.max(at);
            if let Item::Wake { process, number } = item {
                if self.may_run(process, number) {
                    self.trace.mix(self.now.as_nanos());
                    self.trace.mix(process.0 as u64);
                    return Turn::Process(process);
                }
            } else {
                self.handle(item);
            }
        }
        Turn::Main
    }

    fn may_run(&mut self, id: Pid, number: u64) -> bool {
        let process = self.process_mut(id);
        let is_it = process.wake == number && process.life != Life::Over;
        if is_it && process.is_paused && process.is_alive() {
            process.is_wake_due = true;
            return false;
        }
        is_it && !self.has_stuttered(id)
    }

    /// Whether it gets no processor just now.
    fn has_stuttered(&mut self, id: Pid) -> bool {
        let Some(most) = self.scenario.stutter else {
            return false;
        };
        let is_it = self.process(id).is_alive() && self.prng.chance(1, STUTTER_ONE_OF);
        if is_it {
            let until = self.now + self.up_to(most);
            let process = self.process_mut(id);
            process.slept_until = process.slept_until.max(until);
            self.wake_at(id, until);
        }
        is_it
    }

    fn handle(&mut self, item: Item) {
        match item {
            Item::Wake { .. } => unreachable!("its caller does that"),
            Item::Arrive(arrival) => self.on_arrival(*arrival),
            Item::Again { line, from } => self.wire().again(line, from),
            Item::Synced { process, drive } => self.on_synced(process, drive),
            Item::Compiled { process } => self.on_compiled(process),
            Item::Ask { ticket, bytes } => self.on_ask(ticket, bytes),
            Item::Answer { ticket, bytes } => self.on_answer(ticket, bytes),
            Item::GiveUp { ticket } => self.on_give_up(ticket),
            Item::Client(number) => self.on_client(number),
            Item::Caller(number) => self.on_caller(number),
            Item::Typist => self.on_typist(),
            Item::PassIn { socket, passing } => self.on_pass_in(socket, passing),
            Item::PassOut {
                caller,
                socket,
                passing,
            } => self.on_pass_out(caller, socket, passing),
            Item::Look => self.on_look(),
            Item::Fault(fault) => self.on_fault(fault),
            Item::Heal(heal) => self.on_heal(heal),
            Item::Start { machine } => self.on_start(machine),
        }
    }

    pub(crate) fn wire(&mut self) -> Wire<'_> {
        Wire {
            network: &mut self.network,
            queue: &mut self.queue,
            now: self.now,
        }
    }

    /// A process' links, and the network at its own time.
    pub(crate) fn links(&mut self, id: Pid) -> (&mut Links, Wire<'_>) {
        let now = self.here(id);
        let wire = Wire {
            network: &mut self.network,
            queue: &mut self.queue,
            now,
        };
        (&mut self.processes[id.0].links, wire)
    }

    fn on_arrival(&mut self, arrival: Arrival) {
        let Arrival {
            line,
            from,
            number,
            packet,
        } = arrival;
        match self.wire().arrive(line, from, number, &packet) {
            Arrived::Nowhere => {}
            Arrived::At(process) => {
                let letter = Letter::Packet(line, packet);
                self.process_mut(process).inbox.push_back(letter);
                self.rouse(process);
            }
            Arrived::Call(machine, address) => {
                let process = self.machines[machine.0].process;
                let is_it = |id: &Pid| self.process(*id).links.address == address;
                let Some(process) = process.filter(is_it) else {
                    return self.wire().reset(line, Side::Called);
                };
                let mut wire = self.wire();
                wire.open(line, process);
                wire.send(line, Side::Called, Packet::Taken);
                self.process_mut(process)
                    .inbox
                    .push_back(Letter::Call(line));
                self.rouse(process);
            }
        }
    }

    fn on_synced(&mut self, id: Pid, drive: Drive) {
        let process = self.process_mut(id);
        if process.is_alive() {
            process.drives[drive.index()].complete_sync();
            process.is_woken = true;
            self.rouse(id);
        }
    }

    fn on_compiled(&mut self, id: Pid) {
        let process = self.process_mut(id);
        if process.is_alive() {
            let job = process.compiling.pop_front();
            process.compiled.extend(job);
            process.is_woken = true;
            self.rouse(id);
        }
    }

    /// The next event of a process, if there is one now.
    pub(crate) fn next_event(&mut self, id: Pid) -> Option<Event> {
        let process = self.process_mut(id);
        if process.links.events.is_empty() || process.given >= EVENTS_PER_LOOK {
            process.given = 0;
            self.look_at_links(id);
        }
        let process = self.process_mut(id);
        process.given += 1;
        process.links.next_event()
    }

    fn look_at_links(&mut self, id: Pid) {
        let (links, mut wire) = self.links(id);
        links.begin_turn(&mut wire);
        let inbox = std::mem::take(&mut self.process_mut(id).inbox);
        for letter in inbox {
            let (links, mut wire) = self.links(id);
            match letter {
                Letter::Call(line) => links.on_call(line),
                Letter::Packet(line, packet) => links.on_packet(&mut wire, line, packet),
                Letter::Request(request, bytes) => {
                    let event = Event::Request { id: request, bytes };
                    links.events.push_back(event);
                }
                Letter::Socket(event) => links.events.push_back(Event::Socket(event)),
                Letter::RequestGone(request) => {
                    links.events.push_back(Event::RequestGone { id: request });
                }
            }
        }
        if std::mem::take(&mut self.process_mut(id).is_woken) {
            self.process_mut(id).links.events.push_back(Event::Woken);
        }
        let (links, mut wire) = self.links(id);
        links.on_time(&mut wire);
    }

    /// Starts the node of a machine, after a while.
    pub(crate) fn plan_start(&mut self, machine: MachineId, after: Duration) {
        self.machines[machine.0].starts_planned += 1;
        self.push(after, Item::Start { machine });
    }

    fn on_start(&mut self, machine: MachineId) {
        let one = &mut self.machines[machine.0];
        one.starts_planned -= 1;
        if one.process.is_some() || one.place != Place::Wanted || one.starts_planned > 0 {
            return;
        }
        let id = Pid(self.processes.len());
        one.process = Some(id);
        one.starts += 1;
        let is_first = one.starts == 1;
        if !is_first && self.prng.chance(1, 4) {
            self.machines[machine.0].port += 1;
        }
        self.wire().switch_on(machine);
        let others = self.alive().into_iter().filter(|&other| other != id);
        let join = others.map(|other| self.process(other).links.address.clone());
        let mut join = join.min();
        let founds = is_first && machine == MachineId(0);
        if is_first && !founds {
            join = Some(self.machines[0].address());
        }
        let one = &self.machines[machine.0];
        let (clock, address, mut drives) = (one.clock, one.address(), one.disks.clone());
        for drive in &mut drives {
            drive.set_sync_mode(SyncMode::Held);
        }
        let process = Process {
            id,
            machine,
            clock,
            life: Life::Alive,
            turn: Arc::new(Condvar::new()),
            thread: None,
            rest: Rest::Busy,
            wake: 0,
            is_paused: false,
            is_wake_due: false,
            paused_until: Instant::default(),
            slept_until: Instant::default(),
            spent: Duration::ZERO,
            links: Links::new((id, machine), clock, address),
            inbox: VecDeque::new(),
            requests: BTreeMap::new(),
            is_woken: false,
            compiling: VecDeque::new(),
            compiled: VecDeque::new(),
            drives,
            prng: Prng::new(self.prng.next_u64()),
            given: 0,
            haste: 0,
            ghost: (Instant::default(), 0),
        };
        self.processes.push(process);
        let plan = life::Plan {
            name: machine.to_string(),
            founds,
            join,
            members: self.scenario.nodes,
            epoch_length: self.scenario.epoch_length,
            epoch_min: self.scenario.epoch_min,
            durability: self.scenario.durability,
        };
        let stage = self.stage.upgrade().expect("the stage is there in a run");
        self.process_mut(id).thread = Some(life::begin(stage, id, plan));
        self.wake_at(id, self.now + BIRTH);
        let name = self.name_of(id);
        self.note(format_args!("{name} is started"));
    }

    /// The process of a machine is no more; what its system says of it is up to the caller.
    fn take_process(&mut self, machine: MachineId) -> Option<Pid> {
        let id = self.machines[machine.0].process.take()?;
        let tail = self.planted.tail(self.prng.below(3));
        let mut prng = Prng::new(self.prng.next_u64());
        let process = self.process_mut(id);
        let disks = process.drives.each_ref().map(|drive| match tail {
            0 => drive.crash(Tail::Lost),
            1 => drive.crash(Tail::Kept),
            _ => drive.crash(Tail::Torn(&mut prng)),
        });
        self.machines[machine.0].disks = disks;
        self.checks.forget(id);
        let tickets = self.process(id).requests.values().copied().collect();
        self.lose_requests(id, tickets);
        Some(id)
    }

    /// Kills the process of a machine; its system closes the connections if `word` says so.
    pub(crate) fn kill(&mut self, machine: MachineId, word: Word) {
        let Some(id) = self.take_process(machine) else {
            return;
        };
        self.part(id, machine, word);
        let shown = self.shown(id);
        let process = self.process_mut(id);
        process.life = Life::Dead;
        process.ghost.0 = shown;
        self.wake_at(id, self.now);
    }

    fn part(&mut self, id: Pid, machine: MachineId, word: Word) {
        self.unplug_all(id, word);
        let mut wire = self.wire();
        for (line, side) in wire.network.ends_of(id) {
            match word {
                Word::Silence => wire.forget(line, side),
                Word::Reset => {
                    wire.lose(line, side);
                    wire.close(line, side);
                }
                Word::End => wire.close(line, side),
            }
        }
        if word == Word::Silence {
            wire.switch_off(machine);
        }
        self.network.sweep();
    }

    /// A process has ended by itself.
    pub(crate) fn on_end(&mut self, id: Pid, fate: Fate) {
        if !self.process(id).is_alive() || self.is_over {
            return;
        }
        let machine = self.process(id).machine;
        let name = self.name_of(id);
        self.note(format_args!("{name} has ended: {fate}"));
        self.take_process(machine);
        self.part(id, machine, Word::End);
        match fate {
            Fate::Ended(FatalReason::Left) => self.machines[machine.0].place = Place::Left,
            Fate::Ended(FatalReason::Down) => self.on_down(machine),
            Fate::Ended(
                FatalReason::Expelled | FatalReason::LeaderLost(_) | FatalReason::CannotLead(_),
            ) => {
                self.counts.ended += 1;
                self.plan_start(machine, BREATH);
            }
            Fate::NotBegun(_) if self.machines[machine.0].has_just_lost_tail() => {
                self.replace_store(machine);
            }
            Fate::Ended(FatalReason::TurnedAway { .. } | FatalReason::StoreFailed(_))
            | Fate::NotBegun(_) => self.fail(Property::Life, format!("{name}: {fate}")),
        }
    }

    /// What an operator does with a store that is refused.
    fn replace_store(&mut self, machine: MachineId) {
        let one = &mut self.machines[machine.0];
        one.disks[Drive::Store.index()] = MemoryDisk::new();
        self.plan_start(machine, BREATH);
    }

    /// A process whose thread has not ended, which does from now on nothing that counts.
    pub(crate) fn next_to_end(&mut self) -> Option<Pid> {
        let is_left = |process: &&mut Process| process.life != Life::Over;
        let process = self.processes.iter_mut().find(is_left)?;
        process.life = Life::Dead;
        Some(process.id)
    }

    /// Its thread will never end.
    pub(crate) fn strand(&mut self, id: Pid) {
        self.stranded.push(id);
    }

    pub(crate) fn has_returned(&self, id: Pid) -> bool {
        !self.stranded.contains(&id)
    }
}

/// What a system says of the end of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Word {
    /// Nothing: the machine is off, too.
    Silence,
    /// That it has ended, after all that it has said.
    End,
    /// That it has ended; what was on its way is lost.
    Reset,
}
