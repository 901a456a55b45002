//! View memory on Linux: 4 GiB of reserved addresses per application, in which pages
//! become present one by one.
//!
//! Two ways to notice that a guest touches an absent page, chosen when the node starts:
//! with [`Paging::Userfault`] the kernel watches anonymous memory; where that is
//! forbidden, [`Paging::Protection`] changes the protection of the pages of a memory
//! file, whose bytes the node reaches through a second mapping. The second is twice as
//! slow, and a mapping per run of present pages counts against `vm.max_map_count`.
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;

use platform::{
    GUARD_BYTES, GuestCode, GuestEvents, GuestSpace, VIEW_BYTES, ViewError, ViewMemory, Views,
};
use types::limits::LINEAR_PAGES_MAX;
use types::{Frame, PAGE_SIZE, PageBytes, PageIndex};

use crate::guest::{self, Target};
use crate::mapping::{Mapping, check};
use crate::userfault::Userfault;

/// How absent pages are noticed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Paging {
    /// By `userfaultfd`.
    Userfault,
    /// By the protection of pages.
    Protection,
}

/// Makes views, all with the same paging.
#[derive(Clone, Copy, Debug)]
pub struct LinuxViews {
    paging: Paging,
}

/// One application's memory at one node.
#[derive(Debug)]
pub struct View {
    space: Arc<Space>,
    backing: Backing,
    /// Contents of a run of pages, one behind the other.
    run: Vec<u8>,
}

#[derive(Debug)]
enum Backing {
    Userfault(Userfault),
    /// The file with the pages, and all of it mapped for the node itself.
    Protection {
        file: OwnedFd,
        alias: Mapping,
    },
}

/// Linear memory and barrier table, each with a reservation of 4 GiB and a guard, and
/// the presence table.
#[derive(Debug)]
struct Space {
    mapping: Mapping,
    presence: Mapping,
}

const TABLE_BYTES: usize = LINEAR_PAGES_MAX as usize;
const BARRIERS_AT: usize = VIEW_BYTES + GUARD_BYTES;
const SPACE_BYTES: usize = 2 * (VIEW_BYTES + GUARD_BYTES);

impl LinuxViews {
    /// Views with the best paging that this machine allows; the environment variable
    /// `PLURIX_PAGING` = `userfault` or `protection` overrides the choice.
    #[must_use]
    pub fn new() -> Self {
        let paging = match std::env::var("PLURIX_PAGING").as_deref() {
            Ok("protection") => Paging::Protection,
            Ok("userfault") => Paging::Userfault,
            _ if Userfault::open().is_ok() => Paging::Userfault,
            _ => Paging::Protection,
        };
        Self::with_paging(paging)
    }

    /// Views with a given paging.
    #[must_use]
    pub fn with_paging(paging: Paging) -> Self {
        Self { paging }
    }

    /// How absent pages are noticed.
    #[must_use]
    pub fn paging(&self) -> Paging {
        self.paging
    }
}

impl Default for LinuxViews {
    fn default() -> Self {
        Self::new()
    }
}

impl Views for LinuxViews {
    type View = View;

    fn create(&mut self) -> Result<View, ViewError> {
        View::new(self.paging).map_err(|error| ViewError(error.to_string()))
    }
}

impl View {
    fn new(paging: Paging) -> io::Result<View> {
        let mapping = Mapping::reserve(SPACE_BYTES)?;
        let presence = Mapping::reserve(TABLE_BYTES)?;
        presence.open(0, TABLE_BYTES)?;
        mapping.open(BARRIERS_AT, TABLE_BYTES)?;
        let backing = match paging {
            Paging::Userfault => {
                let userfault = Userfault::open()?;
                mapping.open(0, VIEW_BYTES)?;
                mapping.advise(0, VIEW_BYTES, libc::MADV_NOHUGEPAGE)?;
                userfault.watch(mapping.base(), VIEW_BYTES)?;
                Backing::Userfault(userfault)
            }
            Paging::Protection => {
                let file = memory_file()?;
                mapping.replace_by_file(file.as_fd(), VIEW_BYTES)?;
                let alias = Mapping::of_file(file.as_fd(), VIEW_BYTES)?;
                Backing::Protection { file, alias }
            }
        };
        let mut view = Self {
            space: Arc::new(Space { mapping, presence }),
            backing,
            run: Vec::new(),
        };
        view.clear_tables();
        Ok(view)
    }

