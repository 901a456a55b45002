//! The screen: text as every VGA adapter has it, pixels as the one of Bochs and QEMU has them.
//!
//! Until somebody takes it ([`set_mode`]), and after it was given back ([`release`]), it shows
//! the last lines that the machine has said. A machine that ends by a defect takes it back to
//! say why.
mod log;
mod registers;

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use core::{mem, ptr};

use spin::Mutex;
use x86_64::instructions::interrupts;

use self::log::Log;
use crate::virtio;

/// Characters in a row of text.
pub const COLUMNS: usize = 80;
/// Rows of text.
pub const ROWS: usize = 25;
/// Where text lies: two bytes each.
const TEXT: usize = 0xb8000;
/// Vendor and device of the adapter with pixels.
const PIXEL_ADAPTER: u32 = 0x1111_1234;
/// Its register with the address of its memory.
const MEMORY_REGISTER: u8 = 0x10;
/// Bytes of its memory that are used: the largest picture, behind what text needs.
const MEMORY_BYTES: usize = 4 << 20;
/// What lies higher may not be mapped.
const MAPPED_END: usize = 4 << 30;

/// How the screen shows its memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// 80 x 25 characters.
    Text,
    /// Pixels.
    Pixels {
        /// In a row: a multiple of eight.
        width: u16,
        /// Rows.
        height: u16,
        /// Bits of each: 8, the number of a colour, or 32.
        bits: u16,
    },
}

/// Where the cursor is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cursor {
    /// It is shown, in text.
    pub is_visible: bool,
    /// Its place, counted from the first character on.
    pub place: u16,
}

/// Whose picture the screen shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Whose {
    Log,
    Node,
}

struct Screen {
    is_there: bool,
    /// Where the memory of pixels begins, if it has any.
    pixels: Option<usize>,
    whose: Whose,
    mode: Mode,
    log: Log,
}

static SCREEN: Mutex<Screen> = Mutex::new(Screen {
    is_there: false,
    pixels: None,
    whose: Whose::Log,
    mode: Mode::Text,
    log: Log::new(),
});
/// Somebody reads what a machine says that ends.
static IS_THERE: AtomicBool = AtomicBool::new(false);

/// Looks for a screen. Called once, at the beginning.
pub(crate) fn open() {
    let mut screen = SCREEN.lock();
    screen.is_there = registers::are_there();
    IS_THERE.store(screen.is_there, Ordering::Relaxed);
    if screen.is_there {
        let memory = virtio::setting(PIXEL_ADAPTER, MEMORY_REGISTER).and_then(memory_at);
        screen.pixels = memory.filter(|_| registers::have_pixels());
        screen.show_log();
    }
}

/// Whether the machine has one.
#[must_use]
pub fn is_there() -> bool {
    IS_THERE.load(Ordering::Relaxed)
}

/// Whether it can show pixels.
#[must_use]
pub fn has_pixels() -> bool {
    SCREEN.lock().pixels.is_some()
}

/// Takes the screen, in this mode. What it shows is anything, until it is written.
///
/// # Panics
/// If it cannot show pixels, and is to.
pub fn set_mode(mode: Mode) {
    let mut screen = SCREEN.lock();
    screen.whose = Whose::Node;
    screen.set_mode(mode);
}

/// Gives the screen back.
pub fn release() {
    let mut screen = SCREEN.lock();
    if screen.is_there && screen.whose == Whose::Node {
        screen.show_log();
    }
}

/// What it is in.
#[must_use]
pub fn mode() -> Mode {
    registers::mode()
}

/// Sets a colour: red, green, blue. In text six bits of each count.
pub fn set_colour(index: u8, colour: [u8; 3]) {
    registers::set_colour(index, colour);
}

/// A colour as the screen has it.
#[must_use]
pub fn colour(index: u8) -> [u8; 3] {
    registers::colour(index)
}

/// Puts the cursor somewhere.
pub fn set_cursor(cursor: Cursor) {
    registers::set_cursor(cursor);
}

/// Where it is.
#[must_use]
pub fn cursor() -> Cursor {
    registers::cursor()
}

/// Writes a character with its attribute, while the screen shows text.
pub fn write_cell(place: usize, cell: u16) {
    let screen = SCREEN.lock();
    if screen.mode == Mode::Text && screen.whose == Whose::Node {
        put_cell(place, cell);
    }
}

