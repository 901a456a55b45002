//! A board to paint and type on, for as many people as look at the display.
//!
//! F1 is text: keys write. F2 to F6 are the modes with pixels: whoever holds a pointer's button
//! down paints, with the colour that he has last picked from the row at the top. Escape wipes the
//! board. The first argument may name the mode to begin with, `text` or a width, as in `640`.
//!
//! It keeps no picture: that is the display driver's business.
#![no_std]

extern crate alloc;

mod brush;
mod typewriter;

use adapter::display::Mode;
use adapter::{DISPLAY, INPUT};
use core::cell::RefCell;
use sdk::{Event, Static, Step, arguments, worker};
use services::display::{Answer, Request};
use services::input::{self, InputEvent};
use services::{Lookout, Session};

use crate::brush::Brushes;
use crate::typewriter::Typewriter;

const NEWS: Event = Event(1);
/// Keys of the USB tables.
const ESCAPE: u16 = 0x29;
const F1: u16 = 0x3A;
/// With so much on its way to the display, input waits.
const UNSENT_BYTES_MAX: usize = 64 << 10;

static BOARD: Static<RefCell<Option<Board>>> = Static::new(RefCell::new(None));

struct Board {
    display: Session,
    input: Session,
    mode: Mode,
    typewriter: Typewriter,
    brushes: Brushes,
    lookout: Lookout,
}

impl Board {
    fn new() -> Self {
        let arguments = arguments();
        let mode = match arguments.first().map(|text| text.as_str()) {
            Some("text") => Mode::Text,
            Some("320") => Mode::Low,
            Some("800") => Mode::Wide,
            Some("1024") => Mode::High,
            Some("640") | None => Mode::Colour,
            Some(other) => panic!("mode `{other}`, expected text, 320, 640, 800 or 1024"),
        };
        let mut board = Self {
            display: Session::new(DISPLAY, NEWS),
            input: Session::new(INPUT, NEWS),
            mode,
            typewriter: Typewriter::default(),
            brushes: Brushes::default(),
            lookout: Lookout::default(),
        };
        if board.display.connect() {
            board.set_mode(mode);
        }
        board
    }

    fn step(&mut self) -> Step {
        if self.display.connect() {
            // The picture is there if the driver has kept it.
            Request::Ask.encode(self.display.say());
        }
        self.input.connect();
        self.hear_display();
        self.hear_input();
        self.display.exchange();
        let is_missing = !self.display.is_connected() || !self.input.is_connected();
        self.lookout.look_again_if(is_missing, NEWS);
        Step::Wait(NEWS)
    }

    fn hear_display(&mut self) {
        loop {
            let heard = self.display.exchange();
            match Answer::take(heard).expect("a display's driver answers like this") {
                Some(Answer::Mode(mode) | Answer::OtherMode(mode)) if mode != self.mode => {
                    self.set_mode(self.mode);
                }
                Some(_) => {}
                None => return,
            }
        }
    }

    fn hear_input(&mut self) {
        while self.display.is_connected() && self.display.unsent() < UNSENT_BYTES_MAX {
            let heard = self.input.exchange();
            let event = input::take(heard).expect("a keyboard's driver says nothing else");
            match event {
                Some(event) => self.on_event(event),
                None => return,
            }
        }
    }

    fn on_event(&mut self, event: InputEvent) {
        match event {
            InputEvent::Key {
                code,
                is_down: true,
                character,
            } => match Mode::ALL.get(usize::from(code.wrapping_sub(F1))) {
                Some(mode) => self.set_mode(*mode),
                None if code == ESCAPE => self.set_mode(self.mode),
                None if self.mode == Mode::Text => {
                    self.typewriter.press(self.display.say(), code, character);
                }
                None => {}
            },
            InputEvent::Pointer {
                x,
                y,
                buttons,
                whose,
            } if self.mode != Mode::Text => {
                let is_down = buttons & 1 == 1;
                let brush = self.brushes.of(whose);
                brush.go(self.display.say(), self.mode, (x, y), is_down);
            }
            _ => {}
        }
    }

    /// An empty board in this mode.
    fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
        self.brushes = Brushes::default();
        self.typewriter = Typewriter::default();
        let out = self.display.say();
        Request::SetMode(mode).encode(out);
        match mode {
            Mode::Text => self.typewriter.begin(out),
            _ => brush::draw_colours(out, mode),
        }
    }
}

worker! {
    fn main(_argument: i64) -> Step {
        BOARD.borrow_mut().get_or_insert_with(Board::new).step()
    }
}
