//! What people do with the devices: they press keys, move a pointer, type.
use adapter::input::InputEvent;
use adapter::{CONSOLE, INPUT};

use super::Machine;

/// What is kept of input that nobody takes.
const INPUT_BYTES_MAX: usize = 1024 * InputEvent::BYTES;
/// What is kept of text that nobody takes.
pub(super) const TEXT_BYTES_MAX: usize = 64 << 10;

impl Machine {
    /// Somebody has used the keyboard or pointer. When too much is waiting, what is new is
    /// dropped; that is said when there is room.
    pub fn feel(&mut self, events: &[InputEvent]) {
        let at = self.port_named(INPUT);
        for event in events {
            let said = &mut self.ports[at].said;
            if said.len() + 2 * InputEvent::BYTES > INPUT_BYTES_MAX {
                self.dropped = self.dropped.saturating_add(1);
                continue;
            }
            if self.dropped > 0 {
                said.extend(InputEvent::Dropped(self.dropped).encode());
                self.dropped = 0;
            }
            said.extend(event.encode());
        }
        self.speak(at);
    }

    /// Somebody types at the line of text; says how many bytes there was room for.
    pub fn type_text(&mut self, bytes: &[u8]) -> usize {
        let at = self.port_named(CONSOLE);
        let said = &mut self.ports[at].said;
        let count = bytes.len().min(TEXT_BYTES_MAX - said.len());
        said.extend(&bytes[..count]);
        self.speak(at);
        count
    }
}
