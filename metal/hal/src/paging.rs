//! Page tables: all memory one to one, without code in it; the image with no more rights than
//! its parts need; above them ranges of addresses for stacks, guests and their code.
use alloc::vec::Vec;
use core::ops::Range;

use spin::Mutex;
use types::PAGE_SIZE;
use x86_64::instructions::tlb;
use x86_64::registers::control::{Cr3, Cr3Flags};
use x86_64::structures::paging::page_table::PageTableEntry;
use x86_64::structures::paging::{PageTable, PageTableFlags, PhysFrame};
use x86_64::{PhysAddr, VirtAddr};

use crate::frames::{self, FrameAddress};
use crate::{cores, segments};

/// What `boot.s` has mapped.
pub(crate) const BOOT_MAPPED: usize = 4 << 30;
const LARGE: usize = 2 << 20;
/// Devices lie between memory and this.
const DEVICES_END: usize = 4 << 30;
/// Where ranges of addresses begin: memory ends far below.
const RANGES_START: usize = 1 << 44;
const RANGES_END: usize = 1 << 46;
/// Distance between two ranges: nothing is mapped there.
const GAP: usize = LARGE;

/// What may be done with a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    Read,
    Write,
    Run,
}

/// What lies at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Use {
    Memory,
    Device,
}

impl Access {
    fn flags(self) -> PageTableFlags {
        let flags = PageTableFlags::PRESENT;
        match self {
            Self::Read => flags | PageTableFlags::NO_EXECUTE,
            Self::Write => flags | PageTableFlags::WRITABLE | PageTableFlags::NO_EXECUTE,
            Self::Run => flags,
        }
    }
}

unsafe extern "C" {
    static image_start: u8;
    static image_rodata: u8;
    static image_data: u8;
    static image_end: u8;
}

/// The tables in force, and which addresses are free.
struct Tables {
    root: Option<FrameAddress>,
    next: usize,
    /// Below [`DEVICES_END`], what is no memory.
    devices: Range<usize>,
    /// Ranges that were used before, for others of the same size, and by which processor: others
    /// may remember what was mapped there, so it alone uses them again.
    used: Vec<(usize, Range<usize>)>,
}

static TABLES: Mutex<Tables> = Mutex::new(Tables {
    root: None,
    next: RANGES_START,
    devices: 0..0,
    used: Vec::new(),
});

/// Puts the tables that stay in the place of those of the beginning. `low_end`: where memory
/// ends below the devices.
pub(crate) fn take_over(low_end: usize, memory_end: usize) {
    let mut tables = TABLES.lock();
    let root = frames::take_zeroed();
    tables.root = Some(root);
    tables.devices = low_end.next_multiple_of(LARGE)..DEVICES_END;
    let end = memory_end.next_multiple_of(LARGE).max(DEVICES_END);
    let image = (&raw const image_start).addr()..(&raw const image_end).addr();
    for at in (0..end).step_by(LARGE) {
        let is_image = at < image.end && image.start < at + LARGE;
        if at == 0 || is_image {
            for page in (at..at + LARGE)
                .step_by(PAGE_SIZE)
                .filter(|&page| page != 0)
            {
                tables.set(page, FrameAddress(page), image_access(page).flags());
            }
        } else {
            let is_device = tables.devices.contains(&at);
            let of = if is_device { Use::Device } else { Use::Memory };
            tables.set_large(at, of);
        }
    }
    for guard in segments::guards() {
        tables.clear(guard);
    }
    let root = PhysFrame::containing_address(PhysAddr::new(root.0 as u64));
    // SAFETY: the new tables map all that the old ones did and that is used, with the rights
    // that the parts of the image have in the linker's script.
    unsafe { Cr3::write(root, Cr3Flags::empty()) };
}

/// Where the tables begin.
pub(crate) fn root() -> usize {
    TABLES.lock().root.expect("called after `take_over`").0
}

/// Whether an address below [`DEVICES_END`] is a device's.
pub(crate) fn is_device(at: usize) -> bool {
    TABLES.lock().devices.contains(&at)
}

/// Maps a device's registers one to one, if firmware has put them where nothing is mapped: above
/// all memory.
pub(crate) fn map_device(range: Range<usize>) {
    assert!(
        range.end <= RANGES_START,
        "a device at {range:x?}: expected it lower"
    );
    let mut tables = TABLES.lock();
    let start = range.start.max(DEVICES_END) & !(LARGE - 1);
    for at in (start..range.end).step_by(LARGE) {
        if tables.table(at, 2)[index(at, 1)].is_unused() {
            tables.set_large(at, Use::Device);
        }
    }
}

fn image_access(page: usize) -> Access {
    let [start, rodata, data] = [
        &raw const image_start,
        &raw const image_rodata,
        &raw const image_data,
    ]
    .map(<*const u8>::addr);
    if (start..rodata).contains(&page) {
        Access::Run
    } else if (rodata..data).contains(&page) {
        Access::Read
    } else {
        Access::Write
    }
}

/// Addresses for so many bytes, with nothing mapped there.
pub(crate) fn reserve(bytes: usize) -> Range<usize> {
    let bytes = bytes.next_multiple_of(PAGE_SIZE);
    let mut tables = TABLES.lock();
    let own = cores::number();
    let is_fit = |(core, range): &(usize, Range<usize>)| *core == own && range.len() == bytes;
    if let Some(at) = tables.used.iter().position(is_fit) {
        return tables.used.swap_remove(at).1;
    }
    let start = tables.next;
    tables.next = (start + bytes).next_multiple_of(LARGE) + GAP;
    assert!(
        tables.next <= RANGES_END,
        "there are addresses for thousands of guests"
    );
    start..start + bytes
}

