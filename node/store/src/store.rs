//! The store: frames in, newest versions out, decisions and stable epochs in between.
//!
//! Nobody waits for the disk: a part is acknowledged by [`Store::poll`] when a sync
//! that began after its end has completed, and all parts that ended in the meantime
//! share the next sync.
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use platform::{ClusterId, Disk, DiskError};
use types::{Epoch, Extent, NodeId, PageId, StoreId, Version, View};
use wire::PageVersion;

use crate::acks::Acks;
use crate::cleaning::Cleaner;
use crate::delta::Bases;
use crate::error::{Damage, OpenError, PartError};
use crate::fact::Fact;
use crate::history::{History, Snapshot};
use crate::index::{Entry, Index};
use crate::log::Log;
use crate::reading::matters;
use crate::record::{Meta, Position, StableMeta, Undone};
use crate::recover::recover;
use crate::scan::Loaded;
use crate::scrub;
use crate::segments::Segments;

/// A segment is sealed when it has grown to this; one of a smaller store is before.
pub const SEGMENT_SIZE: u32 = 64 << 20;
/// Room that the longest record and a footer of frames without bytes need.
const SEGMENT_MARGIN: u32 = 1 << 30;

/// No segment is longer.
pub(crate) const SEGMENT_LENGTH_MAX: u32 = SEGMENT_SIZE + SEGMENT_MARGIN;

const _: () = assert!(
    SEGMENT_SIZE < u32::MAX - SEGMENT_MARGIN,
    "offsets never overflow"
);

/// Whose store it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The disk.
    pub store: StoreId,
}

/// What one node produced in one epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Part {
    /// The producer.
    pub node: NodeId,
    /// The epoch.
    pub epoch: Epoch,
}

/// What a store has done since it was opened, and what it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Bytes written, everything included.
    pub bytes_written: u64,
    /// Of these, by cleaning.
    pub bytes_cleaned: u64,
    /// Frames written.
    pub frames_written: u64,
    /// Syncs; far fewer than parts when they come close together.
    pub syncs: u64,
    /// Parts acknowledged.
    pub parts_stored: u64,
    /// Segments on the disk.
    pub segments: u64,
    /// Bytes on the disk.
    pub bytes_stored: u64,
    /// Of these, bytes that are there for versions that are kept.
    pub bytes_live: u64,
    /// Pages of which there is a stable version.
    pub pages: u64,
    /// Versions that are kept.
    pub versions: u64,
}

/// The snapshot store on one disk.
#[derive(Debug)]
pub struct Store<D> {
    pub(crate) log: Log<D>,
    pub(crate) identity: Identity,
    /// The log is to be durable up to here even if nobody waits for an acknowledgement.
    pub(crate) sync_wanted: Position,
    pub(crate) index: Index,
    pub(crate) history: History,
    pub(crate) segments: Segments,
    pub(crate) segment_size: u32,
    acks: Acks,
    /// Where to go on looking for versions that belong to no epoch that is kept.
    pub(crate) prune_from: Option<(PageId, Version)>,
    /// Where to go on looking for what nobody needs of dead regions.
    pub(crate) bury_from: Option<Extent>,
    /// After that round another one is needed.
    pub(crate) bury_again: bool,
    bytes_at_snapshot: u64,
    bases: Bases,
    pub(crate) cleaner: Cleaner,
    /// The version after which scrubbing goes on.
    pub(crate) scrub_from: Option<scrub::Place>,
    /// By the place of the record.
    pub(crate) damage: BTreeMap<Position, Damage>,
    /// Damage of which [`Store::take_broken`] has not told yet.
    pub(crate) untold: Vec<Position>,
    frames_written: u64,
    parts_stored: u64,
}

impl<D: Disk> Store<D> {
    /// Opens the store on `disk`. An empty disk becomes the store `identity.store`; one
    /// that is a store already keeps its own id, see [`Store::id`].
    ///
    /// # Errors
    /// If the disk fails, or is not a whole store of this cluster.
    pub fn open(disk: D, identity: Identity) -> Result<Self, OpenError> {
        Self::open_with(disk, identity, SEGMENT_SIZE)
    }

