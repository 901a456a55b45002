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

/// The header of a segment.
const HEADER_SIZE: u32 = 64;
/// A segment is sealed when it has this share of what is live, so that the youngest, which
/// cleaning leaves alone, are little against it. (It is given back as a whole, too.)
const SHARE: u64 = 8;
/// But not before it has this size: files come and go, too, and each has a sync to wait for.
const SIZE_MIN: u32 = 1 << 20;

/// What is known of the segments of a store.
#[derive(Debug)]
pub(crate) struct Segments {
    pub(crate) sealed: BTreeMap<SegmentNumber, Sealed>,
    /// What the segment that is being written holds: its footer to be.
    pub(crate) contents: Contents,
    /// The segment that is being written, and what of it is in the index.
    active: SegmentNumber,
    live: Live,
    /// What it has repeated of earlier segments.
    fixed: u32,
    /// Sealed, and nothing in them is in the index.
    dead: Vec<SegmentNumber>,
    /// Deleted when the log is durable up to there.
    dropped: VecDeque<(SegmentNumber, Position)>,
    /// Of all segments.
    live_bytes: u64,
    /// What all sealed segments take.
    sealed_bytes: u64,
    /// Grows whenever a segment may have become worth cleaning.
    changes: u64,
}

/// A sealed segment.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) size: u32,
    pub(crate) live: Live,
    /// Bytes that another segment would have, too.
    fixed: u32,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Needed,
    /// What is live in it is damaged: it cannot be cleaned.
    Damaged,
    /// A record says that it is not needed any more.
    Dropped,
}

/// Versions that are in the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Live {
    pub(crate) versions: u64,
    /// Bytes on the disk that are there for them.
    pub(crate) bytes: u64,
}

impl Sealed {
    /// Bytes that would be free without it, beside those that are copied.
    pub(crate) fn dead_bytes(&self) -> u64 {
        u64::from(self.size).saturating_sub(self.live.bytes + u64::from(self.fixed))
    }

    /// Whether there is something to be copied, and nothing against it.
    pub(crate) fn is_cleanable(&self) -> bool {
        self.state == State::Needed && self.live.versions > 0
    }
}

impl Segments {
    /// Of a log that goes on in this segment, if it is not sealed.
    pub(crate) fn new(active: Option<SegmentNumber>) -> Self {
        Self {
            sealed: BTreeMap::new(),
            contents: Contents::default(),
            active: active.unwrap_or(SegmentNumber(0)),
            live: Live::default(),
            fixed: 0,
            dead: Vec::new(),
            dropped: VecDeque::new(),
            live_bytes: 0,
            sealed_bytes: 0,
            changes: 0,
        }
    }

    /// A sealed segment that was found.
    pub(crate) fn found(&mut self, loaded: &Loaded) {
        let mut facts = loaded.contents.history.iter();
        // The last that is repeated.
        let repeated = facts.position(|fact| matches!(fact, Fact::Existing(_)));
        let repeated = repeated.map_or(0, |last| last + 1);
        let repeated = &loaded.contents.history[..repeated];
        let begin = HEADER_SIZE + repeated.iter().map(Fact::size).sum::<u32>();
        self.insert(loaded.segment, loaded.end, begin);
    }

    fn insert(&mut self, segment: SegmentNumber, size: u32, begin: u32) {
        let sealed = Sealed {
            size,
            live: Live::default(),
            fixed: fixed(begin),
            state: State::Needed,
        };
        self.sealed.insert(segment, sealed);
        self.sealed_bytes += u64::from(size);
        self.changes += 1;
    }

    /// The segment that was being written is sealed.
    fn seal(&mut self, segment: SegmentNumber, size: u32) {
        self.insert(segment, size, self.fixed);
        let sealed = self.sealed.get_mut(&segment).expect("just inserted");
        sealed.live = core::mem::take(&mut self.live);
        if sealed.live.versions == 0 {
            self.dead.push(segment);
        }
    }

    /// A version is in the index.
    pub(crate) fn hold(&mut self, entry: &Entry) {
        let live = self.live_mut(entry.position.segment);
        live.versions += 1;
        live.bytes += entry.cost();
        self.live_bytes += entry.cost();
    }

