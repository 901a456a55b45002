//! Processors beside the first.
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use hal::boot::Boot;
use hal::clock::{now_ns, sleep_until_ns};
use hal::cores::{self, CORES_MAX, Work};

use crate::{Machine, devices, guests, memory, views};

/// Processors of a machine for tests.
const CORES: usize = 3;
/// Times that two processors wake one another.
const TURNS: usize = 2_000;
/// Whoever sleeps so long was not woken.
const LONG_NS: u64 = 60_000_000_000;

/// What a processor can do that another does, too.
const BODIES: [fn(&mut Machine); 8] = [
    memory::heap_keeps,
    views::pages_do_as_told,
    views::views_are_apart,
    guests::computes,
    guests::pages,
    guests::faults,
    guests::endless,
    guests::interrupted,
];

/// A machine for another processor, without devices.
fn another(machine: &Machine) -> Machine {
    Machine {
        boot: Boot {
            command_line: machine.boot.command_line.clone(),
            modules: machine.boot.modules.clone(),
            first_stamp: machine.boot.first_stamp,
        },
        disk: None,
        network: None,
        kept: None,
    }
}

/// Sleeps until so many have ended.
fn wait(ended: &AtomicUsize, count: usize) {
    let until = now_ns() + LONG_NS;
    while ended.load(Ordering::Acquire) < count {
        sleep_until_ns(until);
        assert!(now_ns() < until, "all come to an end");
    }
}

pub(crate) fn beside(machine: &mut Machine) {
    let ended = Arc::new(AtomicUsize::new(0));
    let others = (1..CORES).map(|number| {
        let ended = ended.clone();
        let mut own = another(machine);
        let work = move || {
            assert_eq!(cores::number(), number, "each has its own number");
            // Not all at the same place.
            for turn in 0..BODIES.len() {
                BODIES[(turn + number) % BODIES.len()](&mut own);
            }
            ended.fetch_add(1, Ordering::Release);
            cores::wake(0);
        };
        Box::new(work) as Work
    });
    let others = others.collect::<Vec<_>>();
    cores::start(others).expect("the machine has so many");
    assert_eq!((cores::count(), cores::number()), (CORES, 0));
    for body in BODIES {
        body(machine);
    }
    wait(&ended, CORES - 1);
}

/// Also one that has woken the first before.
pub(crate) fn device(machine: &mut Machine) {
    let ended = Arc::new(AtomicUsize::new(0));
    let mut own = Machine {
        network: machine.network.take(),
        ..another(machine)
    };
    let at_end = ended.clone();
    let work = move || {
        let network = own.network.as_mut().expect("a network");
        network.wake_here();
        devices::network(&mut own);
        at_end.fetch_add(1, Ordering::Release);
        cores::wake(0);
    };
    cores::start(vec![Box::new(work)]).expect("the machine has two");
    wait(&ended, 1);
}

pub(crate) fn woken(_: &mut Machine) {
    let turn = Arc::new(AtomicUsize::new(0));
    let other = turn.clone();
    let work = move || play(&other, 1);
    cores::start(vec![Box::new(work)]).expect("the machine has two");
    play(&turn, 0);
}

/// Waits until it is its turn, then wakes the other.
fn play(turn: &AtomicUsize, own: usize) {
    let until = now_ns() + LONG_NS;
    for next in (own..TURNS).step_by(2) {
        while turn.load(Ordering::Acquire) != next {
            sleep_until_ns(until);
            assert!(now_ns() < until, "nobody was woken in turn {next}");
        }
        turn.store(next + 1, Ordering::Release);
        cores::wake(1 - own);
    }
}

pub(crate) fn too_few(_: &mut Machine) {
    let idle = (1..CORES_MAX).map(|_| Box::new(|| {}) as Work);
    let missing = cores::start(idle.collect()).expect_err("there are fewer");
    assert_eq!((missing.expected, missing.found), (CORES_MAX, CORES));
}

pub(crate) fn panics(_: &mut Machine) {
    cores::start(vec![Box::new(fail)]).expect("the machine has two");
    let until = now_ns() + LONG_NS;
    while now_ns() < until {
        sleep_until_ns(until);
    }
}

#[inline(never)]
fn fail() {
    panic!("on processor {}", cores::number());
}
