//! Memory mappings that are undone when dropped.
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// A range of the process's address space.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: *mut u8,
    length: usize,
}

// SAFETY: a mapping is an address range; who may touch its bytes, and when, is up to
// those who use the address.
unsafe impl Send for Mapping {}
// SAFETY: as above; no method touches the bytes.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Reserves `length` bytes of address space, none of them accessible.
    pub(crate) fn reserve(length: usize) -> io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        Self::new(length, libc::PROT_NONE, flags, -1)
    }

    /// Maps all of a file, readable and writable.
    pub(crate) fn of_file(file: BorrowedFd<'_>, length: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        Self::new(length, protection, libc::MAP_SHARED, file.as_raw_fd())
    }

    fn new(length: usize, protection: i32, flags: i32, file: i32) -> io::Result<Self> {
        // SAFETY: a new mapping at an address of the kernel's choice changes no memory
        // that is in use.
        let base = unsafe { libc::mmap(ptr::null_mut(), length, protection, flags, file, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            base: base.cast(),
            length,
        })
    }

    /// The first byte.
    pub(crate) fn base(&self) -> *mut u8 {
        self.base
    }

    /// The byte at `offset`.
    pub(crate) fn at(&self, offset: usize) -> *mut u8 {
        assert!(
            offset < self.length,
            "offset {offset:#x} lies outside of the mapping"
        );
        // SAFETY: within the mapping, as just asserted.
        unsafe { self.base.add(offset) }
    }

    /// Makes a part of the mapping readable and writable.
    pub(crate) fn open(&self, offset: usize, length: usize) -> io::Result<()> {
        self.set_protection(offset, length, libc::PROT_READ | libc::PROT_WRITE)
    }

    /// Makes a part of the mapping inaccessible.
    pub(crate) fn close(&self, offset: usize, length: usize) -> io::Result<()> {
        self.set_protection(offset, length, libc::PROT_NONE)
    }

    fn set_protection(&self, offset: usize, length: usize, protection: i32) -> io::Result<()> {
        assert!(
            offset + length <= self.length,
            "the range lies outside of the mapping"
        );
        // SAFETY: the range belongs to this mapping, as just asserted.
        check(unsafe { libc::mprotect(self.at(offset).cast(), length, protection) })
    }

    /// Gives advice about a part of the mapping.
    pub(crate) fn advise(&self, offset: usize, length: usize, advice: i32) -> io::Result<()> {
        assert!(
            offset + length <= self.length,
            "the range lies outside of the mapping"
        );
        // SAFETY: the range belongs to this mapping, as just asserted.
        check(unsafe { libc::madvise(self.at(offset).cast(), length, advice) })
    }

    /// Puts a shared, inaccessible mapping of a file in the place of the first bytes.
    pub(crate) fn replace_by_file(&self, file: BorrowedFd<'_>, length: usize) -> io::Result<()> {
        assert!(length <= self.length, "the file is longer than the mapping");
        let flags = libc::MAP_SHARED | libc::MAP_FIXED;
        let base = self.base.cast();
        // SAFETY: MAP_FIXED replaces a range of this mapping only, as just asserted.
        let at = unsafe { libc::mmap(base, length, libc::PROT_NONE, flags, file.as_raw_fd(), 0) };
        if at == libc::MAP_FAILED {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `new`, and whoever holds an address in it
        // keeps this object alive.
        let unmapped = check(unsafe { libc::munmap(self.base.cast(), self.length) });
        unmapped.expect("unmapping a range that was mapped as a whole");
    }
}

/// Turns the C convention into a result.
pub(crate) fn check(status: i32) -> io::Result<()> {
    if status == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