    /// Where the node itself reads and writes a page.
    fn address(&self, page: PageIndex) -> *mut PageBytes {
        let offset = offset(page);
        match &self.backing {
            Backing::Userfault(_) => self.space.mapping.at(offset).cast(),
            Backing::Protection { alias, .. } => alias.at(offset).cast(),
        }
    }

    fn set_present(&mut self, page: PageIndex) {
        assert!(!self.is_present(page), "page {page:?} is present already");
        // SAFETY: the presence table is readable, writable, and has a byte for each
        // page; only the thread that owns the view uses it.
        unsafe { self.space.presence.at(page.0 as usize).write(1) };
    }

    fn set_absent(&mut self, page: PageIndex) {
        assert!(self.is_present(page), "page {page:?} is absent");
        // SAFETY: as in `set_present`.
        unsafe { self.space.presence.at(page.0 as usize).write(0) };
        self.set_barrier(page, 1);
    }

    fn set_barrier(&mut self, page: PageIndex, value: u8) {
        // SAFETY: `barrier` gives an address in the barrier table, which is readable
        // and writable; only the thread that owns the view uses it.
        unsafe { self.space.barrier(page).write(value) };
    }

    /// Every page absent and protected.
    fn clear_tables(&mut self) {
        let dropped = self
            .space
            .presence
            .advise(0, TABLE_BYTES, libc::MADV_DONTNEED);
        dropped.expect("private memory can be dropped");
        // SAFETY: the barrier table is readable, writable and of this size.
        unsafe {
            self.space
                .mapping
                .at(BARRIERS_AT)
                .write_bytes(1, TABLE_BYTES)
        };
    }

    fn fill(&mut self, page: PageIndex, bytes: Option<&PageBytes>) -> io::Result<()> {
        let target = self.address(page);
        match (&self.backing, bytes) {
            (Backing::Userfault(userfault), Some(bytes)) => userfault.copy(target.cast(), bytes),
            (Backing::Userfault(userfault), None) => userfault.zero(target.cast()),
            (Backing::Protection { .. }, bytes) => {
                if let Some(bytes) = bytes {
                    // SAFETY: an address in the alias mapping, which the guest never
                    // sees; no reference to an absent page exists.
                    unsafe { target.write(*bytes) };
                }
                self.space.mapping.open(offset(page), PAGE_SIZE)
            }
        }
    }

    /// Fills pages that lie one behind the other, by one call of the system.
    fn fill_run(&mut self, first: PageIndex, contents: &[Frame]) -> io::Result<()> {
        let target = self.address(first);
        match &self.backing {
            Backing::Userfault(userfault) => {
                self.run.clear();
                for bytes in contents {
                    self.run.extend_from_slice(&bytes[..]);
                }
                userfault.copy(target.cast(), &self.run)
            }
            Backing::Protection { .. } => {
                let pages = (first.0..).zip(contents);
                for (page, bytes) in pages {
                    let target = self.address(PageIndex(page));
                    // SAFETY: as in `fill`.
                    unsafe { target.write(**bytes) };
                }
                let length = contents.len() * PAGE_SIZE;
                self.space.mapping.open(offset(first), length)
            }
        }
    }

    fn empty(&mut self, first: PageIndex, count: u32) -> io::Result<()> {
        let (start, length) = (offset(first), count as usize * PAGE_SIZE);
        let mapping = &self.space.mapping;
        match &self.backing {
            Backing::Userfault(_) => mapping.advise(start, length, libc::MADV_DONTNEED),
            Backing::Protection { file, .. } => {
                mapping.close(start, length)?;
                punch_hole(file, start, length)
            }
        }
    }
}

impl ViewMemory for View {
    fn is_present(&self, page: PageIndex) -> bool {
        // SAFETY: the presence table is readable and has a byte for each page; only
        // the thread that owns the view writes to it.
        unsafe { self.space.presence.at(page.0 as usize).read() != 0 }
    }

    fn is_protected(&self, page: PageIndex) -> bool {
        // SAFETY: as above, for the barrier table.
        unsafe { self.space.barrier(page).read() != 0 }
    }

    fn bytes(&self, page: PageIndex) -> &PageBytes {
        assert!(self.is_present(page), "page {page:?} is absent");
        // SAFETY: a present page is readable. The guest, which writes to it through
        // other addresses, does not run while the node holds the reference: both
        // belong to one thread, and a fault or host call ends before the guest goes on.
        unsafe { &*self.address(page) }
    }

    fn map(&mut self, page: PageIndex, bytes: &PageBytes) {
        self.set_present(page);
        self.fill(page, Some(bytes))
            .unwrap_or_else(|error| refused(&error));
    }

