//! Whole programs: from deployment to the last page cleared.
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;
use types::Prng;

use super::memory::{Memory, Stops, call, name, slot, station};
use super::queues::empty_queues;
use crate::blobs::{self, Progress};
use crate::census::{self, Whereabouts};
use crate::processes::{self, ProcessState, ProgressCount};
use crate::queues::{self, Owner};
use crate::step::{self, Step, StepEnd, Taken};
use crate::{
    EntryCall, Event, Failure, ProcessId, Refusal, Station, Worker, WorkerId, output, reap,
};

fn state(memory: &mut Memory, id: ProcessId) -> ProcessState {
    memory.run(|pages| processes::get(pages, id)).unwrap().state
}

/// A hundred workers that write their part of the result, on four nodes that steal.
fn run_parallel(stops: Stops, seed: u64) {
    const PARTS: i64 = 100;
    let mut prng = Prng::new(seed);
    let (mut memory, module) = Memory::with_module(stops);
    let id = memory.start(station(0), module);
    let mut ran = BTreeSet::new();
    let mut ended = None;
    while ended.is_none() {
        let here = station(usize::try_from(prng.below(4)).unwrap());
        let victim = slot(usize::try_from(prng.below(4)).unwrap());
        if victim != here.slot() && prng.chance(1, 3) {
            memory
                .run(|pages| queues::steal(pages, here.slot(), victim, Owner::Alive))
                .unwrap();
        }
        let mut argument = None;
        ended = memory
            .step(here, |pages, step| {
                let EntryCall {
                    entry,
                    argument: part,
                } = step.entry().unwrap();
                argument = Some(part).filter(|_| entry.as_str() == "part");
                if entry.as_str() == "main" {
                    for part in 0..PARTS {
                        step.spawn(pages, call("part", part))?;
                    }
                    return Ok(StepEnd::Done(42));
                }
                let text = format!("part {part:4}\n");
                step.write_result(pages, part.cast_unsigned() * 10, text.as_bytes())?;
                step.print(pages, 0, text.as_bytes())?;
                Ok(StepEnd::Done(part))
            })
            .unwrap();
        if let Some(part) = argument {
            assert!(ran.insert(part), "part {part} runs once");
        }
    }
    assert_eq!(ended, Some(ProcessState::Done(42)));
    assert_eq!(ran.len(), 100);
    let info = memory.run(|pages| processes::info(pages, id)).unwrap();
    assert_eq!(
        (info.workers, info.result_bytes, info.work.printed_bytes),
        (0, 1000, 1000)
    );
    let mut result = [0; 1000];
    memory
        .run(|pages| blobs::read(pages, info.process.result, 0, &mut result))
        .unwrap();
    let expected: Vec<u8> = (0..PARTS)
        .flat_map(|part| format!("part {part:4}\n").into_bytes())
        .collect();
    assert_eq!(result[..], expected);
}

#[test]
fn a_parallel_program_runs_every_part_once() {
    for seed in 0..10 {
        run_parallel(Stops::Never, seed);
    }
}

#[test]
fn a_parallel_program_runs_every_part_once_when_stopped_anywhere() {
    for stride in [1, 2, 13] {
        run_parallel(Stops::Every(stride), 4);
    }
}

#[test]
fn spawned_workers_are_spread_over_the_slots() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    memory.start(station(1), module);
    for _ in 0..8 {
        memory
            .step(station(1), |pages, step| {
                let main = step.entry().unwrap().entry.as_str() == "main";
                if main {
                    step.spawn(pages, call("work", 0))?;
                }
                Ok(StepEnd::Again)
            })
            .unwrap();
    }
    for position in 0..4 {
        let waiting = memory
            .run(|pages| queues::waiting(pages, slot(position)))
            .unwrap();
        assert!(waiting >= 1, "slot {position} has work");
    }
}

