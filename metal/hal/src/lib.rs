//! The machine below a node: an x86-64 computer with nothing on it.
//!
//! The only crate here with `unsafe`. What it offers is safe: whoever uses it cannot break
//! memory, however wrong. [`boot`] is where the machine begins; then [`entry!`] calls the
//! image's own function.
//!
//! | what | where |
//! |---|---|
//! | start, memory map, command line | [`boot`], `loader` |
//! | heap, frames, page tables | `heap`, `frames`, `paging` |
//! | what outlasts a reset | [`kept`] |
//! | interrupts and exceptions | `interrupt`, `segments`, `apic` |
//! | processors beside the first | [`cores`] |
//! | time, randomness, waiting, reset | [`clock`], [`rtc`], [`cpu`], [`watchdog`] |
//! | memory of guests, and their faults | [`view`], `guest` |
//! | what the WebAssembly runtime asks for | `runtime` |
//! | what tests ask for | [`probe`] |
//! | devices | [`serial`], [`line`], [`screen`], [`hands`], [`virtio`], [`ports`] |
#![no_std]
#![deny(missing_docs)]
extern crate alloc;

mod apic;
pub mod boot;
pub mod clock;
pub mod cores;
pub mod cpu;
mod frames;
mod guest;
pub mod hands;
mod heap;
mod interrupt;
pub mod kept;
pub mod line;
mod loader;
mod paging;
pub mod panic;
pub mod ports;
pub mod probe;
mod ring;
pub mod rtc;
mod runtime;
pub mod screen;
mod segments;
pub mod serial;
pub mod view;
pub mod virtio;
pub mod watchdog;

pub use frames::in_use as frames_in_use;
pub use heap::usage as heap_usage;
pub use serial::print_timed;

/// Prints a line where people look: see [`say!`].
pub fn print_line(line: core::fmt::Arguments<'_>) {
    serial::print_line(line);
    screen::print_line(line);
}

/// Names the function `fn(Boot) -> !` that the machine calls when it is ready.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        const _: () = {
            #[unsafe(no_mangle)]
            extern "Rust" fn image_main(boot: $crate::boot::Boot) -> ! {
                let main: fn($crate::boot::Boot) -> ! = $main;
                main(boot)
            }
        };
    };
}

/// Prints a line on the serial port, and on the screen while that is the machine's own, with the
/// time before it.
#[macro_export]
macro_rules! say {
    ($($part:tt)*) => { $crate::print_timed(::core::format_args!($($part)*)) };
}
