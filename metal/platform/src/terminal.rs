//! The line of text of the machine: what is written waits for room, lines end there as terminals
//! end them, here as texts do.
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use hal::line;

/// What waits for room; the oldest is lost when there is more.
const WAITING_BYTES_MAX: usize = 64 << 10;
/// Bytes of one event.
const EVENT_BYTES_MAX: usize = 1024;

/// The terminal at the second serial port.
#[derive(Debug, Default)]
pub(crate) struct OwnTerminal {
    waiting: VecDeque<u8>,
    /// The last byte that came ended a line.
    has_returned: bool,
}

impl OwnTerminal {
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        if !line::is_there() {
            return;
        }
        for &byte in bytes {
            if byte == b'\n' {
                self.waiting.push_back(b'\r');
            }
            self.waiting.push_back(byte);
        }
        let excess = self.waiting.len().saturating_sub(WAITING_BYTES_MAX);
        self.waiting.drain(..excess);
        self.send();
    }

    /// Sends what there is room for.
    pub(crate) fn send(&mut self) {
        while !self.waiting.is_empty() {
            let (first, _) = self.waiting.as_slices();
            let (sent, all) = (line::send(first), first.len());
            self.waiting.drain(..sent);
            if sent < all {
                break;
            }
        }
    }

    /// What was typed since the last call.
    pub(crate) fn typed(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() < EVENT_BYTES_MAX
            && let Some(byte) = line::next_byte()
        {
            // Terminals end lines by a return, or by a return and a new line.
            let follows = core::mem::replace(&mut self.has_returned, byte == b'\r');
            match byte {
                b'\r' => bytes.push(b'\n'),
                b'\n' if follows => {}
                _ => bytes.push(byte),
            }
        }
        (!bytes.is_empty()).then_some(bytes)
    }
}
