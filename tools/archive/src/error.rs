//! Why a far copy cannot be written or read.
use past::PastError;
use platform::ClusterId;
use types::{Epoch, PageId};

use crate::hash::Hash;

/// Pages that are named when a pack is bad; of the others only the number is.
const NAMED_MAX: usize = 8;

/// What went wrong. No text in it has a secret in it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The place cannot be understood.
    #[error("expected a directory, file:///DIR or s3://BUCKET/PATH, found {found}{why}")]
    Place {
        /// What was given, without what must not be said.
        found: String,
        /// What is wrong with it.
        why: String,
    },
    /// The object store does not do it.
    #[error("{action} {place}: {text}")]
    Store {
        /// What was to be done.
        action: String,
        /// Where.
        place: String,
        /// What the store says.
        text: String,
    },
    /// There is nothing, or something else.
    #[error("expected a far copy of a cluster at {place}, found {found}")]
    NoCopy {
        /// Where.
        place: String,
        /// What is there.
        found: String,
    },
    /// The copy is of a cluster that has nothing to do with this one.
    #[error("expected the far copy of cluster {expected} at {place}, found that of {found}")]
    OtherCluster {
        /// Where.
        place: String,
        /// The cluster that is exported.
        expected: ClusterId,
        /// The cluster whose copy is there.
        found: ClusterId,
    },
    /// The copy has no such snapshot.
    #[error("expected a snapshot {wanted} in the far copy at {place}, found {found}")]
    NoSnapshot {
        /// Where.
        place: String,
        /// Which was asked for.
        wanted: String,
        /// Which are there.
        found: String,
    },
    /// A manifest cannot be believed.
    #[error("the manifest {object} at {place} is damaged: {why}")]
    BadManifest {
        /// Where.
        place: String,
        /// Which object.
        object: String,
        /// In what way.
        why: String,
    },
    /// A pack is missing, or cannot be believed.
    #[error("pack {pack} at {place} is bad: {why}; it has {}", named(pages))]
    BadPack {
        /// Where.
        place: String,
        /// Which.
        pack: Hash,
        /// In what way.
        why: String,
        /// The pages that are in it.
        pages: Vec<PageId>,
    },
    /// What is to be exported cannot be read.
    #[error("{0}")]
    Past(#[from] PastError),
    /// What is to be exported does not go with itself.
    #[error("page {page} of epoch {epoch}: {why}")]
    Contradiction {
        /// The page.
        page: PageId,
        /// The epoch.
        epoch: Epoch,
        /// In what way.
        why: String,
    },
    /// It was asked to stop.
    #[error("interrupted")]
    Interrupted,
}

fn named(pages: &[PageId]) -> String {
    let first = pages.iter().take(NAMED_MAX).map(PageId::to_string);
    let first = first.collect::<Vec<_>>().join(", ");
    match (pages.len(), pages.len().checked_sub(NAMED_MAX)) {
        (0, _) => "no pages".into(),
        (1, _) => format!("page {first}"),
        (_, None | Some(0)) => format!("pages {first}"),
        (_, Some(others)) => format!("pages {first} and {others} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_named_as_far_as_anybody_reads() {
        let pages: Vec<PageId> = (0..10).map(|index| PageId::new(256, index)).collect();
        assert_eq!(named(&[]), "no pages");
        assert_eq!(named(&pages[..1]), "page 256:0x0");
        assert_eq!(named(&pages[..2]), "pages 256:0x0, 256:0x1");
        assert!(named(&pages[..8]).ends_with(" 256:0x7"));
        assert!(named(&pages).ends_with(" 256:0x7 and 2 more"));
    }
}
