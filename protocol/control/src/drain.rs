//! Members that leave in order.
//!
//! Three decisions, none of which undoes anything. First a view in which they are still
//! members but commit nothing, are home of nothing, and their stores get nothing. In it what
//! they have committed becomes stable, what their stores have is copied to the others,
//! and their votes go. Then a view without them. If one of them leads, its vote goes last:
//! with that its leadership ends, and whoever leads next decides the rest.
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use types::{Instant, NodeId};

use crate::leader::Leader;
use crate::voting::VoterId;

/// Why members are not made to leave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DrainRefused {
    /// No view is in force yet.
    NotRunning,
    /// It is no member, or has just been given up.
    NoMember(NodeId),
    /// Others, or the same, are leaving already.
    UnderWay(Vec<NodeId>),
    /// Nobody would stay.
    Last,
    /// Too few of those that would decide are heard.
    Voters {
        /// Who would vote.
        voters: BTreeSet<VoterId>,
        /// Of them, those that are not heard.
        away: BTreeSet<VoterId>,
    },
}

impl Leader {
    /// Members are to leave for good, together. `heard` are the voters that answer this one.
    ///
    /// # Errors
    /// If they cannot. What holds now may not hold later: whoever is lost meanwhile is given
    /// up as always.
    pub fn drain(
        &mut self,
        now: Instant,
        nodes: &BTreeSet<NodeId>,
        heard: &BTreeSet<VoterId>,
    ) -> Result<(), DrainRefused> {
        self.check_drain(nodes, heard)?;
        self.leaving.clone_from(nodes);
        self.act(now);
        Ok(())
    }

    fn check_drain(
        &self,
        nodes: &BTreeSet<NodeId>,
        heard: &BTreeSet<VoterId>,
    ) -> Result<(), DrainRefused> {
        let view = self.view().filter(|_| self.is_running());
        let view = view.ok_or(DrainRefused::NotRunning)?;
        if let Some(&node) = nodes.iter().find(|&&node| !self.roll.is_well(node)) {
            return Err(DrainRefused::NoMember(node));
        }
        if !self.leaving.is_empty() {
            return Err(DrainRefused::UnderWay(
                self.leaving.iter().copied().collect(),
            ));
        }
        let stays = |node: NodeId| !nodes.contains(&node) && self.roll.is_well(node);
        if !view.nodes().any(stays) {
            return Err(DrainRefused::Last);
        }
        let voters = self.state().electorate_without(nodes);
        let away: BTreeSet<VoterId> = voters.difference(heard).copied().collect();
        if voters.len() - away.len() <= voters.len() / 2 {
            return Err(DrainRefused::Voters { voters, away });
        }
        Ok(())
    }

    /// Whether the member is about to go for good.
    #[must_use]
    pub fn is_leaving(&self, node: NodeId) -> bool {
        self.leaving.contains(&node)
    }

    /// Who should vote. The leader's own vote goes last, and its leadership with it: when
    /// nothing else is left to do for those that leave.
    #[must_use]
    pub fn electorate(&self) -> BTreeSet<VoterId> {
        let state = self.state();
        let mut voters = state.electorate();
        if !self.is_running() || !state.is_free_to_leave() {
            let own = self.view().and_then(|view| state.voter_of(view.leader));
            voters.extend(own);
        }
        voters
    }

    /// Whether those that leave in this view can go: nothing needs them any more.
    pub(crate) fn are_released(&self) -> bool {
        let Some(view) = self.view().filter(|_| self.is_running()) else {
            return false;
        };
        // Without their votes gone the others might never have a majority again.
        let votes = |node: &NodeId| {
            let voter = self.state().voter_of(*node);
            let voters = self.voters.as_ref();
            voters.is_none_or(|voters| voter.is_some_and(|voter| voters.contains(&voter)))
        };
        !view.leaving.is_empty()
            && !view.is_leaving(view.leader)
            && self.state().is_free_to_leave()
            && !view.leaving.iter().any(votes)
    }
}
