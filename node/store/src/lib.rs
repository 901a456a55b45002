//! The snapshot store of one node: every version of a page that a fallback or a
//! restart may need, in append-only checksummed segments on a disk.
//!
//! It knows nothing of coherence, transactions or messages: it is told which frames
//! to keep, which decisions were made and which epoch is stable, and answers which
//! version of a page is the newest that no decision undid. `docs/format.md` has the
//! bytes.
//!
//! Start with [`Store`]. Below it: the log (`log`) writes records (`record`) into
//! segments and reads them back, the index (`index`) knows where each version is,
//! footers (`footer`) let a restart read indexes instead of pages, and `recover`
//! turns what a crash left behind into an index again. [`ControlLog`] is a
//! voter's own small log. [`MemoryDisk`] is a disk that crashes on command.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
extern crate alloc;

mod acks;
mod ahead;
mod cleaning;
mod control_log;
mod dead;
mod delta;
mod error;
mod fact;
mod footer;
mod history;
mod index;
mod log;
mod mask;
mod memory_disk;
pub mod past;
mod reading;
mod record;
mod recover;
mod retaining;
mod scan;
mod scrub;
mod segments;
mod store;
mod superseded;

pub use cleaning::{Cleaned, Pace};
pub use control_log::ControlLog;
pub use error::{Damage, DamagedPart, NotRetained, OpenError, PartError, ReadError, RetainError};
pub use history::Snapshot;
pub use index::Difference;
pub use memory_disk::{MemoryDisk, SyncMode, Tail};
pub use scrub::{Broken, Replaced, Scrubbed};
pub use store::{Identity, Part, SEGMENT_SIZE, Stats, Store};
