//! How many pages operations touch and write: what makes nodes wait for each other.
use alloc::collections::BTreeSet;
use types::PageId;

use super::memory::{Memory, Stops, call, slot, somebody, station};
use crate::processes::{self, ProgressCount};
use crate::queues::{self, Owner};
use crate::step::{self, StepEnd, Taken};
use crate::{Event, output};

fn touched_by_step(memory: &mut Memory, position: usize, end: StepEnd) -> BTreeSet<PageId> {
    memory.step(station(position), |_, _| Ok(end)).unwrap();
    memory.touched.clone()
}

#[test]
fn a_step_that_runs_again_alone_writes_nothing() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    memory.start(station(0), module);
    memory.step(station(0), |_, _| Ok(StepEnd::Again)).unwrap();
    for _ in 0..3 {
        let touched = touched_by_step(&mut memory, 0, StepEnd::Again);
        assert!(memory.written.is_empty(), "{:?}", memory.written);
        assert!(touched.len() <= 3, "{touched:?}");
    }
}

#[test]
fn rotation_writes_the_queue_only() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    memory.start(station(0), module);
    memory.start(station(0), module);
    memory.step(station(0), |_, _| Ok(StepEnd::Again)).unwrap();
    memory.step(station(0), |_, _| Ok(StepEnd::Again)).unwrap();
    assert_eq!(
        memory.written.len(),
        2,
        "who is held, who waits: {:?}",
        memory.written
    );
}

#[test]
fn queue_operations_touch_few_pages() {
    let mut memory = Memory::new(Stops::Never);
    let (victim, thief) = (slot(0), slot(1));
    for number in 1..=40 {
        memory
            .run(|pages| queues::enqueue(pages, victim, somebody(number)))
            .unwrap();
        assert_eq!(memory.written.len(), 1, "a short queue is one page");
    }
    for _ in 0..8 {
        memory
            .run(|pages| queues::steal(pages, thief, victim, Owner::Alive))
            .unwrap();
        assert!(memory.touched.len() <= 3, "{:?}", memory.touched);
        assert!(memory.written.len() <= 3, "{:?}", memory.written);
    }
    for number in 1..=1000 {
        memory
            .run(|pages| queues::enqueue(pages, victim, somebody(number)))
            .unwrap();
        assert!(memory.written.len() <= 2, "{:?}", memory.written);
    }
}

#[test]
fn neither_spawning_nor_stealing_writes_what_a_running_step_has_read() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    memory.start(station(0), module);
    memory
        .step(station(0), |pages, step| {
            for number in 0..12 {
                step.spawn(pages, call("work", number))?;
            }
            Ok(StepEnd::Again)
        })
        .unwrap();
    // A step at station 1 that has begun and not ended yet.
    let taken = memory.run(|pages| step::take(pages, station(1))).unwrap();
    assert!(matches!(taken, Taken::Step(_)));
    memory.run(|pages| step::take(pages, station(1))).unwrap();
    let running = memory.touched.clone();
    memory
        .run(|pages| queues::steal(pages, slot(3), slot(1), Owner::Alive))
        .unwrap();
    assert!(memory.written.is_disjoint(&running), "stealing from it");
    memory
        .step(station(0), |pages, step| {
            for number in 0..12 {
                step.spawn(pages, call("work", number))?;
            }
            step.set_progress(ProgressCount { done: 1, total: 2 });
            step.signal(Event(3));
            step.print(pages, 0, b"hello")?;
            Ok(StepEnd::Again)
        })
        .unwrap();
    assert!(!memory.written.is_empty());
    assert!(
        memory.written.is_disjoint(&running),
        "spawning, signalling, printing elsewhere"
    );
    memory
        .step(station(2), |_, _| Ok(StepEnd::Done(0)))
        .unwrap();
    assert!(
        memory.written.is_disjoint(&running),
        "the end of another worker"
    );
}

#[test]
fn ending_a_process_writes_what_its_running_steps_have_read() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    let id = memory.start(station(0), module);
    memory.run(|pages| step::take(pages, station(0))).unwrap();
    let running = memory.touched.clone();
    assert!(memory.run(|pages| processes::cancel(pages, id)).unwrap());
    assert!(!memory.written.is_disjoint(&running));
}

#[test]
fn a_signal_that_nobody_waits_for_writes_nothing() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    memory.start(station(0), module);
    memory.step(station(0), |_, _| Ok(StepEnd::Again)).unwrap();
    memory
        .step(station(0), |_, step| {
            step.signal(Event(5));
            Ok(StepEnd::Again)
        })
        .unwrap();
    assert!(memory.written.is_empty());
}

#[test]
fn printing_and_results_on_different_slots_share_no_written_page() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    let id = memory.start(station(0), module);
    memory
        .step(station(0), |pages, step| {
            for number in 0..4 {
                step.spawn(pages, call("work", number))?;
            }
            Ok(StepEnd::Wait(Event(1)))
        })
        .unwrap();
    let write = |memory: &mut Memory, position: usize| {
        memory
            .step(station(position), |pages, step| {
                step.print(pages, 0, b"line")?;
                step.write_result(pages, position as u64 * 8192, &[1; 4096])?;
                Ok(StepEnd::Again)
            })
            .unwrap();
        memory.written.clone()
    };
    for position in 0..4 {
        write(&mut memory, position);
    }
    let sets: alloc::vec::Vec<_> = (0..4)
        .map(|position| write(&mut memory, position))
        .collect();
    for (number, set) in sets.iter().enumerate() {
        assert!(set.len() <= 3, "account, log, result: {set:?}");
        assert!(sets[..number].iter().all(|other| other.is_disjoint(set)));
    }
    assert_eq!(
        memory.run(|pages| output::slots(pages, id)).unwrap().len(),
        4
    );
}
