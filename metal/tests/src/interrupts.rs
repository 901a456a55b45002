//! What interrupts and faults leave of the code that they interrupt.
use core::cell::{Cell, RefCell};

use hal::probe::{Role, hold};
use hal::view::View;
use platform::{GuestAnswer, GuestEvents, ViewMemory};
use types::{PAGE_SIZE, PageIndex};

use crate::Machine;
use crate::views::new_view;

/// A page that is absent at first.
const PAGE: PageIndex = PageIndex(700);
/// Rounds between two looks at how often there was an interrupt.
const ROUNDS: u64 = 1_000_000;
/// Interrupts that are enough to hit all parts of a round.
const ENOUGH: u32 = 20;
/// Turns after which there should have been some.
const TURNS_MAX: u32 = 10_000;

/// Counts, and maps what is absent.
struct Counted {
    view: RefCell<View>,
    faults: Cell<u32>,
    ticks: Cell<u32>,
    later: Cell<u32>,
}

impl Counted {
    fn new() -> Self {
        Self {
            view: RefCell::new(new_view()),
            faults: Cell::new(0),
            ticks: Cell::new(0),
            later: Cell::new(0),
        }
    }

    /// Interrupts code of this kind until it was interrupted often enough, says `count`.
    fn interrupt(&self, role: Role, count: impl Fn() -> u32) {
        let space = self.view.borrow().space();
        let mut turns = 0;
        while count() < ENOUGH {
            assert_eq!(
                hold(&*space, PAGE, ROUNDS, role, self),
                0,
                "values were changed"
            );
            turns += 1;
            assert!(turns < TURNS_MAX, "{} interrupts in {turns} turns", count());
        }
    }
}

impl GuestEvents for Counted {
    fn fault(&self, page: PageIndex) -> GuestAnswer {
        assert_eq!(page, PAGE, "the page that was touched");
        self.faults.set(self.faults.get() + 1);
        self.view.borrow_mut().map(page, &[7; PAGE_SIZE]);
        GuestAnswer::Resume
    }

    fn interrupt(&self) -> GuestAnswer {
        self.ticks.set(self.ticks.get() + 1);
        // As the node does, which computes with whatever the processor has.
        let x = core::hint::black_box(f64::from(self.ticks.get()));
        assert!(core::hint::black_box(x * 1.5) > x, "more than it was");
        GuestAnswer::Resume
    }

    fn interrupt_later(&self) {
        self.later.set(self.later.get() + 1);
    }
}

pub(crate) fn ticks_of_guests(_: &mut Machine) {
    let events = Counted::new();
    events.interrupt(Role::Guest, || events.ticks.get());
}

pub(crate) fn ticks_of_hosts(_: &mut Machine) {
    let events = Counted::new();
    events.interrupt(Role::Host, || events.later.get());
    assert_eq!(
        events.ticks.get(),
        0,
        "the host is in the middle of something"
    );
}

pub(crate) fn absent_page(_: &mut Machine) {
    let events = Counted::new();
    let space = events.view.borrow().space();
    for turn in 1..=50 {
        for role in [Role::Guest, Role::Host] {
            assert_eq!(
                hold(&*space, PAGE, 3, role, &events),
                0,
                "values were changed"
            );
        }
        assert_eq!(events.faults.get(), turn, "asked for once");
        assert_eq!(
            events.view.borrow().bytes(PAGE),
            &[7; PAGE_SIZE],
            "what was put there"
        );
        events.view.borrow_mut().unmap(PAGE);
    }
}
