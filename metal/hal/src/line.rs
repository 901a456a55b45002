//! The second serial port, if there is one: a line of text, for people at a terminal. (The first
//! is where the machine says what it does.)
//!
//! Bytes that come in are taken by the interrupt and kept until somebody asks for them; when too
//! many are kept, the port keeps the rest, and whoever is at the other end has to wait.
use core::sync::atomic::{AtomicBool, Ordering};

use x86_64::instructions::interrupts;

use crate::apic::{self, Trigger};
use crate::ports::HarmlessPort;
use crate::ring::Ring;
use crate::serial;

const BASE: u16 = 0x2f8;
const DATA: u16 = BASE;
const INTERRUPTS: u16 = BASE + 1;
const CAUSE: u16 = BASE + 2;
const STATUS: u16 = BASE + 5;
const SCRATCH: u16 = BASE + 7;
/// The line by which it asks for attention.
const LINE: u8 = 3;

const HAS_BYTE: u8 = 0x01;
const HAS_ROOM: u8 = 0x20;
const ON_BYTE: u8 = 0x01;
const ON_ROOM: u8 = 0x02;
/// Bytes that the port takes when it has room.
const QUEUE_BYTES: usize = 16;
/// Bytes that are kept: pages of text.
const KEPT: usize = 4096;

static IS_OPEN: AtomicBool = AtomicBool::new(false);
static BYTES: Ring<KEPT> = Ring::new();
/// There was no room for a byte: the port has it still, and asks for attention no more.
static IS_HELD: AtomicBool = AtomicBool::new(false);

/// Looks whether it is there. Called once, when interrupts are known.
pub(crate) fn open() {
    interrupts::without_interrupts(|| {
        for mark in [0x5a, 0xa5] {
            port(SCRATCH).write(mark);
            if port(SCRATCH).read() != mark {
                return;
            }
        }
        serial::set_up(BASE);
        IS_OPEN.store(true, Ordering::Relaxed);
        apic::listen(LINE, Trigger::Edge);
        port(INTERRUPTS).write(ON_BYTE);
        take_bytes();
    });
}

/// Whether there is one.
#[must_use]
pub fn is_there() -> bool {
    IS_OPEN.load(Ordering::Relaxed)
}

/// The next byte that has come in.
#[must_use]
pub fn next_byte() -> Option<u8> {
    if IS_HELD.load(Ordering::Relaxed) {
        interrupts::without_interrupts(take_bytes);
    }
    let [byte, _] = BYTES.take()?.to_le_bytes();
    Some(byte)
}

/// Sends the first of these bytes; says how many. If they were not all, the processor is woken
/// when it takes more.
pub fn send(bytes: &[u8]) -> usize {
    if !is_there() {
        return bytes.len();
    }
    let mut sent = 0;
    while sent < bytes.len() && port(STATUS).read() & HAS_ROOM != 0 {
        for &byte in bytes[sent..].iter().take(QUEUE_BYTES) {
            port(DATA).write(byte);
            sent += 1;
        }
    }
    let is_waiting = sent < bytes.len();
    port(INTERRUPTS).write(if is_waiting {
        ON_BYTE | ON_ROOM
    } else {
        ON_BYTE
    });
    sent
}

/// Whether the line is its; then what has come in is taken.
pub(crate) fn on_interrupt(line: u8) -> bool {
    let is_ours = is_there() && line == LINE;
    if is_ours {
        // Asked, it asks for attention no more for having room.
        let _ = port(CAUSE).read();
        take_bytes();
    }
    is_ours
}

fn take_bytes() {
    let mut is_held = false;
    while port(STATUS).read() & HAS_BYTE != 0 {
        is_held = BYTES.is_full();
        if is_held {
            break;
        }
        BYTES.put(port(DATA).read().into());
    }
    IS_HELD.store(is_held, Ordering::Relaxed);
}

fn port(number: u16) -> HarmlessPort {
    HarmlessPort::own(number)
}