#[test]
fn a_woken_worker_goes_home_or_to_the_waker_if_nobody_is_there() {
    for (slots, expected) in [(4, 3), (2, 1)] {
        let (mut memory, module) = Memory::with_module(Stops::Every(1));
        let id = memory.start(station(3), module);
        memory
            .step(station(3), |_, _| Ok(StepEnd::Wait(Event(-9))))
            .unwrap();
        let waker = Station::new(slot(1), slots);
        memory
            .run(|pages| {
                let mut outer = Step::call(pages, waker, id)?;
                outer.signal(Event(-9));
                outer.finish_call(pages)
            })
            .unwrap();
        for position in 0..4 {
            let waiting = memory
                .run(|pages| queues::waiting(pages, slot(position)))
                .unwrap();
            assert_eq!(waiting, u32::from(position == expected));
        }
    }
}

#[test]
fn every_worker_is_found_where_it_is() {
    let (mut memory, module) = Memory::with_module(Stops::Every(1));
    let id = memory.start(station(0), module);
    memory
        .step(station(0), |pages, step| {
            for part in 0..4 {
                step.spawn(pages, call("part", part))?;
            }
            Ok(StepEnd::Wait(Event(7)))
        })
        .unwrap();
    let before = memory.run(census::workers).unwrap();
    memory
        .step(station(0), |_, _| Ok(StepEnd::Wait(Event(8))))
        .unwrap();
    memory.step(station(1), |_, _| Ok(StepEnd::Again)).unwrap();
    let after = memory.run(census::workers).unwrap();
    for all in [&before, &after] {
        let ids: BTreeSet<WorkerId> = all.iter().map(|(worker, _)| worker.id).collect();
        assert_eq!((all.len(), ids.len()), (5, 5));
        assert!(all.iter().all(|(worker, _)| worker.process == id));
    }
    let waiting = |all: &[(Worker, Whereabouts)]| {
        let places = all.iter().map(|(_, place)| *place);
        let waiting = places.filter(|place| matches!(place, Whereabouts::Waiting(_)));
        waiting.collect::<Vec<_>>()
    };
    assert_eq!(waiting(&before), [Whereabouts::Waiting(Event(7))]);
    let both = [7, 8].map(|event| Whereabouts::Waiting(Event(event)));
    assert!(both.iter().all(|place| waiting(&after).contains(place)));
    let held = (after.iter()).filter(|(_, place)| *place == Whereabouts::Held(slot(1)));
    assert_eq!(held.count(), 1);
}

#[test]
fn a_signal_does_not_wake_its_own_step() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    memory.start(station(0), module);
    memory
        .step(station(0), |_, step| {
            step.signal(Event(1));
            Ok(StepEnd::Wait(Event(1)))
        })
        .unwrap();
    assert_eq!(
        memory.run(|pages| step::take(pages, station(0))),
        Ok(Taken::Nothing)
    );
}

#[test]
fn exit_ends_the_process_and_sweeps_its_workers() {
    let (mut memory, module) = Memory::with_module(Stops::Every(1));
    let id = memory.start(station(0), module);
    let spawn_and = |memory: &mut Memory, exit: Option<i32>| {
        memory
            .step(station(0), |pages, step| {
                for number in 0..8 {
                    step.spawn(pages, call("work", number))?;
                }
                if let Some(code) = exit {
                    step.exit(code);
                    step.exit(99);
                    step.set_progress(ProgressCount { done: 3, total: 4 });
                }
                Ok(StepEnd::Again)
            })
            .unwrap()
    };
    assert_eq!(spawn_and(&mut memory, None), None);
    assert_eq!(
        spawn_and(&mut memory, Some(-3)),
        Some(ProcessState::Exited(-3))
    );
    let info = memory.run(|pages| processes::info(pages, id)).unwrap();
    assert_eq!(info.progress, ProgressCount { done: 3, total: 4 });
    let mut swept = 0;
    for position in 0..4 {
        loop {
            match memory
                .run(|pages| step::take(pages, station(position)))
                .unwrap()
            {
                Taken::Swept => swept += 1,
                Taken::Nothing => break,
                Taken::Step(step) => panic!("{step:?} of a process that has ended"),
            }
        }
    }
    assert_eq!(swept, 8, "the second eight never got anywhere");
}

