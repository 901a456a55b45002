//! Who waits for the device: parts and copies that have ended, until a sync that began
//! after their end has completed. A part has ended only if all of it is here.
use alloc::vec::Vec;
use types::{Epoch, Extent, NodeId};

use crate::error::PartError;
use crate::store::Part;

/// Ended, and not acknowledged yet.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    /// What no sync covers yet.
    waiting: Ended,
    /// What the sync on its way covers.
    syncing: Ended,
    /// Frames of parts that have not ended. They come part by part, so the last is looked at
    /// first.
    frames: Vec<(Part, u32)>,
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
    /// A frame of this part has come.
    pub(crate) fn count(&mut self, part: Part) {
        let mut latest = self.frames.iter_mut().rev();
        match latest.find(|(known, _)| *known == part) {
            Some((_, count)) => *count += 1,
            None => self.frames.push((part, 1)),
        }
    }

    /// The part had so many frames.
    pub(crate) fn check_count(&mut self, part: Part, expected: u32) -> Result<(), PartError> {
        let at = self.frames.iter().position(|(known, _)| *known == part);
        let found = at.map_or(0, |at| self.frames.remove(at).1);
        if found < expected {
            return Err(PartError::Incomplete { expected, found });
        }
        Ok(())
    }

    /// Whoever sends a frame of an epoch that is stable repeats something, or gives a copy.
    pub(crate) fn forget_counts(&mut self, stable: Epoch) {
        self.frames.retain(|(part, _)| part.epoch > stable);
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
