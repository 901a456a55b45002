//! What leaves the state machine: envelopes to others, messages to itself.
use alloc::collections::{BTreeSet, VecDeque};
use types::{Epoch, NodeId, ViewNumber};
use wire::{Envelope, Message};

use crate::Output;

/// The node's end of all its links. A node that is home of a page it uses follows
/// the same rules as everybody: its messages to itself go through `local`, in order,
/// and are handled before the call that caused them returns.
#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) me: NodeId,
    pub(crate) view: ViewNumber,
    /// The node's epoch, on every envelope. Never falls.
    pub(crate) epoch: Epoch,
    /// Nothing is said any more in this view, not even to oneself.
    is_fenced: bool,
    /// Members to whom something that was said in this view may have been lost: they
    /// hear nothing more in it, or they would take what is left for all that there was.
    cut_off: BTreeSet<NodeId>,
    outputs: VecDeque<Output>,
    local: VecDeque<Message>,
}

impl Links {
    pub(crate) fn new() -> Self {
        Self {
            me: NodeId(0),
            view: ViewNumber(0),
            epoch: Epoch(0),
            is_fenced: false,
            cut_off: BTreeSet::new(),
            outputs: VecDeque::new(),
            local: VecDeque::new(),
        }
    }

    /// Starts over in a view; what was not sent in the old one is of no use any more.
    pub(crate) fn enter(&mut self, view: ViewNumber, me: NodeId, epoch: Epoch) {
        assert!(epoch >= self.epoch, "epochs-ascend");
        self.me = me;
        self.view = view;
        self.epoch = epoch;
        self.outputs.clear();
        self.local.clear();
        self.is_fenced = false;
        self.cut_off.clear();
    }

    /// The link with this node has lost something.
    pub(crate) fn cut_off(&mut self, node: NodeId) {
        self.cut_off.insert(node);
        self.outputs.retain(|&Output::Send { to, .. }| to != node);
    }

    pub(crate) fn is_cut_off(&self, node: NodeId) -> bool {
        self.cut_off.contains(&node)
    }

    /// Says nothing more in this view: the next one is being decided.
    pub(crate) fn fence(&mut self) {
        self.is_fenced = true;
        self.outputs.clear();
        self.local.clear();
    }

    pub(crate) fn send(&mut self, to: NodeId, message: Message) {
        if self.is_fenced || self.is_cut_off(to) {
            return;
        }
        if to == self.me && !is_for_the_node(&message) {
            self.local.push_back(message);
            return;
        }
        let envelope = Envelope {
            from: self.me,
            view: self.view,
            epoch: self.epoch,
            message,
        };
        self.outputs.push_back(Output::Send { to, envelope });
    }

    pub(crate) fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn next_local(&mut self) -> Option<Message> {
        self.local.pop_front()
    }

    pub(crate) fn has_local(&self) -> bool {
        !self.local.is_empty()
    }
}

/// Messages that the node's own store or control plane handles, not this crate.
fn is_for_the_node(message: &Message) -> bool {
    matches!(
        message,
        Message::StoreRead { .. }
            | Message::StoreFrame { .. }
            | Message::PartEnd { .. }
            | Message::Awaited { .. }
            | Message::EpochStored { .. }
            | Message::EpochHeld { .. }
    )
}
