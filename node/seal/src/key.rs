//! The key of a cluster, and the token in which people carry it.
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use data_encoding::BASE32_NOPAD;
use platform::{ClusterId, Entropy};

/// What all nodes of a cluster know and nobody else.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(pub(crate) [u8; Key::SIZE]);

/// All that a process must know to join a cluster: its id and its key. A secret.
///
/// As text: `plurix1-`, then 64 characters of base 32 (RFC 4648) for the id (8 bytes,
/// little-endian) and the key. A mistyped one is most likely no token; at the latest
/// it is a wrong key.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The cluster.
    pub cluster: ClusterId,
    /// Its key.
    pub key: Key,
}

/// A text that is no token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotToken;

const PREFIX: &str = "plurix1-";
const ID_SIZE: usize = 8;

impl Key {
    /// Bytes of a key.
    pub const SIZE: usize = 32;

    /// A new one.
    pub fn generate(entropy: &mut impl Entropy) -> Self {
        let mut bytes = [0; Self::SIZE];
        entropy.fill(&mut bytes);
        Self(bytes)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes: Vec<u8> = self.cluster.0.to_le_bytes().into();
        bytes.extend(self.key.0);
        write!(f, "{PREFIX}{}", BASE32_NOPAD.encode(&bytes).to_lowercase())
    }
}

impl FromStr for Token {
    type Err = NotToken;

    fn from_str(text: &str) -> Result<Self, NotToken> {
        let digits: String = text.strip_prefix(PREFIX).ok_or(NotToken)?.to_uppercase();
        let bytes = BASE32_NOPAD.decode(digits.as_bytes());
        let bytes: [u8; ID_SIZE + Key::SIZE] = bytes
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(NotToken)?;
        let (id, key) = bytes.split_at(ID_SIZE);
        Ok(Self {
            cluster: ClusterId(u64::from_le_bytes(id.try_into().expect("8 bytes"))),
            key: Key(key.try_into().expect("32 bytes")),
        })
    }
}

/// Secrets do not get into logs.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(secret)")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, secret)", self.cluster)
    }
}

impl fmt::Display for NotToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected `{PREFIX}` and 64 letters and digits")
    }
}

impl core::error::Error for NotToken {}
