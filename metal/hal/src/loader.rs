//! What the loader has left in memory: by PVH, as QEMU and Xen do it, or by Multiboot 2, as GRUB
//! does.
use core::ops::Range;
use core::{ptr, slice};

/// Left in EAX by a loader that keeps to Multiboot 2. Others leave anything else.
const MULTIBOOT_MAGIC: u32 = 0x36d7_6289;
/// `hvm_start_info.magic`: "xEn3" with the highest bit of the first byte set.
const PVH_MAGIC: u32 = 0x336e_c578;
/// The first version with a memory map.
const PVH_VERSION_MIN: u32 = 1;
const KIND_RAM: u32 = 1;
const RANGES_MAX: usize = 256;
const FILES_MAX: usize = 8;
const COMMAND_LINE_MAX: usize = 4096;

const TAG_END: u32 = 0;
const TAG_COMMAND_LINE: u32 = 1;
const TAG_FILE: u32 = 3;
const TAG_MEMORY: u32 = 6;
/// Type and size.
const TAG_HEAD_BYTES: usize = 8;

/// What it has told.
pub(crate) struct Told {
    /// Memory that there is.
    pub(crate) memory: Ranges,
    /// Files, in its order.
    pub(crate) files: Ranges,
    pub(crate) command_line: Range<usize>,
    /// Where its own tables are.
    tables: Ranges,
}

/// A few ranges of addresses.
pub(crate) struct Ranges {
    ranges: [Range<usize>; RANGES_MAX],
    count: usize,
}

/// As Xen's `arch-x86/hvm/start_info.h` says.
#[repr(C)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    file_count: u32,
    files: u64,
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_count: u32,
    reserved: u32,
}

#[repr(C)]
struct FileEntry {
    address: u64,
    bytes: u64,
    command_line: u64,
    reserved: u64,
}

/// The same in both worlds.
#[repr(C)]
#[derive(Clone, Copy)]
struct MemoryEntry {
    address: u64,
    bytes: u64,
    kind: u32,
    reserved: u32,
}

impl Ranges {
    fn new() -> Self {
        Self {
            ranges: [const { 0..0 }; RANGES_MAX],
            count: 0,
        }
    }

    pub(crate) fn add(&mut self, range: Range<usize>) {
        if let Some(last) = self.ranges[..self.count].last_mut()
            && last.end == range.start
        {
            last.end = last.end.max(range.end);
        } else if range.start < range.end {
            assert!(
                self.count < RANGES_MAX,
                "the memory map is longer than expected"
            );
            self.ranges[self.count] = range;
            self.count += 1;
        }
    }

    pub(crate) fn as_slice(&self) -> &[Range<usize>] {
        &self.ranges[..self.count]
    }

    /// What is left without the range.
    pub(crate) fn without(self, hole: &Range<usize>) -> Self {
        let mut left = Self::new();
        for range in self.as_slice() {
            left.add(range.start..range.end.min(hole.start));
            left.add(range.start.max(hole.end)..range.end);
        }
        left
    }
}

impl Told {
    /// Reads what a loader has left.
    ///
    /// # Safety
    /// `magic` and `info` are what it has left in EAX and EBX, and what it has left in memory is
    /// mapped and unchanged.
    pub(crate) unsafe fn read(magic: u32, info: usize) -> Self {
        match magic {
            // SAFETY: as the caller promises.
            MULTIBOOT_MAGIC => unsafe { Self::of_multiboot(info) },
            // SAFETY: as the caller promises.
            _ => unsafe { Self::of_pvh(info) },
        }
    }

    /// Where memory ends below an address.
    pub(crate) fn memory_end(&self, below: usize) -> usize {
        let ends = self.memory.as_slice().iter().map(|range| range.end);
        ends.filter(|&end| end <= below).max().unwrap_or(0)
    }

    /// Memory between two addresses that nobody uses. What the loader has left is not part of it,
    /// and stays as it is.
    pub(crate) fn free(&self, window: Range<usize>, image: &Range<usize>) -> Ranges {
        let mut free = Ranges::new();
        for range in self.memory.as_slice() {
            free.add(range.start.max(window.start)..range.end.min(window.end));
        }
        free = free.without(image).without(&self.command_line);
        for left in self.files.as_slice().iter().chain(self.tables.as_slice()) {
            free = free.without(left);
        }
        free
    }

