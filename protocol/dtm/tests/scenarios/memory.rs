//! The memory on which the transactions of a scenario run. It checks how it is used.
use std::collections::BTreeMap;

use dtm::PageMemory;
use types::{PAGE_SIZE, PageBytes, PageId};

struct Slot {
    bytes: Box<PageBytes>,
    is_writable: bool,
}

/// Mapped pages.
#[derive(Default)]
pub(crate) struct TestMemory {
    slots: BTreeMap<PageId, Slot>,
}

impl TestMemory {
    pub(crate) fn value(&self, page: PageId) -> u64 {
        u64::from_le_bytes(self.slots[&page].bytes[..8].try_into().unwrap())
    }

    pub(crate) fn set_value(&mut self, page: PageId, value: u64) {
        let slot = self.slots.get_mut(&page).unwrap();
        assert!(slot.is_writable, "{page} is protected");
        slot.bytes[..8].copy_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn is_mapped(&self, page: PageId) -> bool {
        self.slots.contains_key(&page)
    }
}

/// A page that begins with `value`.
pub(crate) fn page_of(value: u64) -> PageBytes {
    let mut bytes = [0; PAGE_SIZE];
    bytes[..8].copy_from_slice(&value.to_le_bytes());
    bytes
}

impl PageMemory for TestMemory {
    fn bytes(&self, page: PageId) -> &PageBytes {
        &self.slots[&page].bytes
    }

    fn map(&mut self, page: PageId, bytes: &PageBytes) {
        let slot = Slot {
            bytes: Box::new(*bytes),
            is_writable: false,
        };
        assert!(
            self.slots.insert(page, slot).is_none(),
            "{page} is mapped already"
        );
    }

    fn unmap(&mut self, page: PageId) {
        assert!(self.slots.remove(&page).is_some(), "{page} is absent");
    }

    fn unprotect(&mut self, page: PageId) {
        let slot = self.slots.get_mut(&page).unwrap();
        assert!(!slot.is_writable, "{page} is writable already");
        slot.is_writable = true;
    }

    fn protect(&mut self, page: PageId) {
        let slot = self.slots.get_mut(&page).unwrap();
        assert!(slot.is_writable, "{page} is protected already");
        slot.is_writable = false;
    }

    fn restore(&mut self, page: PageId, bytes: &PageBytes) {
        let slot = self.slots.get_mut(&page).unwrap();
        assert!(slot.is_writable, "{page} is protected");
        *slot.bytes = *bytes;
    }
}
