//! Run queues and wait lists against models: nobody is lost, doubled or forgotten.
use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use types::Prng;

use super::memory::{Memory, Stops, call, slot, somebody, station, worker_of};
use crate::blobs::Progress;
use crate::events::{self, Waiter};
use crate::processes::ProcessState;
use crate::queues::{self, Owner};
use crate::step::StepEnd;
use crate::{Event, ProcessId, Slot, Worker, WorkerId};

const SLOTS: u64 = 4;

fn pick(prng: &mut Prng) -> Slot {
    slot(usize::try_from(prng.below(SLOTS)).unwrap())
}

/// Where each worker should be.
#[derive(Default)]
struct Model {
    held: BTreeMap<Slot, Worker>,
    queued: BTreeMap<Slot, VecDeque<Worker>>,
}

impl Model {
    fn queue(&mut self, slot: Slot) -> &mut VecDeque<Worker> {
        self.queued.entry(slot).or_default()
    }

    fn take(&mut self, slot: Slot) -> Option<Worker> {
        if let Some(&worker) = self.held.get(&slot) {
            return Some(worker);
        }
        let worker = self.queue(slot).pop_front()?;
        self.held.insert(slot, worker);
        Some(worker)
    }

    fn rotate(&mut self, slot: Slot, worker: Worker) {
        if let Some(next) = self.queue(slot).pop_front() {
            self.queue(slot).push_back(worker);
            self.held.insert(slot, next);
        }
    }

    fn steal(&mut self, thief: Slot, victim: Slot, owner: Owner) -> u32 {
        let count = self.queue(victim).len();
        if count == 0 {
            let held = if owner == Owner::Gone {
                self.held.remove(&victim)
            } else {
                None
            };
            return held.map_or(0, |worker| {
                self.queue(thief).push_back(worker);
                1
            });
        }
        if count == 1 && owner == Owner::Alive && !self.held.contains_key(&victim) {
            return 0;
        }
        let loot = count.div_ceil(2).min(16);
        for _ in 0..loot {
            let worker = self.queue(victim).pop_back().unwrap();
            match self.held.entry(thief) {
                Entry::Vacant(place) => {
                    place.insert(worker);
                }
                Entry::Occupied(_) => self.queue(thief).push_back(worker),
            }
        }
        u32::try_from(loot).unwrap()
    }
}

/// Every operation on queues, in random order, with queues of up to `enqueued` workers.
fn check_queues(stops: Stops, seed: u64, rounds: u64, burst: u64) {
    let mut prng = Prng::new(seed);
    let mut memory = Memory::new(stops);
    let mut model = Model::default();
    let mut next = 1;
    for _ in 0..rounds {
        let here = pick(&mut prng);
        match prng.below(5) {
            0 => {
                for _ in 0..=prng.below(burst) {
                    let worker = somebody(next);
                    next += 1;
                    memory
                        .run(|pages| queues::enqueue(pages, here, worker))
                        .unwrap();
                    model.queue(here).push_back(worker);
                }
            }
            1 => assert_eq!(
                memory.run(|pages| queues::take(pages, here)),
                Ok(model.take(here))
            ),
            2 => {
                if let Some(&worker) = model.held.get(&here) {
                    memory
                        .run(|pages| queues::rotate(pages, here, worker))
                        .unwrap();
                    model.rotate(here, worker);
                }
            }
            3 => {
                if let Some(worker) = model.held.remove(&here) {
                    memory
                        .run(|pages| queues::release(pages, here, worker))
                        .unwrap();
                }
            }
            _ => {
                let victim = pick(&mut prng);
                let owner = if prng.chance(1, 4) {
                    Owner::Gone
                } else {
                    Owner::Alive
                };
                if victim != here {
                    let found = memory.run(|pages| queues::steal(pages, here, victim, owner));
                    assert_eq!(found, Ok(model.steal(here, victim, owner)), "seed {seed}");
                }
            }
        }
    }
    drain_equals(&mut memory, &mut model);
}

