//! A program that comes back as it was, in a memory that goes on.
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::num::NonZeroU64;

use super::memory::{Memory, Stops, call, name, slot, station};
use crate::blobs::{self, Progress};
use crate::processes::{self, ProcessState, ProgressCount};
use crate::revival::{self, Finish, Life, Origin, Token};
use crate::step::{self, Step, StepEnd, Taken};
use crate::{EntryCall, Event, ModuleId, ProcessId, Refusal, WorkerId, reap};

const MINE: Token = NonZeroU64::new(11).unwrap();
const OTHERS: Token = NonZeroU64::new(12).unwrap();

fn origin(module: ModuleId) -> Origin<'static> {
    Origin {
        name: name("demo"),
        module,
        arguments: vec![b"one"],
        inputs: vec![(name("in"), 4)],
    }
}

fn begin(memory: &mut Memory, module: ModuleId, token: Token) -> ProcessId {
    let origin = origin(module);
    memory
        .run(|pages| revival::begin(pages, station(0), token, &origin))
        .unwrap()
}

fn finish(memory: &mut Memory, id: ProcessId, pieces: u64, life: &Life) -> Result<Finish, Refusal> {
    memory.run(|pages| revival::finish(pages, station(1), id, MINE, pieces, life))
}

fn life(memory: &mut Memory, id: ProcessId) -> Life {
    memory.run(|pages| revival::life(pages, id)).unwrap()
}

fn state(memory: &mut Memory, id: ProcessId) -> ProcessState {
    memory.run(|pages| processes::get(pages, id)).unwrap().state
}

fn newest(memory: &mut Memory) -> Option<ProcessId> {
    let found = memory.run(|pages| processes::by_name(pages, &name("demo")));
    found.unwrap()
}

/// A program of nine workers: three wait for events, four are ready, two have ended.
fn busy(memory: &mut Memory, module: ModuleId) -> ProcessId {
    let id = memory.start(station(0), module);
    let part = |pages: &mut Memory, step: &mut Step| {
        let EntryCall { entry, argument } = step.entry().unwrap();
        if entry.as_str() == "main" {
            for number in 0..8 {
                step.spawn(pages, call("work", number))?;
            }
            step.set_progress(ProgressCount { done: 2, total: 9 });
            return Ok(StepEnd::Done(42));
        }
        Ok(match argument {
            0..3 => StepEnd::Wait(Event(-argument)),
            3 => StepEnd::Done(0),
            _ => StepEnd::Again,
        })
    };
    for position in [0, 0, 1, 2, 3, 0, 1, 2, 3] {
        memory.step(station(position), part).unwrap();
    }
    id
}

/// Numbers of the workers that run, wherever they are.
fn running(memory: &mut Memory) -> BTreeSet<(WorkerId, ProcessId)> {
    let mut seen = BTreeSet::new();
    for position in (0..4).cycle().take(64) {
        let mut who = None;
        memory
            .step(station(position), |_, step| {
                who = step.worker().map(|worker| (worker, step.process().id));
                Ok(StepEnd::Again)
            })
            .unwrap();
        seen.extend(who);
    }
    seen
}

fn ready(life: &Life) -> Vec<WorkerId> {
    let ready = life.workers.iter().filter(|one| one.event.is_none());
    ready.map(|one| one.id).collect()
}

