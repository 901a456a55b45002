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
        if found.is_none() && is_in_order && room.len() < PIECE {
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
        }
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
