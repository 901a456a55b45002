//! What stateright's `eventually` cannot say of graphs with cycles: that a run which is
//! fair comes to its end.
//!
//! The whole graph of reachable states is kept, by fingerprints of 64 bits, and searched
//! twice: backwards from the states in which all is done (*from every state all can
//! finish*), and for strongly connected components among the others in which a weakly fair
//! run can stay for ever (*no fair run starves*). A component is such a trap if each class of
//! actions (a link, an executor, a back-off) is taken in it or disabled somewhere in it.
#![expect(
    clippy::disallowed_types,
    reason = "the map is asked by key only, its order is never seen"
)]
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};

use stateright::Model;

/// A model whose progress is looked at.
pub trait Live: Model<State: Clone + Hash> {
    /// What a fair scheduler does not forget for ever; `None`: it may. Below 32.
    fn class(&self, action: &Self::Action) -> Option<u8>;
    /// The end that every fair run must reach.
    fn is_done(&self, state: &Self::State) -> bool;
}

/// What was found out about progress.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// States of the graph.
    pub states: usize,
    /// Steps between them.
    pub steps: usize,
    /// States on the longest of the shortest ways.
    pub depth: usize,
    /// False if the graph was cut off: then the other figures say nothing.
    pub is_complete: bool,
    /// States from which the end cannot be reached.
    pub hopeless: usize,
    /// States of components in which a fair run can stay.
    pub trapped: usize,
}

impl Progress {
    /// Every fair run reaches the end, from everywhere.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.is_complete && self.hopeless == 0 && self.trapped == 0
    }
}

/// The reachable graph in rows: steps of state `s` are `rows[s]..rows[s + 1]`.
struct Graph {
    rows: Vec<usize>,
    steps: Vec<(u32, u8)>,
    is_done: Vec<bool>,
    depth: usize,
    is_complete: bool,
}

const NO_CLASS: u8 = u8::MAX;

/// Explores the graph, up to so many states, and judges it.
pub fn check<M: Live>(model: &M, states_max: usize) -> Progress {
    let graph = explore(model, states_max);
    let mut progress = Progress {
        states: graph.is_done.len(),
        steps: graph.steps.len(),
        depth: graph.depth,
        is_complete: graph.is_complete,
        hopeless: 0,
        trapped: 0,
    };
    if graph.is_complete {
        progress.hopeless = graph.hopeless();
        progress.trapped = graph.trapped();
    }
    progress
}

fn explore<M: Live>(model: &M, states_max: usize) -> Graph {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let mut known: HashMap<u64, u32> = HashMap::new();
    let mut queue = std::collections::VecDeque::new();
    let mut graph = Graph {
        rows: vec![0],
        steps: Vec::new(),
        is_done: Vec::new(),
        depth: 0,
        is_complete: true,
    };
    let number = |at: usize| u32::try_from(at).expect("fewer than 2^32 states");
    for state in model.init_states() {
        known.insert(hasher.hash_one(&state), number(queue.len()));
        queue.push_back((state, 1));
    }
    let mut actions = Vec::new();
    while let Some((state, depth)) = queue.pop_front() {
        graph.depth = depth;
        graph.is_done.push(model.is_done(&state));
        if known.len() > states_max {
            graph.is_complete = false;
            return graph;
        }
        model.actions(&state, &mut actions);
        for action in actions.drain(..) {
            let class = model.class(&action).unwrap_or(NO_CLASS);
            let Some(next) = model.next_state(&state, action) else {
                continue;
            };
            let fresh = number(known.len());
            let at = *known.entry(hasher.hash_one(&next)).or_insert(fresh);
            if at == fresh {
                queue.push_back((next, depth + 1));
            }
            graph.steps.push((at, class));
        }
        graph.rows.push(graph.steps.len());
    }
    graph
}

impl Graph {
    fn steps_of(&self, state: usize) -> &[(u32, u8)] {
        &self.steps[self.rows[state]..self.rows[state + 1]]
    }

