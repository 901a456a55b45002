//! Envelopes to bytes and back.
//!
//! ```text
//! offset  bytes  field
//! 0       4      length of the body, little-endian
//! 4       4      CRC-32 of the body, little-endian
//! 8       n      body: from, view, epoch, message in postcard's format
//! ```
use alloc::vec::Vec;
use core::fmt;
use types::{Epoch, NodeId, ViewNumber};

use crate::{Envelope, Message};

/// Bytes before the body.
pub const HEADER_SIZE: usize = 8;
/// Longest body that is accepted: room for an inventory part of 64 Ki extents.
pub const BODY_SIZE_MAX: usize = 1 << 20;

/// Why bytes are no message. The sender or the line is to blame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// The body is longer than [`BODY_SIZE_MAX`].
    TooLong {
        /// Length in the header.
        length: usize,
    },
    /// The checksum does not match the body.
    Checksum {
        /// In the header.
        expected: u32,
        /// Of the body.
        found: u32,
    },
    /// The body is no message.
    Malformed,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length } => {
                write!(
                    f,
                    "body of {length} bytes, expected at most {BODY_SIZE_MAX}"
                )
            }
            Self::Checksum { expected, found } => {
                write!(f, "checksum {found:#x} of the body, expected {expected:#x}")
            }
            Self::Malformed => write!(f, "body is no message of this protocol"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Appends the bytes of `envelope` to `out`.
///
/// # Panics
/// If the message is longer than [`BODY_SIZE_MAX`]: its sender must cut it.
pub fn encode(envelope: &Envelope, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_SIZE]);
    let parts = (
        envelope.from,
        envelope.view,
        envelope.epoch,
        &envelope.message,
    );
    let mut bytes = postcard::to_extend(&parts, core::mem::take(out))
        .expect("serialising to memory cannot fail");
    let body = &bytes[start + HEADER_SIZE..];
    assert!(body.len() <= BODY_SIZE_MAX, "messages are cut to fit");
    let length = u32::try_from(body.len()).expect("checked above");
    let checksum = crc32fast::hash(body);
    bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
    bytes[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
    *out = bytes;
}

/// Decodes the first message of `bytes`: the envelope and how many bytes it took,
/// or `None` if more bytes are needed.
///
/// # Errors
/// If the bytes are no message; the link they came over is then useless.
pub fn decode(bytes: &[u8]) -> Result<Option<(Envelope, usize)>, DecodeError> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_SIZE>() else {
        return Ok(None);
    };
    let (length, checksum) = split_header(*header);
    if length > BODY_SIZE_MAX {
        return Err(DecodeError::TooLong { length });
    }
    let Some(body) = rest.get(..length) else {
        return Ok(None);
    };
    let found = crc32fast::hash(body);
    if found != checksum {
        return Err(DecodeError::Checksum {
            expected: checksum,
            found,
        });
    }
    let ((from, view, epoch, message), unread): ((NodeId, ViewNumber, Epoch, Message), &[u8]) =
        postcard::take_from_bytes(body).map_err(|_| DecodeError::Malformed)?;
    if !unread.is_empty() {
        return Err(DecodeError::Malformed);
    }
    Ok(Some((
        Envelope {
            from,
            view,
            epoch,
            message,
        },
        HEADER_SIZE + length,
    )))
}

fn split_header(header: [u8; HEADER_SIZE]) -> (usize, u32) {
    let [a, b, c, d, e, f, g, h] = header;
    (
        u32::from_le_bytes([a, b, c, d]) as usize,
        u32::from_le_bytes([e, f, g, h]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Hold, Image, PageVersion};
    use alloc::vec;
    use types::{PAGE_SIZE, PageId, Seq, Stamp, Version};

    fn data(image: Image) -> Envelope {
        Envelope {
            from: NodeId(3),
            view: ViewNumber(2),
            epoch: Epoch(1 << 40),
            message: Message::Data {
                page: PageId::new(1, 77),
                seq: Seq(9),
                content: PageVersion {
                    version: Version(5),
                    stamp: Stamp::ZERO,
                    image,
                },
                hold: Hold::Shared,
            },
        }
    }

    #[test]
    fn a_page_survives_the_line() {
        for image in [Image::ZERO, Image::of(&[0xA5; PAGE_SIZE])] {
            let sent = data(image);
            let mut line = vec![];
            encode(&sent, &mut line);
            let length = line.len();
            assert_eq!(decode(&line), Ok(Some((sent, length))));
        }
    }

    #[test]
    fn every_prefix_asks_for_more() {
        let mut line = vec![];
        encode(&data(Image::ZERO), &mut line);
        for end in 0..line.len() {
            assert_eq!(decode(&line[..end]), Ok(None), "prefix of {end} bytes");
        }
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        let mut line = vec![];
        encode(&data(Image::ZERO), &mut line);
        for at in 0..line.len() {
            let mut damaged = line.clone();
            damaged[at] ^= 0x10;
            assert!(
                !matches!(decode(&damaged), Ok(Some(_))),
                "byte {at} damaged"
            );
        }
    }
}
