//! What the dead have left: versions that were not stable when their producers died, that
//! are whole, and that no decision undid.
//!
//! Whoever's store has some of it gives it to the stores of the new view, as a part of its
//! own, in an epoch that was left free for that: the last before the view. Until that part
//! is stored the node reports nothing as stored, so nothing becomes stable that depends on a
//! version with too few copies. A later view begins with this anew.
use alloc::collections::BTreeMap;
use types::{PageId, Stamp, Version, View};
use wire::PageVersion;

use crate::Dtm;

/// Versions that have still to be got from the store of this node.
pub(crate) type Legacy = BTreeMap<PageId, (Version, Stamp)>;

impl Dtm {
    /// A view begins: whose parts are left without a producer?
    pub(crate) fn enter_legacy(&mut self, view: &View) {
        self.received.enter(view);
        self.received.release(self.stable);
        self.legacy = self.received.legacy(view);
        if !self.legacy.is_empty() {
            self.snapshot.await_legacy(view.legacy_epoch());
        }
    }

    /// The version is from this node's store; `None`: it has none that is good.
    pub(crate) fn take_over(&mut self, page: PageId, content: Option<PageVersion>) {
        let wanted = self.legacy.remove(&page);
        let (version, stamp) = wanted.expect("what is given was asked for");
        if let Some(content) = content {
            assert!(
                (content.version, content.stamp) == (version, stamp),
                "a store gives what was asked for"
            );
            self.snapshot.keep_legacy(page, content);
        }
        if self.legacy.is_empty() {
            self.snapshot.end_legacy();
            self.report_stored();
        }
    }
}
