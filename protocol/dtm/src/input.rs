//! Everything that can happen to the memory: the closed list.
use types::{NodeId, View};
use wire::Envelope;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A coherence, store-answer or stability message arrived. Messages of another
    /// view are counted and ignored.
    Message(Envelope),
    /// A new view was decided: everything committed after `view.stable` is undone,
    /// every cached page dropped, the running transaction stopped.
    View {
        /// The view.
        view: View,
        /// This node's id in it.
        you: NodeId,
    },
    /// The link with this node was lost, and what was said over it last, perhaps. It may be up
    /// again: until the next view begins nothing more is said to that node.
    LinkLost {
        /// Which.
        node: NodeId,
    },
    /// The leader's timer: begin the next epoch (given to the leader's own node only).
    AdvanceEpoch,
    /// Time passed; deadlines are looked at.
    Tick,
}
