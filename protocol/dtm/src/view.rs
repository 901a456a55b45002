//! Membership as the memory sees it: entering a view, and which messages count.
//!
//! Members enter a view at different times. Messages of an earlier view are ignored:
//! their sender has forgotten or will forget what it waited for. Messages of a later
//! one are kept until this node enters it, so nobody has to ask twice. They are few:
//! no home serves anything before it has this node's inventory of that view, so a
//! member can send its inventory, epochs, and one request per page that it misses.
use alloc::collections::VecDeque;
use types::{Instant, NodeId, View};
use wire::{Envelope, Message};

use crate::coherence::holder::Reader;
use crate::coherence::home::{Home, Request, Wish};
use crate::{Dtm, Event, PageMemory};

/// Messages of later views that are kept at most; far above what members can send
/// before this node's inventory has reached them.
const EARLY_MAX: usize = 1 << 16;

/// Messages of views that this node has not entered yet, in order of arrival.
pub(crate) type Early = VecDeque<Envelope>;

impl Dtm {
    /// # Panics
    /// Before the first view.
    pub(crate) fn current_view(&self) -> &View {
        self.view
            .as_ref()
            .expect("nothing happens before the first view")
    }

    pub(crate) fn on_view(
        &mut self,
        now: Instant,
        view: View,
        you: NodeId,
        memory: &mut impl PageMemory,
    ) {
        let is_newer = self
            .view
            .as_ref()
            .is_none_or(|old| view.number > old.number);
        assert!(is_newer, "views-ascend");
        assert!(
            view.member(you).is_some(),
            "a node enters only views that it is member of"
        );
        let epoch = self.links.epoch.max(view.first_epoch);
        assert!(view.stable < epoch, "stable-is-left");
        let goes_on = self.view.is_some() && self.links.me == you;
        self.links.enter(view.number, you, epoch);
        self.forget_requests();
        self.forget_the_dead();
        if goes_on {
            self.go_on(epoch, &view, memory);
        } else {
            self.begin_anew(epoch, memory);
        }
        self.home = Home::new(&view);
        self.stable = self.stable.max(view.stable);
        self.events.push(Event::ViewEntered {
            number: view.number,
        });
        self.view = Some(view);
        for envelope in core::mem::take(&mut self.early) {
            self.on_envelope(now, envelope, memory);
        }
    }

    pub(crate) fn on_envelope(
        &mut self,
        now: Instant,
        envelope: Envelope,
        memory: &mut impl PageMemory,
    ) {
        let from = envelope.from;
        if self.deps.is_fenced() && envelope.view == self.links.view {
            self.ignore(from);
            return;
        }
        let is_early = self.view.is_none() || envelope.view > self.links.view;
        if is_early && self.early.len() < EARLY_MAX {
            self.early.push_back(envelope);
            return;
        }
        let is_current = !is_early && envelope.view == self.links.view;
        if !is_current || self.current_view().member(from).is_none() {
            self.ignore(from);
            return;
        }
        self.advance_to(envelope.epoch);
        self.hear(now, from, envelope.message, memory);
        self.settle(now, memory);
    }

    /// Handles what the node says to itself, until there is nothing more. It ends: a
    /// message to oneself is part of some transition, transitions of one node are at
    /// most two per page, and no answer causes a new request without a back-off, but one
    /// that was in vain because it was made ahead.
    pub(crate) fn settle(&mut self, now: Instant, memory: &mut impl PageMemory) {
        while let Some(message) = self.links.next_local() {
            self.hear(now, self.links.me, message, memory);
        }
    }

    /// Handles a message, unless it is about pages that nobody needs any more: whoever waits for
    /// an answer is marked, and forgets it when he is told.
    fn hear(&mut self, now: Instant, from: NodeId, message: Message, memory: &mut impl PageMemory) {
        let region = message.region();
        if region.is_none_or(|region| !self.is_dead(region)) {
            self.on_message(now, from, message, memory);
        }
    }

