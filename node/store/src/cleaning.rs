//! Cleaning: what is still needed of a segment that is mostly not is written again at the
//! end of the log, and the segment is deleted when that is durable.
//!
//! Which one: that with the most benefit for its cost, as in a log-structured file system
//! (Rosenblum, Ousterhout, 1992): the bytes that become free, times its age, over the bytes
//! to be read and written. Taking the emptiest only (greedy) would keep coming back to young
//! segments, of which more will be superseded anyway while they wait, and leave old ones,
//! of which little more will be, half empty for ever.
//!
//! How much: a slice at a time, so that nobody waits for it. Slices are earned by what is
//! written otherwise, more of them when the store is larger than it should be; and an idle
//! store is cleaned at its caller's pace.
use alloc::vec::Vec;
use platform::{Disk, DiskError, SegmentNumber};

use crate::error::{Damage, ReadError};
use crate::footer::{self, ENTRY_SIZE};
use crate::index::Entry;
use crate::reading::{RECORD, matters};
use crate::record::{HEAD_SIZE, Head, Meta, Position};
use crate::segments::Sealed;
use crate::store::Store;

/// Bytes copied in a slice, about.
const SLICE: u64 = 32 << 10;
/// Entries of footers looked at in a slice, about: some 100 µs.
const ENTRIES_PER_SLICE: u32 = 512;
/// Earned slices that are kept for later.
const CREDIT_MAX: u64 = 4 << 20;
/// All segments, the one that is being written too, are to take at most twice what is live.
/// Cleaning begins when they take so many quarters of it, and hurries when they take so many:
/// early enough for the goal to be met.
const BEGIN_QUARTERS: u64 = 6;
const HURRY_QUARTERS: u64 = 7;
/// Of what is not needed of a segment, in shares of the segment: less is not worth it.
const WORTH: u64 = 4;
/// The segment that is being written is given to cleaning if it has at least this share of
/// the size of one, and half of it is not needed.
const EARLY: u32 = 16;

/// How fast to clean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// As much as has been earned by what was written since the last time.
    Earned,
    /// A slice, if there is anything to clean: nobody else needs the disk.
    Idle,
}

/// What came of a slice of cleaning.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cleaned {
    /// Whether another slice would find something to do.
    pub is_more: bool,
    /// Versions that cannot be copied because they are damaged. Their segment is kept until
    /// they are superseded or replaced.
    pub damage: Vec<Damage>,
}

/// Where cleaning is.
#[derive(Debug, Default)]
pub(crate) struct Cleaner {
    victim: Option<Victim>,
    /// Bytes that may be copied.
    credit: u64,
    /// Bytes of the log by which credit was earned, or that cleaning has written.
    accounted: u64,
    /// No segment was worth cleaning when this many changes had been seen.
    fruitless: Option<u64>,
    /// Bytes that cleaning has written.
    pub(crate) bytes: u64,
}

/// The segment that is being cleaned.
#[derive(Debug)]
struct Victim {
    segment: SegmentNumber,
    /// Entries of its footer that were not looked at yet: where, and how many.
    entries: (u32, u32),
    /// Entries that may be live, the next one last.
    batch: Vec<Entry>,
    /// The footer cannot be believed: all entries are those of the index.
    is_by_index: bool,
}

impl<D: Disk> Store<D> {
    /// Does a slice of cleaning. To be called whenever [`Store::poll`] is, and at some pace
    /// of the caller's while nothing is written.
    ///
    /// # Errors
    /// If the disk failed.
    pub fn clean(&mut self, pace: Pace) -> Result<Cleaned, DiskError> {
        self.log.check()?;
        let mut cleaned = Cleaned::default();
        let written = self.log.bytes_written() - self.cleaner.accounted;
        let earned = written * self.share().0 / 2;
        let credit = self.cleaner.credit + earned;
        self.cleaner.credit = credit.min(CREDIT_MAX);
        self.cleaner.accounted = self.log.bytes_written();
        let is_wanted = match pace {
            Pace::Earned => self.share() != Share::NONE && self.cleaner.credit >= SLICE,
            Pace::Idle => true,
        };
        if !is_wanted {
            return Ok(cleaned);
        }
        let before = self.log.bytes_written();
        let looked_at = self.clean_slice(pace, &mut cleaned)?;
        let copied = self.log.bytes_written() - before;
        self.cleaner.bytes += copied;
        let cost = copied + u64::from(looked_at) * ENTRY_SIZE as u64;
        self.cleaner.credit = self.cleaner.credit.saturating_sub(cost);
        self.cleaner.accounted = self.log.bytes_written();
        Ok(cleaned)
    }

