//! Import: the frames of a snapshot, a pack at a time, checked.
use std::collections::VecDeque;

use tokio::task::JoinSet;

use crate::error::ArchiveError;
use crate::far::{Far, pack_object};
use crate::manifest::{Manifest, PackRef};
use crate::pack::{self, PagedVersion};
use crate::place::Place;

/// Packs on their way at a time.
const DOWNLOADS_MAX: usize = 4;

/// The frames of a snapshot, on their way.
#[derive(Debug)]
pub struct Import<'far> {
    far: &'far Far,
    waiting: VecDeque<PackRef>,
    tasks: JoinSet<Result<Vec<PagedVersion>, ArchiveError>>,
}

impl Far {
    /// Reads all frames of a snapshot.
    #[must_use]
    pub fn import(&self, manifest: Manifest) -> Import<'_> {
        Import {
            far: self,
            waiting: manifest.packs.into(),
            tasks: JoinSet::new(),
        }
    }
}

impl Import<'_> {
    /// The next frames, in whatever order packs come; `None` when there were all.
    ///
    /// # Errors
    /// If a pack is missing or damaged, or cannot be read now.
    pub fn next_frames(&mut self) -> Result<Option<Vec<PagedVersion>>, ArchiveError> {
        while self.tasks.len() < DOWNLOADS_MAX
            && let Some(pack) = self.waiting.pop_front()
        {
            let task = download(self.far.place.clone(), pack);
            self.tasks.spawn_on(task, self.far.runtime.handle());
        }
        let joined = self.far.runtime.block_on(self.tasks.join_next());
        joined
            .map(|frames| frames.expect("the task does not panic"))
            .transpose()
    }
}

/// Reads a pack, and what of it counts.
async fn download(place: Place, pack: PackRef) -> Result<Vec<PagedVersion>, ArchiveError> {
    let bytes = place.get(&pack_object(pack.hash)).await?;
    let counted = match bytes {
        None => Err("it is missing".into()),
        Some(bytes) => pack::read(pack.hash, &bytes)
            .map_err(|error| error.to_string())
            .and_then(|frames| counted(&pack, frames)),
    };
    counted.map_err(|why| ArchiveError::BadPack {
        place: place.shown().to_owned(),
        pack: pack.hash,
        why,
        pages: pack.frames.iter().map(|frame| frame.page).collect(),
    })
}

/// Those of the frames that the manifest names; all of these must be there.
fn counted(pack: &PackRef, frames: Vec<PagedVersion>) -> Result<Vec<PagedVersion>, String> {
    let mut wanted = pack.frames.iter().peekable();
    let mut counted = Vec::with_capacity(pack.frames.len());
    for (page, content) in frames {
        let is_wanted = |frame: &&crate::manifest::FrameRef| {
            frame.page == page && (frame.version, frame.stamp) == (content.version, content.stamp)
        };
        if wanted.next_if(is_wanted).is_some() {
            counted.push((page, content));
        }
    }
    match wanted.next() {
        None => Ok(counted),
        Some(missing) => Err(format!(
            "expected version {} of page {} in it, found none",
            missing.version.0, missing.page
        )),
    }
}
