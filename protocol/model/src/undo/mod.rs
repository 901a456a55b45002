//! The undo model: how a cluster could lose no more than it must when a node fails.
//!
//! The rules are those of a draft; what became of it are rules 23 to 30 of the protocol. It
//! gives up all unstable work of a dead node, where rule 9 keeps what is stored completely.
//! Three nodes, two pages, two of three stores for each page and manifest. Transactions are
//! atomic: what their messages do to each other is the commit model's matter.
//!
//! | rule | here |
//! |---|---|
//! | 1 epochs on messages (data and acknowledgements) | `transactions` |
//! | 2 edges at the commit, from the versions that were used | `transactions` |
//! | 3 a new edge cuts the interval, in memory only | `transactions` |
//! | 4 every interval's last versions are kept until stable | `transactions` |
//! | 5 parts: the epoch's last versions, and a manifest with its predecessor and edges | `stores` |
//! | 6 stable: all left, all at all stores of the present placement | `stores` |
//! | 7 stores keep the newest stable version and all later ones | `stores` |
//! | 8 fence, lost, closure, decide durably, drop, rebuild homes, purge, replicate | `recovery` |
//! | 9 what a dead node has stored completely is kept | `recovery` |
//! | 10 a second failure adds a decision, it recomputes none | `recovery` |
//! | 11 a disk that comes back deletes what was undone meanwhile | `recovery` |
//!
//! Left out: messages under way (a part reaches a disk or not), nodes that join,
//! transactions between failure and decision, eviction, damaged records, output (a stable
//! epoch stands for it), late news of `stable`, crashes between the rebuilding of two pages.
//! Replication after a recovery is one step with the rebuilding.
pub mod config;
mod properties;
mod recovery;
mod runs;
pub(crate) mod state;
mod stores;
mod transactions;

use stateright::{Model, Property};

use crate::undo::config::{Config, Fate, NODES};
use crate::undo::state::{Phase, Place, small};

pub use runs::{LARGE, PLANTS, SMALL};
pub use state::State;

/// Something that happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// A transaction runs; its place in the configuration.
    Run(usize),
    /// A node begins a new epoch by itself.
    BeginEpoch(usize),
    /// A part, or what is missing of it, reaches a disk.
    Store {
        /// Whose.
        node: usize,
        /// Of which epoch.
        epoch: u8,
        /// Where.
        disk: usize,
    },
    /// The leader records the next epoch as stable.
    Stable,
    /// A node crashes.
    Crash(usize),
    /// The recovery's decision is recorded.
    Decide,
    /// A survivor applies it.
    Apply(usize),
    /// A store applies it.
    Purge(usize),
    /// Homes are rebuilt, pages replicated; work goes on.
    Rebuild,
    /// A disk comes back.
    ComesBack(usize),
}

impl Model for Config {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.fault.is_some() {
            return;
        }
        let is_calm = state.phase == Phase::Working;
        match self.crashes.get(usize::from(state.crashes)) {
            // A disk that is lost during a recovery is the second of two: no promise.
            Some(fate) if is_calm || *fate == Fate::Kept => {
                actions.extend(state.alive().map(Action::Crash));
            }
            _ => {}
        }
        match state.phase {
            Phase::Working => self.work(state, actions),
            Phase::Fenced => actions.push(Action::Decide),
            Phase::Applying if state.is_applied_everywhere() => actions.push(Action::Rebuild),
            Phase::Applying => self.recover(state, actions),
        }
    }

    fn next_state(&self, last_state: &State, action: Action) -> Option<State> {
        let mut state = last_state.clone();
        match action {
            Action::Run(number) => state.run(self, number),
            Action::BeginEpoch(node) => {
                state.ticks_left -= 1;
                let next = state.nodes[node].epoch + 1;
                state.advance(node, next);
            }
            Action::Store { node, epoch, disk } => state.store(node, epoch, disk),
            Action::Stable => state.set_stable(),
            Action::Crash(node) => state.crash(self, node),
            Action::Decide => state.decide(self),
            Action::Apply(node) => state.apply(self, node),
            Action::Purge(disk) => state.purge(self, disk),
            Action::Rebuild => state.rebuild(self),
            Action::ComesBack(disk) => state.comes_back(self, disk),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl Config {
    fn work(&self, state: &State, actions: &mut Vec<Action>) {
        for (number, txn) in self.txns.iter().enumerate() {
            let is_over = state.has_run & (1 << number) != 0;
            if !is_over && state.nodes[usize::from(txn.node)].is_alive {
                actions.push(Action::Run(number));
            }
        }
        if state.ticks_left > 0 {
            actions.extend(state.alive().map(Action::BeginEpoch));
        }
        for node in state.alive() {
            for epoch in state.stable + 1..state.nodes[node].epoch {
                let disks = state.disks_here();
                let disks = disks.filter(|&disk| state.can_store(node, epoch, disk));
                actions.extend(disks.map(|disk| Action::Store { node, epoch, disk }));
            }
        }
        if state.can_be_stable(self) {
            actions.push(Action::Stable);
        }
        let away = (0..NODES).filter(|&disk| state.disks[disk].place == Place::Away);
        actions.extend(away.map(Action::ComesBack));
    }

    /// Who applies first only matters if somebody may crash meanwhile.
    fn recover(&self, state: &State, actions: &mut Vec<Action>) {
        let count = small(state.decisions.len());
        let nodes = state.alive();
        let nodes = nodes.filter(|&node| state.nodes[node].applied != count);
        let disks = state.disks_here();
        let disks = disks.filter(|&disk| state.disks[disk].applied != count);
        let mut left: Vec<Action> = nodes.map(Action::Apply).collect();
        left.extend(disks.map(Action::Purge));
        if usize::from(state.crashes) == self.crashes.len() {
            left.truncate(1);
        }
        actions.extend(left);
    }
}
