//! How voters reach each other: over connections of their own, by address, because
//! they must talk also when they are in different views, or in none.
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use control::{Packet, VoterId};
use platform::{JoinerId, Links};
use wire::Message;

use crate::members::stranger;

/// How it is known where a voter is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// It says so itself.
    Itself,
    /// From somebody else, or from an earlier life.
    Hearsay,
}

/// Addresses of voters, and the connections over which this one speaks to them.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    addresses: BTreeMap<VoterId, (String, Source)>,
    open: BTreeMap<VoterId, (String, JoinerId)>,
}

impl Lines {
    /// A voter is reached there. Its own word counts more than that of others.
    pub(crate) fn note(&mut self, voter: VoterId, address: &str, source: Source) {
        let known = self.addresses.get(&voter);
        let is_better = source == Source::Itself;
        if is_better || known.is_none_or(|(_, source)| *source == Source::Hearsay) {
            self.addresses.insert(voter, (address.into(), source));
        }
    }

    /// Whether what was said last to a voter is on its way to where it is.
    pub(crate) fn is_open(&self, voter: VoterId) -> bool {
        let open = self.open.get(&voter);
        open.is_some_and(|(open, _)| Some(open.as_str()) == self.address(voter))
    }

    pub(crate) fn address(&self, voter: VoterId) -> Option<&str> {
        self.addresses
            .get(&voter)
            .map(|(address, _)| address.as_str())
    }

    /// Every voter whose address is known.
    pub(crate) fn directory(&self) -> Vec<(u64, String)> {
        let known = self.addresses.iter();
        known
            .map(|(voter, (address, _))| (voter.0, address.clone()))
            .collect()
    }

    /// Says something to a voter, if it is known where that is. What is lost on the way
    /// is said again by its sender in its own time.
    pub(crate) fn send(
        &mut self,
        platform: &mut impl Links,
        from: VoterId,
        to: VoterId,
        packet: &Packet,
    ) {
        let Some((address, _)) = self.addresses.get(&to) else {
            return;
        };
        let is_open = self.open.get(&to).is_some_and(|(open, _)| open == address);
        if !is_open {
            let line = platform.call(address);
            self.open.insert(to, (address.clone(), line));
        }
        let message = Message::Voter {
            from: from.0,
            to: to.0,
            address: platform.address(),
            packet: packet.encode(),
        };
        platform.send_joiner(self.open[&to].1, &stranger(message));
    }

    /// A connection is gone; the next message dials again.
    pub(crate) fn on_lost(&mut self, joiner: JoinerId) {
        self.open.retain(|_, (_, line)| *line != joiner);
    }
}
