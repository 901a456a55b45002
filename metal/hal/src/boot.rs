//! The beginning: what the loader says, and the machine made ready.
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::arch::{asm, global_asm};
use core::ops::Range;
use core::{ptr, slice};

use crate::loader::Told;
use crate::{
    apic, clock, cores, cpu, hands, heap, interrupt, kept, line, paging, screen, segments, serial,
};

// Together: the second uses a macro of the first.
global_asm!(
    include_str!("boot.s"),
    include_str!("cores.s"),
    options(att_syntax)
);
global_asm!(include_str!("memory.s"), options(att_syntax));

/// What firmware, real mode and text screens use lies below.
const LOW_END: usize = 1 << 20;

/// What the loader has told.
#[derive(Debug)]
pub struct Boot {
    /// The command line.
    pub command_line: String,
    /// The files that the loader has put into memory, in its order.
    pub modules: Vec<Vec<u8>>,
    /// The processor's time stamp at the first instruction.
    pub first_stamp: u64,
}

unsafe extern "C" {
    static boot_tsc: u64;
    static image_start: u8;
    static image_end: u8;
}

unsafe extern "Rust" {
    /// The image's own function; see [`crate::entry!`].
    fn image_main(boot: Boot) -> !;
}

/// Called by `boot.s`, once, with what the loader has left in EAX and EBX.
#[unsafe(no_mangle)]
extern "C" fn start(magic: u32, info: u32) -> ! {
    cores::claim(0);
    serial::open();
    screen::open();
    // SAFETY: these are the two; all that a loader leaves lies below 4 GiB, where everything is
    // mapped, and is no part of the heap.
    let told = unsafe { Told::read(magic, info as usize) };
    segments::load();
    interrupt::load();
    cpu::check();
    let image = (&raw const image_start).addr()..(&raw const image_end).addr();
    // What lies higher is not mapped yet.
    let low = told.free(LOW_END..paging::BOOT_MAPPED, &image);
    let aside = kept::set_aside(low.as_slice()).unwrap_or(0..0);
    let low = low.without(&aside);
    heap::claim(low.as_slice());
    let boot = read(&told);
    let memory_end = told.memory_end(usize::MAX);
    let low_end = told.memory_end(paging::BOOT_MAPPED);
    let high = told.free(paging::BOOT_MAPPED..memory_end, &image);
    paging::take_over(low_end, memory_end);
    heap::claim(high.as_slice());
    apic::open();
    cores::introduce();
    clock::calibrate(boot.first_stamp);
    hands::open();
    line::open();
    run(Box::new(boot))
}

/// Calls the image on the executor's stack, which has room for a guest, for the node that
/// answers it and for the node's own work, and below which nothing is mapped.
fn run(boot: Box<Boot>) -> ! {
    let stack = cores::stack();
    // SAFETY: (1) the stack is mapped, aligned and nobody else's; (2) the function takes the box
    // over and does not return, so that nothing on the old stack is missed.
    unsafe {
        asm!(
            "mov rsp, {top}",
            "xor ebp, ebp",
            "call {function}",
            "ud2",
            top = in(reg) stack.end,
            function = sym on_stack,
            in("rdi") Box::into_raw(boot),
            options(noreturn)
        )
    }
}

extern "C" fn on_stack(boot: *mut Boot) -> ! {
    // SAFETY: `run` has made it of a box.
    let boot = unsafe { Box::from_raw(boot) };
    cpu::enable_interrupts();
    // SAFETY: `entry!` defines it with this very type.
    unsafe { image_main(*boot) }
}

/// Copies what the loader has left.
fn read(told: &Told) -> Boot {
    let bytes = |range: &Range<usize>| {
        let at = ptr::with_exposed_provenance::<u8>(range.start);
        // SAFETY: (1) nobody has written there: it is not part of the heap; (2) so many bytes
        // are mapped.
        unsafe { slice::from_raw_parts(at, range.len()) }.to_vec()
    };
    let line = match told.command_line.is_empty() {
        true => Vec::new(),
        false => bytes(&told.command_line),
    };
    let length = line
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(line.len());
    Boot {
        command_line: String::from_utf8_lossy(&line[..length]).into_owned(),
        modules: told.files.as_slice().iter().map(bytes).collect(),
        // SAFETY: written by `boot.s` before any of this ran.
        first_stamp: unsafe { ptr::read(&raw const boot_tsc) },
    }
}
