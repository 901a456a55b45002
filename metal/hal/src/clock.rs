//! Time: the processor's counter, measured once against a clock of known pace.
use core::sync::atomic::{AtomicU64, Ordering};

use x86_64::instructions::port::Port;
use x86_64::instructions::{hlt, interrupts};

use crate::{apic, cpu, guest, interrupt, watchdog};

/// Steps of the interval timer in a second.
const PIT_HZ: u64 = 1_193_182;
/// It is watched for so many of its steps: about a millisecond.
const PIT_STEPS: u16 = 1_193;
const PIT_DATA: u16 = 0x42;
const PIT_COMMAND: u16 = 0x43;
const PIT_GATE: u16 = 0x61;
/// Looks at the timer before it is given up.
const PIT_PATIENCE: u32 = 2_000_000;
/// What the processor's timer does in QEMU, for machines without another one.
const TIMER_STEPS_PER_US: u32 = 1_000;
/// The longest that the timer is set to.
const DELAY_US_MAX: u64 = 1_000_000;

/// Nanoseconds per step of the counter, times 2^32.
static SCALE: AtomicU64 = AtomicU64::new(1 << 32);
/// The counter when time began.
static BEGAN: AtomicU64 = AtomicU64::new(0);
/// Nanoseconds since 1970 at that time.
static WALL_NS: AtomicU64 = AtomicU64::new(0);

/// Nanoseconds since the machine's first instruction, which never go back.
#[must_use]
pub fn now_ns() -> u64 {
    let steps = cpu::stamp().wrapping_sub(BEGAN.load(Ordering::Relaxed));
    scaled(steps, SCALE.load(Ordering::Relaxed))
}

/// Nanoseconds since 1970, as the clock of the machine says.
#[must_use]
pub fn wall_ns() -> u64 {
    WALL_NS.load(Ordering::Relaxed) + now_ns()
}

/// Sleeps until a device wants attention, at most until then.
pub fn sleep_until_ns(until: u64) {
    interrupts::disable();
    let left = until.saturating_sub(now_ns()) / 1_000;
    if left > 0 && !interrupt::has_lines() {
        apic::start_timer(u32::try_from(left.min(DELAY_US_MAX)).expect("a second"));
        guest::timer_is_used();
        interrupts::enable_and_hlt();
        watchdog::start();
    } else {
        interrupts::enable();
    }
}

/// Finds out how fast the counter is. Time began at this step of it.
pub(crate) fn calibrate(began: u64) {
    let (steps, timer_steps, ns) = measure().unwrap_or_else(|| {
        // No interval timer: the processor's own is the clock.
        apic::start_measuring();
        let start = cpu::stamp();
        while apic::measured() < TIMER_STEPS_PER_US * 1_000 {}
        (cpu::stamp() - start, apic::measured(), 1_000_000)
    });
    SCALE.store((ns << 32) / steps.max(1), Ordering::Relaxed);
    apic::set_pace(u32::try_from(u64::from(timer_steps) * 1_000 / ns).expect("a pace in GHz"));
    BEGAN.store(began, Ordering::Relaxed);
    let wall_ns = wall_seconds() * 1_000_000_000;
    WALL_NS.store(wall_ns.saturating_sub(now_ns()), Ordering::Relaxed);
}

/// Steps of the counter, of the processor's timer, and nanoseconds, while the interval timer
/// counts down once.
fn measure() -> Option<(u64, u32, u64)> {
    let mut gate = Port::<u8>::new(PIT_GATE);
    let mut data = Port::<u8>::new(PIT_DATA);
    let [low, high] = PIT_STEPS.to_le_bytes();
    // SAFETY: the interval timer's third counter drives the speaker only, which stays off.
    unsafe {
        let closed = gate.read() & !3;
        gate.write(closed);
        Port::new(PIT_COMMAND).write(0xb0_u8);
        data.write(low);
        data.write(high);
        apic::start_measuring();
        gate.write(closed | 1);
        let start = cpu::stamp();
        // Where there is no timer the bit reads as one at once, or never.
        let looks = (0..PIT_PATIENCE).position(|_| gate.read() & 0x20 != 0)?;
        let steps = cpu::stamp() - start;
        let timer_steps = apic::measured();
        let ns = u64::from(PIT_STEPS) * 1_000_000_000 / PIT_HZ;
        (looks > 2).then_some((steps, timer_steps, ns))
    }
}

fn scaled(steps: u64, scale: u64) -> u64 {
    let product = u128::from(steps) * u128::from(scale);
    u64::try_from(product >> 32).expect("centuries of nanoseconds")
}

/// Seconds since 1970 by the clock with the battery, which is taken to be UTC; 0 if there is
/// none.
fn wall_seconds() -> u64 {
    let read = |register: u8| -> u8 {
        // SAFETY: chooses and reads a register of that clock.
        unsafe {
            Port::new(0x70).write(register);
            Port::new(0x71).read()
        }
    };
    let fields = || [0, 2, 4, 7, 8, 9].map(read);
    while read(10) & 0x80 != 0 {
        if read(10) == 0xff {
            return 0;
        }
    }
    let mut now = fields();
    // A second may have passed while they were read.
    while now != fields() {
        now = fields();
    }
    if read(11) & 4 == 0 {
        now = now.map(|bcd| (bcd >> 4) * 10 + (bcd & 15));
    }
    let [second, minute, hour, day, month, year] = now.map(u64::from);
    days_since_1970(2000 + year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second
}

/// Days in the calendar, by Howard Hinnant's `days_from_civil`.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year / 400;
    let of_era = year % 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Lets the processor rest for a moment in a loop that waits.
pub fn rest() {
    if interrupts::are_enabled() {
        hlt();
    } else {
        core::hint::spin_loop();
    }
}
