//! Before the first view: waiting for the processes that the cluster is to begin with.
use alloc::vec::Vec;
use types::{Instant, StoreId};

use crate::roster::Candidate;
use crate::{CannotLead, ControlState, JoinerKey, LeaderConfig};

/// Processes that have asked to be let in and are not members yet.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) joiners: Vec<(JoinerKey, Candidate)>,
}

/// Whether the first view can be decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Readiness {
    Ready,
    /// Not yet; look again then, if nobody comes before.
    Wait(Option<Instant>),
    Never(CannotLead),
}

impl Waiting {
    pub(crate) fn add(&mut self, joiner: JoinerKey, candidate: Candidate) {
        self.remove(joiner);
        // A process that asks again with the same disk has replaced the one before.
        self.joiners
            .retain(|(_, other)| other.store != candidate.store);
        self.joiners.push((joiner, candidate));
    }

    pub(crate) fn remove(&mut self, joiner: JoinerKey) {
        self.joiners.retain(|(key, _)| *key != joiner);
    }

    /// A new cluster waits for as many as its operator wants; one that is restarted for
    /// all disks it had, and after a while for as many as it cannot do without.
    pub(crate) fn readiness(
        &self,
        config: &LeaderConfig,
        state: &ControlState,
        started: Instant,
        now: Instant,
    ) -> Readiness {
        if state.view().is_none() {
            let is_complete = self.joiners.len() + 1 >= config.expected_members;
            return if is_complete {
                Readiness::Ready
            } else {
                Readiness::Wait(None)
            };
        }
        let stores = self.joiners.iter().map(|(_, candidate)| candidate.store);
        let present: Vec<StoreId> = stores.chain([config.store]).collect();
        let missing = state.missing(&present);
        let deadline = started + config.disks_awaited;
        if missing.is_empty() && present.len() >= config.expected_members {
            Readiness::Ready
        } else if now < deadline {
            Readiness::Wait(Some(deadline))
        } else if missing.len() <= state.missing_max() {
            Readiness::Ready
        } else {
            let allowed = state.missing_max();
            Readiness::Never(CannotLead::DisksMissing { missing, allowed })
        }
    }
}
