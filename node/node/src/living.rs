//! Memory of processes that have ended is given back.
//!
//! The leader's node looks now and then which live, and tells all members when what it has
//! seen is stable (rule 53 of `docs/protocol.md`). Each gives back what its store, its memory
//! and its views have of all others.
use alloc::vec::Vec;

use kernel::Living as Processes;
use platform::Disk;
use types::{Epoch, Living, NodeId, ViewNumber};
use wire::Message;

use crate::core::Core;
use crate::worker::Ran;
use crate::{Node, Platform};

/// Extents given back at a time: some 200 µs.
const EXTENTS_AT_ONCE: usize = 1;

/// What the leader's node has told in its view, and is about to tell.
#[derive(Debug, Default)]
pub(crate) struct Census {
    view: ViewNumber,
    /// How many were dead when it was told last.
    told: usize,
    /// To be told when it is stable, and how many are dead then.
    next: Option<(Living, usize)>,
}

impl<P: Platform, D: Disk> Core<P, D> {
    /// Goes on telling all members who lives, if somebody has ended that they have not heard
    /// of in this view.
    pub(crate) fn tell_living(&mut self) {
        let view = self.view_number();
        if self.census.view != view {
            // What was seen in the last view may be undone.
            self.census = Census {
                view,
                ..Census::default()
            };
        }
        if self.census.next.is_none() {
            let seen = self.transact_in(view, |pages| Ok(kernel::living(pages)?));
            if let Ok((processes, stamp)) = seen
                && processes.dead() > self.census.told
            {
                let living = regions_of(&processes, stamp.epoch());
                self.census.next = Some((living, processes.dead()));
            }
        }
        let is_stable = |(living, _): &mut (Living, usize)| living.epoch <= self.dtm.stable();
        if let Some((living, dead)) = self.census.next.take_if(is_stable) {
            self.census.told = dead;
            let view = self.dtm.view().expect("it has run a transaction");
            let members: Vec<NodeId> = view.nodes().collect();
            for member in members {
                self.say(member, Message::Living(living.clone()));
            }
        }
    }

    /// The leader says who lives.
    pub(crate) fn on_living(&mut self, living: &Living) {
        self.store.bury(living);
        self.has_dead = true;
    }
}

impl<P: Platform, D: Disk> Node<P, D> {
    /// Gives back a piece of what the memory and the views have of processes that are dead.
    /// To be called between transactions.
    pub(crate) fn bury(&mut self) -> Ran {
        let core = &mut self.core;
        if !core.has_dead {
            return Ran::Nothing;
        }
        if core.dtm.forget_dead(EXTENTS_AT_ONCE, &mut core.memory) {
            return Ran::Something;
        }
        core.has_dead = false;
        let dtm = &core.dtm;
        self.apps.close(|process| dtm.is_dead(process.region()));
        core.memory.keep_views(|region| !dtm.is_dead(region));
        Ran::Something
    }
}

fn regions_of(processes: &Processes, epoch: Epoch) -> Living {
    let regions = processes.processes.iter().map(|process| process.region());
    Living {
        epoch,
        below: processes.end.region(),
        regions: regions.collect(),
    }
}
