//! View memory: the address space in which an application's guest code runs.
//!
//! A view has two sides. The node decides page by page what is present and what is
//! protected ([`ViewMemory`]); guest code runs in the same pages through plain loads
//! and stores ([`GuestSpace`]). Touching an absent page stops the guest's instruction
//! until the node has answered ([`GuestEvents::fault`]); the first store to a protected
//! page is noticed by a check in the guest's own code, which reads a byte per page.
//! Guest code that runs long is interrupted now and then ([`GuestEvents::interrupt`]).
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use types::limits::LINEAR_PAGES_MAX;
use types::{Frame, PAGE_SIZE, PageBytes, PageIndex};

/// Bytes of linear memory that a view reserves: all that 32-bit guests can address.
pub const VIEW_BYTES: usize = LINEAR_PAGES_MAX as usize * PAGE_SIZE;
/// Bytes after the linear memory, and after the barrier table's reservation, that
/// are never accessible, so that an address plus a small offset needs no check.
pub const GUARD_BYTES: usize = 32 << 20;

/// The node's side of one application's memory. A page is absent or present; a
/// present page is protected or writable; an absent page is always protected.
pub trait ViewMemory {
    /// Whether the page is present.
    fn is_present(&self, page: PageIndex) -> bool;
    /// Whether the first store to the page must be announced.
    fn is_protected(&self, page: PageIndex) -> bool;
    /// Contents of a present page.
    fn bytes(&self, page: PageIndex) -> &PageBytes;
    /// Makes an absent page present, with these contents, protected.
    fn map(&mut self, page: PageIndex, bytes: &PageBytes);
    /// Makes absent pages present that lie one behind the other, as [`ViewMemory::map`] does.
    fn map_run(&mut self, first: PageIndex, contents: &[Frame]) {
        for (page, bytes) in (first.0..).zip(contents) {
            self.map(PageIndex(page), bytes);
        }
    }
    /// Makes an absent page present, zero and writable: memory that is private to the
    /// node and dead between steps, like the guest's stack.
    fn map_private(&mut self, page: PageIndex);
    /// Makes a present page absent.
    fn unmap(&mut self, page: PageIndex);
    /// Makes every page absent.
    fn unmap_all(&mut self);
    /// Makes a present page protected.
    fn protect(&mut self, page: PageIndex);
    /// Makes a present page writable.
    fn unprotect(&mut self, page: PageIndex);
    /// Replaces the contents of a present page; its protection stays.
    fn restore(&mut self, page: PageIndex, bytes: &PageBytes);
    /// The guest's side of this memory.
    fn space(&self) -> Arc<dyn GuestSpace>;
}

/// Makes views: one for each application that a node has run.
pub trait Views {
    /// The views of this world.
    type View: ViewMemory;
    /// Reserves an empty view.
    ///
    /// # Errors
    /// If the machine cannot reserve the address space.
    fn create(&mut self) -> Result<Self::View, ViewError>;
}

/// A view could not be made; says which request the machine refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ViewError(pub alloc::string::String);

/// How a guest goes on that was suspended at one of its instructions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GuestAnswer {
    /// The instruction is run (after a fault: again; the page is present now).
    Resume,
    /// The guest is stopped: its instruction traps.
    Trap,
}

/// Where the machine code of a guest lies: addresses that are valid as long as the
/// guest runs.
#[derive(Clone, Debug)]
pub struct GuestCode {
    /// All of it, with the code between guest and host.
    pub text: Range<usize>,
    /// The guest's own functions, ascending.
    pub functions: Vec<Range<usize>>,
    /// An instruction of one of them that traps whenever it is run.
    pub stop: usize,
}

impl GuestCode {
    /// Whether the address lies in one of the guest's own functions.
    #[must_use]
    pub fn is_guest(&self, address: usize) -> bool {
        let above = self
            .functions
            .partition_point(|function| function.start <= address);
        above > 0 && self.functions[above - 1].contains(&address)
    }
}

/// What the platform asks while guest code runs. Called in the middle of the guest's
/// instructions, on a stack of its own; must not unwind.
pub trait GuestEvents {
    /// The guest has touched an absent page.
    fn fault(&self, page: PageIndex) -> GuestAnswer;
    /// The guest has been running for some time.
    fn interrupt(&self) -> GuestAnswer;
    /// In the place of `interrupt`, when the host's code or a routine of the runtime
    /// happens to run for the guest, perhaps for long: only takes a note, because
    /// whatever runs is in the middle of something.
    fn interrupt_later(&self);
}

/// The guest's side of a view: addresses for compiled code, valid as long as this
/// object lives. Used by the thread that owns the view, and by no other.
pub trait GuestSpace: Send + Sync {
    /// Where the linear memory begins: [`VIEW_BYTES`] are reserved, then
    /// [`GUARD_BYTES`] that are never accessible.
    fn memory(&self) -> *mut u8;
    /// Where the barrier table begins: a byte per page, 1 = protected, 0 = writable;
    /// reserved and guarded like the linear memory, accessible for a byte per page.
    fn barriers(&self) -> *mut u8;
    /// Where the presence table begins: a byte per page, 1 = present, 0 = absent.
    fn presence(&self) -> *const u8;
    /// Runs guest code: `body` is called once. When code that it runs touches an absent
    /// page of this view, or when functions of `code` run for long, `events` is asked.
    fn run(&self, code: &GuestCode, events: &dyn GuestEvents, body: &mut dyn FnMut());
}

impl fmt::Display for ViewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot make a view: {}", self.0)
    }
}

impl core::error::Error for ViewError {}
