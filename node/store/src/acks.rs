//! Who waits for the device: parts and copies that have ended, until a sync that began
//! after their end has completed. A part has ended only if all of it is here.
use alloc::vec::Vec;
use types::{Extent, NodeId};

use crate::error::PartError;
use crate::store::Part;

/// Ended, and not acknowledged yet.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    /// What no sync covers yet.
    waiting: Ended,
    /// What the sync on its way covers.
    syncing: Ended,
    /// Frames that came from each node since the end of its last part: a part ends before the
    /// next one begins.
    frames: Vec<(NodeId, u32)>,
    /// Copies that are durable, to be taken.
    pub(crate) copies_stored: Vec<(NodeId, Extent)>,
}

#[derive(Debug, Default)]
struct Ended {
    parts: Vec<Part>,
    /// Copies of extents, by who sent them.
    copies: Vec<(NodeId, Extent)>,
}

impl Acks {
    /// A frame has come from this node.
    pub(crate) fn count(&mut self, from: NodeId) {
        let mut known = self.frames.iter_mut();
        match known.find(|(node, _)| *node == from) {
            Some((_, count)) => *count += 1,
            None => self.frames.push((from, 1)),
        }
    }

    /// The part of this node had so many frames. Copies of stable versions that it has sent
    /// meanwhile are counted among them.
    pub(crate) fn check_count(&mut self, from: NodeId, expected: u32) -> Result<(), PartError> {
        let mut known = self.frames.iter_mut();
        let count = known.find(|(node, _)| *node == from);
        let found = count.map_or(0, |(_, count)| core::mem::take(count));
        if found < expected {
            return Err(PartError::Incomplete { expected, found });
        }
        Ok(())
    }

    pub(crate) fn end_part(&mut self, part: Part) {
        self.waiting.parts.push(part);
    }

    pub(crate) fn end_copies(&mut self, from: NodeId, extent: Extent) {
        self.waiting.copies.push((from, extent));
    }

    /// Whether a sync is wanted.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.parts.is_empty() || !self.waiting.copies.is_empty()
    }

    /// A sync begins.
    pub(crate) fn begin_sync(&mut self) {
        assert!(
            self.syncing.parts.is_empty() && self.syncing.copies.is_empty(),
            "they went with the sync that completed"
        );
        core::mem::swap(&mut self.waiting, &mut self.syncing);
    }

    /// The sync that began last has completed; gives the parts that are durable by it.
    pub(crate) fn end_sync(&mut self) -> Vec<Part> {
        self.copies_stored.append(&mut self.syncing.copies);
        core::mem::take(&mut self.syncing.parts)
    }
}
