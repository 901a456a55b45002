//! The beginning: what the loader says, and the machine made ready.
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::arch::{asm, global_asm};
use core::ops::Range;
use core::{ptr, slice};

use types::PAGE_SIZE;

use crate::paging::Access;
use crate::{apic, clock, cpu, frames, heap, interrupt, paging, segments, serial};

global_asm!(include_str!("boot.s"), options(att_syntax));
global_asm!(include_str!("memory.s"), options(att_syntax));

/// `hvm_start_info.magic`: "xEn3" with the highest bit of the first byte set.
const MAGIC: u32 = 0x336e_c578;
/// The first version with a memory map.
const VERSION_MIN: u32 = 1;
const KIND_RAM: u32 = 1;
/// What firmware, real mode and text screens use lies below.
const LOW_END: usize = 1 << 20;
const RANGES_MAX: usize = 64;
const COMMAND_LINE_MAX: u32 = 4096;
/// A guest may use 512 KiB, and so may the node that fetches a page for it.
const STACK_BYTES: usize = 4 << 20;

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

/// As Xen's `arch-x86/hvm/start_info.h` says.
#[repr(C)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    module_count: u32,
    modules: u64,
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_count: u32,
    reserved: u32,
}

#[repr(C)]
struct ModuleEntry {
    address: u64,
    bytes: u64,
    command_line: u64,
    reserved: u64,
}

#[repr(C)]
struct MemoryEntry {
    address: u64,
    bytes: u64,
    kind: u32,
    reserved: u32,
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

/// A few ranges of addresses.
struct Ranges {
    ranges: [Range<usize>; RANGES_MAX],
    count: usize,
}

impl Ranges {
    fn new() -> Self {
        Self {
            ranges: [const { 0..0 }; RANGES_MAX],
            count: 0,
        }
    }

    fn add(&mut self, range: Range<usize>) {
        if range.start < range.end {
            assert!(
                self.count < RANGES_MAX,
                "the memory map is longer than expected"
            );
            self.ranges[self.count] = range;
            self.count += 1;
        }
    }

    /// What is left without the range.
    fn without(self, hole: &Range<usize>) -> Self {
        let mut left = Self::new();
        for range in &self.ranges[..self.count] {
            left.add(range.start..range.end.min(hole.start));
            left.add(range.start.max(hole.end)..range.end);
        }
        left
    }
}

/// Called by `boot.s`, once, with what the loader has left in EBX.
#[unsafe(no_mangle)]
extern "C" fn start(info: *const StartInfo) -> ! {
    serial::open();
    // SAFETY: (1) the loader leaves the address of such a structure, which lies below 4 GiB
    // and is mapped; (2) its magic and version are checked before anything else is read.
    let info = unsafe { &*info };
    assert!(
        info.magic == MAGIC && info.version >= VERSION_MIN,
        "expected a PVH loader with a memory map, found magic {:#x}, version {}",
        info.magic,
        info.version
    );
    segments::load();
    interrupt::load();
    cpu::check();
    // What lies higher is not mapped yet.
    let (low, memory_end) = memory(info, LOW_END..paging::BOOT_MAPPED);
    heap::claim(&low.ranges[..low.count]);
    let boot = read(info);
    let (high, _) = memory(info, paging::BOOT_MAPPED..memory_end);
    paging::take_over(memory_end);
    heap::claim(&high.ranges[..high.count]);
    apic::open();
    clock::calibrate(boot.first_stamp);
    run(Box::new(boot))
}

/// Calls the image on the executor's stack, which has room for a guest, for the node that
/// answers it and for the node's own work, and below which nothing is mapped.
fn run(boot: Box<Boot>) -> ! {
    let stack = paging::reserve(STACK_BYTES);
    for page in stack.clone().step_by(PAGE_SIZE) {
        paging::map(page, frames::take(), Access::Write);
    }
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

/// Memory between two addresses that nobody uses, and where the last of all ends. What the
/// loader has left is not part of it, and stays as it is.
fn memory(info: &StartInfo, window: Range<usize>) -> (Ranges, usize) {
    // SAFETY: the loader says that so many entries are there; see `start`.
    let map = unsafe { entries::<MemoryEntry>(info.memory_map, info.memory_map_count) };
    let mut free = Ranges::new();
    let mut end = 0;
    for entry in map.iter().filter(|entry| entry.kind == KIND_RAM) {
        let range = address(entry.address)..address(entry.address + entry.bytes);
        end = end.max(range.end);
        free.add(range.start.max(window.start)..range.end.min(window.end));
    }
    let image = (&raw const image_start).addr()..(&raw const image_end).addr();
    free = free.without(&image);
    let of_struct = |at: *const StartInfo| at.addr()..at.addr() + size_of::<StartInfo>();
    free = free.without(&of_struct(info));
    let modules = info.module_count as usize * size_of::<ModuleEntry>();
    free = free.without(&span(info.modules, modules));
    free = free.without(&span(info.command_line, COMMAND_LINE_MAX as usize));
    let map = info.memory_map_count as usize * size_of::<MemoryEntry>();
    free = free.without(&span(info.memory_map, map));
    // SAFETY: as above.
    for module in unsafe { entries::<ModuleEntry>(info.modules, info.module_count) } {
        free = free.without(&span(module.address, address(module.bytes)));
    }
    (free, end)
}

/// Copies what the loader has left.
fn read(info: &StartInfo) -> Boot {
    // SAFETY: the loader says that so many entries are there; see `start`.
    let modules = unsafe { entries::<ModuleEntry>(info.modules, info.module_count) };
    let modules = modules.iter().map(|module| {
        let count = u32::try_from(module.bytes).expect("a module lies below 4 GiB");
        // SAFETY: as above.
        unsafe { entries::<u8>(module.address, count) }.to_vec()
    });
    // SAFETY: (1) nobody has written there: it is not part of the heap; (2) so many bytes
    // are mapped.
    let line = unsafe { entries::<u8>(info.command_line, COMMAND_LINE_MAX) };
    let length = line.iter().position(|&byte| byte == 0).unwrap_or(0);
    Boot {
        command_line: String::from_utf8_lossy(&line[..length]).into_owned(),
        modules: modules.collect(),
        // SAFETY: written by `boot.s` before any of this ran.
        first_stamp: unsafe { ptr::read(&raw const boot_tsc) },
    }
}

/// So many values at a physical address.
///
/// # Safety
/// They must be there, mapped and unchanged.
unsafe fn entries<T>(at: u64, count: u32) -> &'static [T] {
    if at == 0 || count == 0 {
        return &[];
    }
    // SAFETY: as the caller promises.
    unsafe { slice::from_raw_parts(ptr::with_exposed_provenance(address(at)), count as usize) }
}

fn span(at: u64, bytes: usize) -> Range<usize> {
    if at == 0 {
        return 0..0;
    }
    address(at)..address(at) + bytes
}

fn address(physical: u64) -> usize {
    usize::try_from(physical).expect("addresses have 64 bits")
}
