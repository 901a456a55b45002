//! What tools do with the devices of this node: look at its display, press keys, type. None of it
//! takes a transaction.
use adapter::input::InputEvent;
use adapter::{CONSOLE, INPUT};
use admin::{Picture, Response};
use alloc::string::ToString;
use alloc::vec::Vec;
use platform::Disk;

use crate::Platform;
use crate::core::Core;
use crate::requests::{Served, bad_request};

impl<P: Platform, D: Disk> Core<P, D> {
    /// What the display shows, as far as that has changed.
    pub(crate) fn look(&self, since: u64) -> Served {
        let display = self.machine.display();
        let changes = display.changes(since);
        let cursor = changes.cursor;
        let palette = changes.palette.map(|palette| palette.0);
        let picture = Picture {
            version: changes.version,
            mode: changes.mode.number(),
            cursor: [u8::from(cursor.is_visible), cursor.column, cursor.row],
            palette: palette.map_or_else(Vec::new, |colours| colours.as_flattened().to_vec()),
            chunks: changes.chunks,
            misread: display.misread(),
        };
        Ok((Response::Seen(picture), None))
    }

    /// Somebody uses the keyboard or pointer: all of it counts, or nothing.
    pub(crate) fn feel(&mut self, events: &[[u8; InputEvent::BYTES]]) -> Served {
        let events: Result<Vec<InputEvent>, _> =
            events.iter().copied().map(InputEvent::decode).collect();
        let events = events.map_err(|malformed| bad_request(malformed.to_string()))?;
        self.machine.feel(&events);
        Ok((Response::Done, None))
    }

    /// Somebody uses the keyboard or pointer of this very machine. It is the cluster's only
    /// where devices are: elsewhere nobody is to find later what was pressed there.
    pub(crate) fn on_own_input(&mut self, event: InputEvent) {
        if self.leadership.is_some() || self.machine.is_driven(INPUT) {
            self.machine.feel(&[event]);
        }
    }

    /// Somebody types at the terminal of this very machine: see above. What there is no room for
    /// is lost.
    pub(crate) fn on_own_text(&mut self, bytes: &[u8]) {
        if self.leadership.is_some() || self.machine.is_driven(CONSOLE) {
            let _ = self.machine.type_text(bytes);
        }
    }

    /// Somebody types at the line of text.
    pub(crate) fn type_text(&mut self, bytes: &[u8]) -> Served {
        let count = self.machine.type_text(bytes);
        let count = u32::try_from(count).expect("no more than a machine keeps");
        Ok((Response::Typed { count }, None))
    }

    /// What was written to the line of text.
    pub(crate) fn read_text(&self, from: u64) -> Served {
        let (from, bytes, next) = self.machine.console().since(from);
        Ok((Response::Text { from, bytes, next }, None))
    }
}