#[test]
fn a_fault_ends_the_process_with_a_report() {
    let (mut memory, module) = Memory::with_module(Stops::Every(1));
    let id = memory.start(station(0), module);
    let taken = memory.run(|pages| step::take(pages, station(0))).unwrap();
    let Taken::Step(step) = taken else {
        panic!("a worker was just started")
    };
    let worker = step.worker().unwrap();
    // Somebody stole it: the fault is no longer this station's to tell.
    memory
        .run(|pages| queues::steal(pages, slot(1), slot(0), Owner::Gone))
        .unwrap();
    let fail = |memory: &mut Memory, position: usize| {
        let report = "unreachable at 0x17";
        memory
            .run(|pages| step::fail(pages, station(position), worker, report, 0))
            .unwrap()
    };
    assert!(!fail(&mut memory, 0));
    assert_eq!(state(&mut memory, id), ProcessState::Running);
    assert!(fail(&mut memory, 1));
    assert_eq!(state(&mut memory, id), ProcessState::Faulted);
    let report = memory
        .run(|pages| processes::fault_report(pages, id))
        .unwrap();
    assert_eq!(report, "unreachable at 0x17");
    assert!(!fail(&mut memory, 1), "only once");
    assert!(empty_queues(&mut memory).is_empty());
}

#[test]
fn a_long_report_is_cut() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    let id = memory.start(station(0), module);
    let Taken::Step(step) = memory.run(|pages| step::take(pages, station(0))).unwrap() else {
        panic!("a worker was just started")
    };
    let report = "long ".repeat(2000);
    memory
        .run(|pages| step::fail(pages, station(0), step.worker().unwrap(), &report, 0))
        .unwrap();
    let kept = memory
        .run(|pages| processes::fault_report(pages, id))
        .unwrap();
    assert_eq!(kept.len(), crate::limits::FAULT_BYTES_MAX);
}

#[test]
fn cancelling_works_once_and_in_any_state() {
    let (mut memory, module) = Memory::with_module(Stops::Every(1));
    let loading = memory.create(station(0), module);
    let running = memory.start(station(0), module);
    for id in [loading, running] {
        assert_eq!(memory.run(|pages| processes::cancel(pages, id)), Ok(true));
        assert_eq!(memory.run(|pages| processes::cancel(pages, id)), Ok(false));
        assert_eq!(state(&mut memory, id), ProcessState::Cancelled);
    }
    let nobody = ProcessId(77);
    let refused = Err(Refusal::NoSuchProcess(nobody));
    assert_eq!(
        memory.run(|pages| processes::cancel(pages, nobody)),
        refused
    );
    let refused = Err(Refusal::NotLoading(loading));
    let late = memory.run(|pages| processes::start(pages, station(0), loading, call("main", 0)));
    assert_eq!(late, refused);
}

#[test]
fn arguments_and_inputs_arrive() {
    let (mut memory, module) = Memory::with_module(Stops::Every(1));
    let arguments: [&[u8]; 3] = [b"program", b"", &[0xC3; 9000]];
    let id = memory
        .run(|pages| processes::create(pages, station(0), &name("x"), module, &arguments))
        .unwrap();
    let found = memory.run(|pages| processes::arguments(pages, id)).unwrap();
    assert_eq!(found, arguments);
    let blob = memory.run(|pages| blobs::create(pages, 50)).unwrap();
    memory
        .run(|pages| blobs::write(pages, slot(0), blob, 0, b"data"))
        .unwrap();
    memory
        .run(|pages| processes::add_input(pages, id, &name("in"), blob))
        .unwrap();
    memory
        .run(|pages| processes::start(pages, station(0), id, call("main", 0)))
        .unwrap();
    let input = memory.run(|pages| processes::input(pages, id, 0)).unwrap();
    assert_eq!((input.name.as_str(), input.blob), ("in", blob));
    let sealed = Err(Refusal::BlobSealed(blob));
    assert_eq!(
        memory.run(|pages| blobs::write(pages, slot(0), blob, 0, b"late")),
        sealed
    );
    let missing = Err(Refusal::NoSuchItem { index: 1, count: 1 });
    assert_eq!(memory.run(|pages| processes::input(pages, id, 1)), missing);
    let too_long: [&[u8]; 1] = [&[0; 70_000]];
    let refused =
        memory.run(|pages| processes::create(pages, station(0), &name("x"), module, &too_long));
    assert_eq!(refused, Err(Refusal::ArgumentsTooLong { length: 70_004 }));
}

