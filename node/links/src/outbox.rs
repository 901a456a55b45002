//! Bytes on their way out.
use alloc::vec::Vec;

/// A buffer that grew beyond this is given back once it is empty.
pub(crate) const KEPT_BYTES: usize = 4 << 20;

/// Bytes to be sent.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    start: usize,
}

impl Outbox {
    /// Bytes that were not written yet.
    #[inline]
    #[must_use]
    pub fn pending(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Where to append.
    #[inline]
    pub fn tail(&mut self) -> &mut Vec<u8> {
        // Written bytes go once they outweigh the rest: each is moved at most once.
        if self.start > self.bytes.len() / 2 {
            self.bytes.copy_within(self.start.., 0);
            self.bytes.truncate(self.bytes.len() - self.start);
            self.start = 0;
        }
        &mut self.bytes
    }

    /// These.
    #[inline]
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// So many of them were written now.
    #[inline]
    pub fn written(&mut self, count: usize) {
        self.start += count;
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_BYTES);
            self.start = 0;
        }
    }
}
