//! The memory on which a node's transactions run, and what they keep in a page.
use std::collections::BTreeMap;

use dtm::PageMemory;
use oracle::Token;
use types::{PAGE_SIZE, PageBytes, PageId};

/// Pages that are present. It trusts nobody: misuse is an assertion.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pages: BTreeMap<PageId, Mapped>,
}

#[derive(Debug)]
struct Mapped {
    bytes: Box<PageBytes>,
    protection: Protection,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Protection {
    Protected,
    Writable,
}

/// What a program keeps in a page: which write it is, and a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cell {
    pub(crate) token: Token,
    pub(crate) value: i64,
}

/// The two ends of a page do not belong to the same write.
#[derive(Debug)]
pub(crate) struct Torn;

const TOKEN_AT: usize = 0;
const VALUE_AT: usize = 8;
/// The token again, in the page's last bytes.
const TOKEN_AGAIN_AT: usize = PAGE_SIZE - 8;

impl Cell {
    /// Reads the cell of a page.
    pub(crate) fn of(bytes: &PageBytes) -> Result<Self, Torn> {
        let word = |at: usize| {
            u64::from_le_bytes(
                bytes[at..at + 8]
                    .try_into()
                    .expect("eight bytes were taken"),
            )
        };
        if word(TOKEN_AT) != word(TOKEN_AGAIN_AT) {
            return Err(Torn);
        }
        let value = i64::from_le_bytes(word(VALUE_AT).to_le_bytes());
        Ok(Self {
            token: Token(word(TOKEN_AT)),
            value,
        })
    }
}

impl Memory {
    pub(crate) fn is_mapped(&self, page: PageId) -> bool {
        self.pages.contains_key(&page)
    }

    pub(crate) fn is_writable(&self, page: PageId) -> bool {
        self.pages
            .get(&page)
            .is_some_and(|mapped| mapped.protection == Protection::Writable)
    }

    /// The cell of a mapped page.
    pub(crate) fn cell(&self, page: PageId) -> Result<Cell, Torn> {
        Cell::of(self.bytes(page))
    }

    /// A program writes the cell of a writable page.
    pub(crate) fn write(&mut self, page: PageId, cell: Cell) {
        let bytes = &mut self.writable(page).bytes;
        bytes[TOKEN_AT..TOKEN_AT + 8].copy_from_slice(&cell.token.0.to_le_bytes());
        bytes[VALUE_AT..VALUE_AT + 8].copy_from_slice(&cell.value.to_le_bytes());
        bytes[TOKEN_AGAIN_AT..].copy_from_slice(&cell.token.0.to_le_bytes());
    }

    fn mapped(&mut self, page: PageId) -> &mut Mapped {
        self.pages
            .get_mut(&page)
            .unwrap_or_else(|| panic!("{page} is not mapped"))
    }

    fn writable(&mut self, page: PageId) -> &mut Mapped {
        let mapped = self.mapped(page);
        assert_eq!(mapped.protection, Protection::Writable, "{page} is written");
        mapped
    }
}

impl PageMemory for Memory {
    fn bytes(&self, page: PageId) -> &PageBytes {
        let mapped = self.pages.get(&page);
        &mapped
            .unwrap_or_else(|| panic!("{page} is not mapped"))
            .bytes
    }

    fn map(&mut self, page: PageId, bytes: &PageBytes) {
        let mapped = Mapped {
            bytes: Box::new(*bytes),
            protection: Protection::Protected,
        };
        let before = self.pages.insert(page, mapped);
        assert!(before.is_none(), "{page} is mapped twice");
    }

    fn unmap(&mut self, page: PageId) {
        let before = self.pages.remove(&page);
        assert!(before.is_some(), "{page} is unmapped, but was not mapped");
    }

    fn unprotect(&mut self, page: PageId) {
        self.mapped(page).protection = Protection::Writable;
    }

    fn protect(&mut self, page: PageId) {
        self.mapped(page).protection = Protection::Protected;
    }

    fn restore(&mut self, page: PageId, bytes: &PageBytes) {
        *self.writable(page).bytes = *bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_two_writes_is_torn() {
        let page = PageId::new(1, 1);
        let mut memory = Memory::default();
        memory.map(page, &[0; PAGE_SIZE]);
        memory.unprotect(page);
        let cell = Cell {
            token: Token(7),
            value: -3,
        };
        memory.write(page, cell);
        assert_eq!(memory.cell(page).unwrap(), cell);
        let mut bytes = *memory.bytes(page);
        bytes[PAGE_SIZE - 1] ^= 1;
        assert!(Cell::of(&bytes).is_err());
    }
}
