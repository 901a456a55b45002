//! The end of a machine that has found a defect: what it was, where, and what then.
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use core::{fmt, ptr, slice, str};

use x86_64::instructions::interrupts;

use crate::interrupt::Frame;
use crate::{clock, cores, cpu, screen, serial};

/// Frames of a backtrace at most.
const FRAMES_MAX: usize = 40;
const STACK_BYTES_MAX: usize = 64 << 20;
/// How long the screen says why, before the machine goes on as it is told.
const READING_NS: u64 = 5_000_000_000;

/// What a machine does that cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Then {
    /// It starts again.
    Reset = 0,
    /// It switches itself off, or ends the test.
    PowerOff = 1,
}

/// What the machine does when it ends by a defect: reset unless it is said.
static THEN: AtomicU8 = AtomicU8::new(Then::Reset as u8);
/// The processor that has found a defect.
static ENDING: AtomicUsize = AtomicUsize::new(NONE);
const NONE: usize = usize::MAX;

/// Says what is to be done.
pub fn set_then(then: Then) {
    THEN.store(then as u8, Ordering::Relaxed);
}

/// How a test hears of a panic.
pub const PANIC_CODE: u8 = 0x3f;

#[panic_handler]
fn on_panic(info: &PanicInfo<'_>) -> ! {
    interrupts::disable();
    begin();
    print_last(format_args!("plurix: {info}"));
    let frame: usize;
    // SAFETY: reads a register.
    unsafe { core::arch::asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack)) };
    print_frames(frame);
    end()
}

/// A fault that is nobody's but the node's own.
pub(crate) fn of_fault(frame: &Frame, touched: Option<usize>) -> ! {
    interrupts::disable();
    begin();
    let (vector, error) = (frame.vector, frame.error);
    print_last(format_args!("plurix: exception {vector}, error {error:#x}"));
    if let Some(address) = touched {
        print_last(format_args!("  address {address:#x}"));
    }
    print_last(format_args!("  {frame:x?}"));
    print_last(format_args!("  at {}", Place(frame.rip)));
    print_frames(usize::try_from(frame.rbp).expect("registers have 64 bits"));
    end()
}

/// A defect while the first is reported ends it at once. Other processors stop.
fn begin() {
    let own = cores::number();
    if let Err(first) = ENDING.compare_exchange(NONE, own, Ordering::AcqRel, Ordering::Acquire) {
        if first == own {
            end()
        }
        cpu::halt()
    }
    cores::call_others();
}

/// Whether the machine has found a defect.
pub(crate) fn is_ending() -> bool {
    ENDING.load(Ordering::Acquire) != NONE
}

fn end() -> ! {
    if screen::is_there() {
        // Whoever sits there may read why.
        let until = clock::now_ns() + READING_NS;
        while clock::now_ns() < until {}
    }
    if THEN.load(Ordering::Relaxed) == Then::PowerOff as u8 {
        cpu::power_off(PANIC_CODE)
    }
    cpu::reset()
}

fn print_last(line: fmt::Arguments<'_>) {
    serial::print_last(line);
    screen::print_last(line);
}

fn print_frames(mut frame: usize) {
    let first = frame;
    for _ in 0..FRAMES_MAX {
        if frame < first || frame - first > STACK_BYTES_MAX || !frame.is_multiple_of(8) {
            return;
        }
        // SAFETY: all code here keeps frame pointers, so this is one, of a stack in use; if
        // not, the fault ends the report.
        let [older, caller] = unsafe { ptr::with_exposed_provenance::<[usize; 2]>(frame).read() };
        if caller == 0 {
            return;
        }
        // A call may be the last instruction of its function: then it returns to the next one.
        print_last(format_args!("  at {}", Place(caller as u64 - 1)));
        frame = older;
    }
}

/// Names of functions: put into the image after it was linked.
///
/// Little-endian: the number of functions, then for each, ascending, its offset from
/// the beginning of the image (u32) and the offset of its name in the bytes behind the table
/// (u32); a name ends with a zero.
#[unsafe(link_section = ".symbols")]
#[used]
static SYMBOLS: [u8; SYMBOL_BYTES] = [0; SYMBOL_BYTES];
/// Room for names.
pub const SYMBOL_BYTES: usize = 512 << 10;

unsafe extern "C" {
    static image_start: u8;
}

/// An address of code, with its function's name.
struct Place(u64);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)?;
        match name_of(self.0) {
            Some(name) => write!(f, " {name}"),
            None => Ok(()),
        }
    }
}

fn name_of(address: u64) -> Option<&'static str> {
    let start = (&raw const SYMBOLS).cast::<u8>();
    // SAFETY: the bytes of a static; they were changed before it was loaded, which the
    // compiler must not know.
    let symbols = unsafe { slice::from_raw_parts(core::hint::black_box(start), SYMBOL_BYTES) };
    let word = |at: usize| {
        let bytes = symbols.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().expect("four bytes")))
    };
    let offset =
        u32::try_from(address.checked_sub((&raw const image_start).addr() as u64)?).ok()?;
    let count = word(0)? as usize;
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = usize::midpoint(low, high);
        if word(4 + 8 * middle)? <= offset {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let name = 4 + 8 * count + word(4 + 8 * low.checked_sub(1)? + 4)? as usize;
    let rest = symbols.get(name..)?;
    let length = rest.iter().position(|&byte| byte == 0)?;
    str::from_utf8(&rest[..length]).ok()
}

// The prebuilt `alloc` unwinds where a panic would: it names these two, and never calls them.

#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() -> ! {
    unreachable!("nothing unwinds here")
}

#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    unreachable!("nothing unwinds here")
}
