//! Records: bytes under seal, in order, each once.
//!
//! ```text
//! 0  2  length of what follows, little-endian
//! 2  n  the bytes, encrypted
//!    16 authentication tag
//! ```
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use snow::TransportState;

/// Bytes in a record at most.
pub const RECORD_PLAIN_MAX: usize = u16::MAX as usize - TAG_SIZE;
const LENGTH_SIZE: usize = 2;
const TAG_SIZE: usize = 16;

/// Both directions of a connection after the handshake.
pub struct Session(Box<TransportState>);

/// How long a record was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened {
    /// Under seal.
    pub record_bytes: usize,
    /// What it held.
    pub plain_bytes: usize,
}

/// A record that the other end has not written, or not at this place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forged;

impl Session {
    pub(crate) fn new(transport: TransportState) -> Self {
        Self(Box::new(transport))
    }

    /// Appends `plain` to `sealed` as one record.
    ///
    /// # Panics
    /// If it is longer than [`RECORD_PLAIN_MAX`].
    pub fn seal(&mut self, plain: &[u8], sealed: &mut Vec<u8>) {
        let length = u16::try_from(plain.len() + TAG_SIZE).expect("records are short");
        sealed.extend(length.to_le_bytes());
        let start = sealed.len();
        sealed.resize(start + usize::from(length), 0);
        let count = self.0.write_message(plain, &mut sealed[start..]);
        // The only errors are lengths, and more records than there are seconds.
        assert_eq!(count, Ok(usize::from(length)), "the room is what it needs");
    }

    /// Writes what the first record in `sealed` holds to the start of `plain`, which has
    /// room for [`RECORD_PLAIN_MAX`] bytes; `None` if it is not here completely.
    ///
    /// # Errors
    /// If the record is not what the other end has sent next. The session is of no use
    /// any more then.
    pub fn open(&mut self, sealed: &[u8], plain: &mut [u8]) -> Result<Option<Opened>, Forged> {
        let Some((length, rest)) = sealed.split_first_chunk::<LENGTH_SIZE>() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_le_bytes(*length));
        if length < TAG_SIZE {
            return Err(Forged);
        }
        let Some(record) = rest.get(..length) else {
            return Ok(None);
        };
        let read = self.0.read_message(record, plain);
        let plain_bytes = read.map_err(|_| Forged)?;
        Ok(Some(Opened {
            record_bytes: LENGTH_SIZE + length,
            plain_bytes,
        }))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session")
    }
}

impl fmt::Display for Forged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes that the other end has not sealed")
    }
}

impl core::error::Error for Forged {}
