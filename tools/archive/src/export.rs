//! Export: what is not there yet goes into packs, then the manifest is written.
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use past::Past;
use platform::ClusterId;
use tokio::task::JoinSet;
use types::{Epoch, Extent, PageId};
use wire::PageVersion;

use crate::choice::{Choice, SMALL_BYTES, Stamped, choose};
use crate::error::ArchiveError;
use crate::far::{Far, Listed, PACKS, pack_object};
use crate::hash::Hash;
use crate::manifest::{FrameRef, Manifest, PackRef};
use crate::pack::{PACK_BYTES, PackWriter, PagedVersion};
use crate::place::Place;
use crate::prune::Mark;

/// Packs on their way at a time.
const UPLOADS_MAX: usize = 4;

/// What is exported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct About {
    /// The cluster.
    pub cluster: ClusterId,
    /// When the epoch became stable, in milliseconds since 1970.
    pub wall_ms: u64,
    /// The names of the snapshot.
    pub names: Vec<String>,
}

/// How it is exported.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Snapshots that are to stay, the newest ones; `None`: all.
    pub keep: Option<usize>,
}

/// How far it has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Pages that are in the copy.
    pub done: usize,
    /// Pages of the snapshot.
    pub pages: usize,
}

/// What was done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Exported {
    /// The epoch.
    pub epoch: Epoch,
    /// Pages of the snapshot.
    pub pages: usize,
    /// Of these, pages in packs of an earlier snapshot.
    pub reused: usize,
    /// Packs that were written.
    pub packs: usize,
    /// Bytes that were written, the manifest included.
    pub bytes: u64,
    /// Packs that were there already, of an export that was interrupted.
    pub resumed: usize,
    /// Snapshots that were dropped.
    pub dropped: usize,
    /// Packs that were deleted.
    pub deleted: usize,
    /// What is to be known besides.
    pub notes: Vec<String>,
}

/// A pack that is in the copy.
struct Uploaded {
    pack: PackRef,
    /// Whether it was not there before.
    is_new: bool,
}

/// What is called to say how far it has come; it may stop the work.
pub(crate) type Watch<'call> = dyn FnMut(Progress) -> ControlFlow<()> + 'call;

impl Far {
    /// Exports a snapshot. What the copy has of an earlier one is used again; an export that
    /// was interrupted is gone on with. The snapshot is in the copy when this returns, and
    /// no part of it before.
    ///
    /// # Errors
    /// If the copy is another cluster's, it cannot be written, the past cannot be read, or
    /// `watch` breaks.
    pub fn export(
        &self,
        past: &mut dyn Past,
        about: &About,
        options: Options,
        watch: &mut Watch<'_>,
    ) -> Result<Exported, ArchiveError> {
        self.claim(about.cluster)?;
        let mut exported = Exported {
            epoch: past.epoch(),
            ..Exported::default()
        };
        let mark = Mark::set(self)?;
        let result = self.export_marked(past, about, &mark, (&mut exported, watch));
        let result = result.and_then(|()| match options.keep {
            Some(keep) => self.prune(keep.max(1), &mark, &mut exported),
            None => Ok(()),
        });
        // One that stays is not believed after a while.
        let removed = mark.remove(self);
        result.and(removed)?;
        Ok(exported)
    }