/// Writes to the memory, while the screen shows pixels.
///
/// # Panics
/// If the offset is no multiple of eight, or there is no such place in a picture.
pub fn write_pixels(offset: usize, bytes: &[u8]) {
    let screen = SCREEN.lock();
    let Some(mut at) = screen.pixels_at(offset, bytes.len()) else {
        return;
    };
    let (words, rest) = bytes.as_chunks();
    for &word in words {
        let to = ptr::with_exposed_provenance_mut::<u64>(at);
        // SAFETY: the adapter's memory, which is mapped as a device's; nothing else lies there,
        // and nobody has a reference to it.
        unsafe { to.write_volatile(u64::from_le_bytes(word)) };
        at += word.len();
    }
    for &byte in rest {
        // SAFETY: as above.
        unsafe { ptr::with_exposed_provenance_mut::<u8>(at).write_volatile(byte) };
        at += 1;
    }
}

/// Reads the memory, while the screen shows pixels: whole steps of eight bytes. That takes much
/// longer than to write it.
///
/// # Panics
/// If offset or length are no multiples of eight, or there is no such place in a picture.
pub fn read_pixels(offset: usize, bytes: &mut [u8]) {
    let screen = SCREEN.lock();
    let Some(mut at) = screen.pixels_at(offset, bytes.len()) else {
        return;
    };
    let (words, rest) = bytes.as_chunks_mut();
    assert!(rest.is_empty(), "whole steps are read");
    for word in words {
        let from = ptr::with_exposed_provenance::<u64>(at);
        // SAFETY: as in `write_pixels`.
        *word = unsafe { from.read_volatile() }.to_le_bytes();
        at += word.len();
    }
}

/// A line for people: seen at once if the screen is the machine's own, else when it is again.
pub(crate) fn print_line(line: fmt::Arguments<'_>) {
    interrupts::without_interrupts(|| {
        let mut screen = SCREEN.lock();
        screen.log.print_line(line);
        if screen.is_there && screen.whose == Whose::Log {
            screen.log.show();
        }
    });
}

/// The same, by whoever has just failed.
pub(crate) fn print_last(line: fmt::Arguments<'_>) {
    // SAFETY: whoever has the lock was interrupted for good: this is the machine's only thread,
    // and it ends.
    unsafe { SCREEN.force_unlock() };
    let mut screen = SCREEN.lock();
    if screen.is_there {
        screen.log.print_line(line);
        match mem::replace(&mut screen.whose, Whose::Log) {
            Whose::Log => screen.log.show(),
            Whose::Node => screen.show_log(),
        }
    }
}

impl Screen {
    fn show_log(&mut self) {
        self.whose = Whose::Log;
        self.set_mode(Mode::Text);
        registers::set_plain_colours();
        registers::set_cursor(Cursor::default());
        self.log.forget_shown();
        self.log.show();
    }

    /// The address of so many bytes of a picture of pixels, if one is shown.
    fn pixels_at(&self, offset: usize, bytes: usize) -> Option<usize> {
        let (Some(memory), Mode::Pixels { .. }) = (self.pixels, self.mode) else {
            return None;
        };
        let start = registers::first_byte(self.mode) + offset;
        assert!(
            offset.is_multiple_of(8) && start + bytes <= MEMORY_BYTES,
            "{offset} and {bytes} bytes lie within a picture"
        );
        Some(memory + start)
    }

    fn set_mode(&mut self, mode: Mode) {
        assert!(
            mode == Mode::Text || self.pixels.is_some(),
            "a screen without pixels shows none"
        );
        self.mode = mode;
        registers::set_mode(mode);
    }
}

/// The address in a register with that of a memory, if it can be used.
fn memory_at(register: u32) -> Option<usize> {
    const IS_PORT: u32 = 1;
    let at = (register & !0xf) as usize;
    let is_usable = register & IS_PORT == 0 && at > TEXT && at <= MAPPED_END - MEMORY_BYTES;
    is_usable.then_some(at)
}

fn put_cell(place: usize, cell: u16) {
    assert!(place < COLUMNS * ROWS, "a place on the screen");
    let at = ptr::with_exposed_provenance_mut::<u16>(TEXT + 2 * place);
    // SAFETY: memory of the adapter, below what is used as memory, with nothing else there.
    unsafe { at.write_volatile(cell) };
}
