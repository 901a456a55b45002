//! The line of text, from a program's side.
use adapter::CONSOLE;
use alloc::collections::VecDeque;
use services::Session;
use shell_core::Key;

use crate::NEWS;

#[derive(Debug)]
pub(crate) struct Line {
    session: Session,
    keys: VecDeque<Key>,
    /// What is said before anybody is there to hear it.
    unsaid: alloc::vec::Vec<u8>,
}

impl Line {
    pub(crate) fn new() -> Self {
        Self {
            session: Session::new(CONSOLE, NEWS),
            keys: VecDeque::new(),
            unsaid: alloc::vec::Vec::new(),
        }
    }

    pub(crate) fn is_there(&self) -> bool {
        self.session.is_connected()
    }

    /// The next key that somebody has pressed.
    pub(crate) fn key(&mut self) -> Option<Key> {
        self.session.connect();
        let heard = self.session.exchange();
        self.keys.extend(heard.drain(..).map(|byte| match byte {
            b'\n' | b'\r' => Key::Enter,
            0x7F | 0x08 => Key::Backspace,
            byte => Key::Character(char::from(byte)),
        }));
        self.keys.pop_front()
    }

    pub(crate) fn write(&mut self, text: &str) {
        self.unsaid.extend(text.bytes());
    }

    pub(crate) fn speak(&mut self) {
        if self.session.is_connected() {
            self.session.say().append(&mut self.unsaid);
            self.session.exchange();
        }
    }
}
