//! Short names: of programs, modules, entries, inputs.
use core::fmt;

use crate::Refusal;
use crate::cell::Value;

/// Bytes of a name at most.
pub const NAME_BYTES_MAX: usize = 64;

/// A name of 1 to 64 bytes of UTF-8; empty only where nothing was written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    length: u8,
    bytes: [u8; NAME_BYTES_MAX],
}

impl Name {
    /// What an unwritten name reads as.
    pub(crate) const EMPTY: Self = Self {
        length: 0,
        bytes: [0; NAME_BYTES_MAX],
    };

    /// The name that reads `text`.
    ///
    /// # Errors
    /// If the text is empty or longer than [`NAME_BYTES_MAX`].
    pub fn new(text: &str) -> Result<Self, Refusal> {
        let refusal = Refusal::NameLength { found: text.len() };
        if text.is_empty() || text.len() > NAME_BYTES_MAX {
            return Err(refusal);
        }
        let mut bytes = [0; NAME_BYTES_MAX];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self {
            length: u8::try_from(text.len()).map_err(|_| refusal)?,
            bytes,
        })
    }

    /// It as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = &self.bytes[..usize::from(self.length)];
        core::str::from_utf8(bytes).expect("names are made of text")
    }
}

impl Value for Name {
    const SIZE: usize = 1 + NAME_BYTES_MAX;

    fn load(bytes: &[u8]) -> Self {
        let (length, bytes) = bytes.split_first().expect("a name has 65 bytes");
        let bytes = bytes.try_into().expect("a name has 65 bytes");
        Self {
            length: *length,
            bytes,
        }
    }

    fn store(&self, bytes: &mut [u8]) {
        bytes[0] = self.length;
        bytes[1..].copy_from_slice(&self.bytes);
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
