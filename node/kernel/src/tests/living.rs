//! Whose memory is needed: of those that have not ended, and of those that can be called.
use alloc::vec::Vec;
use alloc::{format, vec};

use super::memory::{Memory, Stops, station};
use crate::processes::{self, ProcessState};
use crate::step::{self, Step, StepEnd};
use crate::{Living, ProcessId, Refusal, living, reap};

fn found(memory: &mut Memory) -> (Vec<u32>, u32) {
    let Living { processes, end } = memory.run(living).unwrap();
    (processes.into_iter().map(|id| id.0).collect(), end.0)
}

fn called(memory: &mut Memory, id: ProcessId) -> Result<(), Refusal> {
    memory.run(|pages| {
        let call = Step::call(pages, station(1), id)?;
        call.finish_call(pages).map(|_| ())
    })
}

#[test]
fn before_anything_was_started_there_is_nobody() {
    let (mut memory, _) = Memory::with_module(Stops::Every(1));
    assert_eq!(found(&mut memory), (vec![], 1));
}

#[test]
fn who_loads_or_runs_lives_and_who_was_ended_does_not() {
    let (mut memory, module) = Memory::with_module(Stops::Every(1));
    let loading = memory.create(station(0), module);
    let faulty = memory.start(station(0), module);
    let running = memory.start(station(1), module);
    assert_eq!(found(&mut memory), (vec![1, 2, 3], 4));
    let fail = |memory: &mut Memory| {
        let worker = memory.run(|pages| processes::get(pages, faulty)).unwrap();
        memory.run(|pages| step::fail(pages, station(0), worker.main, "it fell over", 0))
    };
    assert_eq!(fail(&mut memory), Ok(true));
    assert_eq!(found(&mut memory), (vec![1, 3], 4));
    for id in [loading, running] {
        memory.run(|pages| processes::cancel(pages, id)).unwrap();
        assert_eq!(called(&mut memory, id), Err(Refusal::NotRunning(id)));
    }
    assert_eq!(found(&mut memory), (vec![], 4));
    let dead = memory.run(living).unwrap().dead();
    assert_eq!(dead, 3);
}

#[test]
fn who_is_done_lives_until_another_has_its_name() {
    let (mut memory, module) = Memory::with_module(Stops::Every(1));
    let first = memory.start(station(0), module);
    memory
        .step(station(0), |_, _| Ok(StepEnd::Done(8)))
        .unwrap();
    assert_eq!(found(&mut memory), (vec![1], 2));
    assert_eq!(called(&mut memory, first), Ok(()));
    let second = memory.create(station(0), module);
    assert_eq!(found(&mut memory), (vec![2], 3));
    let refusal = called(&mut memory, first).unwrap_err();
    assert_eq!(refusal, Refusal::Replaced(first));
    assert_eq!(
        format!("{refusal}"),
        "process 1 is done, and its memory gone since another has its name"
    );
    assert_eq!(
        called(&mut memory, second),
        Err(Refusal::NotRunning(second))
    );
    // Its state is what it was, for people to look at.
    let kept = memory.run(|pages| processes::get(pages, first)).unwrap();
    assert_eq!(kept.state, ProcessState::Done(8));
}

#[test]
fn who_is_done_and_reaped_lives_no_more() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    memory.start(station(0), module);
    memory
        .step(station(0), |_, _| Ok(StepEnd::Done(8)))
        .unwrap();
    while memory.run(|pages| reap(pages, 0, 8)) != Ok(crate::blobs::Progress::Done) {}
    assert_eq!(found(&mut memory), (vec![], 2));
}

/// What writes its memory in pieces finds out when it was ended meanwhile.
#[test]
fn who_was_ended_is_not_loading() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    let id = memory.create(station(0), module);
    assert!(memory.run(|pages| processes::loading(pages, id)).is_ok());
    memory.run(|pages| processes::cancel(pages, id)).unwrap();
    let found = memory.run(|pages| processes::loading(pages, id));
    assert_eq!(found, Err(Refusal::NotLoading(id)));
}
