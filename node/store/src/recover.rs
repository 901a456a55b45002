//! What a crash left behind, turned into an index again.
//!
//! Sealed segments are read by their footers. The others are scanned. Where a scan
//! meets bytes that are no record, either a crash came before they were synced (a torn
//! tail, of which nobody was told that it is stored), or the device lost what it had.
//! Every record says how far the log was durable when it was written: damage before
//! the greatest such place was no crash. A frame whose head is good can be named, and
//! only it is refused later; anything else makes the whole store useless, because what
//! is missing is unknown.
use alloc::vec::Vec;
use platform::{ClusterId, Disk, DiskError, SegmentNumber};
use types::StoreId;

use crate::error::{Damage, OpenError};
use crate::record::Position;
use crate::scan::{Loaded, load, read_and_scan, short_segment};
use crate::segments::expected;
use crate::store::Identity;

/// The highest number of a segment that is found: nothing is ever written so far, and the
/// numbers of all that follow it fit, too.
const SEGMENT_NUMBER_MAX: u32 = 1 << 31;

/// The log as it was found, without its torn tail.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) segments: Vec<Loaded>,
    /// Who wrote it, if anything is left of it.
    pub(crate) store: Option<StoreId>,
    pub(crate) damage: Vec<Damage>,
    pub(crate) durable: Position,
    /// A number that no segment has or had.
    pub(crate) next: SegmentNumber,
}

/// Reads what there is and cuts a torn tail off.
pub(crate) fn recover<D: Disk>(
    disk: &mut D,
    us: Identity,
    ancestors: &[ClusterId],
) -> Result<Recovered, OpenError> {
    let numbers = disk.segments()?;
    let last = numbers.last().map_or(0, |last| last.0);
    if last > SEGMENT_NUMBER_MAX {
        let segment = SegmentNumber(last);
        return Err(OpenError::NumberTooHigh { segment });
    }
    let next = SegmentNumber(last + 1);
    let mut segments = Vec::with_capacity(numbers.len());
    let mut store = None;
    for number in numbers {
        let loaded = load(disk, number)?;
        check_identity(&loaded, us, ancestors, &mut store)?;
        segments.push(loaded);
    }
    let durable = segments
        .iter()
        .map(|loaded| loaded.durable)
        .max()
        .unwrap_or(Position::START);
    rescan(disk, &mut segments, durable)?;
    let tear = find_tear(&mut segments);
    let whole = &segments[..tear.map_or(segments.len(), |at| at + 1)];
    if end(whole) < durable {
        let last = whole.last().expect("a record said so");
        let lost = short_segment(last.segment, last.end);
        return Err(OpenError::Damaged(last.fault.unwrap_or(lost)));
    }
    let missing = find_missing(whole);
    let before = |missing| whole.partition_point(|loaded| loaded.segment < missing);
    let is_lost = |&missing: &SegmentNumber| {
        missing <= durable.segment || end(&whole[..before(missing)]) < durable
    };
    if let Some(segment) = missing.filter(is_lost) {
        return Err(OpenError::Missing { segment });
    }
    if let Some(at) = tear {
        cut(disk, &mut segments, at)?;
    }
    if let Some(missing) = missing {
        let at = segments.partition_point(|loaded| loaded.segment < missing);
        delete_from(disk, &mut segments, at)?;
    }
    let damage = segments
        .iter()
        .flat_map(|loaded| loaded.damage.iter().copied())
        .collect();
    Ok(Recovered {
        segments,
        store,
        damage,
        durable,
        next,
    })
}

/// Footers say nothing of pages. Of segments that may not have reached the device as a whole
/// these are looked at, too: versions that cleaning has written again are still where they
/// were before, and must be read from there if the new place is damaged.
fn rescan<D: Disk>(
    disk: &mut D,
    segments: &mut [Loaded],
    durable: Position,
) -> Result<(), DiskError> {
    for loaded in segments.iter_mut().rev() {
        let Loaded { segment, end, .. } = *loaded;
        let end = Position {
            segment,
            offset: end,
        };
        if end <= durable {
            break;
        }
        if loaded.is_by_footer {
            *loaded = Loaded {
                identity: loaded.identity,
                ..read_and_scan(disk, segment, end.offset)?
            };
        }
    }
    Ok(())
}

