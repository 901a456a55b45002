//! The pages that transactions of this node work on: application pages in place in
//! their views, all others in a table.
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use dtm::PageMemory;
use platform::ViewMemory;
use types::{Frame, PageBytes, PageId, RegionId};

/// All page memory of a node.
pub(crate) struct Memory<V> {
    /// Kernel tables and header pages. A page is here iff it is mapped.
    tables: BTreeMap<PageId, Box<PageBytes>>,
    /// Linear memory of the applications that run here. Few: searched linearly.
    views: Vec<(RegionId, V)>,
}

impl<V: ViewMemory> Memory<V> {
    pub(crate) fn new() -> Self {
        Self {
            tables: BTreeMap::new(),
            views: Vec::new(),
        }
    }

    /// Whether linear memory of this region can be mapped.
    pub(crate) fn has_view(&self, region: RegionId) -> bool {
        self.views.iter().any(|(id, _)| *id == region)
    }

    pub(crate) fn add_view(&mut self, region: RegionId, view: V) {
        assert!(!self.has_view(region), "a region has one view");
        self.views.push((region, view));
    }

    /// Drops all views but these.
    pub(crate) fn keep_views(&mut self, is_kept: impl Fn(RegionId) -> bool) {
        self.views.retain(|(region, _)| is_kept(*region));
    }

    pub(crate) fn view(&mut self, region: RegionId) -> &mut V {
        let found = self.views.iter_mut().find(|(id, _)| *id == region);
        &mut found
            .expect("a transaction opens the view of a region before it uses it")
            .1
    }

    /// Contents of a mapped, writable page that lies in no view.
    pub(crate) fn table_page_mut(&mut self, page: PageId) -> &mut PageBytes {
        self.tables
            .get_mut(&page)
            .expect("the transaction has accessed the page")
    }

    fn view_of(&self, page: PageId) -> &V {
        let found = self.views.iter().find(|(id, _)| *id == page.region);
        &found.expect("pages are mapped into views that exist").1
    }
}

impl<V: ViewMemory> PageMemory for Memory<V> {
    fn bytes(&self, page: PageId) -> &PageBytes {
        if page.is_linear() {
            self.view_of(page).bytes(page.index)
        } else {
            self.tables
                .get(&page)
                .expect("a mapped page is in the table")
        }
    }

    fn map(&mut self, page: PageId, bytes: &PageBytes) {
        if page.is_linear() {
            self.view(page.region).map(page.index, bytes);
        } else {
            self.tables.insert(page, Box::new(*bytes));
        }
    }

    fn map_run(&mut self, first: PageId, contents: &[Frame]) {
        self.view(first.region).map_run(first.index, contents);
    }

    fn unmap(&mut self, page: PageId) {
        if page.is_linear() {
            self.view(page.region).unmap(page.index);
        } else {
            self.tables.remove(&page);
        }
    }

    fn unprotect(&mut self, page: PageId) {
        if page.is_linear() {
            self.view(page.region).unprotect(page.index);
        }
    }

    fn protect(&mut self, page: PageId) {
        if page.is_linear() {
            self.view(page.region).protect(page.index);
        }
    }

    fn restore(&mut self, page: PageId, bytes: &PageBytes) {
        if page.is_linear() {
            self.view(page.region).restore(page.index, bytes);
        } else {
            *self.table_page_mut(page) = *bytes;
        }
    }
}
