//! Values to frame bodies and back.
use alloc::vec::Vec;
use core::fmt;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Version of this language: the first byte of every body.
pub const VERSION: u8 = 7;
/// Longest body: room for a large module or input.
pub const BODY_SIZE_MAX: usize = 256 << 20;

/// A frame without a body, which a tool that waits for an answer may send, and nobody answers: if
/// the machine was started again meanwhile it says that it knows of no connection.
pub const PULSE: [u8; 4] = [0; 4];

/// Why a body is no value of this language.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// It is of another version.
    Version {
        /// Its version.
        found: u8,
    },
    /// It is empty or damaged, or another kind of value.
    Malformed,
}

/// The body for a value.
pub fn encode(value: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(value, Vec::from([VERSION])).expect("serialising to memory cannot fail")
}

/// The value of a body.
///
/// # Errors
/// If it is none.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    match body.split_first() {
        Some((&VERSION, value)) => {
            let (value, rest) =
                postcard::take_from_bytes(value).map_err(|_| DecodeError::Malformed)?;
            if rest.is_empty() {
                Ok(value)
            } else {
                Err(DecodeError::Malformed)
            }
        }
        Some((&found, _)) => Err(DecodeError::Version { found }),
        None => Err(DecodeError::Malformed),
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { found } => write!(
                f,
                "expected version {VERSION} of the admin language, found {found}: \
                 use the plurix command that started the cluster"
            ),
            Self::Malformed => write!(f, "expected a message of the admin language"),
        }
    }
}

impl core::error::Error for DecodeError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Request, Response};

    #[test]
    fn a_request_survives_the_line() {
        let request = Request::ReadResult {
            process: 7,
            offset: 1 << 40,
            length: 9,
        };
        assert_eq!(decode(&encode(&request)), Ok(request));
    }

    #[test]
    fn another_version_is_named() {
        let mut body = encode(&Response::Done);
        body[0] = 9;
        assert_eq!(
            decode::<Response>(&body),
            Err(DecodeError::Version { found: 9 })
        );
    }

    #[test]
    fn bytes_left_over_are_refused() {
        let mut body = encode(&Request::Status);
        body.push(0);
        assert_eq!(decode::<Request>(&body), Err(DecodeError::Malformed));
    }
}
