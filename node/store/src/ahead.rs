//! Reading ahead: records that are read in the order of the log come from the disk in long
//! pieces. What a log has written is never changed, so a piece stays right.
use alloc::vec::Vec;
use core::ops::Range;

use platform::{Disk, DiskError, SegmentNumber};

use crate::record::Position;

/// Bytes of a piece.
const PIECE: usize = 256 << 10;
/// How far behind the beginning of a piece the disk is told what comes: it may fetch that
/// meanwhile.
const HINTED_AT: u64 = 3 * PIECE as u64;

/// The last piece, and where reading goes on if it is in order.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    piece: Option<Piece>,
    /// Where the last piece began that could not be read.
    failed: Option<Position>,
    next: Option<Position>,
}

#[derive(Debug)]
struct Piece {
    start: Position,
    bytes: Vec<u8>,
}

impl Ahead {
    /// So many bytes at `position` as `room` has, in there or in a piece that was read before.
    pub(crate) fn read<'room>(
        &'room mut self,
        disk: &mut impl Disk,
        position: Position,
        room: &'room mut [u8],
    ) -> Result<&'room [u8], DiskError> {
        let is_in_order = self.next == Some(position);
        let length = u32::try_from(room.len()).expect("records are short");
        let end = position.offset.checked_add(length);
        self.next = end.map(|offset| Position { offset, ..position });
        let mut found = self.find(position, room.len());
        let is_long = room.len() < PIECE && !self.has_failed(position);
        if found.is_none() && is_in_order && is_long {
            self.read_piece(disk, position);
            found = self.find(position, room.len());
        }
        match (found, &self.piece) {
            (Some(found), Some(piece)) => Ok(&piece.bytes[found]),
            _ => {
                disk.read(position.segment, position.offset.into(), room)?;
                Ok(room)
            }
        }
    }

    /// The segment is about to be deleted.
    pub(crate) fn forget(&mut self, segment: SegmentNumber) {
        self.piece.take_if(|piece| piece.start.segment == segment);
        self.failed.take_if(|failed| failed.segment == segment);
    }

    /// Reads the piece that begins here, shorter at the end of a segment. There is none where a
    /// part cannot be read: there it goes record by record.
    fn read_piece(&mut self, disk: &mut impl Disk, start: Position) {
        let mut bytes = self.piece.take().map_or_else(Vec::new, |piece| piece.bytes);
        let (segment, offset) = (start.segment, u64::from(start.offset));
        let end = disk.length(segment).unwrap_or(0);
        let left = usize::try_from(end.saturating_sub(offset)).unwrap_or(PIECE);
        bytes.resize(left.min(PIECE), 0);
        if disk.read(segment, offset, &mut bytes).is_ok() {
            self.piece = Some(Piece { start, bytes });
            disk.prefetch(segment, offset + HINTED_AT, PIECE);
        } else {
            self.failed = Some(start);
        }
    }

    /// Whether a piece that would begin here would, for all that is known, fail as the last
    /// one did.
    fn has_failed(&self, position: Position) -> bool {
        self.failed.is_some_and(|failed| {
            let behind = position.offset.checked_sub(failed.offset);
            position.segment == failed.segment && behind.is_some_and(|by| (by as usize) < PIECE)
        })
    }

    /// Where in the piece it is, if all of it is there.
    fn find(&self, position: Position, length: usize) -> Option<Range<usize>> {
        let piece = self.piece.as_ref()?;
        let from = position.offset.checked_sub(piece.start.offset)?;
        let from = usize::try_from(from).ok()?;
        let end = from + length;
        let is_there = piece.start.segment == position.segment && end <= piece.bytes.len();
        is_there.then_some(from..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryDisk;

    const SEGMENT: SegmentNumber = SegmentNumber(1);
    const RECORD: usize = 1000;

    /// A disk with a segment whose bytes count their hundreds.
    fn disk(bytes: usize) -> MemoryDisk {
        let mut disk = MemoryDisk::new();
        disk.create(SEGMENT).unwrap();
        disk.append(SEGMENT, contents(0..bytes)).unwrap();
        disk
    }

    fn contents(range: Range<usize>) -> Vec<u8> {
        range
            .map(|at| u8::try_from(at / 100 % 251).unwrap())
            .collect()
    }

    /// Reads records in order; how many could not be read.
    fn read(ahead: &mut Ahead, disk: &mut MemoryDisk, records: Range<usize>) -> usize {
        let mut failed = 0;
        for record in records {
            let offset = record * RECORD;
            let position = Position {
                segment: SEGMENT,
                offset: u32::try_from(offset).unwrap(),
            };
            match ahead.read(disk, position, &mut [0; RECORD]) {
                Ok(found) => assert_eq!(found, contents(offset..offset + RECORD)),
                Err(_) => failed += 1,
            }
        }
        failed
    }

    #[test]
    fn records_in_order_come_in_pieces() {
        let mut disk = disk(2 * PIECE);
        let records = 2 * PIECE / RECORD;
        assert_eq!(read(&mut Ahead::default(), &mut disk, 0..records), 0);
        // The first record, and two pieces behind it, of which the second is shorter.
        assert_eq!(disk.reads(), 1 + 2);
        assert!(disk.bytes_read() <= 2 * PIECE as u64 + RECORD as u64);
    }

    #[test]
    fn a_segment_that_grows_is_read_to_its_end() {
        let mut disk = disk(10 * RECORD);
        let mut ahead = Ahead::default();
        assert_eq!(read(&mut ahead, &mut disk, 0..10), 0);
        let more = contents(10 * RECORD..20 * RECORD);
        disk.append(SEGMENT, more).unwrap();
        assert_eq!(read(&mut ahead, &mut disk, 10..20), 0);
    }

    #[test]
    fn a_deleted_segment_is_not_read_any_more() {
        let mut disk = disk(20 * RECORD);
        let mut ahead = Ahead::default();
        assert_eq!(read(&mut ahead, &mut disk, 0..10), 0);
        ahead.forget(SEGMENT);
        disk.delete(SEGMENT).unwrap();
        assert_eq!(read(&mut ahead, &mut disk, 10..20), 10);
    }

    /// A device may take seconds for a place that it cannot read.
    #[test]
    fn a_place_that_cannot_be_read_costs_its_record_and_little_time() {
        let mut disk = disk(2 * PIECE);
        disk.make_unreadable(SEGMENT, 100 * RECORD + 7);
        let records = 2 * PIECE / RECORD;
        assert_eq!(read(&mut Ahead::default(), &mut disk, 0..records), 1);
        let (one_by_one, pieces) = (PIECE / RECORD + 2, 4);
        assert!(disk.reads() <= (one_by_one + pieces) as u64);
    }
}