    fn export_marked(
        &self,
        past: &mut dyn Past,
        about: &About,
        mark: &Mark,
        (exported, watch): (&mut Exported, &mut Watch<'_>),
    ) -> Result<(), ArchiveError> {
        let pages = all_pages(past)?;
        exported.pages = pages.len();
        let there = Arc::new(self.packs_there()?);
        let is_there = |pack: &PackRef| there.get(&pack.hash) == Some(&pack.length);
        let base = self.newest(exported)?;
        if let Some(base) = &base
            && base.epoch == past.epoch()
            && base.names == about.names
            && base.packs.iter().all(is_there)
        {
            exported.reused = exported.pages;
            return Ok(());
        }
        let Choice { kept, fresh } = choose(base, is_there, &pages);
        exported.reused = pages.len() - fresh.len();
        drop(pages);
        let mut upload = Upload {
            far: self,
            mark,
            there,
            tasks: JoinSet::new(),
            packs: kept,
            exported,
            watch,
        };
        upload.tell(0)?;
        let written = upload.write(past, &fresh);
        // What is on its way gets there, also of an export that ends here: who goes on with it
        // finds it.
        let finished = upload.finish();
        written?;
        let mut packs = finished?;
        packs.sort_by_key(|pack| (pack.frames.first().map(|frame| frame.page), pack.hash));
        self.write_manifest(past.epoch(), about, packs, exported)
    }

    /// The packs in the copy, and their lengths.
    fn packs_there(&self) -> Result<HashMap<Hash, u64>, ArchiveError> {
        let objects = self.runtime.block_on(self.place.list(PACKS))?;
        let named = objects.iter();
        let named = named.filter_map(|one| Some((Hash::parse(&one.name)?, one.length)));
        Ok(named.collect())
    }

    /// The newest manifest that can be read.
    fn newest(&self, exported: &mut Exported) -> Result<Option<Manifest>, ArchiveError> {
        for listed in self.listed()?.iter().rev() {
            match self.manifest(listed) {
                Ok(manifest) => return Ok(Some(manifest)),
                Err(error @ ArchiveError::BadManifest { .. }) => {
                    exported.notes.push(error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The last thing: with it the snapshot is there. Other manifests of the epoch go.
    fn write_manifest(
        &self,
        epoch: Epoch,
        about: &About,
        packs: Vec<PackRef>,
        exported: &mut Exported,
    ) -> Result<(), ArchiveError> {
        let there = self.packs_there()?;
        let lost = packs
            .iter()
            .find(|pack| there.get(&pack.hash) != Some(&pack.length));
        if let Some(lost) = lost {
            return Err(ArchiveError::BadPack {
                place: self.place.shown().to_owned(),
                pack: lost.hash,
                why: "somebody has removed it meanwhile".into(),
                pages: lost.frames.iter().map(|frame| frame.page).collect(),
            });
        }
        let manifest = Manifest {
            cluster: about.cluster.0,
            epoch,
            wall_ms: about.wall_ms,
            names: about.names.clone(),
            packs,
        };
        let bytes = manifest.encode();
        exported.bytes += bytes.len() as u64;
        let listed = Listed::new(epoch, &bytes);
        let object = listed.object();
        self.runtime.block_on(self.place.put(&object, bytes))?;
        for other in self.listed()? {
            if other.epoch == epoch && other != listed {
                self.runtime.block_on(self.place.delete(&other.object()))?;
            }
        }
        Ok(())
    }
}

/// Packs on their way into the copy.
struct Upload<'call> {
    far: &'call Far,
    mark: &'call Mark,
    there: Arc<HashMap<Hash, u64>>,
    tasks: JoinSet<Result<Uploaded, ArchiveError>>,
    packs: Vec<PackRef>,
    exported: &'call mut Exported,
    watch: &'call mut Watch<'call>,
}

impl Upload<'_> {
    /// Writes these pages, in packs that end where they would if less or more were written
    /// before, as a rule: so an export that is interrupted, and begun again somewhat later,
    /// finds most of its packs.
    fn write(&mut self, past: &mut dyn Past, fresh: &[Stamped]) -> Result<(), ArchiveError> {
        let mut writer = PackWriter::default();
        let mut frames = Vec::new();
        let mut done = self.exported.reused;
        for pages in fresh.chunk_by(|(one, ..), (other, ..)| one.extent() == other.extent()) {
            for (page, content) in read(past, pages)? {
                writer.put(page, &content);
                frames.push(frame(page, &content));
            }
            done += pages.len();
            self.tell(done)?;
            let extent = pages[0].0.extent();
            let is_long = writer.frame_bytes() >= PACK_BYTES;
            let is_small = (writer.frame_bytes() as u64) < SMALL_BYTES;
            if is_long || !is_small && is_end(extent) {
                self.start(std::mem::take(&mut writer), std::mem::take(&mut frames))?;
            }
        }
        if !writer.is_empty() {
            self.start(writer, frames)?;
        }
        Ok(())
    }

    fn tell(&mut self, done: usize) -> Result<(), ArchiveError> {
        let pages = self.exported.pages;
        match (self.watch)(Progress { done, pages }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ArchiveError::Interrupted),
        }
    }

    /// Sends a pack on its way, when there is room for it.
    fn start(&mut self, writer: PackWriter, frames: Vec<FrameRef>) -> Result<(), ArchiveError> {
        while self.tasks.len() >= UPLOADS_MAX {
            self.join()?;
        }
        self.mark.renew(self.far)?;
        let (place, there) = (self.far.place.clone(), Arc::clone(&self.there));
        let task = upload(place, there, writer, frames);
        self.tasks.spawn_on(task, self.far.runtime.handle());
        Ok(())
    }

    fn join(&mut self) -> Result<(), ArchiveError> {
        let joined = self.far.runtime.block_on(self.tasks.join_next());
        let Some(uploaded) = joined else {
            return Ok(());
        };
        let Uploaded { pack, is_new } = uploaded.expect("the task does not panic")?;
        if is_new {
            self.exported.packs += 1;
            self.exported.bytes += pack.length;
        } else {
            self.exported.resumed += 1;
        }
        self.packs.push(pack);
        Ok(())
    }

    /// Waits until all are there.
    fn finish(mut self) -> Result<Vec<PackRef>, ArchiveError> {
        while !self.tasks.is_empty() {
            self.join()?;
        }
        Ok(self.packs)
    }
}

async fn upload(
    place: Place,
    there: Arc<HashMap<Hash, u64>>,
    writer: PackWriter,
    frames: Vec<FrameRef>,
) -> Result<Uploaded, ArchiveError> {
    let frame_bytes = writer.frame_bytes() as u64;
    let bytes = writer.finish();
    let (hash, length) = (Hash::of(&bytes), bytes.len() as u64);
    let is_new = there.get(&hash) != Some(&length);
    if is_new {
        place.put(&pack_object(hash), bytes).await?;
    }
    let pack = PackRef {
        hash,
        length,
        frame_bytes,
        frames,
    };
    Ok(Uploaded { pack, is_new })
}

/// Whether packs always end with this extent: with one of 32, chosen by its place alone.
fn is_end(extent: Extent) -> bool {
    let place = (u64::from(extent.region.0) << 32) | u64::from(extent.index);
    place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59 == 0
}

fn all_pages(past: &mut dyn Past) -> Result<Vec<Stamped>, ArchiveError> {
    let epoch = past.epoch();
    let mut all: Vec<Stamped> = Vec::new();
    for extent in past.extents()? {
        for (page, version, stamp) in past.pages(extent)? {
            if page.extent() != extent || all.last().is_some_and(|(last, ..)| *last >= page) {
                let why = "it is listed where it does not belong".into();
                return Err(ArchiveError::Contradiction { page, epoch, why });
            }
            all.push((page, version, stamp));
        }
    }
    Ok(all)
}

/// What these pages of one extent contain.
fn read(past: &mut dyn Past, pages: &[Stamped]) -> Result<Vec<PagedVersion>, ArchiveError> {
    let ids: Vec<PageId> = pages.iter().map(|(page, ..)| *page).collect();
    let found = past.read(&ids)?;
    let mut contents = Vec::with_capacity(pages.len());
    let mut found = found.into_iter();
    for &(page, version, stamp) in pages {
        let epoch = past.epoch();
        let content = found.next().flatten();
        let is_it = |content: &PageVersion| (content.version, content.stamp) == (version, stamp);
        match content.filter(is_it).filter(|_| stamp.epoch() <= epoch) {
            Some(content) => contents.push((page, content)),
            None => {
                let why = format!("expected version {} of {stamp:?}, found another", version.0);
                return Err(ArchiveError::Contradiction { page, epoch, why });
            }
        }
    }
    Ok(contents)
}

fn frame(page: PageId, content: &PageVersion) -> FrameRef {
    FrameRef {
        page,
        version: content.version,
        stamp: content.stamp,
        length: u16::try_from(content.image.encoded().len()).expect("a page at most"),
    }
}
