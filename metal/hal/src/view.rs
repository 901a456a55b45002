//! View memory: 4 GiB of addresses per application, in which pages become present one by one.
use alloc::sync::Arc;
use core::ops::Range;
use core::ptr;

use platform::{
    GUARD_BYTES, GuestCode, GuestEvents, GuestSpace, VIEW_BYTES, ViewError, ViewMemory, Views,
};
use spin::Mutex;
use types::limits::LINEAR_PAGES_MAX;
use types::{PAGE_SIZE, PageBytes, PageIndex};

use crate::frames::{self, FrameAddress};
use crate::guest::{self, Target};
use crate::paging::{self, Access};

/// Makes views.
#[derive(Clone, Copy, Debug, Default)]
pub struct MetalViews;

/// One application's memory at one node.
#[derive(Debug)]
pub struct View {
    space: Arc<Space>,
}

/// Linear memory and barrier table, each with a reservation of 4 GiB and a guard, and the
/// presence table.
#[derive(Debug)]
struct Space {
    range: Range<usize>,
    barriers: Table,
    presence: Table,
}

/// A byte per page. Where all pages have the same, frames are shared between all views.
#[derive(Debug)]
struct Table {
    at: usize,
    blank: Blank,
}

/// What a table's bytes are to begin with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Blank {
    Absent,
    Protected,
}

const TABLE_BYTES: usize = LINEAR_PAGES_MAX as usize;
const BARRIERS_AT: usize = VIEW_BYTES + GUARD_BYTES;
const PRESENCE_AT: usize = BARRIERS_AT + VIEW_BYTES + GUARD_BYTES;
const SPACE_BYTES: usize = PRESENCE_AT + TABLE_BYTES;

/// The frames that tables share, once there are any.
static BLANKS: Mutex<[Option<FrameAddress>; 2]> = Mutex::new([None; 2]);

impl Views for MetalViews {
    type View = View;

    fn create(&mut self) -> Result<View, ViewError> {
        let range = paging::reserve(SPACE_BYTES);
        let table = |offset, blank| Table {
            at: range.start + offset,
            blank,
        };
        let space = Space {
            barriers: table(BARRIERS_AT, Blank::Protected),
            presence: table(PRESENCE_AT, Blank::Absent),
            range: range.clone(),
        };
        space.barriers.fill();
        space.presence.fill();
        Ok(View {
            space: Arc::new(space),
        })
    }
}

impl Blank {
    fn frame(self) -> FrameAddress {
        let mut blanks = BLANKS.lock();
        *blanks[self as usize].get_or_insert_with(|| {
            let frame = frames::take();
            // SAFETY: a frame of ours, of this size.
            unsafe { frame.pointer::<u8>().write_bytes(self as u8, PAGE_SIZE) };
            frame
        })
    }
}

impl Table {
    fn pages(&self) -> impl Iterator<Item = usize> + use<> {
        (self.at..self.at + TABLE_BYTES).step_by(PAGE_SIZE)
    }

    /// Blank frames everywhere.
    fn fill(&self) {
        let blank = self.blank.frame();
        self.pages()
            .for_each(|page| paging::map(page, blank, Access::Read));
    }

    /// Blank frames everywhere again.
    fn clear(&self) {
        for page in self.pages() {
            self.replace(page, |_| None);
        }
    }

    /// Puts another frame at a page of the table: `next` of the one that is there, if that is
    /// the table's own. `None`: a blank one.
    fn replace(
        &self,
        page: usize,
        next: impl FnOnce(Option<FrameAddress>) -> Option<FrameAddress>,
    ) {
        let blank = self.blank.frame();
        // SAFETY: nobody holds a reference into a table.
        let old = unsafe { paging::unmap(page) }.expect("tables are mapped as a whole");
        let own = (old != blank).then_some(old);
        let new = next(own);
        if let Some(own) = own.filter(|_| new != own) {
            // SAFETY: taken by `own_page`, and mapped nowhere any more.
            unsafe { frames::give(own) };
        }
        match new {
            Some(frame) => paging::map(page, frame, Access::Write),
            None => paging::map(page, blank, Access::Read),
        }
    }

    fn get(&self, page: PageIndex) -> u8 {
        // SAFETY: the table is mapped as long as the space lives, and has a byte for each page;
        // only the executor that owns the view uses it.
        unsafe { ptr::with_exposed_provenance::<u8>(self.address(page)).read() }
    }

    fn set(&self, page: PageIndex, value: u8) {
        if self.get(page) == value {
            return;
        }
        let at = self.address(page);
        if !paging::is_writable(at) {
            self.own_page(at & !(PAGE_SIZE - 1));
        }
        // SAFETY: as in `get`; the page is the table's own and writable now.
        unsafe { ptr::with_exposed_provenance_mut::<u8>(at).write(value) };
    }

