//! Segments: which there are, how much of each is still needed, when one is sealed, begun
//! and deleted.
//!
//! A segment goes in three steps, so that a crash never finds it missing and needed: nothing
//! in it is in the index any more; a record says so; that record, and with it everything
//! that was written before and stands for what the segment held, is durable.
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use platform::{Disk, DiskError, SegmentNumber};

use crate::fact::Fact;
use crate::footer::{self, Contents};
use crate::index::Entry;
use crate::record::{Meta, Position};
use crate::scan::Loaded;
use crate::store::Store;

/// What is known of the segments of a store.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    pub(crate) sealed: BTreeMap<SegmentNumber, Sealed>,
    /// What the segment that is being written holds: its footer to be.
    pub(crate) contents: Contents,
    /// What is in the index of the segment that is being written.
    live: Live,
    /// Sealed, and nothing in them is in the index.
    dead: Vec<SegmentNumber>,
    /// Deleted when the log is durable up to there.
    dropped: VecDeque<(SegmentNumber, Position)>,
}

/// A sealed segment.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) size: u32,
    pub(crate) live: Live,
    /// A record says that it is not needed any more.
    is_dropped: bool,
}

/// Versions that are in the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Live {
    pub(crate) versions: u64,
    /// Bytes on the disk that are there for them.
    pub(crate) bytes: u64,
}

impl Segments {
    /// A sealed segment that was found.
    pub(crate) fn found(&mut self, segment: SegmentNumber, size: u32) {
        self.seal(segment, size, Live::default());
    }

    fn seal(&mut self, segment: SegmentNumber, size: u32, live: Live) {
        let sealed = Sealed {
            size,
            live,
            is_dropped: false,
        };
        self.sealed.insert(segment, sealed);
    }

    /// A version is in the index.
    pub(crate) fn hold(&mut self, entry: &Entry) {
        let live = self.live_mut(entry.position.segment);
        live.versions += 1;
        live.bytes += entry.cost();
    }

    /// A version is not in the index any more.
    pub(crate) fn free(&mut self, entry: &Entry) {
        let segment = entry.position.segment;
        let live = self.live_mut(segment);
        let versions = live.versions.checked_sub(1);
        live.versions = versions.expect("each version is freed once");
        live.bytes -= entry.cost();
        if live.versions == 0 && self.sealed.contains_key(&segment) {
            self.dead.push(segment);
        }
    }

    fn live_mut(&mut self, segment: SegmentNumber) -> &mut Live {
        match self.sealed.get_mut(&segment) {
            Some(sealed) => &mut sealed.live,
            None => &mut self.live,
        }
    }

    /// Looks for segments in which nothing is live.
    pub(crate) fn find_dead(&mut self) {
        let dead = self
            .sealed
            .iter()
            .filter(|(_, sealed)| sealed.live.versions == 0);
        self.dead = dead.map(|(segment, _)| *segment).collect();
    }

    /// What all versions in the index take.
    pub(crate) fn live_bytes(&self) -> u64 {
        let sealed = self.sealed.values();
        sealed.map(|sealed| sealed.live.bytes).sum::<u64>() + self.live.bytes
    }

    /// What all sealed segments take.
    pub(crate) fn sealed_bytes(&self) -> u64 {
        let sealed = self.sealed.values();
        sealed.map(|sealed| u64::from(sealed.size)).sum()
    }

    /// Segments that were dropped and are still there. They go when the log is durable up to
    /// `at`: what says that they are not needed may not have reached the device.
    pub(crate) fn drop_later(&mut self, leftovers: &[(SegmentNumber, u32)], at: Position) {
        for &(segment, size) in leftovers {
            let sealed = Sealed {
                size,
                live: Live::default(),
                is_dropped: true,
            };
            self.sealed.insert(segment, sealed);
            self.dropped.push_back((segment, at));
        }
    }

    fn existing(&self) -> Fact {
        let needed = self.sealed.iter().filter(|(_, sealed)| !sealed.is_dropped);
        Fact::Existing(needed.map(|(segment, _)| *segment).collect())
    }
}

/// The segments that must be there, as these say themselves.
pub(crate) fn expected(segments: &[Loaded]) -> BTreeSet<SegmentNumber> {
    let mut expected = BTreeSet::new();
    for loaded in segments {
        for fact in &loaded.contents.history {
            match fact {
                Fact::Existing(segments) => expected = segments.iter().copied().collect(),
                Fact::Dropped(segment) => drop(expected.remove(segment)),
                Fact::Stable(_) | Fact::Undone(_) | Fact::Retained(_) => (),
            }
        }
        expected.insert(loaded.segment);
    }
    expected
}

impl<D: Disk> Store<D> {
    pub(crate) fn append_fact(&mut self, fact: Fact) -> Result<(), DiskError> {
        self.log.append(fact.meta(), &fact.payload())?;
        self.segments.contents.history.push(fact);
        Ok(())
    }

    pub(crate) fn seal_if_full(&mut self) -> Result<(), DiskError> {
        if self.log.end().offset < self.segment_size {
            return Ok(());
        }
        self.seal()
    }

    fn seal(&mut self) -> Result<(), DiskError> {
        let contents = core::mem::take(&mut self.segments.contents);
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
        let live = core::mem::take(&mut self.segments.live);
        self.segments.seal(segment, size, live);
        if live.versions == 0 {
            self.segments.dead.push(segment);
        }
        self.begin_segment(SegmentNumber(segment.0 + 1))
    }

    pub(crate) fn begin_segment(&mut self, segment: SegmentNumber) -> Result<(), DiskError> {
        self.log.begin_segment(segment, self.identity)?;
        self.repeat_history()
    }

    /// Every segment says which decisions there are, which epochs are kept and which
    /// segments are needed, so that those before it may go. One that a crash cut short may
    /// lack some. In the first there is nothing to say.
    pub(crate) fn repeat_history(&mut self) -> Result<(), DiskError> {
        if self.segments.sealed.is_empty() {
            return Ok(());
        }
        for fact in self.history.repeated() {
            if !self.segments.contents.history.contains(&fact) {
                self.append_fact(fact)?;
            }
        }
        // What this segment says of others later changes what it has said first.
        let mut facts = self.segments.contents.history.iter();
        if !facts.any(|fact| matches!(fact, Fact::Existing(_))) {
            self.append_fact(self.segments.existing())?;
        }
        Ok(())
    }

    /// Says of segments in which nothing is live that they are not needed, and deletes those
    /// of which that is durable.
    pub(crate) fn drop_dead_segments(&mut self) -> Result<(), DiskError> {
        let durable = self.log.durable();
        let segments = &mut self.segments;
        while let Some((segment, _)) = segments.dropped.pop_front_if(|(_, at)| *at <= durable) {
            self.log.delete(segment)?;
            segments.sealed.remove(&segment);
        }
        for segment in core::mem::take(&mut self.segments.dead) {
            let sealed = self.segments.sealed.get_mut(&segment);
            sealed.expect("it is not deleted yet").is_dropped = true;
            self.append_fact(Fact::Dropped(segment))?;
            let at = self.log.end();
            self.segments.dropped.push_back((segment, at));
            self.sync_wanted = at;
        }
        self.seal_if_full()
    }
}
