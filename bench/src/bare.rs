//! The least that a step costs with any protocol: the same guest with the same barriers
//! in the same engine, over a host that only copies before-images and arms barriers.
use engine::{HostCall, Instance, Limits, StepHost, Stop};
use platform::{GuestSpace, ViewMemory};
use types::{PAGE_SIZE, PageBytes, PageIndex};

use crate::site::{Pages, unexpected};

/// The bare host.
#[derive(Debug)]
pub(crate) struct Bare {
    pages: Pages,
    images: Vec<Box<PageBytes>>,
    dirty: Vec<PageIndex>,
}

impl Bare {
    /// With this many pages, all present.
    pub(crate) fn new(count: u32) -> Self {
        let mut pages = Pages::new();
        for page in 0..count {
            pages.view().map(PageIndex(page), &[0; PAGE_SIZE]);
        }
        Self {
            pages,
            images: Vec::new(),
            dirty: Vec::new(),
        }
    }

    pub(crate) fn space(&self) -> std::sync::Arc<dyn GuestSpace> {
        self.pages.space()
    }

    /// Runs one step.
    pub(crate) fn run(&mut self, instance: &mut Instance, entry: &str, argument: i64) {
        let result = instance.step(self, entry, argument, Limits::default());
        assert!(result.is_ok(), "our own guests do not fail: {result:?}");
        for page in self.dirty.drain(..) {
            self.pages.view().protect(page);
        }
    }
}

impl StepHost for Bare {
    fn read_fault(&mut self, _page: PageIndex) -> Result<(), Stop> {
        Err(unexpected())
    }

    fn write_fault(&mut self, page: PageIndex) -> Result<(), Stop> {
        let at = self.dirty.len();
        if at == self.images.len() {
            self.images.push(Box::new([0; PAGE_SIZE]));
        }
        let view = self.pages.view();
        *self.images[at] = *view.bytes(page);
        view.unprotect(page);
        self.dirty.push(page);
        Ok(())
    }

    fn header_read(&mut self, _offset: u32, bytes: &mut [u8]) -> Result<(), Stop> {
        bytes.fill(0);
        Ok(())
    }

    fn header_write(&mut self, _offset: u32, _bytes: &[u8]) -> Result<(), Stop> {
        Err(unexpected())
    }

    fn interrupt(&mut self) -> Result<(), Stop> {
        Ok(())
    }

    fn call(&mut self, _call: HostCall<'_>) -> Result<i64, Stop> {
        Err(unexpected())
    }
}