    fn new() -> Self {
        Self {
            memory: Ranges::new(),
            files: Ranges::new(),
            command_line: 0..0,
            tables: Ranges::new(),
        }
    }

    /// # Safety
    /// See [`Told::read`].
    unsafe fn of_pvh(at: usize) -> Self {
        // SAFETY: (1) the loader leaves the address of such a structure; (2) its magic and
        // version are checked before anything else is read.
        let info = unsafe { &*ptr::with_exposed_provenance::<StartInfo>(at) };
        assert!(
            info.magic == PVH_MAGIC && info.version >= PVH_VERSION_MIN,
            "expected a loader that keeps to Multiboot 2, or to PVH with a memory map, found \
             magic {:#x}, version {}",
            info.magic,
            info.version
        );
        let mut told = Self::new();
        told.tables.add(at..at + size_of::<StartInfo>());
        let (map, files) = (address(info.memory_map), address(info.files));
        // SAFETY: the loader says that so many entries are there.
        let map = unsafe { entries::<MemoryEntry>(map, info.memory_map_count as usize) };
        told.tables.add(range_of(map));
        map.iter().for_each(|entry| told.add_memory(entry));
        // SAFETY: as above.
        let files = unsafe { entries::<FileEntry>(files, info.file_count as usize) };
        told.tables.add(range_of(files));
        for file in files {
            told.add_file(address(file.address)..address(file.address + file.bytes));
        }
        if info.command_line != 0 {
            let at = address(info.command_line);
            told.command_line = at..at + COMMAND_LINE_MAX;
        }
        told
    }

    /// # Safety
    /// See [`Told::read`].
    unsafe fn of_multiboot(at: usize) -> Self {
        // SAFETY: the loader leaves the address of its tags, before which their size stands.
        let bytes = unsafe { word(at) } as usize;
        let mut told = Self::new();
        told.tables.add(at..at + bytes);
        let mut tag = at + 8;
        while tag + TAG_HEAD_BYTES <= at + bytes {
            // SAFETY: within the tags.
            let (kind, size) = unsafe { (word(tag), word(tag + 4) as usize) };
            let body = tag + TAG_HEAD_BYTES..tag + size;
            match kind {
                TAG_END => break,
                TAG_COMMAND_LINE => told.command_line = body,
                // SAFETY: such a tag has two addresses of four bytes, then a text.
                TAG_FILE => unsafe {
                    told.add_file(word(body.start) as usize..word(body.start + 4) as usize);
                },
                TAG_MEMORY => {
                    // SAFETY: such a tag has the size of an entry and a version, then entries.
                    let entry_bytes = unsafe { word(body.start) } as usize;
                    assert!(entry_bytes >= size_of::<MemoryEntry>(), "entries of memory");
                    let whole_end = (body.end + 1).saturating_sub(entry_bytes);
                    for entry in (body.start + 8..whole_end).step_by(entry_bytes) {
                        let entry = ptr::with_exposed_provenance::<MemoryEntry>(entry);
                        // SAFETY: as above.
                        told.add_memory(&unsafe { entry.read_unaligned() });
                    }
                }
                _ => {}
            }
            assert!(size >= TAG_HEAD_BYTES, "a tag has a type and a size");
            tag += size.next_multiple_of(8);
        }
        told
    }

    fn add_memory(&mut self, entry: &MemoryEntry) {
        if entry.kind == KIND_RAM {
            self.memory
                .add(address(entry.address)..address(entry.address + entry.bytes));
        }
    }

    fn add_file(&mut self, file: Range<usize>) {
        assert!(self.files.count < FILES_MAX, "more files than expected");
        self.files.add(file);
    }
}

/// So many values at a physical address.
///
/// # Safety
/// They must be there, mapped and unchanged.
unsafe fn entries<T>(at: usize, count: usize) -> &'static [T] {
    if at == 0 || count == 0 {
        return &[];
    }
    // SAFETY: as the caller promises.
    unsafe { slice::from_raw_parts(ptr::with_exposed_provenance(at), count) }
}

/// A number of four bytes at a physical address.
///
/// # Safety
/// It must be there and mapped.
unsafe fn word(at: usize) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { ptr::with_exposed_provenance::<u32>(at).read_unaligned() }
}

fn range_of<T>(values: &[T]) -> Range<usize> {
    let range = values.as_ptr_range();
    range.start.addr()..range.end.addr()
}

fn address(physical: u64) -> usize {
    usize::try_from(physical).expect("addresses have 64 bits")
}