/// Takes everybody out of both and compares.
fn drain_equals(memory: &mut Memory, model: &mut Model) {
    for here in (0..4).map(slot) {
        let waiting = memory.run(|pages| queues::waiting(pages, here)).unwrap();
        assert_eq!(waiting as usize, model.queue(here).len());
        loop {
            let worker = memory.run(|pages| queues::take(pages, here)).unwrap();
            assert_eq!(worker, model.take(here));
            let Some(worker) = worker else { break };
            memory
                .run(|pages| queues::release(pages, here, worker))
                .unwrap();
            model.held.remove(&here);
        }
    }
}

#[test]
fn queues_equal_their_model() {
    for seed in 0..20 {
        check_queues(Stops::Never, seed, 400, 3);
    }
}

#[test]
fn long_queues_equal_their_model() {
    for seed in 0..4 {
        check_queues(Stops::Never, seed, 300, 600);
    }
}

#[test]
fn queues_equal_their_model_when_stopped_anywhere() {
    for stride in [1, 2, 3, 5] {
        check_queues(Stops::Every(stride), 7, 400, 3);
    }
    check_queues(Stops::Every(1), 8, 60, 400);
}

#[test]
fn a_queue_of_a_gone_slot_is_emptied_by_stealing() {
    let mut memory = Memory::new(Stops::Every(1));
    let (gone, thief) = (slot(3), slot(0));
    let everybody: BTreeSet<WorkerId> = (1..=100).map(WorkerId).collect();
    for number in 1..=100 {
        memory
            .run(|pages| queues::enqueue(pages, gone, somebody(number)))
            .unwrap();
    }
    memory.run(|pages| queues::take(pages, gone)).unwrap();
    while memory
        .run(|pages| queues::steal(pages, thief, gone, Owner::Gone))
        .unwrap()
        > 0
    {}
    let mut found = BTreeSet::new();
    while let Some(worker) = memory.run(|pages| queues::take(pages, thief)).unwrap() {
        assert!(found.insert(worker.id), "{worker:?} is there once");
        memory
            .run(|pages| queues::release(pages, thief, worker))
            .unwrap();
    }
    assert_eq!(found, everybody);
}

#[test]
fn wait_lists_equal_their_model() {
    for stops in [Stops::Never, Stops::Every(1), Stops::Every(4)] {
        let mut prng = Prng::new(3);
        let mut memory = Memory::new(stops);
        let mut model: BTreeMap<(ProcessId, Event), BTreeSet<WorkerId>> = BTreeMap::new();
        for number in 1..800 {
            // Two processes, so that one's signals must not reach the other's workers.
            let process = ProcessId(u32::try_from(1 + prng.below(2)).unwrap());
            let event = Event(prng.below(40).cast_signed() - 20);
            if prng.chance(4, 5) {
                let worker = worker_of(process, number);
                let waiter = Waiter {
                    worker,
                    event,
                    home: slot(1),
                };
                memory.run(|pages| events::wait(pages, waiter)).unwrap();
                model.entry((process, event)).or_default().insert(worker.id);
            } else {
                signal_equals(&mut memory, &mut model, process, event);
            }
        }
        for (process, event) in model.clone().into_keys() {
            signal_equals(&mut memory, &mut model, process, event);
        }
        for process in [ProcessId(1), ProcessId(2)] {
            while memory
                .run(|pages| events::clear(pages, process, 3))
                .unwrap()
                == Progress::More
            {
                assert!(memory.written.len() <= 4, "{:?}", memory.written);
            }
        }
        assert!(memory.used().is_empty());
    }
}

fn signal_equals(
    memory: &mut Memory,
    model: &mut BTreeMap<(ProcessId, Event), BTreeSet<WorkerId>>,
    process: ProcessId,
    event: Event,
) {
    let woken = memory
        .run(|pages| events::signal(pages, process, event))
        .unwrap();
    let expected = model.remove(&(process, event)).unwrap_or_default();
    assert_eq!(woken.len(), expected.len());
    for waiter in woken {
        assert!(waiter.worker.process == process && expected.contains(&waiter.worker.id));
    }
}

