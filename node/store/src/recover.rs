//! What a crash left behind, turned into an index again.
//!
//! Sealed segments are read by their footers. The others are scanned. Where a scan
//! meets bytes that are no record, either a crash came before they were synced (a torn
//! tail, of which nobody was told that it is stored), or the device lost what it had.
//! Every record says how far the log was durable when it was written: damage before
//! the greatest such place was no crash. A frame whose head is good can be named, and
//! only it is refused later; anything else makes the whole store useless, because what
//! is missing is unknown.
use alloc::vec;
use alloc::vec::Vec;
use platform::{Disk, DiskError, SegmentNumber};
use types::StoreId;

use crate::error::{Damage, DamagedPart, OpenError};
use crate::footer::{self, Contents};
use crate::index::Entry;
use crate::record::{FORMAT_VERSION, HEAD_SIZE, Head, Meta, Position, payload_checksum};
use crate::store::Identity;

/// The highest number of a segment that is found: nothing is ever written so far, and the
/// numbers of all that follow it fit, too.
const SEGMENT_NUMBER_MAX: u32 = 1 << 31;

/// One segment as it was found.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) segment: SegmentNumber,
    pub(crate) contents: Contents,
    /// Where the next record would go.
    pub(crate) end: u32,
    pub(crate) is_sealed: bool,
    /// Payloads of control records.
    pub(crate) control: Vec<Vec<u8>>,
    /// The first of them stands for all before it.
    pub(crate) has_checkpoint: bool,
    identity: Option<Identity>,
    damage: Vec<Damage>,
    /// Bytes that are no record, at `end`.
    fault: Option<Damage>,
    /// The log was durable up to here at least.
    durable: Position,
}

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
pub(crate) fn recover<D: Disk>(disk: &mut D, us: Identity) -> Result<Recovered, OpenError> {
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
        check_identity(&loaded, us, &mut store)?;
        segments.push(loaded);
    }
    let durable = segments
        .iter()
        .map(|loaded| loaded.durable)
        .max()
        .unwrap_or(Position::START);
    let tear = find_tear(&mut segments);
    let whole = &segments[..tear.map_or(segments.len(), |at| at + 1)];
    if end(whole) < durable {
        let last = whole.last().expect("a record said so");
        let lost = short_segment(last.segment, last.end);
        return Err(OpenError::Damaged(last.fault.unwrap_or(lost)));
    }
    if let Some(at) = tear {
        cut(disk, &mut segments, at)?;
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
    for torn in segments.drain(keep..).rev() {
        disk.delete(torn.segment)?;
    }
    if keep > at {
        disk.truncate(segments[at].segment, segments[at].end.into())?;
    }
    Ok(())
}

