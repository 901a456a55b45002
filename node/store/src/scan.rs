//! One segment, as it is found: by its footer if it was sealed, else record by record, up
//! to the first bytes that are none.
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Ordering;
use platform::{Disk, DiskError, SegmentNumber};

use crate::error::{Damage, DamagedPart, OpenError};
use crate::fact::Fact;
use crate::footer::{self, Contents};
use crate::index::Entry;
use crate::record::{FORMAT_VERSION, HEAD_SIZE, Head, Meta, Position, payload_checksum};
use crate::store::{Identity, SEGMENT_LENGTH_MAX};

/// The size of a head, as offsets are counted.
const HEAD: u32 = 64;

const _: () = assert!(HEAD as usize == HEAD_SIZE, "one size");

/// One segment as it was found.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) segment: SegmentNumber,
    pub(crate) contents: Contents,
    /// Where the next record would go.
    pub(crate) end: u32,
    pub(crate) is_sealed: bool,
    /// Its footer was believed: nothing else of it was looked at.
    pub(crate) is_by_footer: bool,
    /// Payloads of control records.
    pub(crate) control: Vec<Vec<u8>>,
    /// The first of them stands for all before it.
    pub(crate) has_checkpoint: bool,
    pub(crate) identity: Option<Identity>,
    pub(crate) damage: Vec<Damage>,
    /// Bytes that are no record, at `end`.
    pub(crate) fault: Option<Damage>,
    /// The log was durable up to here at least.
    pub(crate) durable: Position,
}

/// Reads a segment.
pub(crate) fn load<D: Disk>(disk: &mut D, segment: SegmentNumber) -> Result<Loaded, OpenError> {
    let bytes = disk.length(segment)?;
    if bytes > SEGMENT_LENGTH_MAX.into() {
        return Err(OpenError::TooLong { segment, bytes });
    }
    let length = u32::try_from(bytes).expect("checked above");
    let identity = read_identity(disk, segment, length)?;
    let mut loaded = match load_sealed(disk, segment, length)? {
        Some(loaded) => loaded,
        None => read_and_scan(disk, segment, length)?,
    };
    loaded.identity = identity;
    Ok(loaded)
}

/// Reads a segment of this length record by record, whether it has a footer or not.
pub(crate) fn read_and_scan<D: Disk>(
    disk: &mut D,
    segment: SegmentNumber,
    length: u32,
) -> Result<Loaded, DiskError> {
    let mut bytes = vec![0; length as usize];
    disk.read(segment, 0, &mut bytes)?;
    Ok(scan(segment, &bytes))
}

/// Who wrote the segment, if its header is whole.
fn read_identity<D: Disk>(
    disk: &mut D,
    segment: SegmentNumber,
    length: u32,
) -> Result<Option<Identity>, OpenError> {
    let mut bytes = [0; HEAD_SIZE];
    if length < HEAD {
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
    }) = Head::decode(&bytes, Position { segment, offset: 0 })
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
    length: u32,
) -> Result<Option<Loaded>, DiskError> {
    let Some(trailer_at) = length.checked_sub(HEAD) else {
        return Ok(None);
    };
    let at = |offset| Position { segment, offset };
    let mut bytes = [0; HEAD_SIZE];
    disk.read(segment, trailer_at.into(), &mut bytes)?;
    let Ok(Head {
        meta: Meta::Trailer { footer },
        durable,
        ..
    }) = Head::decode(&bytes, at(trailer_at))
    else {
        return Ok(None);
    };
    let size = trailer_at.checked_sub(footer);
    let Some(size) = size.filter(|&size| size >= HEAD) else {
        return Ok(None);
    };
    let mut record = vec![0; size as usize];
    disk.read(segment, footer.into(), &mut record)?;
    let Some(contents) = decode_footer(at(footer), &record) else {
        return Ok(None);
    };
    Ok(Some(Loaded {
        contents,
        end: length,
        is_sealed: true,
        is_by_footer: true,
        durable,
        ..Loaded::new(segment)
    }))
}

fn decode_footer(at: Position, record: &[u8]) -> Option<Contents> {
    let (head, rest) = record.split_first_chunk()?;
    let head = Head::decode(head, at).ok()?;
    let Meta::Footer { entries, history } = head.meta else {
        return None;
    };
    let payload = head.payload(rest)?;
    footer::decode(&payload, at.segment, entries, history)
}

/// Reads a segment record by record, up to the first bytes that are none.
fn scan(segment: SegmentNumber, bytes: &[u8]) -> Loaded {
    let mut loaded = Loaded::new(segment);
    let durable = durable_before(segment, bytes);
    // Damaged payloads right at the end are part of a torn tail.
    let mut at_end: Vec<(Damage, Option<Entry>)> = vec![];
    let mut at = 0;
    while at < bytes.len() {
        let offset = u32::try_from(at).expect("segments are sealed early");
        let position = Position { segment, offset };
        let (head, payload) = match split_record(position, &bytes[at..]) {
            Ok(record) => record,
            Err(fault) => {
                loaded.fault = Some(fault);
                break;
            }
        };
        loaded.durable = loaded.durable.max(head.durable);
        at += head.record_size();
        // What is durable is not torn; whether a page is as it was is seen when it is read.
        let is_page = matches!(head.meta, Meta::Frame { .. });
        let found = match is_page && at <= durable {
            true => head.payload_checksum,
            false => payload_checksum(payload),
        };
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
        loaded.durable = loaded.durable.max(durable_after(segment, bytes, at));
    }
    loaded
}

