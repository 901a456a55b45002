//! The store: frames in, newest versions out, decisions and stable epochs in between.
//!
//! Nobody waits for the disk: a part is acknowledged by [`Store::poll`] when a sync
//! that began after its end has completed, and all parts that ended in the meantime
//! share the next sync.
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use platform::{ClusterId, Disk, DiskError, SegmentNumber};
use types::{Epoch, Extent, NodeId, PAGE_SIZE, PageId, Stamp, StoreId, Version, View};
use wire::{Image, NoImage, PageVersion};

use crate::error::{Damage, DamagedPart, OpenError, ReadError};
use crate::footer::{self, Contents};
use crate::index::{Entry, Index};
use crate::log::Log;
use crate::record::{HEAD_SIZE, Head, Meta, Position, StableMeta, Undone, payload_checksum};
use crate::recover::{Loaded, recover};

/// A segment is sealed when it has grown to this.
pub const SEGMENT_SIZE: u32 = 64 << 20;
/// Stable epochs that [`Store::snapshots`] remembers.
const SNAPSHOTS_MAX: usize = 1024;
/// Room that the longest record and a footer of frames without bytes need.
const SEGMENT_MARGIN: u32 = 1 << 30;

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

/// A stable epoch, as this store saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// The epoch.
    pub epoch: Epoch,
    /// When it became known to be stable, in milliseconds since 1970.
    pub wall_ms: u64,
    /// Bytes written to this store since the snapshot before.
    pub bytes: u64,
    /// Pages of which this store had a stable version.
    pub pages: u64,
}

/// What a store has done since it was opened, and what it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Bytes written, everything included.
    pub bytes_written: u64,
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
    /// Pages of which there is a stable version.
    pub pages: u64,
}

/// A sealed segment.
#[derive(Debug)]
struct Sealed {
    size: u32,
    /// Versions in it that are in the index.
    live: u64,
}

/// The snapshot store on one disk.
#[derive(Debug)]
pub struct Store<D> {
    log: Log<D>,
    identity: Identity,
    /// Its id is not on the device yet. Whoever meets the store remembers it: it must not
    /// have another the next time.
    is_new: bool,
    index: Index,
    /// Decisions, by the node that they are about.
    undone: BTreeMap<NodeId, Vec<Undone>>,
    stable: Epoch,
    sealed: BTreeMap<SegmentNumber, Sealed>,
    /// What the segment that is being written holds: its footer to be.
    contents: Contents,
    /// Versions in the segment that is being written that are in the index.
    live: u64,
    segment_size: u32,
    /// Parts that no sync covers yet.
    waiting: Vec<Part>,
    /// Parts that the sync on its way covers.
    syncing: Vec<Part>,
    /// The same for copies of extents, by who sent them.
    copies_waiting: Vec<(NodeId, Extent)>,
    copies_syncing: Vec<(NodeId, Extent)>,
    copies_stored: Vec<(NodeId, Extent)>,
    snapshots: VecDeque<Snapshot>,
    bytes_at_snapshot: u64,
    damage: Vec<Damage>,
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