    fn map_run(&mut self, first: PageIndex, contents: &[Frame]) {
        for page in (first.0..).take(contents.len()) {
            self.set_present(PageIndex(page));
        }
        self.fill_run(first, contents)
            .unwrap_or_else(|error| refused(&error));
    }

    fn map_private(&mut self, page: PageIndex) {
        self.set_present(page);
        self.fill(page, None)
            .unwrap_or_else(|error| refused(&error));
        self.set_barrier(page, 0);
    }

    fn unmap(&mut self, page: PageIndex) {
        self.set_absent(page);
        self.empty(page, 1).unwrap_or_else(|error| refused(&error));
    }

    fn unmap_all(&mut self) {
        self.empty(PageIndex(0), LINEAR_PAGES_MAX)
            .unwrap_or_else(|error| refused(&error));
        self.clear_tables();
    }

    fn protect(&mut self, page: PageIndex) {
        assert!(self.is_present(page), "page {page:?} is absent");
        self.set_barrier(page, 1);
    }

    fn unprotect(&mut self, page: PageIndex) {
        assert!(self.is_present(page), "page {page:?} is absent");
        self.set_barrier(page, 0);
    }

    fn restore(&mut self, page: PageIndex, bytes: &PageBytes) {
        assert!(self.is_present(page), "page {page:?} is absent");
        // SAFETY: a present page is writable, and `&mut self` excludes references
        // given out by `bytes`; for the guest see there.
        unsafe { self.address(page).write(*bytes) };
    }

    fn space(&self) -> Arc<dyn GuestSpace> {
        self.space.clone()
    }
}

impl Space {
    fn barrier(&self, page: PageIndex) -> *mut u8 {
        assert!(
            page.0 < LINEAR_PAGES_MAX,
            "page {page:?} is not linear memory"
        );
        self.mapping.at(BARRIERS_AT + page.0 as usize)
    }
}

impl GuestSpace for Space {
    fn memory(&self) -> *mut u8 {
        self.mapping.base()
    }

    fn barriers(&self) -> *mut u8 {
        self.mapping.at(BARRIERS_AT)
    }

    fn presence(&self) -> *const u8 {
        self.presence.base()
    }

    fn run(&self, code: &GuestCode, events: &dyn GuestEvents, body: &mut dyn FnMut()) {
        let target = Target {
            base: self.mapping.base() as usize,
            length: VIEW_BYTES,
            code,
            events,
        };
        guest::run(&target, body);
    }
}

fn offset(page: PageIndex) -> usize {
    assert!(
        page.0 < LINEAR_PAGES_MAX,
        "page {page:?} is not linear memory"
    );
    page.0 as usize * PAGE_SIZE
}

/// The machine is out of memory or of mappings: the node cannot go on.
fn refused(error: &io::Error) -> ! {
    panic!("the machine refused memory for a page: {error}; see vm.max_map_count and free memory")
}

fn memory_file() -> io::Result<OwnedFd> {
    // SAFETY: the name is a C string; returns a descriptor or -1.
    let fd = unsafe { libc::memfd_create(c"plurix-view".as_ptr(), libc::MFD_CLOEXEC) };
    check(fd)?;
    // SAFETY: the kernel just gave us this descriptor, nobody else owns it.
    let file = unsafe { OwnedFd::from_raw_fd(fd) };
    let length = libc::off_t::try_from(VIEW_BYTES).expect("4 GiB is a file size");
    // SAFETY: resizes a file of our own.
    check(unsafe { libc::ftruncate(file.as_raw_fd(), length) })?;
    Ok(file)
}