    /// Gives the table a frame of its own at this page.
    fn own_page(&self, page: usize) {
        self.replace(page, |own| {
            assert!(own.is_none(), "the table's own frames are writable");
            let frame = frames::take();
            // SAFETY: a frame of ours, of this size.
            unsafe {
                frame
                    .pointer::<u8>()
                    .write_bytes(self.blank as u8, PAGE_SIZE)
            };
            Some(frame)
        });
    }

    fn address(&self, page: PageIndex) -> usize {
        self.at + index(page)
    }
}

fn index(page: PageIndex) -> usize {
    assert!(
        page.0 < LINEAR_PAGES_MAX,
        "page {page:?} is not linear memory"
    );
    page.0 as usize
}

impl View {
    fn address(&self, page: PageIndex) -> usize {
        self.space.range.start + index(page) * PAGE_SIZE
    }

    fn pointer(&self, page: PageIndex) -> *mut PageBytes {
        assert!(self.is_present(page), "page {page:?} is absent");
        ptr::with_exposed_provenance_mut(self.address(page))
    }

    fn put(&mut self, page: PageIndex, frame: FrameAddress) {
        assert!(!self.is_present(page), "page {page:?} is present already");
        paging::map(self.address(page), frame, Access::Write);
        self.space.presence.set(page, 1);
    }
}

impl ViewMemory for View {
    fn is_present(&self, page: PageIndex) -> bool {
        self.space.presence.get(page) != 0
    }

    fn is_protected(&self, page: PageIndex) -> bool {
        self.space.barriers.get(page) != 0
    }

    fn bytes(&self, page: PageIndex) -> &PageBytes {
        // SAFETY: a present page is readable. The guest does not run while the node holds the
        // reference: both belong to one executor, and a fault or host call ends before the guest
        // goes on.
        unsafe { &*self.pointer(page) }
    }

    fn map(&mut self, page: PageIndex, bytes: &PageBytes) {
        let frame = frames::take();
        // SAFETY: the frame is ours and has so many bytes.
        unsafe { frame.pointer::<PageBytes>().write(*bytes) };
        self.put(page, frame);
    }

    fn map_private(&mut self, page: PageIndex) {
        self.put(page, frames::take_zeroed());
        self.space.barriers.set(page, 0);
    }

    fn unmap(&mut self, page: PageIndex) {
        assert!(self.is_present(page), "page {page:?} is absent");
        // SAFETY: `&mut self` excludes references given out by `bytes`; for the guest see there.
        let frame = unsafe { paging::unmap(self.address(page)) };
        // SAFETY: it was this view's alone.
        unsafe { frames::give(frame.expect("a present page has a frame")) };
        self.space.presence.set(page, 0);
        self.space.barriers.set(page, 1);
    }

    fn unmap_all(&mut self) {
        let start = self.space.range.start;
        // SAFETY: as in `unmap`.
        unsafe { paging::unmap_all(start..start + VIEW_BYTES) };
        self.space.presence.clear();
        self.space.barriers.clear();
    }

    fn protect(&mut self, page: PageIndex) {
        assert!(self.is_present(page), "page {page:?} is absent");
        self.space.barriers.set(page, 1);
    }

    fn unprotect(&mut self, page: PageIndex) {
        assert!(self.is_present(page), "page {page:?} is absent");
        self.space.barriers.set(page, 0);
    }

    fn restore(&mut self, page: PageIndex, bytes: &PageBytes) {
        // SAFETY: a present page is writable, and `&mut self` excludes references given out by
        // `bytes`; for the guest see there.
        unsafe { self.pointer(page).write(*bytes) };
    }

    fn space(&self) -> Arc<dyn GuestSpace> {
        self.space.clone()
    }
}

impl GuestSpace for Space {
    fn memory(&self) -> *mut u8 {
        ptr::with_exposed_provenance_mut(self.range.start)
    }

    fn barriers(&self) -> *mut u8 {
        ptr::with_exposed_provenance_mut(self.barriers.at)
    }

    fn presence(&self) -> *const u8 {
        ptr::with_exposed_provenance(self.presence.at)
    }

    fn run(&self, code: &GuestCode, events: &dyn GuestEvents, body: &mut dyn FnMut()) {
        let target = Target {
            base: self.range.start,
            length: VIEW_BYTES,
            code,
            events,
        };
        guest::run(&target, body);
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        for table in [&self.barriers, &self.presence] {
            table.clear();
            for page in table.pages() {
                // SAFETY: nobody uses the space any more. The frame is the shared one.
                unsafe { paging::unmap(page) };
            }
        }
        // SAFETY: as above; what is left in the range is the view's pages.
        unsafe { paging::release(self.range.clone()) };
    }
}