    fn hopeless(&self) -> usize {
        let count = self.is_done.len();
        let mut first = vec![0; count + 1];
        for &(to, _) in &self.steps {
            first[to as usize + 1] += 1;
        }
        for at in 0..count {
            first[at + 1] += first[at];
        }
        let mut filled = first.clone();
        let mut sources = vec![0; self.steps.len()];
        for from in 0..count {
            for &(to, _) in self.steps_of(from) {
                sources[filled[to as usize]] = from;
                filled[to as usize] += 1;
            }
        }
        let mut can_finish = self.is_done.clone();
        let mut stack: Vec<usize> = (0..count).filter(|&at| can_finish[at]).collect();
        while let Some(at) = stack.pop() {
            for &source in &sources[first[at]..first[at + 1]] {
                if !can_finish[source] {
                    can_finish[source] = true;
                    stack.push(source);
                }
            }
        }
        can_finish.iter().filter(|can| !**can).count()
    }

    fn trapped(&self) -> usize {
        let components = self.components();
        let count = components.iter().max().map_or(0, |last| *last as usize + 1);
        let mut taken = vec![0_u32; count];
        let mut disabled = vec![0_u32; count];
        let mut has_cycle = vec![false; count];
        for state in (0..self.is_done.len()).filter(|&state| !self.is_done[state]) {
            let own = components[state] as usize;
            let mut enabled = 0_u32;
            for &(to, class) in self.steps_of(state) {
                let bit = if class == NO_CLASS { 0 } else { 1 << class };
                enabled |= bit;
                if !self.is_done[to as usize] && components[to as usize] as usize == own {
                    has_cycle[own] = true;
                    taken[own] |= bit;
                }
            }
            disabled[own] |= !enabled;
        }
        let is_trap = |at: usize| has_cycle[at] && taken[at] | disabled[at] == u32::MAX;
        let states = (0..self.is_done.len()).filter(|&state| !self.is_done[state]);
        states
            .filter(|&state| is_trap(components[state] as usize))
            .count()
    }

    /// The component of each state that is not done (Tarjan, without recursion).
    fn components(&self) -> Vec<u32> {
        const UNSEEN: u32 = u32::MAX;
        let count = self.is_done.len();
        let mut order = vec![UNSEEN; count];
        let mut low = vec![UNSEEN; count];
        let mut component = vec![UNSEEN; count];
        let (mut next_order, mut next_component) = (0, 0);
        let (mut open, mut path) = (Vec::new(), Vec::new());
        for root in (0..count).filter(|&root| !self.is_done[root]) {
            if order[root] == UNSEEN {
                path.push((root, self.rows[root]));
            }
            while let Some((state, step)) = path.pop() {
                if step == self.rows[state] {
                    (order[state], low[state]) = (next_order, next_order);
                    next_order += 1;
                    open.push(state);
                }
                let steps = step..self.rows[state + 1];
                let child = self.visit(state, steps, &order, &mut low, &component);
                if let Some((child, resume)) = child {
                    path.push((state, resume));
                    path.push((child, self.rows[child]));
                    continue;
                }
                if low[state] == order[state] {
                    while let Some(member) = open.pop() {
                        component[member] = next_component;
                        if member == state {
                            break;
                        }
                    }
                    next_component += 1;
                }
                if let Some(&(parent, _)) = path.last() {
                    low[parent] = low[parent].min(low[state]);
                }
            }
        }
        component
            .iter_mut()
            .for_each(|own| *own = if *own == UNSEEN { 0 } else { *own });
        component
    }

    /// Looks at the steps of a state; stops at the first one that leads to a new state, and
    /// says where to go on after that.
    fn visit(
        &self,
        state: usize,
        steps: std::ops::Range<usize>,
        order: &[u32],
        low: &mut [u32],
        component: &[u32],
    ) -> Option<(usize, usize)> {
        for step in steps {
            let to = self.steps[step].0 as usize;
            if self.is_done[to] {
                continue;
            }
            if order[to] == u32::MAX {
                return Some((to, step + 1));
            }
            if component[to] == u32::MAX {
                low[state] = low[state].min(order[to]);
            }
        }
        None
    }
}
