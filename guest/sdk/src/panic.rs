//! A panic: says why, then traps. The step is undone and the program ends.

use core::fmt::{self, Write};
use core::panic::PanicInfo;

use crate::log::{Level, log};

/// Longest message; a panic must not allocate.
const MESSAGE_BYTES: usize = 512;

struct Message {
    bytes: [u8; MESSAGE_BYTES],
    length: usize,
}

impl Write for Message {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let end = self.length + character.len_utf8();
            if end > MESSAGE_BYTES {
                return Err(fmt::Error);
            }
            character.encode_utf8(&mut self.bytes[self.length..end]);
            self.length = end;
        }
        Ok(())
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let mut message = Message {
        bytes: [0; MESSAGE_BYTES],
        length: 0,
    };
    // A message that is too long is cut.
    let _ = writeln!(message, "{info}");
    if let Ok(text) = core::str::from_utf8(&message.bytes[..message.length]) {
        log(Level::Error, text);
    }
    core::arch::wasm32::unreachable()
}
