//! Everything that can happen to the leader, and everything it can ask for.
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use types::{Epoch, NodeId, StoreId, View};
use wire::Message;

use crate::Record;

/// A process that asks to be let in; chosen by the node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct JoinerKey(pub u64);

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// A process asks to be let in.
    Join {
        /// Whom to answer.
        joiner: JoinerKey,
        /// Where peers reach it.
        address: String,
        /// Its disk.
        store: StoreId,
        /// Its name for people.
        name: String,
    },
    /// It has hung up.
    JoinerLost(JoinerKey),
    /// A member lives.
    Heard(NodeId),
    /// A member's parts up to this epoch are at all their stores.
    EpochStored {
        /// The member.
        node: NodeId,
        /// The epoch.
        epoch: Epoch,
    },
    /// The link with a member is gone, or another member says that its own is.
    Unreachable(NodeId),
    /// The oldest records that were not yet durable are now: so many.
    Persisted(usize),
    /// Time passed.
    Tick,
}

/// Something to do.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub enum Output {
    /// Say this to a member, in the current view. The leader's own node included.
    Send {
        /// The member.
        to: NodeId,
        /// What to say.
        message: Message,
    },
    /// Say this to a joiner, which is bound to this node id from now on.
    Admit {
        /// The joiner.
        joiner: JoinerKey,
        /// Its id as a member.
        node: NodeId,
        /// The view.
        message: Message,
    },
    /// Make this durable; answer with [`Input::Persisted`], in order.
    Persist(Record),
    /// Enter this view, before anything that is said in it.
    Enter {
        /// The view.
        view: View,
        /// The leader's own id in it.
        you: NodeId,
        /// Where members are reached, in the view's order.
        addresses: Vec<String>,
    },
    /// Begin the next epoch.
    AdvanceEpoch,
    /// For people.
    Event(Event),
    /// The cluster cannot go on.
    Stop(CannotLead),
}

/// Something worth telling people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A member is gone, and what that means.
    Failed {
        /// The member.
        node: NodeId,
        /// Its name.
        name: String,
        /// The epoch to which the survivors go back.
        fallback_to: Epoch,
        /// How many survivors there are.
        survivors: u32,
    },
}

/// Why the cluster cannot go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CannotLead {
    /// So many disks are missing that some page may have no copy left.
    DisksMissing {
        /// Those that are missing.
        missing: Vec<StoreId>,
        /// How many may be.
        allowed: usize,
    },
}

impl fmt::Display for CannotLead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DisksMissing { missing, allowed } => {
                write!(f, "the disks ")?;
                for (position, store) in missing.iter().enumerate() {
                    write!(f, "{}{store}", if position == 0 { "" } else { ", " })?;
                }
                write!(
                    f,
                    " are missing, expected at most {allowed} of this cluster's to be: \
                     restart it with the nodes that have them"
                )
            }
        }
    }
}

impl core::error::Error for CannotLead {}
