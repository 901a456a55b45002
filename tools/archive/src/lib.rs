//! Far copies: snapshots of the memory in an object store (a directory, or whatever speaks
//! Amazon's protocol), from where a cluster can be made anew. `docs/archive.md` has the bytes.
//!
//! Start with [`Far`]. What is exported is read through [`past::Past`]; what is imported
//! comes a pack at a time, checked. A pack ([`pack`]) holds frames, a manifest ([`manifest`])
//! says which frames of which packs a snapshot consists of; both are named by their hashes.
//! [`Far`] alone talks to the store ([`place`]), and nothing that it says of it has a secret in it.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod choice;
mod error;
mod export;
mod far;
mod hash;
mod import;
pub mod manifest;
pub mod pack;
mod place;
mod prune;
mod scrub;

pub use error::ArchiveError;
pub use export::{About, Exported, Options, Progress};
pub use far::Far;
pub use hash::Hash;
pub use import::Import;
pub use place::Access;
