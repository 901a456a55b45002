//! Which faults happen, and when: all of it drawn from the seed.
use std::time::Duration;

use types::Prng;

use crate::network::Break;

/// Within a member's lease; a leader's place may be taken meanwhile.
const PAUSE_SHORT_MS: [u64; 2] = [100, 1_200];
/// Longer than a leader waits for a member that stands still, and a voter for its leader.
const PAUSE_LONG_MS: [u64; 2] = [2_500, 6_000];
/// Back before the others have agreed that it is gone, or have got far.
const AWAY_SHORT_MS: [u64; 2] = [0, 500];
/// Long gone when it comes back.
const AWAY_LONG_MS: [u64; 2] = [2_500, 5_000];
/// The second of two ends while the first is being dealt with.
const GAP_MS: [u64; 2] = [0, 1_500];
/// Into the recovery from the fault before.
const SOON_MS: [u64; 2] = [200, 1_500];
/// The cluster works again meanwhile.
const LATER_MS: [u64; 2] = [2_000, 6_000];

/// Over before anybody has given up anybody, or just after.
const BREAK_SHORT_MS: [u64; 2] = [50, 600];
/// Long over.
const BREAK_LONG_MS: [u64; 2] = [2_500, 6_000];
/// How long a flapping link is down, and up, each time.
const FLAP_MS: [u64; 2] = [20, 300];

/// Whom a fault hits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Who {
    /// This node.
    Node(u32),
    /// Whoever leads then; if nobody does, this node.
    Leader {
        /// The other choice.
        or: u32,
    },
}

/// What happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// A node is killed, and started again with its disk.
    Kill { who: Who, away: Duration },
    /// So are two, shortly after one another.
    KillTwo {
        first: u32,
        second: u32,
        gap: Duration,
        away: Duration,
    },
    /// All are killed at once, and started again from the data.
    KillAll { away: Duration },
    /// A node stands still, then goes on.
    Pause { who: Who, time: Duration },
    /// A node is cut off from all others.
    Isolate { who: Who, time: Duration },
    /// The network is broken somewhere else.
    Break { what: Break, time: Duration },
    /// A link is down and up again several times.
    Flap {
        link: Break,
        each: Duration,
        times: u32,
    },
}

/// What faults may hit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reach {
    /// Nodes.
    Nodes,
    /// Nodes and the network between them.
    Network,
}

/// How many nodes may be lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Losses {
    /// Any number at a time: all disks come back.
    Any,
    /// The next only when what the last had has its copies again: what is only in memories
    /// survives no more.
    OneAtATime,
}

/// A fault and how long after the one before it happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Planned {
    pub(super) after: Duration,
    pub(super) fault: Fault,
}

/// Faults without end; equal seeds give equal ones.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    prng: Prng,
    nodes: u32,
    reach: Reach,
    losses: Losses,
}

impl Schedule {
    /// For a cluster of so many nodes.
    pub(super) fn new(seed: u64, nodes: u32, reach: Reach, losses: Losses) -> Self {
        Self {
            prng: Prng::new(seed),
            nodes,
            reach,
            losses,
        }
    }

    fn node(&mut self) -> u32 {
        let below = self.prng.below(u64::from(self.nodes));
        1 + u32::try_from(below).expect("it is below a u32")
    }

    fn who(&mut self) -> Who {
        let or = self.node();
        if self.prng.chance(1, 3) {
            Who::Leader { or }
        } else {
            Who::Node(or)
        }
    }

    fn time(&mut self, [least, most]: [u64; 2]) -> Duration {
        Duration::from_millis(least + self.prng.below(most - least))
    }

    fn either(&mut self, one: [u64; 2], other: [u64; 2]) -> Duration {
        let range = if self.prng.chance(1, 2) { one } else { other };
        self.time(range)
    }

    /// Two different nodes.
    fn two(&mut self) -> (u32, u32) {
        let first = self.node();
        let others = u64::from(self.nodes - 1).max(1);
        let step = u32::try_from(self.prng.below(others)).expect("it is below a u32");
        (first, 1 + (first + step) % self.nodes)
    }

    fn fault(&mut self) -> Fault {
        let drawn = match self.reach {
            Reach::Network if self.prng.chance(1, 2) => self.network_fault(),
            _ => self.node_fault(),
        };
        match drawn {
            Fault::KillTwo { first, away, .. } if self.losses == Losses::OneAtATime => {
                let who = Who::Node(first);
                Fault::Kill { who, away }
            }
            Fault::KillAll { away } if self.losses == Losses::OneAtATime => {
                let who = self.who();
                Fault::Kill { who, away }
            }
            drawn => drawn,
        }
    }