    /// Like [`Store::open`], sealing segments when they have grown to `segment_size`.
    ///
    /// # Errors
    /// As there.
    pub fn open_with(
        mut disk: D,
        identity: Identity,
        segment_size: u32,
    ) -> Result<Self, OpenError> {
        assert!(segment_size <= SEGMENT_SIZE, "offsets never overflow");
        let mut found = recover(&mut disk, identity)?;
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
            is_new: found.store.is_none(),
            index: Index::default(),
            undone: BTreeMap::new(),
            stable: Epoch(0),
            sealed: BTreeMap::new(),
            contents: Contents::default(),
            live: 0,
            segment_size,
            waiting: Vec::new(),
            syncing: Vec::new(),
            copies_waiting: Vec::new(),
            copies_syncing: Vec::new(),
            copies_stored: Vec::new(),
            snapshots: VecDeque::new(),
            bytes_at_snapshot: 0,
            damage: found.damage,
            frames_written: 0,
            parts_stored: 0,
        };
        store.load(&found.segments, active.as_ref());
        match active {
            Some(active) => {
                store.contents = active.contents;
                store.repeat_history()?;
            }
            None => store.begin_segment(found.next)?,
        }
        Ok(store)
    }

    /// Builds the index from what was found.
    fn load(&mut self, sealed: &[Loaded], active: Option<&Loaded>) {
        for loaded in sealed {
            self.sealed.insert(
                loaded.segment,
                Sealed {
                    size: loaded.end,
                    live: 0,
                },
            );
        }
        let all = || sealed.iter().chain(active).map(|loaded| &loaded.contents);
        for head in all().flat_map(|contents| &contents.history) {
            match head.meta {
                Meta::Undone(undone) => drop(self.note_undone(undone)),
                Meta::Stable(meta) => self.note_snapshot(meta),
                _ => (),
            }
        }
        let entries = all().flat_map(|contents| &contents.entries).copied();
        let kept = entries.filter(|entry| !self.is_undone(entry.stamp));
        self.index = Index::build(kept.collect(), self.stable);
        for position in self.index.positions() {
            match self.sealed.get_mut(&position.segment) {
                Some(segment) => segment.live += 1,
                None => self.live += 1,
            }
        }
    }

    /// The id of the disk.
    pub fn id(&self) -> StoreId {
        self.identity.store
    }

    /// The newest epoch known to be stable.
    pub fn stable(&self) -> Epoch {
        self.stable
    }

    /// The disk, for the world that it lives in.
    pub fn disk_mut(&mut self) -> &mut D {
        &mut self.log.disk
    }

    /// Closes the store; what was not synced may be lost.
    pub fn into_disk(self) -> D {
        self.log.disk
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
        if self.is_undone(stamp) || self.has_superseded(page, content) {
            return Ok(());
        }
        let payload = image.encoded();
        let position = self.log.append(
            Meta::Frame {
                page,
                version,
                stamp,
            },
            payload,
        )?;
        let entry = Entry {
            page,
            version,
            stamp,
            position,
            length: u16::try_from(payload.len()).expect("a page at most"),
        };
        self.contents.entries.push(entry);
        self.live += 1;
        if let Some(replaced) = self.index.insert(entry) {
            self.free(replaced);
        }
        self.frames_written += 1;
        self.seal_if_full()
    }

    /// The part is complete; [`Store::poll`] says when it is durable.
    ///
    /// # Errors
    /// If the disk failed.
    pub fn end_part(&mut self, part: Part, frames: u32) -> Result<(), DiskError> {
        let Part { node, epoch } = part;
        self.log.append(
            Meta::PartEnd {
                node,
                epoch,
                frames,
            },
            &[],
        )?;
        self.waiting.push(part);
        self.seal_if_full()
    }

    /// Parts that have become durable. Starts a sync for those that wait for one, so
    /// it is to be called once after each batch of work and when the disk wakes us.
    ///
    /// # Errors
    /// If the disk failed. Nothing is acknowledged any more then.
    pub fn poll(&mut self) -> Result<Vec<Part>, DiskError> {
        let mut stored = Vec::new();
        while self.log.poll_sync()? {
            stored.append(&mut self.syncing);
            self.copies_stored.append(&mut self.copies_syncing);
        }
        let is_wanted = !self.waiting.is_empty() || !self.copies_waiting.is_empty();
        if (is_wanted || self.is_new) && !self.log.is_syncing() {
            self.is_new = false;
            assert!(
                self.syncing.is_empty(),
                "they went with the sync that completed"
            );
            self.log.start_sync()?;
            core::mem::swap(&mut self.waiting, &mut self.syncing);
            core::mem::swap(&mut self.copies_waiting, &mut self.copies_syncing);
        }
        self.parts_stored += stored.len() as u64;
        Ok(stored)
    }

    /// The copies of an extent that `from` has sent are complete;
    /// [`Store::take_stored_copies`] says when they are durable.
    pub fn end_copies(&mut self, from: NodeId, extent: Extent) {
        self.copies_waiting.push((from, extent));
    }

    /// Copies that have become durable since the last call. [`Store::poll`] brings it about.
    pub fn take_stored_copies(&mut self) -> Vec<(NodeId, Extent)> {
        core::mem::take(&mut self.copies_stored)
    }

    /// The pages of an extent of which there is a stable version, with that version.
    pub fn stable_pages(&self, extent: Extent) -> Vec<(PageId, Version)> {
        self.index.settled_pages(extent).collect()
    }

    /// The newest stable version of the page.
    ///
    /// # Errors
    /// If the disk failed, or that version is damaged.
    pub fn read_stable(&mut self, page: PageId) -> Result<Option<PageVersion>, ReadError> {
        match self.index.settled(page) {
            Some(entry) => self.read_entry(entry).map(Some),
            None => Ok(None),
        }
    }

    /// The newest version of the page that no decision undid.
    ///
    /// # Errors
    /// If the disk failed, or that version is damaged.
    pub fn read(&mut self, page: PageId) -> Result<Option<PageVersion>, ReadError> {
        match self.index.newest(page) {
            Some(entry) => self.read_entry(entry).map(Some),
            None => Ok(None),
        }
    }

    /// This version of the page; `None` if it is not there, or not any more.
    ///
    /// # Errors
    /// If the disk failed, or the version is damaged.
    pub fn read_version(
        &mut self,
        page: PageId,
        version: Version,
        stamp: Stamp,
    ) -> Result<Option<PageVersion>, ReadError> {
        let entry = self.index.version(page, version);
        match entry.filter(|entry| entry.stamp == stamp) {
            Some(entry) => self.read_entry(entry).map(Some),
            None => Ok(None),
        }
    }

    fn read_entry(&mut self, entry: Entry) -> Result<PageVersion, ReadError> {
        let Entry {
            version,
            stamp,
            position,
            length,
            ..
        } = entry;
        let mut record = [0; HEAD_SIZE + PAGE_SIZE];
        let size = HEAD_SIZE + usize::from(length);
        self.log.read(position, &mut record[..size])?;
        let (head, payload) = record[..size].split_first_chunk().expect("a head was read");
        let image = check_frame(&entry, head, payload).map_err(ReadError::Damaged)?;
        Ok(PageVersion {
            version,
            stamp,
            image,
        })
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
        for fallback in &view.fallbacks {
            let first_epoch = fallback.first_epoch;
            for &cut in &fallback.cuts {
                let undone = Undone { cut, first_epoch };
                if self.note_undone(undone) {
                    self.append_history(Meta::Undone(undone))?;
                }
            }
        }
        let mut freed = Vec::new();
        self.index.drop_undone(
            |stamp| view.is_undone(stamp),
            |position| freed.push(position),
        );
        freed.into_iter().for_each(|position| self.free(position));
        self.waiting.clear();
        self.syncing.clear();
        self.copies_waiting.clear();
        self.copies_syncing.clear();
        self.copies_stored.clear();
        Ok(())
    }

    /// The epoch is stable, at `wall_ms` milliseconds since 1970: what it superseded is
    /// forgotten. Every decision made before must have been applied.
    ///
    /// # Errors
    /// If the disk failed.
    pub fn set_stable(&mut self, epoch: Epoch, wall_ms: u64) -> Result<(), DiskError> {
        if epoch <= self.stable {
            return Ok(());
        }
        let mut freed = Vec::new();
        self.index.settle(epoch, |position| freed.push(position));
        let bytes = self.log.bytes_written() - self.bytes_at_snapshot;
        let meta = StableMeta {
            epoch,
            wall_ms,
            bytes,
            pages: self.index.pages(),
        };
        self.append_history(Meta::Stable(meta))?;
        self.note_snapshot(meta);
        self.bytes_at_snapshot = self.log.bytes_written();
        freed.into_iter().for_each(|position| self.free(position));
        self.delete_dead_segments()
    }

    /// The last stable epochs, oldest first.
    pub fn snapshots(&self) -> impl Iterator<Item = &Snapshot> {
        self.snapshots.iter()
    }

    /// Damage found when the store was opened, as far as it still matters.
    pub fn damage(&self) -> impl Iterator<Item = &Damage> {
        self.damage.iter().filter(|damage| {
            damage.page.is_none_or(|(page, _)| {
                let newest = self.index.newest(page).map(|entry| entry.position);
                newest
                    == Some(Position {
                        segment: damage.segment,
                        offset: damage.offset,
                    })
            })
        })
    }

    /// What the store has done and has.
    pub fn stats(&self) -> Stats {
        let sealed: u64 = self
            .sealed
            .values()
            .map(|sealed| u64::from(sealed.size))
            .sum();
        Stats {
            bytes_written: self.log.bytes_written(),
            frames_written: self.frames_written,
            syncs: self.log.syncs(),
            parts_stored: self.parts_stored,
            segments: self.sealed.len() as u64 + 1,
            bytes_stored: sealed + u64::from(self.log.end().offset),
            pages: self.index.pages(),
        }
    }

    /// Whether a version that is sent again, because its producer does not know yet that
    /// it is stable, is not needed any more.
    fn has_superseded(&self, page: PageId, content: &PageVersion) -> bool {
        let settled = || self.index.settled(page);
        content.stamp.epoch() <= self.stable
            && settled().is_some_and(|settled| settled.version >= content.version)
    }

    /// Whether it is new.
    fn note_undone(&mut self, undone: Undone) -> bool {
        let known = self.undone.entry(undone.cut.node).or_default();
        let is_new = !known.contains(&undone);
        if is_new {
            known.push(undone);
        }
        is_new
    }

    /// Whether some decision undid what was committed in this interval of this node.
    fn is_undone(&self, stamp: Stamp) -> bool {
        let decided = self.undone.get(&stamp.node);
        decided
            .into_iter()
            .flatten()
            .any(|undone| undone.cut.undoes(stamp, undone.first_epoch))
    }

    fn note_snapshot(&mut self, meta: StableMeta) {
        let StableMeta {
            epoch,
            wall_ms,
            bytes,
            pages,
        } = meta;
        if epoch <= self.stable {
            return;
        }
        self.stable = epoch;
        self.snapshots.push_back(Snapshot {
            epoch,
            wall_ms,
            bytes,
            pages,
        });
        if self.snapshots.len() > SNAPSHOTS_MAX {
            self.snapshots.pop_front();
        }
    }

    fn append_history(&mut self, meta: Meta) -> Result<(), DiskError> {
        self.log.append(meta, &[])?;
        let payload_checksum = payload_checksum(&[]);
        let durable = Position::START;
        let head = Head {
            meta,
            payload_length: 0,
            payload_checksum,
            durable,
        };
        self.contents.history.push(head);
        Ok(())
    }

    /// A version in this place is not in the index any more.
    fn free(&mut self, position: Position) {
        let live = match self.sealed.get_mut(&position.segment) {
            Some(segment) => &mut segment.live,
            None => {
                assert_eq!(
                    position.segment,
                    self.log.end().segment,
                    "the segment is there"
                );
                &mut self.live
            }
        };
        *live = live.checked_sub(1).expect("each version is freed once");
    }

    fn seal_if_full(&mut self) -> Result<(), DiskError> {
        if self.log.end().offset < self.segment_size {
            return Ok(());
        }
        let contents = core::mem::take(&mut self.contents);
        let count = |length| u32::try_from(length).expect("segments are sealed early");
        let entries = count(contents.entries.len());
        let history = count(contents.history.len());
        let footer = footer::encode(&contents);
        let at = self
            .log
            .append(Meta::Footer { entries, history }, &footer)?;
        self.log.append(Meta::Trailer { footer: at.offset }, &[])?;
        let Position {
            segment,
            offset: size,
        } = self.log.end();
        let live = core::mem::take(&mut self.live);
        self.sealed.insert(segment, Sealed { size, live });
        self.begin_segment(SegmentNumber(segment.0 + 1))
    }

    fn begin_segment(&mut self, segment: SegmentNumber) -> Result<(), DiskError> {
        self.log.begin_segment(segment, self.identity)?;
        self.repeat_history()
    }

    /// Every segment has all decisions and the newest stable epoch, so that those
    /// before it may go. One that a crash cut short may lack some.
    fn repeat_history(&mut self) -> Result<(), DiskError> {
        let snapshot = self.snapshots.back().copied();
        let stable = snapshot.map(
            |Snapshot {
                 epoch,
                 wall_ms,
                 bytes,
                 pages,
             }| {
                Meta::Stable(StableMeta {
                    epoch,
                    wall_ms,
                    bytes,
                    pages,
                })
            },
        );
        let undone = self.undone.values().flatten().copied().map(Meta::Undone);
        let history: Vec<Meta> = undone.chain(stable).collect();
        for meta in history {
            if self.contents.history.iter().all(|head| head.meta != meta) {
                self.append_history(meta)?;
            }
        }
        Ok(())
    }

    /// Deletes segments in which nothing is live: what superseded it is stable, hence
    /// durable, and the decisions in it have been repeated in a durable segment.
    fn delete_dead_segments(&mut self) -> Result<(), DiskError> {
        let durable = self.log.durable().segment;
        let is_dead = |(segment, sealed): (&SegmentNumber, &Sealed)| {
            (sealed.live == 0 && *segment < durable).then_some(*segment)
        };
        for segment in self.sealed.iter().filter_map(is_dead).collect::<Vec<_>>() {
            self.log.disk.delete(segment)?;
            self.sealed.remove(&segment);
        }
        Ok(())
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

/// The image in the record, if that is the frame that the index says it is.
fn check_frame(entry: &Entry, head: &[u8; HEAD_SIZE], payload: &[u8]) -> Result<Image, Damage> {
    let Entry {
        page,
        version,
        stamp,
        position,
        ..
    } = *entry;
    let Position { segment, offset } = position;
    let named = |damage| Damage {
        page: Some((page, version)),
        ..damage
    };
    let head =
        Head::decode(head).map_err(|fault| named(Damage::from_head(segment, offset, fault)))?;
    let damage = |part, expected, found| {
        Err(named(Damage {
            segment,
            offset,
            part,
            expected,
            found,
            page: None,
        }))
    };
    if head.meta
        != (Meta::Frame {
            page,
            version,
            stamp,
        })
    {
        return damage(DamagedPart::Place, offset, offset);
    }
    if head.payload_length as usize != payload.len() {
        let found = u32::try_from(payload.len()).expect("a page at most");
        return damage(DamagedPart::Length, head.payload_length, found);
    }
    let found = payload_checksum(payload);
    if found != head.payload_checksum {
        return damage(DamagedPart::Payload, head.payload_checksum, found);
    }
    Image::decode(payload).or_else(|NoImage { length }| {
        let found = u32::try_from(length).expect("a page at most");
        damage(DamagedPart::Image, 0, found)
    })
}
