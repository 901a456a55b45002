//! Manifests: which frames of which packs a snapshot consists of.
//!
//! ```text
//! magic "PXMF" | version u32 | [`Manifest`] in postcard's encoding
//! ```
use std::fmt;

use platform::ClusterId;
use serde::{Deserialize, Serialize};
use types::{Epoch, NodeId, PageId, Stamp, Version};

use crate::hash::Hash;
use crate::pack::HEAD_BYTES;

/// Version of the format.
pub const MANIFEST_VERSION: u32 = 1;

const MAGIC: &[u8; 4] = b"PXMF";
const HEADER_BYTES: usize = 8;

/// A snapshot in a far copy.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The cluster, as a number.
    pub cluster: u64,
    /// The epoch of the snapshot.
    pub epoch: Epoch,
    /// When it became stable, in milliseconds since 1970.
    pub wall_ms: u64,
    /// Its names.
    pub names: Vec<String>,
    /// Where its frames are.
    pub packs: Vec<PackRef>,
}

/// A pack, and those of its frames that count.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PackRef {
    /// Its name.
    pub hash: Hash,
    /// Its bytes.
    pub length: u64,
    /// Bytes of all its frames, before they are compressed.
    pub frame_bytes: u64,
    /// Frames of it that belong to the snapshot, ascending by page.
    pub frames: Vec<FrameRef>,
}

/// A frame of a pack.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FrameRef {
    /// The page.
    pub page: PageId,
    /// Its version.
    pub version: Version,
    /// Who produced that, and when.
    pub stamp: Stamp,
    /// Bytes of the image.
    pub length: u16,
}

/// Why bytes are no manifest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoManifest {
    /// They hash to something else than their name says.
    Hash {
        /// By the name.
        expected: Hash,
        /// By the bytes.
        found: Hash,
    },
    /// They do not begin as a manifest does.
    Magic,
    /// Another version's.
    Version(u32),
    /// They cannot be understood.
    Body,
}

impl Manifest {
    /// The cluster.
    #[must_use]
    pub fn cluster(&self) -> ClusterId {
        ClusterId(self.cluster)
    }

    /// Pages of the snapshot.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.packs.iter().map(|pack| pack.frames.len()).sum()
    }

    /// The highest id of a node that has produced anything of it.
    #[must_use]
    pub fn last_node(&self) -> NodeId {
        let frames = self.packs.iter().flat_map(|pack| &pack.frames);
        let nodes = frames.map(|frame| frame.stamp.node);
        nodes.max().unwrap_or(NodeId(0))
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(MANIFEST_VERSION.to_le_bytes());
        postcard::to_extend(self, bytes).expect("serialising to memory cannot fail")
    }

    /// The manifest of this name.
    ///
    /// # Errors
    /// If these bytes are not that one.
    pub fn read(name: Hash, bytes: &[u8]) -> Result<Self, NoManifest> {
        let found = Hash::of(bytes);
        if found != name {
            let expected = name;
            return Err(NoManifest::Hash { expected, found });
        }
        Self::decode(bytes)
    }

    /// The manifest that these bytes are, whatever its name.
    ///
    /// # Errors
    /// If they are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, NoManifest> {
        let (header, body) = bytes
            .split_first_chunk::<HEADER_BYTES>()
            .filter(|(header, _)| header.starts_with(MAGIC))
            .ok_or(NoManifest::Magic)?;
        let version = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        if version != MANIFEST_VERSION {
            return Err(NoManifest::Version(version));
        }
        match postcard::take_from_bytes(body) {
            Ok((manifest, [])) => Ok(manifest),
            _ => Err(NoManifest::Body),
        }
    }
}

impl PackRef {
    /// Bytes of it that count, before they are compressed.
    #[must_use]
    pub fn live_bytes(&self) -> u64 {
        self.frames.iter().map(FrameRef::bytes).sum()
    }
}

impl FrameRef {
    pub(crate) fn stamped(&self) -> (PageId, Version, Stamp) {
        (self.page, self.version, self.stamp)
    }

    /// Bytes of the frame in its pack.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        u64::from(self.length) + HEAD_BYTES as u64
    }
}

impl fmt::Display for NoManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash { expected, found } => {
                write!(f, "expected bytes with the hash {expected}, found {found}")
            }
            Self::Magic => write!(f, "it does not begin as a manifest does"),
            Self::Version(found) => {
                write!(
                    f,
                    "expected format version {MANIFEST_VERSION}, found {found}"
                )
            }
            Self::Body => write!(f, "what follows its head makes no sense"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Interval;

    fn manifest() -> Manifest {
        let frame = |index| FrameRef {
            page: PageId::new(256, index),
            version: Version(4),
            stamp: Stamp {
                node: NodeId(index + 2),
                interval: Interval {
                    epoch: Epoch(8),
                    sub: 1,
                },
            },
            length: 4096,
        };
        let pack = PackRef {
            hash: Hash::of(b"a pack"),
            length: 5000,
            frame_bytes: 9000,
            frames: vec![frame(0), frame(5)],
        };
        Manifest {
            cluster: 0xab,
            epoch: Epoch(9),
            wall_ms: 1_700_000_000_000,
            names: vec!["before-the-move".into()],
            packs: vec![pack],
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let manifest = manifest();
        let bytes = manifest.encode();
        assert_eq!(Manifest::read(Hash::of(&bytes), &bytes), Ok(manifest));
    }

    #[test]
    fn a_changed_byte_is_noticed_wherever_it_is() {
        let bytes = manifest().encode();
        let name = Hash::of(&bytes);
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            let error = Manifest::read(name, &bad);
            assert!(matches!(error, Err(NoManifest::Hash { .. })), "{at}");
        }
    }

    #[test]
    fn bytes_that_end_early_or_late_are_none() {
        let bytes = manifest().encode();
        for length in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..length]).is_err(), "{length}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(Manifest::decode(&longer), Err(NoManifest::Body));
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = manifest().encode();
        bytes[4] = 7;
        let error = Manifest::decode(&bytes).unwrap_err().to_string();
        assert_eq!(error, "expected format version 1, found 7");
    }

    #[test]
    fn nodes_and_pages_are_counted() {
        assert_eq!(manifest().last_node(), NodeId(7));
        assert_eq!(manifest().pages(), 2);
    }
}