#[test]
fn a_call_works_on_what_is_done_but_cannot_give_it_workers() {
    let (mut memory, module) = Memory::with_module(Stops::Every(1));
    let id = memory.start(station(0), module);
    memory
        .step(station(0), |_, _| Ok(StepEnd::Done(8)))
        .unwrap();
    assert_eq!(state(&mut memory, id), ProcessState::Done(8));
    let print = |memory: &mut Memory| {
        memory.run(|pages| {
            let outer = Step::call(pages, station(1), id)?;
            assert_eq!((outer.worker(), outer.entry()), (None, None));
            outer.print(pages, 0, b"from a call")?;
            outer.finish_call(pages)
        })
    };
    assert_eq!(print(&mut memory), Ok(None));
    let spawn = memory.run(|pages| {
        let mut outer = Step::call(pages, station(1), id)?;
        outer.spawn(pages, call("work", 0))?;
        outer.finish_call(pages)
    });
    assert_eq!(spawn, Err(Refusal::NotRunning(id)));
    let chunk = memory
        .run(|pages| output::read(pages, id, slot(1), 0, 100))
        .unwrap();
    assert_eq!(chunk.records, [(0, b"from a call".to_vec())]);
}

#[test]
fn a_process_has_a_limited_number_of_workers() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    memory.start(station(0), module);
    let refused = memory.step(station(0), |pages, step| {
        for number in 0..1 << 16 {
            step.spawn(pages, call("work", number))?;
        }
        Ok(StepEnd::Again)
    });
    assert_eq!(refused, Err(Refusal::TooManyWorkers));
}

#[test]
fn ids_of_workers_are_not_used_again() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    let mut seen = BTreeSet::new();
    for _ in 0..50 {
        memory.start(station(0), module);
        memory
            .step(station(0), |_, step| {
                assert!(seen.insert(step.worker().unwrap()));
                Ok(StepEnd::Done(0))
            })
            .unwrap();
    }
}

#[test]
fn reaping_leaves_the_newest_and_nothing_else() {
    for stops in [Stops::Never, Stops::Every(3)] {
        let (mut memory, module) = Memory::with_module(stops);
        // What one process leaves in the tables that it shares with all others.
        let one = leave_a_lot_behind(&mut memory, module);
        let other = memory.start(station(0), module);
        memory.run(|pages| processes::cancel(pages, other)).unwrap();
        reap_all(&mut memory, 0);
        empty_queues(&mut memory);
        let before = memory.used();
        let kept = memory.start(station(0), module);
        let many: Vec<ProcessId> = (0..3)
            .map(|_| leave_a_lot_behind(&mut memory, module))
            .collect();
        reap_all(&mut memory, 1);
        assert_eq!(memory.run(processes::list), Ok(alloc::vec![kept, many[2]]));
        assert_eq!(
            memory.run(|pages| processes::by_name(pages, &name("demo"))),
            Ok(Some(many[2]))
        );
        assert_eq!(memory.run(|pages| processes::cancel(pages, kept)), Ok(true));
        reap_all(&mut memory, 0);
        empty_queues(&mut memory);
        let after = memory.used();
        let extra: Vec<_> = after.difference(&before).collect();
        assert!(extra.is_empty(), "{extra:?}");
        let refused = Err(Refusal::NoSuchProcess(one));
        assert_eq!(memory.run(|pages| processes::get(pages, one)), refused);
    }
}

