//! Who waits for the device: parts and copies that have ended, until a sync that began
//! after their end has completed.
use alloc::vec::Vec;
use types::{Extent, NodeId};

use crate::store::Part;

/// Ended, and not acknowledged yet.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    /// What no sync covers yet.
    waiting: Ended,
    /// What the sync on its way covers.
    syncing: Ended,
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
