//! Appends numbered lines to a file, each once and in order, whatever fails meanwhile.
//!
//! Arguments: the name of the file, the number of lines, and milliseconds between two of them (0
//! unless given). It needs a directory for files: `plurix up --files DIR`.
#![no_std]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use core::cell::RefCell;

use sdk::{Event, File, Static, Step, Timer, arguments, progress, worker};

const GO_ON: Event = Event(1);
/// Lines that a step writes at most.
const LINES_PER_STEP: u64 = 256;
const NANOS_PER_MILLI: u64 = 1_000_000;

static SCRIBE: Static<RefCell<Option<Scribe>>> = Static::new(RefCell::new(None));

struct Scribe {
    file: File,
    /// Lines that were written.
    written: u64,
    count: u64,
    /// What found no room yet.
    rest: String,
    timer: Option<Timer>,
}

impl Scribe {
    fn new() -> Self {
        let arguments = arguments();
        let number = |at: usize, otherwise| {
            let text = arguments.get(at);
            text.map_or(otherwise, |text| text.parse().expect("a number"))
        };
        let pause = number(2, 0) * NANOS_PER_MILLI;
        Self {
            file: File::append(arguments.first().expect("the name of a file"), GO_ON),
            written: 0,
            count: number(1, 1000),
            rest: String::new(),
            timer: (pause > 0).then(|| Timer::every(pause, GO_ON)),
        }
    }

    fn step(&mut self) -> Step {
        for _ in 0..LINES_PER_STEP {
            if self.rest.is_empty() {
                if self.written == self.count {
                    self.file.close();
                    return Step::Done(0);
                }
                if self.timer.is_some_and(|timer| timer.take().is_none()) {
                    return Step::Wait(GO_ON);
                }
                self.written += 1;
                self.rest = format!("line {}\n", self.written);
                progress(self.written, self.count);
            }
            let Ok(taken) = self.file.write(self.rest.as_bytes()) else {
                panic!("{}", self.file.why());
            };
            self.rest.drain(..taken);
            if !self.rest.is_empty() {
                return Step::Wait(GO_ON);
            }
        }
        Step::Again
    }
}

worker! {
    fn main(_argument: i64) -> Step {
        SCRIBE.borrow_mut().get_or_insert_with(Scribe::new).step()
    }
}
