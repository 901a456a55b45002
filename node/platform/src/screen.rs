//! The machine's own screen. Most machines of nodes have none.
use alloc::boxed::Box;

use adapter::display::{Cursor, Mode, Palette};

/// What a screen is in, without its picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScreenState {
    /// How it shows its memory.
    pub mode: Mode,
    /// Where the cursor is.
    pub cursor: Cursor,
    /// The colours.
    pub palette: Box<Palette>,
}

/// A screen that shows what the node's display adapter has.
///
/// As long as nobody drives the display here, the screen is the machine's own, which may show
/// there what people should know of it.
pub trait Screen {
    /// Whether there is one.
    fn has_screen(&self) -> bool {
        false
    }

    /// Puts it into this state. After another mode, or after the screen was the machine's own,
    /// what it shows is anything, until all of it has been written.
    fn set_screen(&mut self, state: &ScreenState) {
        let _ = state;
    }

    /// Writes to what is shown of its memory.
    fn write_screen(&mut self, offset: usize, bytes: &[u8]) {
        let _ = (offset, bytes);
    }

    /// What it is in, as far as it can be asked.
    fn ask_screen(&mut self) -> Option<ScreenState> {
        None
    }

    /// Nobody drives the display here any more.
    fn release_screen(&mut self) {}
}

/// The line of text of the machine itself, for whoever sits at a terminal: a serial port.
pub trait Terminal {
    /// Writes to it, if there is one. What does not go at once goes later.
    fn write_terminal(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }
}