fn reap_all(memory: &mut Memory, keep: usize) {
    while memory.run(|pages| reap(pages, keep, 10)).unwrap() == Progress::More {
        assert!(memory.written.len() <= 16, "{:?}", memory.written);
    }
}

/// A cancelled process with output, a result, inputs, and workers that wait.
fn leave_a_lot_behind(memory: &mut Memory, module: crate::ModuleId) -> ProcessId {
    let id = memory.create(station(0), module);
    let blob = memory.run(|pages| blobs::create(pages, 90_000)).unwrap();
    memory
        .run(|pages| blobs::write(pages, slot(1), blob, 0, &[1; 90_000]))
        .unwrap();
    memory
        .run(|pages| processes::add_input(pages, id, &name("in"), blob))
        .unwrap();
    memory
        .run(|pages| processes::start(pages, station(2), id, call("main", 0)))
        .unwrap();
    let work = |pages: &mut Memory, step: &mut Step| -> Result<StepEnd, Failure> {
        if step.entry().unwrap().entry.as_str() == "main" {
            for number in 0..8 {
                step.spawn(pages, call("work", number))?;
            }
        }
        step.print(pages, 0, &[65; 9000])?;
        step.write_result(pages, 30_000, &[1; 9000])?;
        step.set_progress(ProgressCount { done: 1, total: 2 });
        Ok(StepEnd::Wait(Event(step.entry().unwrap().argument)))
    };
    for _ in 0..3 {
        for position in [2, 3, 1] {
            memory.step(station(position), work).unwrap();
        }
    }
    memory
        .run(|pages| output::add_steps(pages, id, slot(2), 3))
        .unwrap();
    assert_eq!(memory.run(|pages| processes::cancel(pages, id)), Ok(true));
    for position in 1..4 {
        memory
            .step(station(position), |_, step| panic!("{step:?} has ended"))
            .unwrap();
    }
    id
}

#[test]
fn the_table_of_processes_is_used_round_and_round() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    let stays = memory.start(station(0), module);
    let mut last = stays;
    for _ in 0..1500 {
        let id = memory.create(station(1), module);
        assert!(id > last, "ids ascend");
        last = id;
        memory.run(|pages| processes::cancel(pages, id)).unwrap();
        reap_all(&mut memory, 0);
    }
    assert_eq!(memory.run(processes::list), Ok(alloc::vec![stays]));
    assert_eq!(state(&mut memory, stays), ProcessState::Running);
    assert!(last.region() > stays.region());
}

#[test]
fn a_full_table_of_processes_refuses() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    for _ in 0..crate::TABLE_ENTRIES {
        memory.create(station(0), module);
    }
    let refused = memory.run(|pages| processes::create(pages, station(0), &name("x"), module, &[]));
    assert_eq!(refused, Err(Refusal::TableFull));
}

/// A node leaves while its queue is full and it holds a worker: the others finish.
#[test]
fn the_work_of_a_node_that_left_is_done_by_the_others() {
    let (mut memory, module) = Memory::with_module(Stops::Every(1));
    memory.start(station(3), module);
    let spawn = |pages: &mut Memory, step: &mut Step| -> Result<StepEnd, Failure> {
        for number in 0..40 {
            step.spawn(pages, call("work", number))?;
        }
        Ok(StepEnd::Again)
    };
    memory.step(station(3), spawn).unwrap();
    let mut ended = None;
    for _ in 0..60 {
        memory
            .run(|pages| queues::steal(pages, slot(0), slot(3), Owner::Gone))
            .unwrap();
        for position in 0..3 {
            let here = Station::new(slot(position), 3);
            let end = memory.step(here, |_, _| Ok(StepEnd::Done(1))).unwrap();
            ended = ended.or(end);
        }
    }
    assert_eq!(ended, Some(ProcessState::Done(1)));
    assert!(empty_queues(&mut memory).is_empty());
}
