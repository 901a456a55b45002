//! What the state machine asks of the memory that transactions run on.
use types::{Frame, PageBytes, PageId};

/// How a transaction wants to use a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// It may read the page.
    Read,
    /// It may read and write the page.
    Write,
}

/// The node's view: the pages on which its transactions work in place. A page is
/// *mapped* (present) or absent; a mapped page is *protected* (the first write calls
/// [`crate::Dtm::access`] first) or writable.
pub trait PageMemory {
    /// Contents of a mapped page.
    fn bytes(&self, page: PageId) -> &PageBytes;
    /// Makes an absent page present, with these contents, protected.
    fn map(&mut self, page: PageId, bytes: &PageBytes);
    /// Makes pages of linear memory present that are absent and lie one behind the other, as
    /// [`PageMemory::map`] does.
    fn map_run(&mut self, first: PageId, contents: &[Frame]) {
        for (index, bytes) in (first.index.0..).zip(contents) {
            self.map(PageId::new(first.region.0, index), bytes);
        }
    }
    /// Makes a mapped page absent.
    fn unmap(&mut self, page: PageId);
    /// Makes a mapped page writable.
    fn unprotect(&mut self, page: PageId);
    /// Makes a mapped page protected.
    fn protect(&mut self, page: PageId);
    /// Replaces the contents of a mapped, writable page (roll-back); it stays writable.
    fn restore(&mut self, page: PageId, bytes: &PageBytes);
}
