//! To whom a page belongs.
use std::fmt;

use kernel::{Name, ProcessId, table_name};
use types::{PageId, RegionId};

use crate::{BlobSeen, BlobUse, Overview};

/// To whom a page belongs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Owner {
    /// It is memory of a process that is in the table.
    Memory(ProcessId, Name),
    /// It is memory of a process that is not.
    Forgotten(ProcessId),
    /// It belongs to a large byte object.
    Blob(BlobUse),
    /// It belongs to a table of the kernel.
    Table(&'static str),
    /// Nobody puts anything there.
    Nobody(RegionId),
}

/// To whom each page belongs.
#[derive(Debug)]
pub struct Owners<'seen> {
    overviews: &'seen [&'seen Overview],
}

impl<'seen> Owners<'seen> {
    /// As these say; the first that knows counts.
    #[must_use]
    pub fn new(overviews: &'seen [&'seen Overview]) -> Self {
        Self { overviews }
    }

    /// To whom the page belongs.
    #[must_use]
    pub fn of(&self, page: PageId) -> Owner {
        if let Some(process) = ProcessId::of_region(page.region) {
            let mut known = self.overviews.iter().filter_map(|one| one.process(process));
            return match known.next() {
                Some(seen) => Owner::Memory(process, seen.info.process.name),
                None => Owner::Forgotten(process),
            };
        }
        let mut blobs = self.overviews.iter().filter_map(|one| blob_at(one, page));
        if let Some(blob) = blobs.next() {
            return Owner::Blob(blob.used_as);
        }
        table_name(page.region).map_or(Owner::Nobody(page.region), Owner::Table)
    }
}

fn blob_at(overview: &Overview, page: PageId) -> Option<&BlobSeen> {
    let extent = page.extent();
    let after = overview
        .blobs
        .partition_point(|blob| blob.extents.0 <= extent);
    let found = overview.blobs[..after].last()?;
    let (first, count) = found.extents;
    let is_in = first.region == extent.region && extent.index - first.index < count;
    is_in.then_some(found)
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(process, name) => write!(f, "memory of {name} (process {process})"),
            Self::Forgotten(process) => write!(f, "memory of process {process}, cleared away"),
            Self::Blob(used_as) => write!(f, "{used_as}"),
            Self::Table(name) => write!(f, "kernel: {name}"),
            Self::Nobody(region) => write!(f, "region {}, which is nobody's", region.0),
        }
    }
}
