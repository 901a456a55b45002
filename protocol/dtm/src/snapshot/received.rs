//! Parts of other nodes that have come to this node's store and are not stable.
//!
//! When their producer dies they show how much of its work is whole, and they are all that
//! is left of it. What is known here lives as long as the node: a store that was started
//! anew vouches for nothing that is not stable.
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use types::{Epoch, Interval, NodeId, PageId, Stamp, Version, View, ViewNumber};
use wire::{Manifest, PageVersion, ReceivedPart};

/// A version that the store has got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Frame {
    page: PageId,
    version: Version,
    interval: Interval,
}

/// A part, as often as it has come.
#[derive(Debug, Default)]
struct Part {
    /// In each view, in which it may have gone to other stores.
    manifests: Vec<(ViewNumber, Manifest)>,
    frames: Vec<Frame>,
}

/// What has come from one node.
#[derive(Debug, Default)]
struct Producer {
    /// Of parts that have not ended.
    unfinished: Vec<Frame>,
    parts: BTreeMap<Epoch, Part>,
}

/// What has come from all others.
#[derive(Debug, Default)]
pub(crate) struct Received(BTreeMap<NodeId, Producer>);

impl Received {
    /// A version came. Of those that its sender has not written itself, or that are
    /// stable, no note is taken: they are not of its parts.
    pub(crate) fn note_frame(&mut self, from: NodeId, page: PageId, content: &PageVersion) {
        let Stamp { node, interval } = content.stamp;
        if node == from {
            let producer = self.0.entry(from).or_default();
            producer.unfinished.push(Frame {
                page,
                version: content.version,
                interval,
            });
        }
    }

    /// The part is whole.
    pub(crate) fn end_part(&mut self, from: NodeId, view: ViewNumber, manifest: Manifest) {
        let epoch = manifest.last.epoch;
        let producer = self.0.entry(from).or_default();
        let mut frames = core::mem::take(&mut producer.unfinished);
        frames.retain(|frame| frame.interval.epoch == epoch);
        let part = producer.parts.entry(epoch).or_default();
        part.frames.append(&mut frames);
        // Until it is stable both count: it may not be whole yet at the stores of the new view.
        part.manifests.push((view, manifest));
    }

    /// What is stable is nobody's legacy.
    pub(crate) fn release(&mut self, stable: Epoch) {
        self.0.retain(|_, producer| {
            let parts = &mut producer.parts;
            while parts
                .first_key_value()
                .is_some_and(|(&epoch, _)| epoch <= stable)
            {
                parts.pop_first();
            }
            !parts.is_empty() || !producer.unfinished.is_empty()
        });
    }

    /// A view begins. A part of which anything was undone is sent again, what is left of it.
    pub(crate) fn enter(&mut self, view: &View) {
        self.0.retain(|&node, producer| {
            producer.unfinished.clear();
            producer.parts.retain(|_, part| {
                part.manifests.retain(|(_, manifest)| {
                    let interval = manifest.last;
                    !view.is_undone(Stamp { node, interval })
                });
                !part.manifests.is_empty()
            });
            !producer.parts.is_empty()
        });
    }

    /// The parts of these nodes, whole ones only, ascending.
    pub(crate) fn parts_of(&self, is_chosen: impl Fn(NodeId) -> bool) -> Vec<ReceivedPart> {
        let chosen = self.0.iter().filter(|&(&node, _)| is_chosen(node));
        let parts = chosen.flat_map(|(&node, producer)| {
            let manifests = producer.parts.values().flat_map(|part| &part.manifests);
            manifests.map(move |(view, manifest)| ReceivedPart {
                node,
                view: *view,
                manifest: manifest.clone(),
            })
        });
        parts.collect()
    }

    /// The newest version of each page in parts of nodes that are gone.
    pub(crate) fn legacy(&self, view: &View) -> BTreeMap<PageId, (Version, Stamp)> {
        let mut newest = BTreeMap::new();
        let gone = self
            .0
            .iter()
            .filter(|(node, _)| view.member(**node).is_none());
        for (&node, producer) in gone {
            for frame in producer.parts.values().flat_map(|part| &part.frames) {
                let interval = frame.interval;
                let found = (frame.version, Stamp { node, interval });
                let known = newest.entry(frame.page).or_insert(found);
                *known = found.max(*known);
            }
        }
        newest
    }
}
