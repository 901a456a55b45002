//! Lists of numbers that callers append to and read: what tests of consistency ask for.
//!
//! Nobody but callers does anything, so the program runs until it is cancelled. A caller
//! sees each list that it appends to as it was before, as a line `list: element element …`
//! of the reply. Lists have their numbers from 0 on and exist all the time, empty.
//!
//! Calls: `append(list, element)`, `append_reading(list, element, other)`,
//! `append_both(list, element, other)`, `read(first, count)`. They return how many elements
//! they have appended or read; -1, with nothing done, if there is no such list or it is full.
#![no_std]

extern crate alloc;

use alloc::string::String;
use core::cell::Cell;
use core::fmt::Write;

use sdk::{Event, PAGE_BYTES, PageAligned, Static, Step, call, worker};

/// Only those that are written take room.
const LISTS: usize = 8192;
/// A list is a page, so that only those who use the same list conflict.
const ELEMENTS_MAX: usize = PAGE_BYTES / size_of::<Cell<i64>>() - 1;
/// Never signalled.
const END: Event = Event(1);

struct List {
    length: Cell<u64>,
    elements: [Cell<i64>; ELEMENTS_MAX],
}

static ALL: Static<[PageAligned<List>; LISTS]> =
    Static::new([const { PageAligned::new(List::new()) }; LISTS]);

impl List {
    const fn new() -> Self {
        Self {
            length: Cell::new(0),
            elements: [const { Cell::new(0) }; ELEMENTS_MAX],
        }
    }

    /// The list of this number.
    fn find(number: i64) -> Option<&'static Self> {
        let number = usize::try_from(number).ok()?;
        ALL.get(number).map(|list| &**list)
    }

    /// The list of this number if there is room for one more.
    fn with_room(number: i64) -> Option<&'static Self> {
        Self::find(number).filter(|list| list.elements().len() < ELEMENTS_MAX)
    }

    fn elements(&self) -> &[Cell<i64>] {
        &self.elements[..self.length.get() as usize]
    }

    fn append(&self, element: i64) {
        let length = self.length.get();
        self.elements[length as usize].set(element);
        self.length.set(length + 1);
    }

    /// Adds a line with the elements to the text.
    fn show(&self, number: i64, text: &mut String) {
        let _ = write!(text, "{number}:");
        for element in self.elements() {
            let _ = write!(text, " {}", element.get());
        }
        text.push('\n');
    }
}

worker! {
    /// Waits for ever: calls do all there is to do.
    fn main(_argument: i64) -> Step {
        Step::Wait(END)
    }
}

call! {
    /// Appends an element to a list.
    fn append(list: i64, element: i64) -> i64 {
        change(&[list], None, element)
    }
}

call! {
    /// Appends an element to a list and reads another.
    fn append_reading(list: i64, element: i64, other: i64) -> i64 {
        change(&[list], Some(other), element)
    }
}

call! {
    /// Appends an element to two lists.
    fn append_both(list: i64, element: i64, other: i64) -> i64 {
        if list == other {
            return -1;
        }
        change(&[list, other], None, element)
    }
}

call! {
    /// Reads lists whose numbers follow each other.
    fn read(first: i64, count: i64) -> i64 {
        let mut text = String::new();
        let mut elements = 0;
        for number in first..first.saturating_add(count) {
            let Some(list) = List::find(number) else {
                return -1;
            };
            list.show(number, &mut text);
            elements += list.elements().len() as i64;
        }
        sdk::result_write(0, text.as_bytes());
        elements
    }
}

fn change(targets: &[i64], read: Option<i64>, element: i64) -> i64 {
    if targets
        .iter()
        .any(|&number| List::with_room(number).is_none())
    {
        return -1;
    }
    let mut text = String::new();
    for &number in targets.iter().chain(&read) {
        let Some(list) = List::find(number) else {
            return -1;
        };
        list.show(number, &mut text);
    }
    for list in targets.iter().filter_map(|&number| List::find(number)) {
        list.append(element);
    }
    sdk::result_write(0, text.as_bytes());
    targets.len() as i64
}
