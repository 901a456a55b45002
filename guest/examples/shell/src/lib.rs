//! A shell on the display and on the line of text: it shows and starts what the cluster runs.
//!
//! It asks the node that leads, over the device `system`, what tools ask, and drivers what the
//! parts of its machine are like; `shell-core` knows the commands. On the line of text whoever
//! types sees what he types; on the display it is echoed.
#![no_std]

extern crate alloc;

mod line;
mod parts;
mod screen;
mod system;

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use core::cell::RefCell;
use sdk::{Event, Static, Step, worker};
use services::Lookout;
use shell_core::{Command, Editor, Key, show};

use crate::line::Line;
use crate::parts::Parts;
use crate::screen::Screen;
use crate::system::{Heard, System};

pub(crate) const NEWS: Event = Event(1);
const GREETING: &str = "Plurix. `help` lists what there is.\n";
const PROMPT: &str = "> ";
pub(crate) const LOST: &str =
    "the node that was asked has failed: whether it is done is not known\n";

sdk::declare_device!("system");

static SHELL: Static<RefCell<Option<Shell>>> = Static::new(RefCell::new(None));

/// Where somebody types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Screen,
    Line,
}

struct Shell {
    system: System,
    parts: Parts,
    screen: Screen,
    line: Line,
    editors: [Editor; 2],
    /// Who waits for an answer, in the order of the questions.
    waiting: VecDeque<Place>,
    lookout: Lookout,
}

impl Shell {
    fn new() -> Self {
        let mut shell = Self {
            system: System::attach(),
            parts: Parts::default(),
            screen: Screen::new(),
            line: Line::new(),
            editors: Default::default(),
            waiting: VecDeque::new(),
            lookout: Lookout::default(),
        };
        for place in [Place::Screen, Place::Line] {
            shell.write(place, GREETING);
            shell.write(place, PROMPT);
        }
        shell
    }

    fn step(&mut self) -> Step {
        if self.system.is_lost() {
            // Another shell has the system now.
            sdk::exit(0);
        }
        while let Some(heard) = self.system.hear() {
            match heard {
                Heard::Answer(response) => {
                    let place = self.waiting.pop_front();
                    self.answer(place.expect("answers follow questions"), &show(&response));
                }
                Heard::NewLine => {
                    for place in core::mem::take(&mut self.waiting) {
                        self.answer(place, LOST);
                    }
                }
            }
        }
        while let Some(key) = self.screen.key() {
            self.press(Place::Screen, key);
        }
        while let Some(key) = self.line.key() {
            self.press(Place::Line, key);
        }
        // What was just said goes, too.
        while let Some((place, answer)) = self.parts.hear() {
            self.answer(place, &answer);
        }
        self.system.speak();
        self.screen.show();
        self.line.speak();
        let is_missing = !self.screen.is_there() || !self.line.is_there();
        self.lookout.look_again_if(is_missing, NEWS);
        Step::Wait(NEWS)
    }

    fn press(&mut self, place: Place, key: Key) {
        let mut echo = String::new();
        let line = self.editors[place as usize].press(key, &mut echo);
        if place == Place::Screen {
            self.write(place, &echo);
        }
        let Some(line) = line else {
            return;
        };
        match Command::of(&line) {
            Command::Nothing => self.answer(place, ""),
            Command::Show(text) => self.answer(place, &text),
            Command::Clear => {
                if place == Place::Screen {
                    self.screen.clear();
                }
                self.answer(place, "");
            }
            Command::Part { device, line } => {
                if !self.parts.say(device, &line, place) {
                    let text = format!("nobody drives it: its driver is the program `{device}`\n");
                    self.answer(place, &text);
                }
            }
            Command::Ask(request) => {
                self.system.ask(&request);
                self.waiting.push_back(place);
            }
        }
    }

    fn answer(&mut self, place: Place, text: &str) {
        self.write(place, text);
        self.write(place, PROMPT);
    }

    fn write(&mut self, place: Place, text: &str) {
        match place {
            Place::Screen => self.screen.write(text),
            Place::Line => self.line.write(text),
        }
    }
}

worker! {
    fn main(_argument: i64) -> Step {
        SHELL.borrow_mut().get_or_insert_with(Shell::new).step()
    }
}
