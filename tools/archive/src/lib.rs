//! Far copies: snapshots of the memory in an object store (a directory, or whatever speaks
//! Amazon's protocol), from where a cluster can be made anew. `docs/archive.md` has the bytes.
//!
//! Start with [`Far`]. What is exported is read through [`past::Past`]; what is imported
//! comes a pack at a time, checked. A pack ([`pack`]) holds frames, a manifest ([`manifest`])
//! says which frames of which packs a snapshot consists of; both are named by their hashes.
//! [`Far`] alone talks to the store ([`place`]), and nothing that it says of it has a secret in it.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod hash;
pub mod manifest;
pub mod pack;

#[cfg(feature = "store")]
mod choice;
#[cfg(feature = "store")]
mod error;
#[cfg(feature = "store")]
mod export;
#[cfg(feature = "store")]
mod far;
#[cfg(feature = "store")]
mod import;
#[cfg(feature = "store")]
mod place;
#[cfg(feature = "store")]
mod prune;
#[cfg(feature = "store")]
mod scrub;

pub use hash::Hash;

#[cfg(feature = "store")]
pub use {
    error::ArchiveError,
    export::{About, Exported, Options, Progress},
    far::Far,
    import::Import,
    place::Access,
};
