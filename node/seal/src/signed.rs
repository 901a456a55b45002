//! Bytes that who has the cluster's key vouches for, to be carried by somebody who need not.
//!
//! ```text
//! 0   16  "plurix signed 1\n"
//! 16  32  HMAC-SHA256 under the key, of what is said, a zero and the bytes
//! 48      the bytes
//! ```
use alloc::vec::Vec;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::{Forged, Key};

const MAGIC: [u8; 16] = *b"plurix signed 1\n";
const TAG_SIZE: usize = 32;

/// Signs bytes; `about` says what they are, so that nobody can use them for anything else.
///
/// # Panics
/// If that has a zero in it.
#[must_use]
pub fn sign(key: &Key, about: &str, bytes: &[u8]) -> Vec<u8> {
    let tag = mac(key, about, bytes).finalize().into_bytes();
    [&MAGIC[..], &tag[..], bytes].concat()
}

/// The bytes that were signed; `None` if these are not signed at all.
///
/// # Errors
/// If who has signed them has not had the key, or for another use.
///
/// # Panics
/// If `about` has a zero in it.
pub fn signed<'a>(key: &Key, about: &str, bytes: &'a [u8]) -> Result<Option<&'a [u8]>, Forged> {
    let Some(rest) = bytes.strip_prefix(&MAGIC) else {
        return Ok(None);
    };
    let (tag, bytes) = rest.split_at_checked(TAG_SIZE).ok_or(Forged)?;
    let verified = mac(key, about, bytes).verify_slice(tag);
    verified.map(|()| Some(bytes)).map_err(|_| Forged)
}

fn mac(key: &Key, about: &str, bytes: &[u8]) -> Hmac<Sha256> {
    assert!(!about.contains('\0'), "a zero ends what bytes are");
    let mut mac = Hmac::new_from_slice(&key.0).expect("a key of any length will do");
    mac.update(about.as_bytes());
    mac.update(&[0]);
    mac.update(bytes);
    mac
}
