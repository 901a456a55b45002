//! Answers, as bytes.

use alloc::vec::Vec;

use crate::number::Decimal;

/// More than this nobody waits for: what would be longer is not made.
const BYTES_MAX: usize = 32 << 20;

/// What is to be written: first into a buffer that costs nothing, then onto the heap.
#[derive(Debug)]
pub(crate) struct Output<'a> {
    buffer: &'a mut [u8],
    length: usize,
    spill: Vec<u8>,
    is_too_long: bool,
}

impl<'a> Output<'a> {
    pub(crate) fn new(buffer: &'a mut [u8]) -> Self {
        Self {
            buffer,
            length: 0,
            spill: Vec::new(),
            is_too_long: false,
        }
    }

    /// Whether the buffer is full, so that it is time to write.
    pub(crate) fn is_full(&self) -> bool {
        !self.spill.is_empty() || self.is_too_long
    }

    /// Whether an answer was not made because it would be too long.
    pub(crate) fn is_too_long(&self) -> bool {
        self.is_too_long
    }

    /// Both parts.
    pub(crate) fn parts(&self) -> [&[u8]; 2] {
        [&self.buffer[..self.length], &self.spill]
    }

    /// Adds bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if self.spill.is_empty()
            && let Some(free) = self.buffer.get_mut(self.length..end)
        {
            free.copy_from_slice(bytes);
            self.length = end;
        } else if self.is_too_long || self.spill.len() + bytes.len() > BYTES_MAX {
            self.is_too_long = true;
        } else {
            self.spill.extend_from_slice(bytes);
        }
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.raw(&[kind]);
        self.raw(text);
        self.raw(b"\r\n");
    }

    pub(crate) fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    pub(crate) fn ok(&mut self) {
        self.simple("OK");
    }

    /// An error, which is one line, whatever is in it.
    pub(crate) fn error(&mut self, text: &[u8]) {
        self.raw(b"-");
        for byte in text {
            let is_end = matches!(byte, b'\r' | b'\n');
            self.raw(&[if is_end { b' ' } else { *byte }]);
        }
        self.raw(b"\r\n");
    }

    pub(crate) fn integer(&mut self, value: i64) {
        self.line(b':', Decimal::new(value).as_bytes());
    }

    /// A number of things.
    pub(crate) fn count(&mut self, value: usize) {
        self.integer(value as i64);
    }

    pub(crate) fn bulk(&mut self, bytes: &[u8]) {
        self.line(b'$', Decimal::new(bytes.len() as i64).as_bytes());
        self.raw(bytes);
        self.raw(b"\r\n");
    }

    pub(crate) fn bulk_or_null(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bulk(bytes),
            None => self.null(),
        }
    }

    pub(crate) fn null(&mut self) {
        self.raw(b"$-1\r\n");
    }

    pub(crate) fn null_array(&mut self) {
        self.raw(b"*-1\r\n");
    }

    /// The beginning of an array of so many answers.
    pub(crate) fn array(&mut self, length: usize) {
        self.line(b'*', Decimal::new(length as i64).as_bytes());
    }
}
