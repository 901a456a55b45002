//! The commit model: coherence and commits, message by message.
//!
//! Two pages; up to three nodes, each with a transaction or a few; a fourth member that may
//! be home. A step delivers one message, or lets one node's executor go on. Every link is a
//! queue; any order between links is tried. Epochs are part of it, see [`crate::epoch`].
//!
//! | rules of `docs/protocol.md` | here |
//! |---|---|
//! | 1–4 home, confirmed reads, `Stale`, partly refused transitions, whole hand-over | `home` |
//! | 5–7 touched pages, refusals by age, committed bytes, hand-over of untouched pages | `holder` |
//! | 8–11 one request per page, marked views, back-off, answers before the grant | `requester` |
//! | 12–16 priorities, ageing, commit at the last answer, silent stores, queries | `step` |
//! | 17 calm pages: mapped once, then read by every transaction | [`Mode::Calm`] |
//! | 18 epochs on messages | `step` |
//! | 28, 29, 31 entering a view, inventories, messages of earlier and later views | `view` |
//!
//! Habits (rule 9) are any guess when a read begins; a read that was refused asks for a copy
//! unless it is a write. What a member says to itself is handled in the same step.
//!
//! Left out: transition numbers (one transition at a time makes them redundant; that it is
//! one is checked), clocks (a transaction's age is its place in its node's list, then its
//! node), page bytes (versions stand for them), stores (a page that nobody holds is current
//! there), the turn from calm to contended and back, full stores (rule 22), and who decides
//! that there is a new view.
pub mod config;
mod holder;
mod home;
mod properties;
mod requester;
mod runs;
pub(crate) mod state;
mod step;
mod view;

use stateright::{Model, Property};

use crate::commit::config::{Config, Guess, Op, PAGES};
use crate::commit::state::{Copy, Node, Pending, Phase, small};
use crate::live::Live;

#[doc(no_inline)]
pub use config::Mode;
pub use runs::{LARGE, LIVE, PLANTS, SMALL};
pub use state::{Hold, State};

/// Something that happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The oldest message of a link arrives.
    Deliver {
        /// Who sent it.
        from: u8,
        /// Who gets it.
        to: u8,
    },
    /// The executor of a node goes on with its transaction; a read that misses asks so.
    Run {
        /// Which node.
        node: u8,
        /// What it asks for if it misses.
        hold: Hold,
    },
    /// The back-off after a refusal is over.
    AskAgain {
        /// Which node.
        node: u8,
        /// Which page.
        page: u8,
    },
    /// A member enters the next view.
    EnterView {
        /// Which member.
        node: u8,
    },
    /// A node begins a new epoch by itself.
    BeginEpoch {
        /// Which node.
        node: u8,
    },
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
        let mut last = None;
        for packet in &state.links {
            let (from, to) = (packet.from, packet.to);
            // A message of a later view is kept until its receiver has entered that.
            let is_early = packet.view > state.nodes[usize::from(to)].view;
            if last != Some((from, to)) && !is_early {
                actions.push(Action::Deliver { from, to });
            }
            last = Some((from, to));
        }
        for (node, of_node) in state.nodes.iter().enumerate() {
            for hold in self.holds(node, of_node) {
                let node = small(node);
                actions.push(Action::Run { node, hold });
            }
            for page in (0..PAGES).filter(|&page| of_node.pages[page].backs_off) {
                let (node, page) = (small(node), small(page));
                actions.push(Action::AskAgain { node, page });
            }
        }
        for (node, of_node) in state.nodes.iter().enumerate() {
            if of_node.view < self.views {
                actions.push(Action::EnterView { node: small(node) });
            }
        }
        if state.advances_left > 0 && !state.is_over() {
            let leaders = self.leaders.iter();
            actions.extend(leaders.map(|&node| Action::BeginEpoch { node }));
        }
    }

    fn next_state(&self, last_state: &State, action: Action) -> Option<State> {
        Some(step::Step::take(self, last_state.clone(), action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl Config {
    /// What the node may ask for if it goes on now; nothing if it can only wait.
    fn holds(&self, me: usize, node: &Node) -> Vec<Hold> {
        match node.phase {
            Phase::Done => return vec![],
            _ if node.is_marked => return vec![Hold::Copy],
            Phase::Committing => return vec![],
            Phase::Running => {}
        }
        let Some(op) = step::next_op(self, me, node) else {
            return vec![Hold::Copy];
        };
        let page = &node.pages[op.page()];
        if page.mapping == state::Mapping::Current || page.copy != Copy::Invalid {
            return vec![Hold::Copy];
        }
        let waits = node.waits_for == Some(small(op.page()));
        if page.pending != Pending::Nothing || page.backs_off {
            return if waits { vec![] } else { vec![Hold::Copy] };
        }
        let program = self.programs[me][usize::from(node.program)];
        match op {
            _ if program.effects == config::Effects::Discarded => vec![Hold::Copy],
            Op::Write(_) | Op::Silent(_) => vec![Hold::Whole],
            Op::Read(_) if self.guess == Guess::Any => vec![Hold::Copy, Hold::Whole],
            Op::Read(_) => vec![Hold::Copy],
        }
    }
}

impl Live for Config {
    /// Links, executors and back-offs each go on some time.
    fn class(&self, action: &Action) -> Option<u8> {
        match *action {
            Action::Deliver { from, to } => Some(from * 4 + to),
            Action::Run { node, .. } => Some(16 + node),
            Action::AskAgain { node, page } => Some(20 + node * 2 + page),
            Action::EnterView { node } => Some(28 + node),
            Action::BeginEpoch { .. } => None,
        }
    }

    /// The transactions that do not repeat have committed; if none repeats, nothing is
    /// under way either.
    fn is_done(&self, state: &State) -> bool {
        let nodes = state.nodes.iter().enumerate();
        let mut once = nodes.filter(|&(node, _)| !self.repeats(node));
        let is_last = |node: &Node| node.view == self.views;
        let is_quiet = !self.repeats.is_empty() || state.links.is_empty();
        once.all(|(_, node)| node.phase == Phase::Done && is_last(node)) && is_quiet
    }
}