    fn network_fault(&mut self) -> Fault {
        let (one, other) = self.two();
        let link = Break::Link { one, other };
        let (from, to) = (one, other);
        let what = match self.prng.below(6) {
            0 | 1 => {
                return Fault::Isolate {
                    who: self.who(),
                    time: self.either(BREAK_SHORT_MS, BREAK_LONG_MS),
                };
            }
            2 => {
                return Fault::Flap {
                    link,
                    each: self.time(FLAP_MS),
                    times: 2 + u32::try_from(self.prng.below(4)).expect("it is small"),
                };
            }
            3 => link,
            4 => Break::OneWay { from, to },
            _ => Break::Loss,
        };
        let time = self.either(BREAK_SHORT_MS, BREAK_LONG_MS);
        Fault::Break { what, time }
    }

    fn node_fault(&mut self) -> Fault {
        match self.prng.below(10) {
            0..=3 => Fault::Kill {
                who: self.who(),
                away: self.either(AWAY_SHORT_MS, AWAY_LONG_MS),
            },
            4 => {
                let (first, second) = self.two();
                Fault::KillTwo {
                    first,
                    second,
                    gap: self.time(GAP_MS),
                    away: self.either(AWAY_SHORT_MS, AWAY_LONG_MS),
                }
            }
            5 => Fault::KillAll {
                away: self.time(AWAY_SHORT_MS),
            },
            6 | 7 => Fault::Pause {
                who: self.who(),
                time: self.time(PAUSE_SHORT_MS),
            },
            _ => Fault::Pause {
                who: self.who(),
                time: self.time(PAUSE_LONG_MS),
            },
        }
    }
}

impl Iterator for Schedule {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        Some(Planned {
            after: self.either(SOON_MS, LATER_MS),
            fault: self.fault(),
        })
    }
}

impl Fault {
    /// What faults are counted by.
    pub(super) fn kind(&self) -> &'static str {
        let is_long = |time: &Duration| *time >= Duration::from_millis(PAUSE_LONG_MS[0]);
        match self {
            Self::Kill {
                who: Who::Node(_), ..
            } => "kill",
            Self::Kill { .. } => "kill leader",
            Self::KillTwo { .. } => "kill two",
            Self::KillAll { .. } => "kill all",
            Self::Pause {
                who: Who::Node(_),
                time,
            } if is_long(time) => "long pause",
            Self::Pause {
                who: Who::Node(_), ..
            } => "short pause",
            Self::Pause { time, .. } if is_long(time) => "long pause of leader",
            Self::Pause { .. } => "short pause of leader",
            Self::Isolate {
                who: Who::Node(_), ..
            } => "isolated",
            Self::Isolate { .. } => "isolated leader",
            Self::Break { what, .. } => what.kind(),
            Self::Flap { .. } => "flapping link",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn plan(seed: u64, nodes: u32) -> Vec<Planned> {
        let reach = Reach::Network;
        let schedule = Schedule::new(seed, nodes, reach, Losses::Any);
        schedule.take(400).collect()
    }

    #[test]
    fn one_at_a_time_is_what_it_says() {
        let plan = Schedule::new(1, 3, Reach::Nodes, Losses::OneAtATime).take(200);
        let kinds: BTreeSet<&str> = plan.map(|planned| planned.fault.kind()).collect();
        assert_eq!(kinds.len(), 6, "{kinds:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_plan() {
        assert_eq!(plan(7, 3), plan(7, 3));
        assert_ne!(plan(7, 3), plan(8, 3));
    }

    #[test]
    fn a_network_that_is_out_of_reach_is_left_alone() {
        let plan = Schedule::new(1, 3, Reach::Nodes, Losses::Any).take(200);
        let kinds: BTreeSet<&str> = plan.map(|planned| planned.fault.kind()).collect();
        assert_eq!(kinds.len(), 8, "{kinds:?}");
    }

    #[test]
    fn every_kind_of_fault_comes_and_hits_nodes_that_exist() {
        for nodes in [2, 3, 5] {
            let plan = plan(1, nodes);
            let kinds: BTreeSet<&str> = plan.iter().map(|planned| planned.fault.kind()).collect();
            assert_eq!(kinds.len(), 14, "{kinds:?}");
            let mut hit = BTreeSet::new();
            for planned in plan {
                match planned.fault {
                    Fault::Kill { who, .. }
                    | Fault::Pause { who, .. }
                    | Fault::Isolate { who, .. } => {
                        let (Who::Node(number) | Who::Leader { or: number }) = who;
                        hit.insert(number);
                    }
                    Fault::KillTwo { first, second, .. } => {
                        assert_ne!(first, second);
                        hit.extend([first, second]);
                    }
                    Fault::Break { what, .. } | Fault::Flap { link: what, .. } => {
                        for (from, to) in what.pairs(nodes) {
                            assert_ne!(from, to);
                            hit.extend([from, to]);
                        }
                    }
                    Fault::KillAll { .. } => {}
                }
            }
            assert_eq!(hit, (1..=nodes).collect());
        }
    }
}
