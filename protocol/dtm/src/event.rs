//! A typed trace of what the memory decides, for tests, dashboards and the curious.
use alloc::collections::VecDeque;
use types::{Epoch, NodeId, PageId, Stamp, TxnTimestamp, Version, ViewNumber};

use crate::Why;

/// Something worth telling.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A view was entered.
    ViewEntered {
        /// Its number.
        number: ViewNumber,
    },
    /// The inventories of all members are here: this node serves as home.
    HomeOpened,
    /// The node has moved on to this epoch.
    EpochEntered {
        /// The epoch.
        epoch: Epoch,
    },
    /// The transaction was marked: it must be rolled back.
    Marked {
        /// Which transaction.
        ts: TxnTimestamp,
        /// Why.
        why: Why,
    },
    /// The transaction committed.
    Committed {
        /// Where in the commit order.
        stamp: Stamp,
    },
    /// The transaction that is about to commit has written this version.
    Wrote {
        /// The page.
        page: PageId,
        /// Its new version.
        version: Version,
    },
    /// An invalidation was refused.
    Refused {
        /// The page.
        page: PageId,
        /// Who wanted it.
        requester: NodeId,
    },
    /// A page has become contended.
    Contended {
        /// The page.
        page: PageId,
    },
    /// A contended page is calm again.
    Calm {
        /// The page.
        page: PageId,
    },
    /// The last version of a page in an epoch was kept for the stores.
    Captured {
        /// The page.
        page: PageId,
        /// The epoch that wrote it.
        epoch: Epoch,
    },
    /// The commit waits until the stores have caught up.
    Throttled,
    /// A message was ignored.
    Ignored {
        /// Its sender.
        from: NodeId,
    },
}

/// The newest events, as many as somebody asked for; none by default.
#[derive(Debug, Default)]
pub(crate) struct Events {
    ring: VecDeque<Event>,
    capacity: usize,
}

impl Events {
    pub(crate) fn keep(&mut self, capacity: usize) {
        self.capacity = capacity;
        self.ring.truncate(capacity);
    }

    pub(crate) fn push(&mut self, event: Event) {
        if self.capacity == 0 {
            return;
        }
        if self.ring.len() == self.capacity {
            self.ring.pop_front();
        }
        self.ring.push_back(event);
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        self.ring.pop_front()
    }
}