    /// How much of what is written goes to cleaning.
    fn share(&self) -> Share {
        let live = self.segments.live_bytes();
        match 4 * self.bytes_on_disk() {
            bytes if bytes <= BEGIN_QUARTERS * live => Share::NONE,
            bytes if bytes <= HURRY_QUARTERS * live => Share::SOME,
            _ => Share::MOST,
        }
    }

    /// Gives how many entries it has looked at.
    fn clean_slice(&mut self, pace: Pace, cleaned: &mut Cleaned) -> Result<u32, DiskError> {
        let end = self.log.bytes_written() + SLICE;
        let mut looked_at = 0;
        while self.log.bytes_written() < end && looked_at < ENTRIES_PER_SLICE {
            let Some(mut victim) = self
                .cleaner
                .victim
                .take()
                .or_else(|| self.next_victim(pace))
            else {
                // It is looked for again when another slice has been earned.
                self.cleaner.credit = 0;
                self.seal_early(pace, cleaned)?;
                break;
            };
            cleaned.is_more = true;
            // All of it may have been superseded meanwhile.
            let is_needed = self.segments.is_needed(victim.segment);
            looked_at += 1;
            if is_needed && let Some(entry) = victim.batch.pop() {
                self.cleaner.victim = Some(victim);
                self.copy(&entry, cleaned)?;
            } else if is_needed && self.refill(&mut victim)? {
                self.cleaner.victim = Some(victim);
                looked_at += ENTRIES_PER_SLICE / 2;
            } else {
                // What could not be copied is damaged.
                self.segments.set_aside(victim.segment);
            }
        }
        Ok(looked_at)
    }

    /// The segment with the most benefit for its cost. While something is written the
    /// youngest is left alone: what is written all the time is soon superseded in it.
    fn next_victim(&mut self, pace: Pace) -> Option<Victim> {
        let changes = self.segments.changes();
        if self.cleaner.fruitless == Some(changes) {
            return None;
        }
        let now = self.log.end().segment.0;
        let age_min = match pace {
            Pace::Earned => 2,
            Pace::Idle => 1,
        };
        let worth = |(segment, sealed): (&SegmentNumber, &Sealed)| {
            let dead = sealed.dead_bytes();
            let age = u128::from(now - segment.0);
            let is_worth_it =
                age >= age_min && sealed.is_cleanable() && dead * WORTH >= sealed.size.into();
            let cost = u128::from(u64::from(sealed.size) + sealed.live.bytes);
            let benefit = u128::from(dead) * age * 1024;
            is_worth_it.then_some((benefit / cost, *segment))
        };
        let best = self.segments.sealed.iter().filter_map(worth).max();
        let Some((_, segment)) = best else {
            // For the other pace there may be one.
            self.cleaner.fruitless = (pace == Pace::Idle).then_some(changes);
            return None;
        };
        let victim = Victim {
            segment,
            entries: self.find_entries(segment).unwrap_or_default(),
            batch: Vec::new(),
            is_by_index: false,
        };
        Some(victim)
    }

    /// Where the entries in the segment's footer are, and how many, if it has one that can be
    /// read.
    fn find_entries(&mut self, segment: SegmentNumber) -> Option<(u32, u32)> {
        let size = self.segments.sealed.get(&segment)?.size;
        let at = |offset| Position { segment, offset };
        let trailer = self.read_head(at(size - 64))?;
        let Meta::Trailer { footer } = trailer.meta else {
            return None;
        };
        let head = self.read_head(at(footer))?;
        let Meta::Footer { entries, .. } = head.meta else {
            return None;
        };
        Some((footer + 64, entries)).filter(|_| head.mask == 0)
    }

    fn read_head(&mut self, at: Position) -> Option<Head> {
        let mut room = [0; HEAD_SIZE];
        let bytes = self.log.read(at, &mut room).ok()?;
        Head::decode(bytes.first_chunk()?, at).ok()
    }

