//! Keyboard and mouse of the machine, in the words in which people say at a dashboard what they
//! do.
mod keys;
mod mouse;

use adapter::input::InputEvent;
use hal::hands::{Hand, next_byte};

use self::keys::Keys;
use self::mouse::Mouse;

/// Both, as far as they have been heard.
#[derive(Default)]
pub(crate) struct Hands {
    keys: Keys,
    mouse: Mouse,
}

impl Hands {
    /// What has been done next.
    pub(crate) fn next_event(&mut self) -> Option<InputEvent> {
        while let Some((hand, byte)) = next_byte() {
            let event = match hand {
                Hand::Keyboard => self.keys.hear(byte),
                Hand::Mouse => self.mouse.hear(byte),
            };
            if event.is_some() {
                return event;
            }
        }
        None
    }
}

impl core::fmt::Debug for Hands {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Hands").finish_non_exhaustive()
    }
}
