//! Segments: which there are, how much of each is still needed, when one is sealed, begun
//! and deleted.
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use platform::{Disk, DiskError, SegmentNumber};

use crate::fact::Fact;
use crate::footer::{self, Contents};
use crate::record::{Meta, Position};
use crate::store::Store;

/// What is known of the segments of a store.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    pub(crate) sealed: BTreeMap<SegmentNumber, Sealed>,
    /// What the segment that is being written holds: its footer to be.
    pub(crate) contents: Contents,
    /// Versions in the segment that is being written that are in the index.
    live: u64,
}

/// A sealed segment.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) size: u32,
    /// Versions in it that are in the index.
    live: u64,
}

impl Segments {
    /// A sealed segment that was found.
    pub(crate) fn found(&mut self, segment: SegmentNumber, size: u32) {
        self.sealed.insert(segment, Sealed { size, live: 0 });
    }

    /// A version in this segment is in the index.
    pub(crate) fn hold(&mut self, segment: SegmentNumber) {
        match self.sealed.get_mut(&segment) {
            Some(sealed) => sealed.live += 1,
            None => self.live += 1,
        }
    }

    /// A version in this segment is not in the index any more.
    pub(crate) fn free(&mut self, segment: SegmentNumber) {
        let live = match self.sealed.get_mut(&segment) {
            Some(sealed) => &mut sealed.live,
            None => &mut self.live,
        };
        *live = live.checked_sub(1).expect("each version is freed once");
    }
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
        self.segments.sealed.insert(segment, Sealed { size, live });
        self.begin_segment(SegmentNumber(segment.0 + 1))
    }

    pub(crate) fn begin_segment(&mut self, segment: SegmentNumber) -> Result<(), DiskError> {
        self.log.begin_segment(segment, self.identity)?;
        self.repeat_history()
    }

    /// Every segment has all decisions and the newest stable epoch, so that those
    /// before it may go. One that a crash cut short may lack some.
    pub(crate) fn repeat_history(&mut self) -> Result<(), DiskError> {
        for fact in self.history.repeated() {
            if !self.segments.contents.history.contains(&fact) {
                self.append_fact(fact)?;
            }
        }
        Ok(())
    }

    /// Deletes segments in which nothing is live: what superseded it is stable, hence
    /// durable, and the decisions in it have been repeated in a durable segment.
    pub(crate) fn delete_dead_segments(&mut self) -> Result<(), DiskError> {
        let durable = self.log.durable().segment;
        let is_dead = |(segment, sealed): (&SegmentNumber, &Sealed)| {
            (sealed.live == 0 && *segment < durable).then_some(*segment)
        };
        let dead: Vec<_> = self.segments.sealed.iter().filter_map(is_dead).collect();
        for segment in dead {
            self.log.delete(segment)?;
            self.segments.sealed.remove(&segment);
        }
        Ok(())
    }
}