/// Where the log ends.
fn end(segments: &[Loaded]) -> Position {
    let mut begun = segments.iter().rev().filter(|loaded| loaded.end > 0);
    begun.next().map_or(Position::START, |last| Position {
        segment: last.segment,
        offset: last.end,
    })
}

/// The first segment that does not end as it must. All after it were written later.
fn find_tear(segments: &mut [Loaded]) -> Option<usize> {
    let last = segments.len().checked_sub(1)?;
    for (at, loaded) in segments.iter_mut().enumerate() {
        if loaded.fault.is_none() && !loaded.is_sealed && at < last {
            loaded.fault = Some(short_segment(loaded.segment, loaded.end));
        }
        if loaded.fault.is_some() {
            return Some(at);
        }
    }
    None
}

/// Removes the tail: the later segments first, so that what remains is always a
/// beginning of the log.
fn cut<D: Disk>(disk: &mut D, segments: &mut Vec<Loaded>, at: usize) -> Result<(), DiskError> {
    let keep = if segments[at].end == 0 { at } else { at + 1 };
    delete_from(disk, segments, keep)?;
    if keep > at {
        disk.truncate(segments[at].segment, segments[at].end.into())?;
    }
    Ok(())
}

fn delete_from<D: Disk>(
    disk: &mut D,
    segments: &mut Vec<Loaded>,
    at: usize,
) -> Result<(), DiskError> {
    for torn in segments.drain(at..).rev() {
        disk.delete(torn.segment)?;
    }
    Ok(())
}

/// The first segment that must be there and is not. If it never reached the device, that is
/// a tear, too.
fn find_missing(segments: &[Loaded]) -> Option<SegmentNumber> {
    let is_there = |segment: SegmentNumber| {
        let at = segments.binary_search_by_key(&segment, |loaded| loaded.segment);
        at.is_ok()
    };
    let mut expected = expected(segments).into_iter();
    expected.find(|&segment| !is_there(segment))
}

