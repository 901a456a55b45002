//! Questions about the memory as it was in an epoch that is kept, and their answers.
//!
//! Stores answer each for itself; what they say together has the same form.
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use types::{Extent, PAGE_SIZE, PageId, Stamp, Version};

use crate::{BODY_SIZE_MAX, PageVersion};

/// Extents named in one answer at most.
pub const PAST_EXTENTS_MAX: usize = 4096;
/// Pages asked for at a time at most.
pub const PAST_PAGES_MAX: usize = 128;

const _: () = assert!(
    PAST_PAGES_MAX * (PAGE_SIZE + 64) < BODY_SIZE_MAX && PAST_EXTENTS_MAX * 16 < BODY_SIZE_MAX,
    "every answer is one message"
);

/// What is asked about an epoch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum PastQuestion {
    /// Which extents had a page, from this one on?
    Extents {
        /// The first that counts.
        from: Extent,
    },
    /// Which pages of the extent had been written, which versions were the newest, and who
    /// had produced these?
    Pages {
        /// The extent.
        extent: Extent,
    },
    /// What was on these pages?
    Contents {
        /// At most [`PAST_PAGES_MAX`].
        pages: Vec<PageId>,
    },
}

/// What was found, by one store or by all together.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum PastFound {
    /// Extents with a page.
    Extents {
        /// Ascending, at most [`PAST_EXTENTS_MAX`].
        extents: Vec<Extent>,
        /// Where to go on asking; `None`: these are all.
        next: Option<Extent>,
    },
    /// Pages that had been written, with their versions and the stamps of these, ascending.
    Pages(Vec<(PageId, Version, Stamp)>),
    /// What was on the pages, in the order asked for.
    Contents(Vec<PastPage>),
}

/// A page as it was.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum PastPage {
    /// It had not been written, as far as is known here.
    Unwritten,
    /// Its newest version then.
    Kept(PageVersion),
    /// Its newest version then is damaged. No older one counts instead.
    Damaged(Version),
}

/// Why a store keeps an epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum KeptAs {
    /// It was told to.
    Retained,
    /// It is the newest stable one that the store knows: only as long as that.
    Newest,
}

/// What a store says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PastAnswer {
    /// Why it can say anything.
    pub kept_as: KeptAs,
    /// What it has.
    pub found: PastFound,
}
