//! A session with a driver, from the program's side.
use alloc::vec::Vec;

use sdk::{Connection, Event, Received};

/// Bytes read in one go.
const READ_BYTES: usize = 16 << 10;

/// A session with whoever serves under a label. When the driver is gone, it is another one's, as
/// soon as there is one.
#[derive(Debug)]
pub struct Session {
    label: &'static str,
    event: Event,
    connection: Option<Connection>,
    unsent: Vec<u8>,
    heard: Vec<u8>,
}

impl Session {
    /// A session that is yet to be. `event` is signalled when something happens to it.
    #[must_use]
    pub const fn new(label: &'static str, event: Event) -> Self {
        Self {
            label,
            event,
            connection: None,
            unsent: Vec::new(),
            heard: Vec::new(),
        }
    }

    /// Connects, if it is not connected; whether it has been just now. Then the driver knows
    /// nothing of what was said before.
    pub fn connect(&mut self) -> bool {
        if self.connection.is_some() {
            return false;
        }
        self.connection = Connection::with_service(self.label, self.event);
        if self.connection.is_some() {
            self.heard.clear();
        }
        self.connection.is_some()
    }

    /// Whether it is connected.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// What is to be said, after what was said before.
    pub fn say(&mut self) -> &mut Vec<u8> {
        &mut self.unsent
    }

    /// Bytes that the driver has not taken.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.unsent.len()
    }

    /// Hears and says what there is to hear and say. What was heard and not taken from the front
    /// of the answer is there again next time.
    pub fn exchange(&mut self) -> &mut Vec<u8> {
        let Some(connection) = self.connection else {
            return &mut self.heard;
        };
        let is_there = loop {
            match connection.receive(&mut self.heard, READ_BYTES) {
                Received::Bytes(_) => {}
                Received::Nothing => break true,
                Received::End | Received::Lost => break false,
            }
        };
        match connection.write(&self.unsent) {
            Ok(count) if is_there => drop(self.unsent.drain(..count)),
            _ => {
                connection.close();
                self.connection = None;
                self.unsent.clear();
            }
        }
        &mut self.heard
    }
}