    /// A version is not in the index any more.
    pub(crate) fn free(&mut self, entry: &Entry) {
        let segment = entry.position.segment;
        let live = self.live_mut(segment);
        let versions = live.versions.checked_sub(1);
        live.versions = versions.expect("each version is freed once");
        live.bytes -= entry.cost();
        let is_empty = live.versions == 0;
        self.live_bytes -= entry.cost();
        self.changes += 1;
        if is_empty && segment != self.active {
            self.dead.push(segment);
        }
    }

    fn live_mut(&mut self, segment: SegmentNumber) -> &mut Live {
        if segment == self.active {
            return &mut self.live;
        }
        let sealed = self.sealed.get_mut(&segment);
        &mut sealed.expect("it has live versions").live
    }

    /// Looks for segments in which nothing is live.
    pub(crate) fn find_dead(&mut self) {
        let sealed = self.sealed.iter();
        let dead = sealed.filter(|(_, sealed)| sealed.live.versions == 0);
        self.dead = dead.map(|(segment, _)| *segment).collect();
    }

    /// Whether anything in the sealed segment is live.
    pub(crate) fn is_needed(&self, segment: SegmentNumber) -> bool {
        let sealed = self.sealed.get(&segment);
        sealed.is_some_and(|sealed| sealed.live.versions > 0)
    }

    /// The segment was cleaned. If something is left of it, that is damaged.
    pub(crate) fn set_aside(&mut self, segment: SegmentNumber) {
        let sealed = self.sealed.get_mut(&segment);
        if let Some(sealed) = sealed.filter(|sealed| sealed.live.versions > 0) {
            sealed.state = State::Damaged;
        }
    }

    /// What all versions in the index take.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// What all sealed segments take.
    pub(crate) fn sealed_bytes(&self) -> u64 {
        self.sealed_bytes
    }

    /// What is not needed of the segment that is being written, which is so long.
    pub(crate) fn dead_bytes_of_last(&self, size: u32) -> u64 {
        u64::from(size).saturating_sub(self.live.bytes + u64::from(fixed(self.fixed)))
    }

    /// Grows whenever a segment may have become worth cleaning.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    fn deleted(&mut self, segment: SegmentNumber) {
        let sealed = self.sealed.remove(&segment).expect("it was there");
        self.sealed_bytes -= u64::from(sealed.size);
    }

    fn existing(&self) -> Fact {
        let sealed = self.sealed.iter();
        let needed = sealed.filter(|(_, sealed)| sealed.state != State::Dropped);
        Fact::Existing(needed.map(|(segment, _)| *segment).collect())
    }
}

/// What a segment that has said so much at its beginning has that another would have, too:
/// the footer says it once more.
fn fixed(begin: u32) -> u32 {
    2 * begin + HEADER_SIZE
}

/// The segments that must be there, as these say themselves. Others may be: one that was
/// dropped is back if its deletion did not reach the device. Nothing in it is needed, unless
/// what stands for it was torn.
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
        if self.log.end().offset < self.segment_goal() {
            return Ok(());
        }
        self.seal()
    }

    /// The size at which a segment is sealed.
    pub(crate) fn segment_goal(&self) -> u32 {
        let share = self.segments.live_bytes() / SHARE;
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        share.max(SIZE_MIN).min(self.segment_size)
    }

    /// Ends the segment that is being written, and begins the next.
    pub(crate) fn seal(&mut self) -> Result<(), DiskError> {
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
        self.segments.seal(segment, size);
        self.begin_segment(SegmentNumber(segment.0 + 1))
    }

    pub(crate) fn begin_segment(&mut self, segment: SegmentNumber) -> Result<(), DiskError> {
        self.log.begin_segment(segment, self.identity)?;
        self.segments.active = segment;
        self.repeat_history()?;
        self.segments.fixed = self.log.end().offset;
        Ok(())
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
            segments.deleted(segment);
        }
        for segment in core::mem::take(&mut self.segments.dead) {
            let sealed = self.segments.sealed.get_mut(&segment);
            sealed.expect("it is not deleted yet").state = State::Dropped;
            self.append_fact(Fact::Dropped(segment))?;
            let at = self.log.end();
            self.segments.dropped.push_back((segment, at));
            self.sync_wanted = at;
        }
        self.seal_if_full()
    }
}