fn check_identity(
    loaded: &Loaded,
    us: Identity,
    ancestors: &[ClusterId],
    store: &mut Option<StoreId>,
) -> Result<(), OpenError> {
    let Some(identity) = loaded.identity else {
        return Ok(());
    };
    if identity.cluster != us.cluster && !ancestors.contains(&identity.cluster) {
        let (expected, found) = (us.cluster, identity.cluster);
        return Err(OpenError::ForeignCluster { expected, found });
    }
    let expected = *store.get_or_insert(identity.store);
    if identity.store != expected {
        let (segment, found) = (loaded.segment, identity.store);
        return Err(OpenError::ForeignSegment {
            segment,
            expected,
            found,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    //! Records that no store has written, under checksums that are right.
    use super::*;
    use crate::MemoryDisk;
    use crate::error::DamagedPart;
    use crate::record::{FORMAT_VERSION, Meta, put_record};
    use alloc::vec;
    use platform::ClusterId;
    use types::{Epoch, Interval, NodeId, PageId, Stamp, Version};

    const US: Identity = Identity {
        cluster: ClusterId(7),
        store: StoreId(8),
    };
    const FIRST: SegmentNumber = SegmentNumber(1);
    const HEADER: Meta = Meta::Header {
        version: FORMAT_VERSION,
        segment: FIRST,
        cluster: US.cluster,
        store: US.store,
    };

    /// A record for this place in the first segment.
    fn record(meta: Meta, payload: &[u8], durable: Position, offset: u32) -> Vec<u8> {
        let mut bytes = vec![];
        let at = Position {
            segment: FIRST,
            offset,
        };
        put_record(&mut bytes, meta, payload, durable, at);
        bytes
    }

    fn disk(segment: SegmentNumber, bytes: Vec<u8>) -> MemoryDisk {
        let mut disk = MemoryDisk::new();
        disk.create(segment).unwrap();
        disk.append(segment, bytes).unwrap();
        disk
    }

    #[test]
    fn a_frame_of_more_than_a_page_is_no_record() {
        let interval = Interval {
            epoch: Epoch(1),
            sub: 0,
        };
        let frame = Meta::Frame {
            page: PageId::new(300, 1),
            version: Version(1),
            stamp: Stamp {
                node: NodeId(1),
                interval,
            },
            base: 0,
        };
        let header = record(HEADER, &[], Position::START, 0);
        let frame = record(frame, &[1; 4097], Position::START, 64);
        let end = u32::try_from(header.len()).unwrap();
        let mut disk = disk(FIRST, [header, frame].concat());
        let found = recover(&mut disk, US, &[]).unwrap();
        assert_eq!(found.segments[0].end, end);
        assert_eq!(disk.length(FIRST), Ok(end.into()));
    }

    #[test]
    fn a_log_that_was_durable_beyond_its_end_has_lost_something() {
        let beyond = Position {
            segment: FIRST,
            offset: 128,
        };
        let header = record(HEADER, &[], beyond, 0);
        let Err(OpenError::Damaged(damage)) = recover(&mut disk(FIRST, header), US, &[]) else {
            panic!("it lacks 64 bytes");
        };
        assert_eq!((damage.part, damage.offset), (DamagedPart::Length, 64));
    }

    /// Bytes that were written after a trailer are looked at, whatever the trailer says.
    #[test]
    fn a_trailer_in_the_middle_seals_nothing() {
        let header = record(HEADER, &[], Position::START, 0);
        let trailer = record(Meta::Trailer { footer: 0 }, &[], Position::START, 64);
        let beyond = Position {
            segment: FIRST,
            offset: 128,
        };
        let after = record(Meta::Dropped { segment: FIRST }, &[], beyond, 128);
        let bytes = [&header[..], &trailer, &after, &[0; 300]].concat();
        let mut disk = disk(FIRST, bytes);
        let found = recover(&mut disk, US, &[]).unwrap();
        assert!(!found.segments[0].is_sealed);
        assert_eq!(found.segments[0].end, 192);
        assert_eq!(disk.length(FIRST), Ok(192));
        assert!(recover(&mut disk, US, &[]).is_ok());
    }

    /// Segments 1 and 4; 4 needs 3, which is missing, and says whether something in 2 was durable.
    #[test]
    fn what_is_left_before_a_missing_segment_must_be_all_that_was_durable() {
        let fourth = SegmentNumber(4);
        let beyond = Position {
            segment: SegmentNumber(2),
            offset: 64,
        };
        for (durable, is_lost) in [(Position::START, false), (beyond, true)] {
            let mut disk = disk(FIRST, record(HEADER, &[], Position::START, 0));
            let header = Meta::Header {
                version: FORMAT_VERSION,
                segment: fourth,
                cluster: US.cluster,
                store: US.store,
            };
            let mut bytes = record(header, &[], Position::START, 0);
            let at = Position {
                segment: fourth,
                offset: 64,
            };
            let needed = 3_u32.to_le_bytes();
            put_record(&mut bytes, Meta::Existing, &needed, durable, at);
            disk.create(fourth).unwrap();
            disk.append(fourth, bytes).unwrap();
            // The first ends with a trailer.
            let trailer = record(Meta::Trailer { footer: 0 }, &[], Position::START, 64);
            disk.append(FIRST, trailer).unwrap();
            let segment = SegmentNumber(3);
            let lost = is_lost.then_some(OpenError::Missing { segment });
            assert_eq!(recover(&mut disk, US, &[]).err(), lost);
        }
    }

    #[test]
    fn a_segment_that_no_number_can_follow_is_refused() {
        let segment = SegmentNumber(u32::MAX);
        let error = recover(&mut disk(segment, vec![]), US, &[]).unwrap_err();
        assert_eq!(error, OpenError::NumberTooHigh { segment });
    }
}