fn comes_back(stops: Stops) {
    let (mut memory, module) = Memory::with_module(stops);
    let before = busy(&mut memory, module);
    let then = life(&mut memory, before);
    assert_eq!(then.workers.len(), 7);
    assert_eq!(ready(&then).len(), 4);
    // It goes on meanwhile, and another one runs.
    running(&mut memory);
    let id = begin(&mut memory, module, MINE);
    assert_eq!(newest(&mut memory), Some(before));
    assert_eq!(state(&mut memory, id), ProcessState::Loading);
    finish(&mut memory, id, 0, &then).unwrap();
    assert_eq!(newest(&mut memory), Some(id));
    assert_eq!(state(&mut memory, before), ProcessState::Cancelled);
    assert_eq!(life(&mut memory, id).main, then.main);
    let info = memory.run(|pages| processes::info(pages, id)).unwrap();
    assert_eq!(
        (info.workers, info.progress),
        (7, ProgressCount { done: 2, total: 9 })
    );
    // Who has waited looks again; when the last has ended the first one's value counts.
    let all = then.workers.iter();
    let expected: BTreeSet<_> = all.map(|one| (one.id, id)).collect();
    assert_eq!(running(&mut memory), expected);
    let mut ended = None;
    for position in (0..4).cycle().take(64) {
        let end = memory.step(station(position), |_, _| Ok(StepEnd::Done(1)));
        let end = end.unwrap();
        ended = ended.or(end);
    }
    assert_eq!(ended, Some(ProcessState::Done(42)));
}

#[test]
fn a_busy_program_comes_back_with_its_workers() {
    comes_back(Stops::Never);
}

#[test]
fn a_busy_program_comes_back_when_stopped_anywhere() {
    comes_back(Stops::Every(1));
}

#[test]
fn whoever_asks_again_gets_what_he_got() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    let before = busy(&mut memory, module);
    let then = life(&mut memory, before);
    let id = begin(&mut memory, module, MINE);
    assert_eq!(begin(&mut memory, module, MINE), id);
    memory.run(|pages| revival::count_piece(pages, id)).unwrap();
    for _ in 0..2 {
        assert_eq!(finish(&mut memory, id, 1, &then), Ok(Finish::Done));
        assert_eq!(ready(&life(&mut memory, id)).len(), 7);
    }
    let listed = memory.run(processes::list).unwrap();
    assert_eq!(listed, [before, id]);
    // It lives: nobody gives it up any more.
    memory
        .run(|pages| revival::give_up(pages, id, MINE))
        .unwrap();
    assert_eq!(state(&mut memory, id), ProcessState::Running);
}

#[test]
fn what_is_given_up_changes_nothing() {
    let (mut memory, module) = Memory::with_module(Stops::Every(1));
    let before = busy(&mut memory, module);
    let then = life(&mut memory, before);
    let id = begin(&mut memory, module, MINE);
    let give_up =
        |memory: &mut Memory, token| memory.run(|pages| revival::give_up(pages, id, token));
    let refused = Err(Refusal::NotReviving(id));
    assert_eq!(give_up(&mut memory, OTHERS), refused);
    for _ in 0..2 {
        assert_eq!(give_up(&mut memory, MINE), Ok(()));
    }
    assert_eq!(finish(&mut memory, id, 0, &then).map(drop), refused);
    assert_eq!(newest(&mut memory), Some(before));
    assert_eq!(life(&mut memory, before), then);
}

#[test]
fn what_is_lost_is_missed() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    let before = busy(&mut memory, module);
    let then = life(&mut memory, before);
    let id = begin(&mut memory, module, MINE);
    let next = |memory: &mut Memory| {
        let found = memory.run(|pages| revival::next_piece(pages, id, MINE));
        found.unwrap().1
    };
    assert_eq!(next(&mut memory), 0);
    let missing = Ok(Finish::Missing(0));
    assert_eq!(finish(&mut memory, id, 1, &then), missing);
    assert_eq!(state(&mut memory, id), ProcessState::Loading);
    assert_eq!(memory.run(|pages| revival::count_piece(pages, id)), Ok(1));
    assert_eq!(next(&mut memory), 1);
    assert_eq!(newest(&mut memory), Some(before));
}

