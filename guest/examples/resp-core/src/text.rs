//! Bytes that are kept: short ones where they are, long ones on the heap.

use alloc::vec::Vec;
use core::borrow::Borrow;
use core::cmp::Ordering;
use core::fmt;
use core::ops::Deref;

/// The longest text that needs no memory of its own. With it a text takes 24 bytes in a module.
const INLINE_BYTES: usize = 22;

/// Bytes: a key, a member of a set, a value.
#[derive(Clone)]
pub(crate) enum Text {
    Inline(u8, [u8; INLINE_BYTES]),
    Heap(Vec<u8>),
}

impl Text {
    /// Replaces the bytes. Memory that is there and fits is used again: then nobody who
    /// allocates is met.
    pub(crate) fn assign(&mut self, bytes: &[u8]) {
        match self {
            Self::Heap(vector)
                if bytes.len() > INLINE_BYTES
                    && bytes.len() <= vector.capacity()
                    && vector.capacity() / 2 <= bytes.len() =>
            {
                vector.clear();
                vector.extend_from_slice(bytes);
            }
            _ => *self = bytes.into(),
        }
    }

    /// Adds bytes at the end.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        match self {
            Self::Heap(vector) => vector.extend_from_slice(bytes),
            Self::Inline(length, inline) => {
                let start = usize::from(*length);
                let end = start + bytes.len();
                if let Some(free) = inline.get_mut(start..end) {
                    free.copy_from_slice(bytes);
                    *length = end as u8;
                } else {
                    let mut vector = Vec::with_capacity(end);
                    vector.extend_from_slice(&inline[..start]);
                    vector.extend_from_slice(bytes);
                    *self = Self::Heap(vector);
                }
            }
        }
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        if bytes.len() > INLINE_BYTES {
            return Self::Heap(bytes.to_vec());
        }
        let mut inline = [0; INLINE_BYTES];
        inline[..bytes.len()].copy_from_slice(bytes);
        Self::Inline(bytes.len() as u8, inline)
    }
}

impl Deref for Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Inline(length, inline) => &inline[..usize::from(*length)],
            Self::Heap(vector) => vector,
        }
    }
}

impl Borrow<[u8]> for Text {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::Text;

    #[test]
    fn texts_of_every_length_keep_their_bytes() {
        let bytes: Vec<u8> = (0..100).collect();
        for first in 0..100 {
            for second in 0..100 - first {
                let mut text = Text::from(&bytes[..first]);
                text.append(&bytes[first..first + second]);
                assert_eq!(&*text, &bytes[..first + second]);
                text.assign(&bytes[..second]);
                assert_eq!(&*text, &bytes[..second]);
            }
        }
    }
}