    /// Like [`Store::open`], of a cluster that has come from others: what they have written is
    /// the store's own.
    ///
    /// # Errors
    /// As there.
    pub fn open_descendant(
        disk: D,
        identity: Identity,
        ancestors: &[ClusterId],
    ) -> Result<Self, OpenError> {
        Self::open_any(disk, identity, ancestors, SEGMENT_SIZE)
    }

    /// Like [`Store::open`], sealing segments when they have grown to `segment_size`
    /// at most.
    ///
    /// # Errors
    /// As there.
    pub fn open_with(disk: D, identity: Identity, segment_size: u32) -> Result<Self, OpenError> {
        Self::open_any(disk, identity, &[], segment_size)
    }

    fn open_any(
        mut disk: D,
        identity: Identity,
        ancestors: &[ClusterId],
        segment_size: u32,
    ) -> Result<Self, OpenError> {
        assert!(segment_size <= SEGMENT_SIZE, "offsets never overflow");
        let mut found = recover(&mut disk, identity, ancestors)?;
        let store = found.store.unwrap_or(identity.store);
        let active = found.segments.pop_if(|last| !last.is_sealed);
        let last = found
            .segments
            .last()
            .map_or(Position::START, Loaded::end_position);
        let end = active.as_ref().map_or(last, Loaded::end_position);
        let mut store = Self {
            log: Log::resume(disk, end, found.durable),
            identity: Identity { store, ..identity },
            sync_wanted: Position::START,
            index: Index::default(),
            history: History::default(),
            segments: Segments::new(active.as_ref().map(|active| active.segment)),
            segment_size,
            acks: Acks::default(),
            prune_from: None,
            bury_from: None,
            bury_again: false,
            bytes_at_snapshot: 0,
            bases: Bases::default(),
            cleaner: Cleaner::default(),
            scrub_from: None,
            damage: BTreeMap::new(),
            untold: Vec::new(),
            frames_written: 0,
            parts_stored: 0,
        };
        store.damage = found
            .damage
            .iter()
            .map(|one| (one.position(), *one))
            .collect();
        store.untold = store.damage.keys().copied().collect();
        store.load(&found.segments, active.as_ref());
        match active {
            Some(active) => {
                store.segments.contents = active.contents;
                store.repeat_history()?;
            }
            None => store.begin_segment(found.next)?,
        }
        store.rewrite_shadowed()?;
        // Whoever meets the store remembers its id: it must not have another the next time.
        // And what a crash has left is as good as what is said to be stored from now on.
        store.sync_wanted = store.log.end();
        Ok(store)
    }

    /// Builds the index from what was found.
    fn load(&mut self, sealed: &[Loaded], active: Option<&Loaded>) {
        for loaded in sealed {
            self.segments.found(loaded);
        }
        let all = || sealed.iter().chain(active).map(|loaded| &loaded.contents);
        for fact in all().flat_map(|contents| &contents.history) {
            self.history.note(fact);
        }
        let entries = all().flat_map(|contents| &contents.entries).copied();
        let kept = entries.filter(|entry| !self.history.is_undone(entry.stamp));
        let damaged = self.damage.values().filter(|damage| damage.page.is_some());
        let damaged = damaged.map(Damage::position).collect();
        let (stable, retained) = (self.stable(), self.history.retained());
        self.index = Index::build(kept.collect(), &damaged, stable, retained);
        for entry in self.index.entries() {
            self.segments.hold(&entry);
        }
        self.segments.find_dead();
    }

    /// The id of the disk.
    pub fn id(&self) -> StoreId {
        self.identity.store
    }

    /// The newest epoch known to be stable.
    pub fn stable(&self) -> Epoch {
        self.history.stable()
    }