#[test]
fn nobody_else_has_a_say() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    let before = busy(&mut memory, module);
    let then = life(&mut memory, before);
    let mine = begin(&mut memory, module, MINE);
    for id in [mine, before] {
        let found = memory.run(|pages| revival::next_piece(pages, id, OTHERS));
        assert_eq!(found.map(drop), Err(Refusal::NotReviving(id)));
    }
    // The newest one who brings the program back is the one who does.
    let others = begin(&mut memory, module, OTHERS);
    assert_eq!(state(&mut memory, mine), ProcessState::Cancelled);
    assert_eq!(
        finish(&mut memory, mine, 0, &then),
        Err(Refusal::NotReviving(mine))
    );
    let unfinished = memory.run(revival::unfinished).unwrap();
    let unfinished: Vec<_> = unfinished.iter().map(|one| one.process).collect();
    assert_eq!(unfinished, [others]);
    assert_eq!(newest(&mut memory), Some(before));
}

#[test]
fn an_end_comes_back_too() {
    let (mut memory, module) = Memory::with_module(Stops::Every(1));
    let before = memory.start(station(0), module);
    let Taken::Step(step) = memory.run(|pages| step::take(pages, station(0))).unwrap() else {
        panic!("a worker was just started")
    };
    memory
        .run(|pages| step::fail(pages, station(0), step.worker().unwrap(), "too bad", 0))
        .unwrap();
    let then = life(&mut memory, before);
    let id = begin(&mut memory, module, MINE);
    finish(&mut memory, id, 0, &then).unwrap();
    assert_eq!(state(&mut memory, id), ProcessState::Faulted);
    let report = memory.run(|pages| processes::fault_report(pages, id));
    assert_eq!(report.unwrap(), "too bad");
    // It had ended already: so it stays.
    assert_eq!(state(&mut memory, before), ProcessState::Faulted);
    while memory.run(|pages| reap(pages, 0, 10)).unwrap() == Progress::More {}
    assert_eq!(memory.run(processes::list), Ok(Vec::new()));
    assert_eq!(newest(&mut memory), None);
}

#[test]
fn arguments_and_inputs_are_there_and_sealed() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    let before = busy(&mut memory, module);
    let then = life(&mut memory, before);
    let id = begin(&mut memory, module, MINE);
    let input = memory.run(|pages| processes::input(pages, id, 0)).unwrap();
    memory
        .run(|pages| blobs::write(pages, slot(0), input.blob, 0, b"data"))
        .unwrap();
    finish(&mut memory, id, 0, &then).unwrap();
    assert_eq!(
        memory.run(|pages| processes::arguments(pages, id)),
        Ok(vec![b"one".to_vec()])
    );
    assert_eq!(
        memory.run(|pages| blobs::write(pages, slot(0), input.blob, 0, b"late")),
        Err(Refusal::BlobSealed(input.blob))
    );
}

#[test]
fn no_process_lives_as_none_can() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    let before = busy(&mut memory, module);
    let then = life(&mut memory, before);
    let id = begin(&mut memory, module, MINE);
    let mut twice = then.clone();
    twice.workers.push(then.workers[0]);
    let mut unknown = then.clone();
    let nobody = WorkerId(then.workers[0].id.0 + 1000);
    unknown.workers[0].id = nobody;
    let no_workers = Life {
        workers: Vec::new(),
        ..then.clone()
    };
    let with_workers = Life {
        state: ProcessState::Exited(3),
        fault: String::new(),
        ..then.clone()
    };
    let cases = [
        (twice, Refusal::NoSuchWorker(then.workers[0].id)),
        (unknown, Refusal::NoSuchWorker(nobody)),
        (no_workers, Refusal::NoLife(id)),
        (with_workers, Refusal::NoLife(id)),
    ];
    for (life, refusal) in cases {
        assert_eq!(finish(&mut memory, id, 0, &life), Err(refusal));
    }
    assert_eq!(newest(&mut memory), Some(before));
    finish(&mut memory, id, 0, &then).unwrap();
}

#[test]
fn what_has_not_begun_has_no_life() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    let loading = memory.create(station(0), module);
    let found = memory.run(|pages| revival::life(pages, loading));
    assert_eq!(found, Err(Refusal::NotRunning(loading)));
    // Nobody is taken for a leftover who is not.
    assert_eq!(memory.run(revival::unfinished), Ok(Vec::new()));
}
