//! `userfaultfd`: absent pages of anonymous memory, whose touching raises SIGBUS in
//! the touching thread. Of the ways to notice a missing page it is the fastest, and
//! the only one that does not split the mapping.
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use types::PAGE_SIZE;

use crate::mapping::check;

/// Faults of user mode only: needs no privilege.
const UFFD_USER_MODE_ONLY: i32 = 1;
const UFFD_API: u64 = 0xAA;
const UFFD_FEATURE_SIGBUS: u64 = 1 << 7;
const UFFDIO_REGISTER_MODE_MISSING: u64 = 1;
const UFFDIO_API: libc::c_ulong = 0xC018_AA3F;
const UFFDIO_REGISTER: libc::c_ulong = 0xC020_AA00;
const UFFDIO_COPY: libc::c_ulong = 0xC028_AA03;
const UFFDIO_ZEROPAGE: libc::c_ulong = 0xC020_AA04;

#[repr(C)]
struct Api {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
struct Register {
    start: u64,
    length: u64,
    mode: u64,
    ioctls: u64,
}

#[repr(C)]
struct Copy {
    target: u64,
    source: u64,
    length: u64,
    mode: u64,
    copied: i64,
}

#[repr(C)]
struct ZeroPage {
    start: u64,
    length: u64,
    mode: u64,
    zeroed: i64,
}

/// The kernel object that watches a range of memory.
#[derive(Debug)]
pub(crate) struct Userfault(OwnedFd);

impl Userfault {
    /// Opens one, or says that this machine has none to give.
    pub(crate) fn open() -> io::Result<Self> {
        let flags = libc::O_CLOEXEC | libc::O_NONBLOCK | UFFD_USER_MODE_ONLY;
        // SAFETY: takes flags, returns a descriptor or -1.
        let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, flags) };
        let fd = i32::try_from(fd).expect("a descriptor fits in an int");
        check(fd)?;
        // SAFETY: the kernel just gave us this descriptor, nobody else owns it.
        let this = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        let mut api = Api {
            api: UFFD_API,
            features: UFFD_FEATURE_SIGBUS,
            ioctls: 0,
        };
        this.control(UFFDIO_API, &mut api)?;
        Ok(this)
    }

    /// Makes untouched pages of a range absent.
    pub(crate) fn watch(&self, start: *mut u8, length: usize) -> io::Result<()> {
        let mut register = Register {
            start: start as u64,
            length: length as u64,
            mode: UFFDIO_REGISTER_MODE_MISSING,
            ioctls: 0,
        };
        self.control(UFFDIO_REGISTER, &mut register)
    }

    /// Makes absent pages of the range present.
    pub(crate) fn copy(&self, target: *mut u8, bytes: &[u8]) -> io::Result<()> {
        let mut done = 0;
        self.until_not_busy(|this| {
            let mut copy = Copy {
                target: (target as usize + done) as u64,
                source: bytes[done..].as_ptr() as u64,
                length: (bytes.len() - done) as u64,
                mode: 0,
                copied: 0,
            };
            let result = this.control(UFFDIO_COPY, &mut copy);
            // Of an interrupted request some may be done.
            done += usize::try_from(copy.copied).unwrap_or(0);
            result
        })
    }

    /// Makes an absent page of the range present, full of zeroes.
    pub(crate) fn zero(&self, target: *mut u8) -> io::Result<()> {
        self.until_not_busy(|this| {
            let mut zero = ZeroPage {
                start: target as u64,
                length: PAGE_SIZE as u64,
                mode: 0,
                zeroed: 0,
            };
            this.control(UFFDIO_ZEROPAGE, &mut zero)
        })
    }

    /// The kernel answers EAGAIN while another thread changes the process's mappings.
    fn until_not_busy(&self, mut request: impl FnMut(&Self) -> io::Result<()>) -> io::Result<()> {
        loop {
            match request(self) {
                Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
                result => return result,
            }
        }
    }

    fn control<T>(&self, request: libc::c_ulong, argument: &mut T) -> io::Result<()> {
        let argument: *mut T = argument;
        // SAFETY: each request above is paired with the structure that the kernel
        // defines for it; pages it fills belong to the mapping given to `watch`.
        check(unsafe { libc::ioctl(self.0.as_raw_fd(), request, argument) })
    }
}