    /// The disk, for the world that it lives in.
    pub fn disk_mut(&mut self) -> &mut D {
        &mut self.log.disk
    }

    /// Closes the store; what was not synced may be lost.
    pub fn into_disk(self) -> D {
        self.log.disk
    }

    /// Keeps a version of a page that a node has sent, of its part or as a copy.
    ///
    /// # Errors
    /// If the disk failed.
    pub fn receive_frame(
        &mut self,
        from: NodeId,
        page: PageId,
        content: &PageVersion,
    ) -> Result<(), DiskError> {
        self.acks.count(from);
        self.put_frame(page, content)
    }

    /// Keeps a version of a page. One that was undone is not kept.
    ///
    /// # Errors
    /// If the disk failed.
    pub fn put_frame(&mut self, page: PageId, content: &PageVersion) -> Result<(), DiskError> {
        let PageVersion {
            version,
            stamp,
            ref image,
        } = *content;
        self.log.check()?;
        if self.history.is_undone(stamp) || !self.wants(page, content) {
            return Ok(());
        }
        let is_late = stamp.epoch() <= self.stable();
        let delta = (!is_late).then(|| self.bases.delta(page, content, &self.index));
        let (base, image) = delta.flatten().unwrap_or_else(|| (0, image.clone()));
        let payload = image.encoded();
        let position = self.log.append(
            Meta::Frame {
                page,
                version,
                stamp,
                base,
            },
            payload,
        )?;
        let entry = Entry {
            page,
            version,
            stamp,
            position,
            length: u16::try_from(payload.len()).expect("a page at most"),
            base,
        };
        self.segments.contents.entries.push(entry);
        self.segments.hold(&entry);
        let mut freed = Vec::new();
        let (stable, retained) = (self.stable(), self.history.retained());
        self.index.insert(entry, stable, retained, &mut freed);
        self.free(&freed);
        self.frames_written += 1;
        self.seal_if_full()
    }

    /// The part is complete; [`Store::poll`] says when it is durable.
    ///
    /// # Errors
    /// If the disk failed, or its node has not sent so many frames ([`Store::receive_frame`])
    /// since its last one: then it is never acknowledged.
    pub fn end_part(&mut self, part: Part, frames: u32) -> Result<(), PartError> {
        let Part { node, epoch } = part;
        self.acks.check_count(node, frames)?;
        let end = Meta::PartEnd {
            node,
            epoch,
            frames,
        };
        self.log.append(end, &[])?;
        self.acks.end_part(part);
        Ok(self.seal_if_full()?)
    }

    /// Parts that have become durable. Starts a sync for those that wait for one, so
    /// it is to be called once after each batch of work and when the disk wakes us.
    ///
    /// # Errors
    /// If the disk failed. Nothing is acknowledged any more then.
    pub fn poll(&mut self) -> Result<Vec<Part>, DiskError> {
        let mut stored = Vec::new();
        while self.log.poll_sync()? {
            stored.append(&mut self.acks.end_sync());
        }
        self.prune();
        self.drop_dead();
        self.drop_dead_segments()?;
        if (self.acks.is_waiting() || !self.is_durable()) && !self.log.is_syncing() {
            self.log.start_sync()?;
            self.acks.begin_sync();
        }
        self.parts_stored += stored.len() as u64;
        Ok(stored)
    }

    /// Why the disk has failed, if it has, and if it was not said by an error before: whoever
    /// asked it for something after that has only heard that it has failed.
    pub fn failure(&mut self) -> Option<DiskError> {
        self.log.failure()
    }

    /// The copies of an extent that `from` has sent are complete;
    /// [`Store::take_stored_copies`] says when they are durable.
    pub fn end_copies(&mut self, from: NodeId, extent: Extent) {
        self.acks.end_copies(from, extent);
    }

    /// Copies that have become durable since the last call. [`Store::poll`] brings it about.
    pub fn take_stored_copies(&mut self) -> Vec<(NodeId, Extent)> {
        core::mem::take(&mut self.acks.copies_stored)
    }

