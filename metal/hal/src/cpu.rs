//! The processor: what it must be able to do, waiting, and the end.
use core::arch::x86_64::{__cpuid, _rdtsc};

use x86_64::instructions::interrupts;
use x86_64::instructions::port::Port;
use x86_64::instructions::tables::lidt;
use x86_64::structures::DescriptorTablePointer;
use x86_64::{VirtAddr, instructions};

/// What code of guests may use (x86-64-v2), as bits of ECX of leaf 1.
const NEEDED: [(&str, u32); 5] = [
    ("sse3", 1 << 0),
    ("ssse3", 1 << 9),
    ("sse4.1", 1 << 19),
    ("sse4.2", 1 << 20),
    ("popcnt", 1 << 23),
];
const HAS_RDRAND: u32 = 1 << 30;
/// Tries for a random number; the processor may be out of them for a moment.
const RANDOM_TRIES: u32 = 16;

/// Port by which QEMU is told how a test has ended.
const EXIT_PORT: u16 = 0xf4;
const KEYBOARD_COMMAND: u16 = 0x64;
const RESET_CONTROL: u16 = 0xcf9;
const POWER_CONTROL: u16 = 0x604;

pub(crate) fn check() {
    let features = __cpuid(1).ecx;
    for (name, bit) in NEEDED {
        assert!(
            features & bit != 0,
            "expected a processor with {name} (x86-64-v2), found one without"
        );
    }
}

/// The processor's counter.
#[must_use]
pub fn stamp() -> u64 {
    // SAFETY: reads a counter.
    unsafe { _rdtsc() }
}

/// A random number from the processor, if it has any.
#[must_use]
pub fn random() -> Option<u64> {
    if __cpuid(1).ecx & HAS_RDRAND == 0 {
        return None;
    }
    (0..RANDOM_TRIES).find_map(|_| {
        let mut value = 0;
        // SAFETY: the processor has the instruction, as just asked.
        let is_valid = unsafe { random_step(&mut value) };
        is_valid.then_some(value)
    })
}

#[target_feature(enable = "rdrand")]
fn random_step(value: &mut u64) -> bool {
    core::arch::x86_64::_rdrand64_step(value) == 1
}

pub(crate) fn enable_interrupts() {
    interrupts::enable();
}

/// Starts the machine again.
pub fn reset() -> ! {
    interrupts::disable();
    // SAFETY: the machine is to start again, so what becomes of memory does not matter. The
    // three ways are tried in turn.
    unsafe {
        Port::new(RESET_CONTROL).write(6_u8);
        Port::new(KEYBOARD_COMMAND).write(0xfe_u8);
        lidt(&DescriptorTablePointer {
            limit: 0,
            base: VirtAddr::zero(),
        });
    }
    interrupts::int3();
    halt()
}

/// Switches the machine off, or says to whoever runs it as a test how that has ended: with
/// `code * 2 + 1`.
pub fn power_off(code: u8) -> ! {
    interrupts::disable();
    // SAFETY: the machine is to stop.
    unsafe {
        Port::new(EXIT_PORT).write(u32::from(code));
        Port::new(POWER_CONTROL).write(0x2000_u16);
    }
    halt()
}

/// Stops this processor.
pub(crate) fn halt() -> ! {
    interrupts::disable();
    loop {
        instructions::hlt();
    }
}