    /// Gets more entries that may be live; false if there are none.
    fn refill(&mut self, victim: &mut Victim) -> Result<bool, DiskError> {
        let (at, left) = victim.entries;
        let count = left.min(ENTRIES_PER_SLICE / 2);
        let mut room = alloc::vec![0; count as usize * ENTRY_SIZE];
        let position = Position {
            segment: victim.segment,
            offset: at,
        };
        if let Ok(bytes) = self.log.read(position, &mut room)
            && count > 0
        {
            let size = u32::try_from(bytes.len()).expect("a few entries");
            victim.entries = (at + size, left - count);
            // Whatever they say, what is copied is what the index says.
            let found = footer::decode_entries(bytes, victim.segment);
            let live = found.filter_map(|found| self.index.find(&found));
            victim.batch = live.collect();
            victim.batch.reverse();
            return Ok(true);
        }
        if victim.is_by_index {
            return Ok(false);
        }
        // Nothing should be left. If there is, the footer lacks it, or it is damaged.
        victim.entries = (0, 0);
        victim.is_by_index = true;
        let left = self.segments.sealed[&victim.segment].live.versions;
        let known = self.damaged_in(victim.segment);
        if left > known {
            let all = self.index.entries();
            let live = all.filter(|entry| entry.position.segment == victim.segment);
            victim.batch = live.collect();
        }
        Ok(!victim.batch.is_empty())
    }

    /// Versions in the segment that are known to be damaged.
    fn damaged_in(&self, segment: SegmentNumber) -> u64 {
        let at = |offset| Position { segment, offset };
        let known = self.damage.range(at(0)..=at(u32::MAX));
        let known = known.filter(|(_, one)| one.page.is_some() && matters(&self.index, one));
        known.count() as u64
    }

    /// Writes a version again, if it is still where it was.
    fn copy(&mut self, entry: &Entry, cleaned: &mut Cleaned) -> Result<(), DiskError> {
        if self.index.find(entry) != Some(*entry) {
            return Ok(());
        }
        let mut record = RECORD;
        let read = self.read_record(entry, &mut record);
        match read.map(|(meta, payload)| (meta, payload.into_owned())) {
            Ok((meta, payload)) => {
                let position = self.log.append(meta, &payload)?;
                let new = Entry { position, ..*entry };
                self.moved(entry, new);
                self.seal_if_full()
            }
            Err(ReadError::Disk(error)) => Err(error),
            Err(ReadError::Damaged(damage)) => {
                if self.note_damage(damage) {
                    cleaned.damage.push(damage);
                }
                Ok(())
            }
            Err(ReadError::NotRetained { .. }) => unreachable!("a version is asked for"),
        }
    }

    /// A version that cleaning had written again, and of which only that copy is damaged, is
    /// written once more: the next time the damaged copy, which is the newer one, might pass
    /// for the better one.
    pub(crate) fn rewrite_shadowed(&mut self) -> Result<(), DiskError> {
        let all: Vec<Damage> = self.damage.values().copied().collect();
        for damage in all {
            let Some((page, version)) = damage.page else {
                continue;
            };
            let is_before =
                |entry: &Entry| entry.version == version && entry.position < damage.position();
            let shadowed = self.index.versions(page).find(is_before);
            if let Some(entry) = shadowed {
                self.copy(&entry, &mut Cleaned::default())?;
            }
        }
        Ok(())
    }

    /// The version has been written again.
    pub(crate) fn moved(&mut self, old: &Entry, new: Entry) {
        self.segments.contents.entries.push(new);
        self.segments.hold(&new);
        self.index.relocate(old, &new);
        self.segments.free(old);
    }

    /// A store that is idle has its space also if most of that is in one segment.
    fn seal_early(&mut self, pace: Pace, cleaned: &mut Cleaned) -> Result<(), DiskError> {
        let size = self.log.end().offset;
        let is_half_empty = 2 * self.segments.dead_bytes_of_last(size) > size.into();
        if pace == Pace::Idle && size >= self.segment_goal() / EARLY && is_half_empty {
            self.seal()?;
            cleaned.is_more = true;
        }
        Ok(())
    }
}

/// Halves of a byte that are copied per byte that is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Share(u64);

impl Share {
    const NONE: Self = Self(0);
    /// Enough for segments of which a third is live.
    const SOME: Self = Self(1);
    /// Enough for segments of which two thirds are.
    const MOST: Self = Self(4);
}
