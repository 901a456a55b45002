//! Keyboard and mouse, as PCs have had them for long: two lines of bytes behind one controller.
//!
//! Bytes are taken from the controller as they come, whatever the processor is doing, and kept
//! until somebody asks for them.
use core::sync::atomic::{AtomicBool, Ordering};

use x86_64::instructions::interrupts;

use crate::apic::{self, Trigger};
use crate::ports::HarmlessPort;
use crate::ring::Ring;

const DATA: u16 = 0x60;
const CONTROL: u16 = 0x64;
const HAS_BYTE: u8 = 0x01;
const IS_BUSY: u8 = 0x02;
const IS_MOUSE: u8 = 0x20;
const NOBODY: u8 = 0xff;

const READ_SETTINGS: u8 = 0x20;
const WRITE_SETTINGS: u8 = 0x60;
const MOUSE_OFF: u8 = 0xa7;
const MOUSE_ON: u8 = 0xa8;
const KEYBOARD_OFF: u8 = 0xad;
const KEYBOARD_ON: u8 = 0xae;
const TO_MOUSE: u8 = 0xd4;
/// Both interrupt, both have a clock, and the keyboard says the first set of codes.
const INTERRUPTS: u8 = 0x03;
const CLOCKS_OFF: u8 = 0x30;
const TRANSLATES: u8 = 0x40;
/// Of a device: it has heard.
const HEARD: u8 = 0xfa;
const DEFAULTS: u8 = 0xf6;
const REPORT: u8 = 0xf4;

/// Lines by which the controller asks for attention.
const LINES: [u8; 2] = [1, 12];
/// Looks at the controller before it is given up: some tens of milliseconds.
const PATIENCE: u32 = 50_000;
/// Bytes that are kept: seconds of a fast mouse.
const KEPT: usize = 2048;

/// Which of the two has said something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hand {
    /// The keyboard.
    Keyboard,
    /// The mouse.
    Mouse,
}

static IS_OPEN: AtomicBool = AtomicBool::new(false);
/// Bytes that nobody has asked for: written by interrupts alone, read by the node alone.
static BYTES: Ring<KEPT> = Ring::new();
/// In `BYTES`, beside the byte.
const OF_MOUSE: u16 = 0x100;

/// Looks for keyboard and mouse. Called once, when interrupts are known.
pub(crate) fn open() {
    interrupts::without_interrupts(|| {
        if port(CONTROL).read() == NOBODY || set_up().is_none() {
            return;
        }
        IS_OPEN.store(true, Ordering::Relaxed);
        for line in LINES {
            apic::listen(line, Trigger::Edge);
        }
        // A byte that was there before has interrupted nobody, and none comes after it.
        take_bytes();
    });
}

/// The next byte that somebody's hands have made.
#[must_use]
pub fn next_byte() -> Option<(Hand, u8)> {
    let word = BYTES.take()?;
    let hand = match word & OF_MOUSE {
        0 => Hand::Keyboard,
        _ => Hand::Mouse,
    };
    let [byte, _] = word.to_le_bytes();
    Some((hand, byte))
}

/// Whether the line is theirs; then what they have said is taken.
pub(crate) fn on_interrupt(line: u8) -> bool {
    let is_ours = IS_OPEN.load(Ordering::Relaxed) && LINES.contains(&line);
    if is_ours {
        take_bytes();
    }
    is_ours
}

fn take_bytes() {
    for _ in 0..KEPT {
        let status = port(CONTROL).read();
        if status & HAS_BYTE == 0 {
            return;
        }
        let byte = u16::from(port(DATA).read());
        let of_mouse = if status & IS_MOUSE == 0 { 0 } else { OF_MOUSE };
        // What nobody asks for is lost.
        BYTES.put(byte | of_mouse);
    }
}

/// Has both report what is done with them; a machine may lack either.
fn set_up() -> Option<()> {
    command(KEYBOARD_OFF)?;
    command(MOUSE_OFF)?;
    for _ in 0..KEPT {
        if port(CONTROL).read() & HAS_BYTE == 0 {
            break;
        }
        let _ = port(DATA).read();
    }
    command(READ_SETTINGS)?;
    let settings = answer()?;
    command(WRITE_SETTINGS)?;
    say((settings | INTERRUPTS | TRANSLATES) & !CLOCKS_OFF)?;
    command(KEYBOARD_ON)?;
    say(REPORT)?;
    let _ = answer();
    command(MOUSE_ON)?;
    for order in [DEFAULTS, REPORT] {
        command(TO_MOUSE)?;
        say(order)?;
        if answer() != Some(HEARD) {
            break;
        }
    }
    Some(())
}

fn command(command: u8) -> Option<()> {
    wait(IS_BUSY, 0)?;
    port(CONTROL).write(command);
    Some(())
}

fn say(byte: u8) -> Option<()> {
    wait(IS_BUSY, 0)?;
    port(DATA).write(byte);
    Some(())
}

fn answer() -> Option<u8> {
    wait(HAS_BYTE, HAS_BYTE)?;
    Some(port(DATA).read())
}

fn wait(mask: u8, value: u8) -> Option<()> {
    let is_so = |_: &u32| port(CONTROL).read() & mask == value;
    (0..PATIENCE).find(is_so).map(|_| ())
}

fn port(number: u16) -> HarmlessPort {
    HarmlessPort::own(number)
}