    /// Extents of which there is any page, ascending.
    pub fn inventory(&self) -> Vec<Extent> {
        self.index.extents().collect()
    }

    /// Enters a view: records the decisions that are new, and forgets every version
    /// that one of them undid. Acknowledgements that the old view waits for are not
    /// given any more.
    ///
    /// # Errors
    /// If the disk failed.
    pub fn apply_view(&mut self, view: &View) -> Result<(), DiskError> {
        self.log.check()?;
        for fallback in &view.fallbacks {
            let first_epoch = fallback.first_epoch;
            for &cut in &fallback.cuts {
                let undone = Undone { cut, first_epoch };
                if self.history.note_undone(undone) {
                    self.append_fact(Fact::Undone(undone))?;
                }
            }
        }
        let mut freed = Vec::new();
        let is_undone = |stamp| view.is_undone(stamp);
        let retained = self.history.retained();
        self.index.exhume(view);
        self.index.drop_undone(is_undone, retained, &mut freed);
        self.free(&freed);
        self.acks = Acks::default();
        Ok(())
    }

    /// The epoch is stable, at `wall_ms` milliseconds since 1970: what it superseded is
    /// forgotten. Every decision made before must have been applied.
    ///
    /// # Errors
    /// If the disk failed.
    pub fn set_stable(&mut self, epoch: Epoch, wall_ms: u64) -> Result<(), DiskError> {
        self.log.check()?;
        if epoch <= self.stable() {
            return Ok(());
        }
        let mut freed = Vec::new();
        let retained = self.history.retained();
        self.index.settle(epoch, retained, &mut freed);
        let bytes = self.log.bytes_written() - self.bytes_at_snapshot;
        let meta = StableMeta {
            epoch,
            wall_ms,
            bytes,
            pages: self.index.pages(),
        };
        self.append_fact(Fact::Stable(meta))?;
        self.history.note_stable(meta);
        self.bytes_at_snapshot = self.log.bytes_written();
        self.free(&freed);
        self.drop_dead_segments()
    }

    /// The last stable epochs, oldest first.
    pub fn snapshots(&self) -> impl Iterator<Item = &Snapshot> {
        self.history.snapshots()
    }

    /// Damage that was found, as far as it still matters.
    pub fn damage(&self) -> impl Iterator<Item = &Damage> {
        let is_news = |damage: &&Damage| matters(&self.index, damage);
        self.damage.values().filter(is_news)
    }

    /// What the store has done and has.
    pub fn stats(&self) -> Stats {
        Stats {
            bytes_written: self.log.bytes_written(),
            bytes_cleaned: self.cleaner.bytes,
            frames_written: self.frames_written,
            syncs: self.log.syncs(),
            parts_stored: self.parts_stored,
            segments: self.segments.sealed.len() as u64 + 1,
            bytes_stored: self.bytes_on_disk(),
            bytes_live: self.segments.live_bytes(),
            pages: self.index.pages(),
            versions: self.index.count(),
        }
    }

    /// What all segments take.
    pub(crate) fn bytes_on_disk(&self) -> u64 {
        self.segments.sealed_bytes() + u64::from(self.log.end().offset)
    }

    /// Whether a version is to be kept. One may come again, because its producer does not
    /// know yet that it is stable, or late, because another store gives it.
    fn wants(&self, page: PageId, content: &PageVersion) -> bool {
        let PageVersion { version, stamp, .. } = *content;
        let is_pending = stamp.epoch() > self.stable();
        let retained = self.history.retained();
        is_pending || self.index.wants_stable(page, version, stamp, retained)
    }

    /// These versions are not in the index any more.
    pub(crate) fn free(&mut self, entries: &[Entry]) {
        for entry in entries {
            self.segments.free(entry);
        }
    }
}

impl Loaded {
    fn end_position(&self) -> Position {
        Position {
            segment: self.segment,
            offset: self.end,
        }
    }
}
