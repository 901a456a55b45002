//! Time: the processor's counter, measured once against a clock of known pace.
use core::sync::atomic::{AtomicU64, Ordering};

use x86_64::instructions::interrupts;
use x86_64::instructions::port::Port;

use crate::{apic, cores, cpu, guest, interrupt, rtc, watchdog};

/// Steps of the interval timer in a second.
const PIT_HZ: u64 = 1_193_182;
/// It is watched for so many of its steps: about a millisecond.
const PIT_STEPS: u16 = 1_193;
const PIT_DATA: u16 = 0x42;
const PIT_COMMAND: u16 = 0x43;
/// The third counter counts down once, and is read and written in two bytes.
const PIT_COUNT_DOWN: u8 = 0xb0;
/// It keeps what it has for whoever reads it.
const PIT_LATCH: u8 = 0x80;
const PIT_GATE: u16 = 0x61;
const PIT_IS_DONE: u8 = 0x20;
/// What ports read as behind which there is nothing.
const NOTHING: u8 = 0xff;
/// Looks at the timer before it is given up.
const PIT_PATIENCE: u32 = 100_000;
const TRIES: usize = 8;
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

/// So many seconds since 1970 it is now.
pub fn set_wall(seconds: u64) {
    let wall_ns = seconds.saturating_mul(1_000_000_000);
    WALL_NS.store(wall_ns.saturating_sub(now_ns()), Ordering::Relaxed);
}

/// Sleeps until a device or another processor wants attention, at most until then.
pub fn sleep_until_ns(until: u64) {
    interrupts::disable();
    let left = until.saturating_sub(now_ns()) / 1_000;
    if left > 0 && !interrupt::has_lines() {
        apic::start_timer(u32::try_from(left.min(DELAY_US_MAX)).expect("a second"));
        guest::timer_is_used();
        cores::doze();
        watchdog::start();
    } else {
        interrupts::enable();
    }
}

/// Finds out how fast the counter is. Time began at this step of it.
pub(crate) fn calibrate(began: u64) {
    let (steps, timer_steps, ns) = by_interval().unwrap_or_else(by_timer);
    SCALE.store((ns << 32) / steps.max(1), Ordering::Relaxed);
    apic::set_pace(u32::try_from(u64::from(timer_steps) * 1_000 / ns).expect("a pace in GHz"));
    BEGAN.store(began, Ordering::Relaxed);
    set_wall(rtc::seconds().unwrap_or(0));
}

/// The clocks at one moment.
#[derive(Clone, Copy, Debug)]
struct Reading {
    /// The counter.
    stamp: u64,
    /// How long reading took, by the counter.
    width: u64,
    /// Steps that the interval timer has left.
    pit: u16,
    /// Steps that the processor's timer has done.
    timer: u32,
}

/// Steps of the counter, of the processor's timer, and nanoseconds, between the same two moments.
type Pace = (u64, u32, u64);

/// By the interval timer, if there is one.
fn by_interval() -> Option<Pace> {
    if pit_gate() == NOTHING {
        return None;
    }
    (0..TRIES).find_map(|_| {
        start_interval();
        let first = read_well();
        (0..PIT_PATIENCE).find(|_| first.pit.saturating_sub(read_clocks().pit) > PIT_STEPS)?;
        let last = read_well();
        // Later than that it may have begun anew.
        let is_over = pit_gate() & PIT_IS_DONE != 0;
        let ns = u64::from(first.pit.saturating_sub(last.pit)) * 1_000_000_000 / PIT_HZ;
        (!is_over).then(|| (last.stamp - first.stamp, last.timer - first.timer, ns))
    })
}

/// By the processor's own timer, where there is no other.
fn by_timer() -> Pace {
    apic::start_measuring();
    let first = read_well();
    while apic::measured() - first.timer < TIMER_STEPS_PER_US * 1_000 {}
    let last = read_well();
    let timer_steps = last.timer - first.timer;
    let ns = u64::from(timer_steps) * 1_000 / u64::from(TIMER_STEPS_PER_US);
    (last.stamp - first.stamp, timer_steps, ns)
}

/// Lets the interval timer and the processor's begin.
fn start_interval() {
    let closed = pit_gate() & !3;
    // SAFETY: the interval timer's third counter drives the speaker only, which stays off.
    unsafe {
        Port::new(PIT_GATE).write(closed);
        Port::new(PIT_COMMAND).write(PIT_COUNT_DOWN);
        Port::new(PIT_DATA).write(0xff_u8);
        Port::new(PIT_DATA).write(0xff_u8);
        Port::new(PIT_GATE).write(closed | 1);
    }
    apic::start_measuring();
}

/// The clocks, read as fast as it goes: whoever runs the machine may have others to run, too, and
/// let it wait in the middle.
fn read_well() -> Reading {
    let readings = (0..TRIES).map(|_| read_clocks());
    readings
        .min_by_key(|reading| reading.width)
        .expect("some tries")
}

fn read_clocks() -> Reading {
    let start = cpu::stamp();
    // SAFETY: as in `start_interval`.
    let pit = unsafe {
        Port::new(PIT_COMMAND).write(PIT_LATCH);
        let mut data = Port::<u8>::new(PIT_DATA);
        u16::from_le_bytes([data.read(), data.read()])
    };
    let timer = apic::measured();
    let width = cpu::stamp() - start;
    Reading {
        stamp: start + width / 2,
        width,
        pit,
        timer,
    }
}

fn pit_gate() -> u8 {
    // SAFETY: reading it changes nothing.
    unsafe { Port::new(PIT_GATE).read() }
}

fn scaled(steps: u64, scale: u64) -> u64 {
    let product = u128::from(steps) * u128::from(scale);
    u64::try_from(product >> 32).expect("centuries of nanoseconds")
}
