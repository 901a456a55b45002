//! Names of devices and services.
use core::fmt;

use super::ChannelRefusal;
use crate::cell::Value;

/// Bytes of a label at most.
pub const LABEL_BYTES_MAX: usize = 18;

/// The name of a device or service: 1 to 18 bytes of UTF-8 without a zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Label(pub(super) [u8; LABEL_BYTES_MAX]);

impl Label {
    /// The label that reads `text`.
    ///
    /// # Errors
    /// If the text is none.
    pub fn new(text: &str) -> Result<Self, ChannelRefusal> {
        let found = text.len();
        if !(1..=LABEL_BYTES_MAX).contains(&found) || text.contains('\0') {
            return Err(ChannelRefusal::Label { found });
        }
        let mut bytes = [0; LABEL_BYTES_MAX];
        bytes[..found].copy_from_slice(text.as_bytes());
        Ok(Self(bytes))
    }

    /// It as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0);
        let text = &self.0[..end.unwrap_or(LABEL_BYTES_MAX)];
        core::str::from_utf8(text).expect("labels are made of text")
    }
}

impl Value for Label {
    const SIZE: usize = LABEL_BYTES_MAX;

    fn load(bytes: &[u8]) -> Self {
        Self(bytes.try_into().expect("a label has 18 bytes"))
    }

    fn store(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0);
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}