/// Up to where a segment was durable, as its own heads say.
fn durable_before(segment: SegmentNumber, bytes: &[u8]) -> usize {
    let mut at = 0;
    let mut durable = Position::START;
    while at < bytes.len() {
        let offset = u32::try_from(at).expect("segments are sealed early");
        let Ok((head, _)) = split_record(Position { segment, offset }, &bytes[at..]) else {
            break;
        };
        durable = durable.max(head.durable);
        at += head.record_size();
    }
    match durable.segment.cmp(&segment) {
        Ordering::Less => 0,
        Ordering::Equal => durable.offset as usize,
        Ordering::Greater => bytes.len(),
    }
}

impl Loaded {
    fn new(segment: SegmentNumber) -> Self {
        Self {
            segment,
            contents: Contents::default(),
            end: 0,
            is_sealed: false,
            is_by_footer: false,
            control: vec![],
            has_checkpoint: false,
            identity: None,
            damage: vec![],
            fault: None,
            durable: Position::START,
        }
    }

    fn add(&mut self, position: Position, head: &Head, stored: &[u8]) {
        assert!(self.end <= position.offset, "records follow one another");
        // A trailer is the last record, or there was none.
        self.is_sealed = matches!(head.meta, Meta::Trailer { .. });
        let payload = || head.payload(stored).expect("its checksum was right");
        match head.meta {
            Meta::Frame { .. } => self.contents.entries.extend(frame_entry(position, head)),
            Meta::Stable(_)
            | Meta::Undone(_)
            | Meta::Retained
            | Meta::Existing
            | Meta::Dropped { .. } => {
                let fact = Fact::of(&head.meta, &payload());
                self.contents.history.extend(fact);
            }
            Meta::Control => self.control.push(payload().into_owned()),
            Meta::Checkpoint => {
                self.has_checkpoint = self.control.is_empty();
                self.control.push(payload().into_owned());
            }
            Meta::Header { .. }
            | Meta::PartEnd { .. }
            | Meta::Footer { .. }
            | Meta::Trailer { .. } => (),
        }
    }
}

/// The record at the start of `bytes`, its payload not yet checked.
fn split_record(at: Position, bytes: &[u8]) -> Result<(Head, &[u8]), Damage> {
    let Position { segment, offset } = at;
    let Some((head, rest)) = bytes.split_first_chunk() else {
        let found = offset + u32::try_from(bytes.len()).expect("shorter than a head");
        return Err(short_segment(segment, found));
    };
    let head = Head::decode(head, at).map_err(|fault| Damage::from_head(at, fault))?;
    let is_header = matches!(head.meta, Meta::Header { .. });
    if is_header != (offset == 0) {
        return Err(Damage::new(at, DamagedPart::Place, (0, offset)));
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

/// The segment ends too early.
pub(crate) fn short_segment(segment: SegmentNumber, end: u32) -> Damage {
    let at = Position {
        segment,
        offset: end,
    };
    let expected = end.next_multiple_of(64).saturating_add(64);
    Damage::new(at, DamagedPart::Length, (expected, end))
}

fn damaged_payload(position: Position, head: &Head, found: u32) -> Damage {
    let sums = (head.payload_checksum, found);
    let damage = Damage::new(position, DamagedPart::Payload, sums);
    match head.meta {
        Meta::Frame { page, version, .. } => damage.of(page, version),
        _ => damage,
    }
}

fn frame_entry(position: Position, head: &Head) -> Option<Entry> {
    let Meta::Frame {
        page,
        version,
        stamp,
        base,
    } = head.meta
    else {
        return None;
    };
    let length = u16::try_from(head.payload_length);
    Some(Entry {
        page,
        version,
        stamp,
        base,
        position,
        length: length.expect("a head of a frame that names more than a page is refused"),
    })
}

/// How far the log was durable according to any record from `start` on, where the bytes
/// cannot be read in order any more. Payloads have no marks of records, and a record is one
/// only in its own place, so nothing else passes for one.
fn durable_after(segment: SegmentNumber, bytes: &[u8], start: usize) -> Position {
    let (blocks, _) = bytes.as_chunks::<HEAD_SIZE>();
    let heads = (0_u32..).step_by(HEAD_SIZE).zip(blocks);
    let heads = heads.skip(start.div_ceil(HEAD_SIZE));
    let decode = |(offset, block)| Head::decode(block, Position { segment, offset }).ok();
    heads
        .filter_map(decode)
        .map(|head| head.durable)
        .max()
        .unwrap_or(Position::START)
}
