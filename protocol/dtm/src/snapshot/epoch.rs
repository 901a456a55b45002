//! Epochs at one node: moving on, keeping last versions, reporting what is stored.
//!
//! Closing an epoch is swapping the list of pages written in it. A page's last version
//! in a closed epoch is captured when the page is written again, when it is handed
//! over, or in passing by [`Dtm::snapshot_step`], whichever comes first.
use types::{Durability, Epoch, Interval, NodeId, PageId, placement};
use wire::{Manifest, Message, PageVersion};

use crate::snapshot::parts::Ended;
use crate::{Dtm, Event, PageMemory};

/// Letting a frame go costs a fraction of capturing one, and must not fall behind.
const FREED_PER_CAPTURE: usize = 8;

impl Dtm {
    /// The leader's timer: the next epoch begins, and everybody hears of it.
    pub(crate) fn on_advance_epoch(&mut self) {
        let leader = self.current_view().leader;
        assert!(leader == self.links.me, "only the leader advances epochs");
        self.advance_to(self.links.epoch.next());
        let view = self.view.as_ref().expect("checked above");
        for node in view.nodes().filter(|&node| node != leader) {
            self.links.send(node, Message::Heartbeat);
        }
    }

    /// Enters `epoch` unless the node is there already. A transaction that has not
    /// committed moves along.
    pub(crate) fn advance_to(&mut self, epoch: Epoch) {
        if epoch <= self.links.epoch {
            return;
        }
        self.links.epoch = epoch;
        self.snapshot.open(epoch);
        self.deps.advance(epoch);
        self.events.push(Event::EpochEntered { epoch });
        let calm_after = self.config.calm_after_epochs;
        while let Some(page) = self.contention.next_calm(epoch, calm_after) {
            let entry = self.pages.entry(page);
            entry.is_contended = false;
            entry.conflicts = 0;
            self.events.push(Event::Calm { page });
        }
        self.report_stored();
    }

    /// Keeps the current committed version of a page that was written here.
    pub(crate) fn capture(&mut self, page: PageId, memory: &impl PageMemory) {
        let content = self.committed(page, memory);
        self.keep_frame(page, content);
    }

    /// Keeps this version as the last one of its epoch.
    pub(crate) fn keep_frame(&mut self, page: PageId, content: PageVersion) {
        let entry = self.pages.entry(page);
        assert!(
            entry.is_uncaptured && entry.stamp == content.stamp,
            "captured-once: {page}"
        );
        entry.is_uncaptured = false;
        self.events.push(Event::Captured {
            page,
            epoch: content.stamp.epoch(),
        });
        let place = entry.listed_at;
        self.snapshot.keep(page, place, content);
        self.counters.frames_captured += 1;
        let retained = self.snapshot.retained() as u64;
        self.counters.frames_retained_max = self.counters.frames_retained_max.max(retained);
    }

    /// One slice of the work on closed epochs; true if more is left. A part ends before
    /// the next one begins: a store counts frames from part to part.
    pub(crate) fn send_parts(&mut self, pages_max: usize, memory: &impl PageMemory) -> bool {
        self.snapshot.free(FREED_PER_CAPTURE * pages_max);
        if self.deps.is_fenced() {
            return false;
        }
        for _ in 0..pages_max {
            let Some((epoch, page)) = self.snapshot.next_unsent() else {
                break;
            };
            let entry = self.pages.entry(page);
            if entry.is_uncaptured && entry.stamp.epoch() == epoch {
                self.capture(page, memory);
            }
            if self.snapshot.has_frame() {
                self.send_frame(page);
            } else {
                self.snapshot.skip();
            }
            self.end_parts();
        }
        self.snapshot.next_unsent().is_some()
    }

    fn send_frame(&mut self, page: PageId) {
        let view = self
            .view
            .as_ref()
            .expect("pages are written only in a view");
        let stores = placement::stores(view, page.extent());
        let content = self.snapshot.mark_sent(page, &stores).clone();
        for store in stores {
            self.links.send(
                store,
                Message::StoreFrame {
                    page,
                    content: content.clone(),
                },
            );
        }
    }

    fn end_parts(&mut self) {
        while let Some(ended) = self.snapshot.next_unended() {
            if ended.stores.is_empty() {
                continue;
            }
            let manifest = self.manifest(&ended);
            let epoch = ended.epoch;
            for (store, frames) in ended.stores {
                let manifest = manifest.clone();
                let end = Message::PartEnd {
                    epoch,
                    frames,
                    manifest,
                };
                self.links.send(store, end);
            }
        }
    }

    fn manifest(&self, ended: &Ended) -> Manifest {
        let &Ended { epoch, before, .. } = ended;
        let (last, edges) = self.deps.between(before, epoch);
        Manifest {
            last: last.unwrap_or(Interval { epoch, sub: 0 }),
            before,
            stores: ended.stores.iter().map(|&(store, _)| store).collect(),
            copies: u32::try_from(ended.copies).expect("there are no more nodes"),
            edges: edges.iter().collect(),
        }
    }

    /// False if the store was not asked.
    #[must_use]
    pub(crate) fn on_part_stored(&mut self, from: NodeId, epoch: Epoch) -> bool {
        let is_expected = self.snapshot.acknowledge(from, epoch);
        self.report_stored();
        is_expected
    }

    /// A part has come to this node's store; perhaps of this node itself.
    pub(crate) fn on_part_end(&mut self, from: NodeId, epoch: Epoch, manifest: Manifest) {
        if from != self.links.me {
            self.received.end_part(from, self.links.view, manifest);
        }
        if self.current_view().durability == Durability::Memory {
            self.links.send(from, Message::PartHeld { epoch });
        }
    }

    /// False if the store was not asked.
    #[must_use]
    pub(crate) fn on_part_held(&mut self, from: NodeId, epoch: Epoch) -> bool {
        let is_expected = self.snapshot.note_held(from, epoch);
        self.report_stored();
        is_expected
    }

    /// Tells the leader up to which epoch everything of this node is stored, or held.
    pub(crate) fn report_stored(&mut self) {
        if let Some(epoch) = self.snapshot.next_report() {
            let leader = self.current_view().leader;
            self.links.send(leader, Message::EpochStored { epoch });
        }
        let view = self.current_view();
        if view.durability == Durability::Memory
            && let Some(epoch) = self.snapshot.next_held()
        {
            let leader = self.current_view().leader;
            self.links.send(leader, Message::EpochHeld { epoch });
        }
    }

    pub(crate) fn on_stable(&mut self, epoch: Epoch, memory: &mut impl PageMemory) {
        assert!(epoch < self.links.epoch, "stable-is-left: {epoch}");
        self.stable = self.stable.max(epoch);
        self.snapshot.release(self.stable);
        self.received.release(self.stable);
        self.settle_deps();
        self.try_commit(memory);
    }
}
