//! What is to be written, as bytes.

use alloc::vec::Vec;

/// What is to be written: first into a buffer that costs nothing, then onto the heap.
#[derive(Debug)]
pub(crate) struct Output<'a> {
    buffer: &'a mut [u8],
    length: usize,
    spill: Vec<u8>,
}

impl<'a> Output<'a> {
    pub(crate) fn new(buffer: &'a mut [u8]) -> Self {
        Self {
            buffer,
            length: 0,
            spill: Vec::new(),
        }
    }

    /// Whether the buffer is full, so that it is time to write.
    pub(crate) fn is_full(&self) -> bool {
        !self.spill.is_empty()
    }

    /// Both parts.
    pub(crate) fn parts(&self) -> [&[u8]; 2] {
        [&self.buffer[..self.length], &self.spill]
    }

    /// Adds bytes.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if self.spill.is_empty()
            && let Some(free) = self.buffer.get_mut(self.length..end)
        {
            free.copy_from_slice(bytes);
            self.length = end;
        } else {
            self.spill.extend_from_slice(bytes);
        }
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.put(text.as_bytes());
    }

    pub(crate) fn number(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut start = digits.len();
        loop {
            start -= 1;
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.put(&digits[start..]);
    }
}
