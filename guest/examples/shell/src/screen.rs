//! The display and the keyboard, from a program's side.
use adapter::display::{Cursor, Mode};
use adapter::{DISPLAY, INPUT};
use services::Session;
use services::display::{Answer, Area, Request};
use services::input::{self, InputEvent};
use shell_core::{Grid, Key, ROW_BYTES};

use crate::NEWS;

const ENTER: u16 = 0x28;
const BACKSPACE: u16 = 0x2A;

#[derive(Debug)]
pub(crate) struct Screen {
    display: Session,
    keyboard: Session,
    grid: Grid,
    /// Another program has the display in a mode of its own.
    is_covered: bool,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self {
            display: Session::new(DISPLAY, NEWS),
            keyboard: Session::new(INPUT, NEWS),
            grid: Grid::default(),
            is_covered: false,
        }
    }

    pub(crate) fn is_there(&self) -> bool {
        self.display.is_connected() && self.keyboard.is_connected()
    }

    /// The next key that somebody has pressed.
    pub(crate) fn key(&mut self) -> Option<Key> {
        self.keyboard.connect();
        loop {
            let heard = self.keyboard.exchange();
            let event = input::take(heard).expect("a keyboard's driver says nothing else");
            let InputEvent::Key {
                code,
                is_down: true,
                character,
            } = event?
            else {
                continue;
            };
            if self.is_covered {
                // Keys come here again, so whoever was before the display is gone.
                self.uncover();
            }
            match (code, character) {
                (ENTER, _) => return Some(Key::Enter),
                (BACKSPACE, _) => return Some(Key::Backspace),
                (_, Some(character)) => return Some(Key::Character(character)),
                _ => {}
            }
        }
    }

    pub(crate) fn write(&mut self, text: &str) {
        self.grid.write(text);
    }

    pub(crate) fn clear(&mut self) {
        self.grid = Grid::default();
    }

    /// Shows what has changed.
    pub(crate) fn show(&mut self) {
        if self.display.connect() {
            self.uncover();
        }
        if !self.display.is_connected() {
            return;
        }
        let heard = self.display.exchange();
        while let Some(answer) = Answer::take(heard).expect("a display's driver says this") {
            self.is_covered |= matches!(answer, Answer::OtherMode(_));
        }
        let has_changed = self.show_rows();
        if has_changed {
            let (column, row) = self.grid.cursor();
            let cursor = Cursor {
                is_visible: true,
                column: column as u8,
                row: row as u8,
            };
            Request::SetCursor(cursor).encode(self.display.say());
        }
        self.display.exchange();
    }

    fn show_rows(&mut self) -> bool {
        if self.is_covered {
            return false;
        }
        let mut has_changed = false;
        while let Some((row, bytes)) = self.grid.take_changed() {
            let draw = Request::Draw {
                mode: Mode::Text,
                area: Area {
                    x: 0,
                    y: row as u16,
                    width: (ROW_BYTES / 2) as u16,
                    height: 1,
                },
                bytes,
            };
            draw.encode(self.display.say());
            has_changed = true;
        }
        has_changed
    }

    /// The display is this program's: all is shown again.
    fn uncover(&mut self) {
        self.is_covered = false;
        Request::SetMode(Mode::Text).encode(self.display.say());
        self.grid.all_changed();
    }
}