fn punch_hole(file: &OwnedFd, start: usize, length: usize) -> io::Result<()> {
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    let start = libc::off_t::try_from(start).expect("an offset below 4 GiB");
    let length = libc::off_t::try_from(length).expect("a length of at most 4 GiB");
    // SAFETY: frees pages of a file of our own; its mappings stay valid and read zero.
    check(unsafe { libc::fallocate(file.as_raw_fd(), mode, start, length) })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use platform::GuestAnswer;

    use super::*;

    /// Maps what is touched, and remembers it.
    struct Mapper(RefCell<(View, Vec<PageIndex>)>);

    impl GuestEvents for Mapper {
        fn fault(&self, page: PageIndex) -> GuestAnswer {
            let (view, asked) = &mut *self.0.borrow_mut();
            asked.push(page);
            view.map(page, &[5; PAGE_SIZE]);
            GuestAnswer::Resume
        }

        fn interrupt(&self) -> GuestAnswer {
            GuestAnswer::Resume
        }

        fn interrupt_later(&self) {}
    }

    const PAGINGS: [Paging; 2] = [Paging::Userfault, Paging::Protection];

    fn view(paging: Paging) -> View {
        LinuxViews::with_paging(paging).create().unwrap()
    }

    #[test]
    fn a_page_is_absent_until_mapped_and_after_unmapping() {
        for paging in PAGINGS {
            let mut view = view(paging);
            let page = PageIndex(LINEAR_PAGES_MAX - 1);
            assert!(!view.is_present(page) && view.is_protected(page));
            view.map(page, &[7; PAGE_SIZE]);
            assert!(view.is_present(page) && view.is_protected(page));
            assert_eq!(view.bytes(page), &[7; PAGE_SIZE]);
            view.unprotect(page);
            view.unmap(page);
            assert!(!view.is_present(page) && view.is_protected(page));
            view.map(page, &[8; PAGE_SIZE]);
            assert_eq!(view.bytes(page), &[8; PAGE_SIZE]);
        }
    }

    #[test]
    fn unmapping_everything_leaves_nothing() {
        for paging in PAGINGS {
            let mut view = view(paging);
            for page in 0..100 {
                view.map(PageIndex(page * 3), &[1; PAGE_SIZE]);
                view.unprotect(PageIndex(page * 3));
            }
            view.unmap_all();
            for page in 0..300 {
                assert!(!view.is_present(PageIndex(page)) && view.is_protected(PageIndex(page)));
            }
            view.map_private(PageIndex(3));
            assert_eq!(view.bytes(PageIndex(3)), &[0; PAGE_SIZE]);
        }
    }

    #[test]
    fn a_run_of_pages_is_mapped_as_each_of_them_would_be() {
        for paging in PAGINGS {
            let mut view = view(paging);
            view.map(PageIndex(9), &[9; PAGE_SIZE]);
            for (first, length) in [(3, 1), (10, 70), (4, 5)] {
                let frames: Vec<Frame> = (first..first + length)
                    .map(|page| Frame::new([u8::try_from(page).unwrap(); PAGE_SIZE]))
                    .collect();
                view.map_run(PageIndex(first), &frames);
            }
            for page in 3..80 {
                let contents = [u8::try_from(page).unwrap(); PAGE_SIZE];
                assert_eq!(view.bytes(PageIndex(page)), &contents);
                assert!(view.is_protected(PageIndex(page)));
            }
            assert!(!view.is_present(PageIndex(2)) && !view.is_present(PageIndex(80)));
        }
    }

    #[test]
    fn restoring_replaces_contents_and_keeps_the_protection() {
        for paging in PAGINGS {
            let mut view = view(paging);
            view.map(PageIndex(0), &[1; PAGE_SIZE]);
            view.unprotect(PageIndex(0));
            view.restore(PageIndex(0), &[2; PAGE_SIZE]);
            assert_eq!(view.bytes(PageIndex(0)), &[2; PAGE_SIZE]);
            assert!(!view.is_protected(PageIndex(0)));
        }
    }

    #[test]
    fn guest_and_node_see_the_same_bytes() {
        for paging in PAGINGS {
            let mut view = view(paging);
            view.map(PageIndex(1), &[1; PAGE_SIZE]);
            let at = view.space().memory().wrapping_add(PAGE_SIZE);
            // SAFETY: page 1 is present.
            unsafe { at.write_volatile(9) };
            assert_eq!(view.bytes(PageIndex(1))[..2], [9, 1]);
        }
    }

    #[test]
    fn touching_an_absent_page_asks_and_goes_on() {
        for paging in PAGINGS {
            let view = view(paging);
            let space = view.space();
            let events = Mapper(RefCell::new((view, Vec::new())));
            let code = GuestCode {
                text: 0..0,
                functions: Vec::new(),
                stop: 0,
            };
            let mut sum = 0;
            space.run(&code, &events, &mut || {
                for page in [2, 4, 2] {
                    let at = space.memory().wrapping_add(page * PAGE_SIZE);
                    // SAFETY: within the reservation; absent pages are mapped on demand.
                    sum += u32::from(unsafe { at.read_volatile() });
                }
            });
            assert_eq!(sum, 15);
            assert_eq!(events.0.borrow().1, [PageIndex(2), PageIndex(4)]);
        }
    }
}
