//! The first serial port, for people and for tests: bytes go out one by one.
use core::fmt::{self, Write};

use spin::Mutex;
use x86_64::instructions::interrupts;
use x86_64::instructions::port::Port;

use crate::clock;

const BASE: u16 = 0x3f8;
const LINE_STATUS: u16 = BASE + 5;
const TRANSMITTER_EMPTY: u8 = 0x20;
/// A port that is not there never says that it is ready.
const PATIENCE: u32 = 100_000;

static PORT: Mutex<Serial> = Mutex::new(Serial);

/// The port, for whoever holds the lock.
#[derive(Debug)]
struct Serial;

pub(crate) fn open() {
    set_up(BASE);
}

/// Sets the serial port there to 115 200 bits a second, eight of them to a byte, with queues,
/// without interrupts.
pub(crate) fn set_up(base: u16) {
    let settings = [
        (1, 0),
        (3, 0x80),
        (0, 1),
        (1, 0),
        (3, 3),
        (2, 0xc7),
        (4, 0x0b),
    ];
    for (register, value) in settings {
        write(base + register, value);
    }
}

/// Prints a line with the time before it, in milliseconds since the machine began, and with the
/// processor's number if it is not the first.
pub fn print_timed(line: fmt::Arguments<'_>) {
    let us = clock::now_ns() / 1_000;
    let (ms, us) = (us / 1_000, us % 1_000);
    match crate::cores::number() {
        0 => crate::print_line(format_args!("[{ms:6}.{us:03}] {line}")),
        other => crate::print_line(format_args!("[{ms:6}.{us:03}] core {other}: {line}")),
    }
}

/// Prints a line.
pub(crate) fn print_line(line: fmt::Arguments<'_>) {
    interrupts::without_interrupts(|| {
        let mut port = PORT.lock();
        // Nobody can be told that this failed, and it does not.
        let _ = port.write_fmt(line).and_then(|()| port.write_str("\n"));
    });
}

/// Prints a line although the port may be in use: by whoever has just failed.
pub(crate) fn print_last(line: fmt::Arguments<'_>) {
    let _ = Serial.write_fmt(line).and_then(|()| Serial.write_str("\n"));
}

impl Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(put);
        Ok(())
    }
}

fn put(byte: u8) {
    let is_ready = |_: &u32| read(LINE_STATUS) & TRANSMITTER_EMPTY != 0;
    let _ = (0..PATIENCE).find(is_ready);
    write(BASE, byte);
}

fn read(register: u16) -> u8 {
    // SAFETY: the registers of a serial port change no memory.
    unsafe { Port::new(register).read() }
}

fn write(register: u16, value: u8) {
    // SAFETY: as above.
    unsafe { Port::new(register).write(value) }
}