fn check_identity(
    loaded: &Loaded,
    us: Identity,
    store: &mut Option<StoreId>,
) -> Result<(), OpenError> {
    let Some(identity) = loaded.identity else {
        return Ok(());
    };
    if identity.cluster != us.cluster {
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

fn load<D: Disk>(disk: &mut D, segment: SegmentNumber) -> Result<Loaded, OpenError> {
    let length = disk.length(segment)?;
    let identity = read_identity(disk, segment, length)?;
    let mut loaded = match load_sealed(disk, segment, length)? {
        Some(loaded) => loaded,
        None => {
            let size = usize::try_from(length).expect("segments fit into memory");
            let mut bytes = vec![0; size];
            disk.read(segment, 0, &mut bytes)?;
            scan(segment, &bytes)
        }
    };
    loaded.identity = identity;
    Ok(loaded)
}

/// Who wrote the segment, if its header is whole.
fn read_identity<D: Disk>(
    disk: &mut D,
    segment: SegmentNumber,
    length: u64,
) -> Result<Option<Identity>, OpenError> {
    let mut bytes = [0; HEAD_SIZE];
    if length < HEAD_SIZE as u64 {
        return Ok(None);
    }
    disk.read(segment, 0, &mut bytes)?;
    let Ok(Head {
        meta:
            Meta::Header {
                version,
                segment: found,
                cluster,
                store,
            },
        ..
    }) = Head::decode(&bytes)
    else {
        return Ok(None);
    };
    if version != FORMAT_VERSION {
        return Err(OpenError::FormatVersion { found: version });
    }
    if segment != found {
        return Err(OpenError::Misnamed { segment, found });
    }
    Ok(Some(Identity { cluster, store }))
}

/// A segment by its footer; `None` if it has none, or none that can be believed.
fn load_sealed<D: Disk>(
    disk: &mut D,
    segment: SegmentNumber,
    length: u64,
) -> Result<Option<Loaded>, DiskError> {
    let Some(trailer_at) = length.checked_sub(HEAD_SIZE as u64) else {
        return Ok(None);
    };
    let mut bytes = [0; HEAD_SIZE];
    disk.read(segment, trailer_at, &mut bytes)?;
    let Ok(Head {
        meta: Meta::Trailer { footer },
        durable,
        ..
    }) = Head::decode(&bytes)
    else {
        return Ok(None);
    };
    let Some(size) = trailer_at
        .checked_sub(footer.into())
        .filter(|&size| size >= 64)
    else {
        return Ok(None);
    };
    let mut record = vec![0; usize::try_from(size).expect("footers fit into memory")];
    disk.read(segment, footer.into(), &mut record)?;
    let Some(contents) = decode_footer(segment, &record) else {
        return Ok(None);
    };
    let end = u32::try_from(length).expect("segments are sealed early");
    Ok(Some(Loaded {
        contents,
        end,
        is_sealed: true,
        durable,
        ..Loaded::new(segment)
    }))
}

fn decode_footer(segment: SegmentNumber, record: &[u8]) -> Option<Contents> {
    let (head, rest) = record.split_first_chunk()?;
    let head = Head::decode(head).ok()?;
    let Meta::Footer { entries, history } = head.meta else {
        return None;
    };
    let payload = rest.get(..head.payload_length as usize)?;
    if payload_checksum(payload) != head.payload_checksum {
        return None;
    }
    footer::decode(payload, segment, entries, history)
}

/// Reads a segment record by record, up to the first bytes that are none.
fn scan(segment: SegmentNumber, bytes: &[u8]) -> Loaded {
    let mut loaded = Loaded::new(segment);
    // Damaged payloads right at the end are part of a torn tail.
    let mut at_end: Vec<(Damage, Option<Entry>)> = vec![];
    let mut at = 0;
    while at < bytes.len() {
        let offset = u32::try_from(at).expect("segments are sealed early");
        let (head, payload) = match split_record(segment, offset, &bytes[at..]) {
            Ok(record) => record,
            Err(fault) => {
                loaded.fault = Some(fault);
                break;
            }
        };
        loaded.durable = loaded.durable.max(head.durable);
        at += head.record_size();
        let position = Position { segment, offset };
        let found = payload_checksum(payload);
        if found == head.payload_checksum {
            for (damage, entry) in at_end.drain(..) {
                loaded.damage.push(damage);
                loaded.contents.entries.extend(entry);
            }
            loaded.add(position, &head, payload);
            loaded.end = u32::try_from(at).expect("segments are sealed early");
        } else {
            let damage = damaged_payload(position, &head, found);
            at_end.push((damage, frame_entry(position, &head)));
        }
    }
    if bytes.is_empty() {
        loaded.fault = Some(short_segment(segment, 0));
    }
    if let Some((damage, _)) = at_end.first() {
        loaded.fault = Some(*damage);
    }
    if loaded.fault.is_some() {
        let rest = &bytes[at.min(bytes.len())..];
        loaded.durable = loaded.durable.max(durable_after(rest));
    }
    loaded
}

impl Loaded {
    fn new(segment: SegmentNumber) -> Self {
        Self {
            segment,
            contents: Contents::default(),
            end: 0,
            is_sealed: false,
            control: vec![],
            has_checkpoint: false,
            identity: None,
            damage: vec![],
            fault: None,
            durable: Position::START,
        }
    }

    fn add(&mut self, position: Position, head: &Head, payload: &[u8]) {
        assert!(self.end <= position.offset, "records follow one another");
        match head.meta {
            Meta::Frame { .. } => self.contents.entries.extend(frame_entry(position, head)),
            Meta::Stable(_) | Meta::Undone(_) => self.contents.history.push(*head),
            Meta::Control => self.control.push(payload.to_vec()),
            Meta::Checkpoint => {
                self.has_checkpoint = self.control.is_empty();
                self.control.push(payload.to_vec());
            }
            Meta::Trailer { .. } => self.is_sealed = true,
            Meta::Header { .. } | Meta::PartEnd { .. } | Meta::Footer { .. } => (),
        }
    }
}

/// The record at the start of `bytes`, its payload not yet checked.
fn split_record(
    segment: SegmentNumber,
    offset: u32,
    bytes: &[u8],
) -> Result<(Head, &[u8]), Damage> {
    let Some((head, rest)) = bytes.split_first_chunk() else {
        let found = offset + u32::try_from(bytes.len()).expect("shorter than a head");
        return Err(short_segment(segment, found));
    };
    let head = Head::decode(head).map_err(|fault| Damage::from_head(segment, offset, fault))?;
    let is_header = matches!(head.meta, Meta::Header { .. });
    if is_header != (offset == 0) {
        let (part, expected, found) = (DamagedPart::Place, 0, offset);
        return Err(Damage {
            segment,
            offset,
            part,
            expected,
            found,
            page: None,
        });
    }
    if bytes.len() < head.record_size() {
        let end = offset.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        return Err(Damage {
            offset,
            ..short_segment(segment, end)
        });
    }
    Ok((head, &rest[..head.payload_length as usize]))
}

fn short_segment(segment: SegmentNumber, end: u32) -> Damage {
    let (part, expected) = (
        DamagedPart::Length,
        end.next_multiple_of(64).saturating_add(64),
    );
    Damage {
        segment,
        offset: end,
        part,
        expected,
        found: end,
        page: None,
    }
}

fn damaged_payload(position: Position, head: &Head, found: u32) -> Damage {
    let page = match head.meta {
        Meta::Frame { page, version, .. } => Some((page, version)),
        _ => None,
    };
    let Position { segment, offset } = position;
    let (part, expected) = (DamagedPart::Payload, head.payload_checksum);
    Damage {
        segment,
        offset,
        part,
        expected,
        found,
        page,
    }
}

fn frame_entry(position: Position, head: &Head) -> Option<Entry> {
    let Meta::Frame {
        page,
        version,
        stamp,
    } = head.meta
    else {
        return None;
    };
    let length = u16::try_from(head.payload_length);
    Some(Entry {
        page,
        version,
        stamp,
        position,
        length: length.expect("a head of a frame that names more than a page is refused"),
    })
}

/// How far the log was durable according to any record in bytes that cannot be read
/// in order.
fn durable_after(bytes: &[u8]) -> Position {
    let (heads, _) = bytes.as_chunks::<HEAD_SIZE>();
    let heads = heads.iter().filter_map(|bytes| Head::decode(bytes).ok());
    heads
        .map(|head| head.durable)
        .max()
        .unwrap_or(Position::START)
}

#[cfg(test)]
mod tests {
    //! Records that no store has written, under checksums that are right.
    use super::*;
    use crate::MemoryDisk;
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

    fn record(meta: Meta, payload: &[u8], durable: Position) -> Vec<u8> {
        let head = Head {
            meta,
            payload_length: u32::try_from(payload.len()).unwrap(),
            payload_checksum: payload_checksum(payload),
            durable,
        };
        let mut bytes = head.encode().to_vec();
        bytes.extend_from_slice(payload);
        bytes.resize(head.record_size(), 0);
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
        };
        let header = record(HEADER, &[], Position::START);
        let frame = record(frame, &[1; 4097], Position::START);
        let end = u32::try_from(header.len()).unwrap();
        let mut disk = disk(FIRST, [header, frame].concat());
        let found = recover(&mut disk, US).unwrap();
        assert_eq!(found.segments[0].end, end);
        assert_eq!(disk.length(FIRST), Ok(end.into()));
    }

    #[test]
    fn a_log_that_was_durable_beyond_its_end_has_lost_something() {
        let beyond = Position {
            segment: FIRST,
            offset: 128,
        };
        let header = record(HEADER, &[], beyond);
        let Err(OpenError::Damaged(damage)) = recover(&mut disk(FIRST, header), US) else {
            panic!("it lacks 64 bytes");
        };
        assert_eq!((damage.part, damage.offset), (DamagedPart::Length, 64));
    }

    #[test]
    fn a_segment_that_no_number_can_follow_is_refused() {
        let segment = SegmentNumber(u32::MAX);
        let error = recover(&mut disk(segment, vec![]), US).unwrap_err();
        assert_eq!(error, OpenError::NumberTooHigh { segment });
    }
}