    fn on_message(
        &mut self,
        now: Instant,
        from: NodeId,
        message: Message,
        memory: &mut impl PageMemory,
    ) {
        match message {
            Message::GetShared { page, ts, wish } => {
                self.on_request(Request {
                    page,
                    requester: from,
                    ts,
                    wish: Wish::Read(wish),
                });
            }
            Message::GetExclusive { page, ts } => {
                self.on_request(Request {
                    page,
                    requester: from,
                    ts,
                    wish: Wish::Exclusive,
                });
            }
            Message::Forward {
                page,
                seq,
                requester,
                ts,
                hold,
            } => {
                self.see(ts);
                let reader = Reader {
                    node: requester,
                    ts,
                    hold,
                };
                self.on_forward(page, seq, reader, memory);
            }
            Message::Invalidate {
                page,
                seq,
                requester,
                ts,
            } => {
                self.see(ts);
                self.on_invalidate(page, seq, requester, ts, memory);
            }
            Message::Data {
                page,
                seq,
                content,
                hold,
            } => self.on_data(page, seq, content, hold, memory),
            Message::ReadNack { page, seq, reason } => self.on_read_nack(now, page, seq, reason),
            Message::Stale { page } => self.on_stale(page),
            Message::Grant { page, seq, need } => self.on_grant(now, page, seq, need, memory),
            Message::InvalidateAck {
                page, was_owner, ..
            } => {
                self.on_invalidate_ack(now, from, page, was_owner, memory);
            }
            Message::InvalidateNack { page, .. } => {
                self.on_invalidate_nack(now, from, page, memory);
            }
            Message::Stable { epoch } => self.on_stable(epoch, memory),
            message => self.on_other(from, message),
        }
    }

    fn on_other(&mut self, from: NodeId, message: Message) {
        let is_expected = match message {
            Message::ReadConfirm { page, seq, held } => {
                self.home
                    .on_read_confirm(from, page, seq, held, &mut self.links);
                true
            }
            Message::Confirm { page, seq, outcome } => {
                self.home
                    .on_confirm(from, page, seq, &outcome, &mut self.links);
                true
            }
            Message::StoreData { page, content } => {
                self.home
                    .on_store_data(from, page, content, &mut self.links)
            }
            Message::StoreDamaged { page, version } => {
                self.home
                    .on_store_damaged(from, page, version, &mut self.links)
            }
            Message::GetHolders { extent } => {
                let pages = self.held_in(extent);
                self.links.send(from, Message::Holders { extent, pages });
                true
            }
            Message::Holders { extent, pages } => {
                self.home.on_holders(from, extent, &pages, &mut self.links)
            }
            Message::Inventory { extents, last } => {
                if self
                    .home
                    .on_inventory(from, &extents, last, &mut self.links)
                {
                    self.events.push(Event::HomeOpened);
                }
                true
            }
            Message::PartStored { epoch } => self.on_part_stored(from, epoch),
            Message::StoreFrame { page, content } if from != self.links.me => {
                self.received.note_frame(from, page, &content);
                true
            }
            Message::PartEnd {
                epoch, manifest, ..
            } => {
                self.on_part_end(from, epoch, manifest);
                true
            }
            Message::PartHeld { epoch } => self.on_part_held(from, epoch),
            Message::Living(living) => self.on_living(living),
            Message::Held { epoch } => {
                self.held = self.held.max(epoch);
                true
            }
            // For the node's store or control plane: only their epoch matters here.
            _ => true,
        };
        if !is_expected {
            self.ignore(from);
        }
    }

    fn on_request(&mut self, request: Request) {
        self.see(request.ts);
        self.home.on_request(request, &mut self.links);
        let longest = self.home.queue_max as u64;
        self.counters.home_queue_max = self.counters.home_queue_max.max(longest);
    }

    fn ignore(&mut self, from: NodeId) {
        self.counters.messages_ignored += 1;
        self.events.push(Event::Ignored { from });
    }
}