/// Whether addresses are such as [`reserve`] gives: no device lies there.
pub(crate) fn is_reserved(range: &Range<usize>) -> bool {
    RANGES_START <= range.start && range.end <= RANGES_END
}

/// Gives addresses back that are not used any more; what is mapped there is given back, too.
///
/// # Safety
/// The range came from [`reserve`] on this processor, and nobody uses what is mapped there.
pub(crate) unsafe fn release(range: Range<usize>) {
    // SAFETY: as the caller promises.
    unsafe { unmap_all(range.clone()) };
    TABLES.lock().used.push((cores::number(), range));
}

/// Maps a frame at an address of a reserved range where nothing is.
pub(crate) fn map(at: usize, frame: FrameAddress, access: Access) {
    let mut tables = TABLES.lock();
    let entry = tables.entry(at);
    assert!(entry.is_unused(), "nothing is mapped at {at:#x}");
    entry.set_addr(PhysAddr::new(frame.0 as u64), access.flags());
}

/// Whether a mapped page may be written to.
pub(crate) fn is_writable(at: usize) -> bool {
    let flags = TABLES.lock().entry(at).flags();
    flags.contains(PageTableFlags::WRITABLE)
}

/// The frame that was mapped at an address, which is not any more.
///
/// # Safety
/// Nobody uses what was mapped there.
pub(crate) unsafe fn unmap(at: usize) -> Option<FrameAddress> {
    let frame = TABLES.lock().clear(at)?;
    tlb::flush(VirtAddr::new(at as u64));
    Some(frame)
}

/// Unmaps all frames in a range and gives them back.
///
/// # Safety
/// They belong to nobody else, and nobody uses what was mapped there.
pub(crate) unsafe fn unmap_all(range: Range<usize>) {
    let mut tables = TABLES.lock();
    tables.each(range, |entry| {
        let frame = FrameAddress(address(entry.addr()));
        entry.set_unused();
        // SAFETY: as the caller promises; the processor may remember where it was until the
        // flush below, but nobody touches the address.
        unsafe { frames::give(frame) };
    });
    tlb::flush_all();
}

/// Changes what may be done with the pages mapped in a range.
///
/// # Safety
/// Whoever uses them does no more than that.
pub(crate) unsafe fn protect(range: Range<usize>, access: Access) {
    TABLES
        .lock()
        .each(range, |entry| entry.set_flags(access.flags()));
    tlb::flush_all();
}

impl Tables {
    fn set(&mut self, at: usize, frame: FrameAddress, flags: PageTableFlags) {
        self.entry(at)
            .set_addr(PhysAddr::new(frame.0 as u64), flags);
    }

    /// Two MiB one to one.
    fn set_large(&mut self, at: usize, of: Use) {
        let mut flags = Access::Write.flags() | PageTableFlags::HUGE_PAGE;
        if of == Use::Device {
            flags |= PageTableFlags::NO_CACHE | PageTableFlags::WRITE_THROUGH;
        }
        let table = self.table(at, 2);
        table[index(at, 1)].set_addr(PhysAddr::new(at as u64), flags);
    }

    fn clear(&mut self, at: usize) -> Option<FrameAddress> {
        let entry = self.entry(at);
        let frame = (!entry.is_unused()).then(|| FrameAddress(address(entry.addr())));
        entry.set_unused();
        frame
    }

    fn entry(&mut self, at: usize) -> &mut PageTableEntry {
        &mut self.table(at, 1)[index(at, 0)]
    }

    /// The table of a level that is responsible for the address; made if there is none.
    fn table(&mut self, at: usize, level: u32) -> &mut PageTable {
        let mut frame = self.root.expect("called after `take_over`");
        for above in (level..4).rev() {
            // SAFETY: (1) tables are frames of ours that are never given back; (2) the lock
            // makes them ours alone, and only one of them is borrowed at a time.
            let table = unsafe { &mut *frame.pointer::<PageTable>() };
            let entry = &mut table[index(at, above)];
            if entry.is_unused() {
                let flags = PageTableFlags::PRESENT | PageTableFlags::WRITABLE;
                entry.set_addr(PhysAddr::new(frames::take_zeroed().0 as u64), flags);
            }
            assert!(
                !entry.flags().contains(PageTableFlags::HUGE_PAGE),
                "{at:#x} lies in a large page"
            );
            frame = FrameAddress(address(entry.addr()));
        }
        // SAFETY: as above.
        unsafe { &mut *frame.pointer::<PageTable>() }
    }

    /// Calls `change` for all entries of pages that are mapped in a range.
    fn each(&mut self, range: Range<usize>, mut change: impl FnMut(&mut PageTableEntry)) {
        let mut at = range.start;
        while at < range.end {
            let Some(level) = self.absent_level(at) else {
                change(self.entry(at));
                at += PAGE_SIZE;
                continue;
            };
            let span = PAGE_SIZE << (9 * level);
            at = (at / span + 1) * span;
        }
    }

    /// The highest level at which nothing is there for the address.
    fn absent_level(&self, at: usize) -> Option<u32> {
        let mut frame = self.root.expect("called after `take_over`");
        for level in (0..4).rev() {
            // SAFETY: as in `table`; it is only read.
            let table = unsafe { &*frame.pointer::<PageTable>() };
            let entry = &table[index(at, level)];
            if entry.is_unused() {
                return Some(level);
            }
            frame = FrameAddress(address(entry.addr()));
        }
        None
    }
}

fn index(at: usize, level: u32) -> usize {
    (at >> (12 + 9 * level)) & 0x1ff
}

fn address(physical: PhysAddr) -> usize {
    usize::try_from(physical.as_u64()).expect("addresses have 64 bits")
}