#[test]
fn an_event_wakes_thousands() {
    let mut memory = Memory::new(Stops::Never);
    let (process, event) = (ProcessId(1), Event(6));
    for number in 1..=5000 {
        let waiter = Waiter {
            worker: worker_of(process, number),
            event,
            home: slot(0),
        };
        memory.run(|pages| events::wait(pages, waiter)).unwrap();
    }
    let woken = memory
        .run(|pages| events::signal(pages, process, event))
        .unwrap();
    let woken: BTreeSet<WorkerId> = woken.into_iter().map(|waiter| waiter.worker.id).collect();
    assert_eq!(woken.len(), 5000);
}

/// Producers and consumers over an unprotected counter: with a wake-up lost, somebody
/// sleeps for ever with items left.
#[test]
fn no_wake_up_is_lost() {
    for (seed, stops) in [
        (1, Stops::Never),
        (2, Stops::Every(1)),
        (3, Stops::Every(7)),
    ] {
        let mut prng = Prng::new(seed);
        let (mut memory, module) = Memory::with_module(stops);
        memory.start(station(0), module);
        let (mut stock, mut produced, mut consumed) = (0, 0, 0);
        let mut ended = None;
        for _ in 0..4000 {
            let here = station(usize::try_from(prng.below(SLOTS)).unwrap());
            let (before, makes) = (stock, prng.chance(1, 2));
            let mut after = (stock, produced, consumed);
            let end = memory
                .step(here, |pages, step| {
                    after = (stock, produced, consumed);
                    let entry = step.entry().unwrap().entry;
                    if entry.as_str() == "main" {
                        if produced == 50 {
                            return Ok(StepEnd::Done(1));
                        }
                        if produced == 0 {
                            for number in 0..5 {
                                step.spawn(pages, call("eat", number))?;
                            }
                        }
                        if makes || produced == 0 {
                            after = (stock + 1, produced + 1, consumed);
                            step.signal(Event(1));
                        }
                        return Ok(StepEnd::Again);
                    }
                    if before == 0 {
                        let over = produced == 50;
                        return Ok(if over {
                            StepEnd::Done(0)
                        } else {
                            StepEnd::Wait(Event(1))
                        });
                    }
                    after = (stock - 1, produced, consumed + 1);
                    // The last one tells the others that there will be no more.
                    step.signal(Event(1));
                    Ok(StepEnd::Again)
                })
                .unwrap();
            (stock, produced, consumed) = after;
            ended = ended.or(end);
        }
        assert_eq!((stock, produced, consumed), (0, 50, 50));
        assert_eq!(
            ended,
            Some(ProcessState::Done(1)),
            "the last worker ends the process"
        );
    }
}

/// The places of all workers, found by emptying every queue: for tests of programs.
pub(super) fn empty_queues(memory: &mut Memory) -> Vec<WorkerId> {
    let mut found = Vec::new();
    for here in (0..4).map(slot) {
        while let Some(worker) = memory.run(|pages| queues::take(pages, here)).unwrap() {
            memory
                .run(|pages| queues::release(pages, here, worker))
                .unwrap();
            found.push(worker.id);
        }
    }
    found
}

/// Who has short steps and waits between them is served soon where he is; who has one step after
/// the other waits as long as others have steps.
#[test]
fn a_queue_is_quick_if_workers_come_and_go_and_not_if_they_stay() {
    let mut memory = Memory::new(Stops::Never);
    let here = slot(0);
    let add = |memory: &mut Memory, number| {
        memory
            .run(|pages| queues::enqueue(pages, here, somebody(number)))
            .unwrap();
    };
    let backlog = |memory: &mut Memory| memory.run(|pages| queues::backlog(pages, here)).unwrap();
    (1..=4).for_each(|number| add(&mut memory, number));
    let first = backlog(&mut memory);
    assert_eq!((first.waiting, first.taken), (4, 0));
    for _ in 0..100 {
        memory
            .run(|pages| {
                let worker = queues::take(pages, here)?.expect("there are some");
                queues::rotate(pages, here, worker)
            })
            .unwrap();
    }
    assert!(!backlog(&mut memory).is_quick(&first));
    for number in 5..=9 {
        memory
            .run(|pages| {
                let worker = queues::take(pages, here)?.expect("there are some");
                queues::release(pages, here, worker)
            })
            .unwrap();
        add(&mut memory, number);
    }
    let later = backlog(&mut memory);
    assert!(later.is_quick(&first) && !later.is_quick(&later));
}
