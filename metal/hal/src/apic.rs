//! Interrupt controllers: the processor's own with its timer, and the one of devices.
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

use spin::Mutex;
use x86_64::instructions::interrupts;
use x86_64::instructions::port::Port;
use x86_64::registers::model_specific::Msr;

use crate::cores;
use crate::interrupt::{VECTOR_CALL, VECTOR_LINES, VECTOR_SPURIOUS, VECTOR_TIMER};

const LOCAL: usize = 0xfee0_0000;
const DEVICES: usize = 0xfec0_0000;
const BASE_MSR: u32 = 0x1b;
const BASE_ENABLED: u64 = 1 << 11;

const NAME: usize = 0x20;
const TASK_PRIORITY: usize = 0x80;
const END: usize = 0xb0;
const SPURIOUS: usize = 0xf0;
const CALL: usize = 0x300;
const CALL_WHOM: usize = 0x310;
const TIMER: usize = 0x320;
const TIMER_START: usize = 0x380;
const TIMER_NOW: usize = 0x390;
const TIMER_DIVIDE: usize = 0x3e0;
const DIVIDE_BY_1: u32 = 0xb;
const SOFTWARE_ENABLED: u32 = 1 << 8;
const MASKED: u32 = 1 << 16;
const LEVEL: u32 = 1 << 15;
/// Where a register has the name of a processor.
const NAME_SHIFT: u32 = 24;
/// A call is on its way.
const CALLING: u32 = 1 << 12;
/// Calls to all but the caller.
const TO_OTHERS: u32 = 3 << 18 | 1 << 14;
const CALL_ATTENTION: u32 = 4 << 8;
const CALL_RESET: u32 = 5 << 8;
const CALL_START: u32 = 6 << 8;
/// Looks at a call that is on its way.
const CALL_PATIENCE: u32 = 100_000;
/// Lines that the controller of devices has.
pub(crate) const LINES: u8 = 24;

/// The timer's steps in a microsecond.
static PACE: AtomicU32 = AtomicU32::new(0);
/// The controller of devices has one register to choose another by.
static REDIRECTION: Mutex<()> = Mutex::new(());

/// Lines that ask as long as their device wants attention, as bits.
static LEVEL_LINES: AtomicU32 = AtomicU32::new(0);
/// The processors, as bits, that each line is about: several devices may share one.
static LISTENERS: [AtomicU32; LINES as usize] = [const { AtomicU32::new(0) }; LINES as usize];

/// How a line says that its device wants attention.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trigger {
    /// By a change.
    Edge,
    /// As long as it does.
    Level,
}

pub(crate) fn open() {
    // The controllers of old are not asked.
    for port in [0x21, 0xa1] {
        // SAFETY: masks all of their lines.
        unsafe { Port::new(port).write(0xff_u8) };
    }
    open_another();
}

/// The controller of this processor.
pub(crate) fn open_another() {
    let mut base = Msr::new(BASE_MSR);
    // SAFETY: switches the controller on, where it is; its table of vectors is loaded.
    unsafe {
        let value = base.read();
        base.write(value | BASE_ENABLED);
    }
    write(SPURIOUS, SOFTWARE_ENABLED | u32::from(VECTOR_SPURIOUS));
    write(TASK_PRIORITY, 0);
    write(TIMER_DIVIDE, DIVIDE_BY_1);
    write(TIMER, MASKED);
}

pub(crate) fn end_of_interrupt() {
    write(END, 0);
}

/// Sets how fast the timer is.
pub(crate) fn set_pace(steps_per_us: u32) {
    PACE.store(steps_per_us.max(1), Ordering::Relaxed);
}

/// An interrupt after so many microseconds; the one that was to come before does not.
pub(crate) fn start_timer(delay_us: u32) {
    let steps = u64::from(delay_us.max(1)) * u64::from(PACE.load(Ordering::Relaxed));
    write(TIMER, u32::from(VECTOR_TIMER));
    write(TIMER_START, u32::try_from(steps).unwrap_or(u32::MAX));
}

/// Lets the timer run from the top, without an interrupt, to measure it.
pub(crate) fn start_measuring() {
    write(TIMER, MASKED | u32::from(VECTOR_TIMER));
    write(TIMER_START, u32::MAX);
}

/// Its steps since then.
pub(crate) fn measured() -> u32 {
    u32::MAX - read(TIMER_NOW)
}

/// How this processor is named among controllers.
pub(crate) fn name() -> u32 {
    read(NAME) >> NAME_SHIFT
}

/// Interrupts the processor that has this name.
pub(crate) fn call(name: u32) {
    send_to(name, u32::from(VECTOR_CALL));
}

/// The same, whatever it does.
pub(crate) fn call_loudly(name: u32) {
    send_to(name, CALL_ATTENTION);
}

/// Has all other processors wait for a call to start.
pub(crate) fn reset_others() {
    send(TO_OTHERS | CALL_RESET);
}

/// Has those that wait for it begin in real mode at the page of this address.
pub(crate) fn start_others(at: usize) {
    let page = u32::try_from(at >> 12).expect("below 1 MiB");
    send(TO_OTHERS | CALL_START | page);
}

fn send_to(name: u32, call: u32) {
    interrupts::without_interrupts(|| {
        write(CALL_WHOM, name << NAME_SHIFT);
        send(call);
    });
}

fn send(call: u32) {
    write(CALL, call);
    let _ = (0..CALL_PATIENCE).find(|_| read(CALL) & CALLING == 0);
}

/// Lets the line interrupt (again): this processor, and it is told for all that listen to it.
pub(crate) fn listen(line: u8, trigger: Trigger) {
    LISTENERS[usize::from(line)].fetch_or(1 << cores::number(), Ordering::Relaxed);
    let vector = u32::from(VECTOR_LINES + line);
    let flags = match trigger {
        Trigger::Edge => 0,
        Trigger::Level => {
            LEVEL_LINES.fetch_or(1 << line, Ordering::Relaxed);
            LEVEL
        }
    };
    redirect(line, vector | flags);
}

/// Keeps a line from interrupting that would go on until its device has been looked after. One
/// that interrupts by a change is left alone: a change that nobody sees would be the last.
pub(crate) fn silence(line: u8) {
    if LEVEL_LINES.load(Ordering::Relaxed) & (1 << line) != 0 {
        redirect(line, MASKED | LEVEL | u32::from(VECTOR_LINES + line));
    }
}

/// The processors, as bits, that a line is about.
pub(crate) fn listeners(line: u8) -> u32 {
    LISTENERS[usize::from(line)].load(Ordering::Relaxed)
}

fn redirect(line: u8, low: u32) {
    assert!(line < LINES, "the controller has lines below {LINES}");
    interrupts::without_interrupts(|| {
        let _chosen = REDIRECTION.lock();
        let register = 0x10 + 2 * u32::from(line);
        for (register, value) in [(register + 1, name() << NAME_SHIFT), (register, low)] {
            // SAFETY: the controller's two registers, which are mapped as a device's.
            unsafe {
                ptr::with_exposed_provenance_mut::<u32>(DEVICES).write_volatile(register);
                ptr::with_exposed_provenance_mut::<u32>(DEVICES + 16).write_volatile(value);
            }
        }
    });
}

fn read(register: usize) -> u32 {
    // SAFETY: a register of the controller, which is mapped as a device's.
    unsafe { ptr::with_exposed_provenance::<u32>(LOCAL + register).read_volatile() }
}

fn write(register: usize, value: u32) {
    // SAFETY: as above; what is written there changes no memory.
    unsafe { ptr::with_exposed_provenance_mut::<u32>(LOCAL + register).write_volatile(value) }
}
