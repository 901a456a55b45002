//! One crash in a large cluster: who goes back, what that costs, and how long it takes.
mod outcome;

use std::collections::BTreeSet;

use types::{Duration, Instant, NodeId, Prng};

use crate::network::Sent;
use crate::run::{failure, watch};
use crate::scenario::{NOTICED_AFTER, Scenario};
use crate::sharing::Sharing;
use crate::world::{End, World};
use crate::{Failure, Options, Property, Watch};
pub use outcome::{Messages, Outcome, Reach};

/// How often the recovery is looked at: so exactly is known when homes serve.
const LOOK: Duration = Duration::from_micros(100);
/// Within this the survivors must work again.
const RECOVERY_MAX: Duration = Duration::from_millis(2000);
/// How long they are watched afterwards.
const AFTER: Duration = Duration::from_millis(20);

/// A cluster whose nodes share some pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cluster {
    /// Nodes.
    pub nodes: u32,
    /// Nodes that share pages with each other, and with nobody else.
    pub group: u32,
    /// Of a hundred transactions of a node, how many use shared pages.
    pub percent: u64,
    /// From a transaction of a node to its next, on average.
    pub every: Duration,
}

/// What was seen of a recovery while it lasted.
#[derive(Clone, Copy, Debug)]
struct Seen {
    crashed: Instant,
    noticed: Instant,
    /// From then on all homes served.
    open: Instant,
    end: Instant,
    /// Since the notice.
    sent: Sent,
}

impl Cluster {
    /// Lets one of the nodes crash.
    ///
    /// # Errors
    /// If a promise was broken.
    ///
    /// # Panics
    /// If the cluster has fewer than two nodes, or groups without two.
    pub fn run(&self, seed: u64) -> Result<Outcome, Failure> {
        assert!(
            self.group > 1 && self.nodes > 1,
            "somebody survives, and shares"
        );
        let mut prng = Prng::new(seed);
        let sharing = Sharing {
            nodes: self.nodes,
            group: self.group,
            percent: self.percent,
            rest_max: self.every.doubled(),
        };
        let scenario = Scenario::of_rack(&mut prng, sharing);
        let options = Options {
            watch: Watch::Nothing,
            events_kept: 0,
            ..Options::default()
        };
        let mut world = World::new(prng, scenario, &options);
        let mut seen = None;
        // The run ends in the middle of the nodes' work: progress is not judged.
        let life = |world: &mut World| seen = live(world);
        match watch(&mut world, life, oracle::check_safety) {
            Ok(()) => Ok(Outcome::of(&world, &seen.expect("nothing went wrong"))),
            Err(violated) => Err(failure(seed, self.command(seed), &world, violated)),
        }
    }

    fn command(&self, seed: u64) -> String {
        let Self {
            nodes,
            group,
            percent,
            every,
        } = self;
        let every_us = every.as_micros();
        format!(
            "cargo xtask scale --seed {seed} --seeds 1 --nodes {nodes} --group {group} \
             --percent {percent} --every-us {every_us}"
        )
    }
}

/// Until some time after the recovery; `None` if something went wrong.
fn live(world: &mut World) -> Option<Seen> {
    let crashed = world.common.scenario.heal_at;
    let noticed = crashed + NOTICED_AFTER;
    run_to(world, noticed)?;
    let before = world.sent;
    let mut working = Working::default();
    let mut open = None;
    while open.is_none() || !working.is_complete(world) {
        if world.common.now > noticed + RECOVERY_MAX {
            let detail = format!("only {} nodes work again", working.nodes.len());
            world.common.fail(Property::Settling, detail);
        }
        run_to(world, world.common.now + LOOK)?;
        let number = world.leader.view().number;
        let is_serving = |node: &crate::node::Node| {
            number.0 > 1 && node.view() == Some(number) && node.dtm.is_serving()
        };
        if open.is_none() && world.nodes.values().all(is_serving) {
            open = Some(world.common.now);
        }
    }
    run_to(world, world.common.now + AFTER)?;
    Some(Seen {
        crashed,
        noticed,
        open: open?,
        end: world.common.now,
        sent: world.sent.since(before),
    })
}

fn run_to(world: &mut World, at: Instant) -> Option<()> {
    let end = world.run_until(u64::MAX, |world| world.common.now >= at);
    (end == End::Done).then_some(())
}

/// Nodes that have committed something in the new view.
#[derive(Debug, Default)]
struct Working {
    nodes: BTreeSet<NodeId>,
    /// Commits that were looked at.
    looked_at: usize,
}

impl Working {
    fn is_complete(&mut self, world: &World) -> bool {
        let recorder = &world.common.recorder;
        let first_epoch = world.leader.view().first_epoch;
        let new = &recorder.commits[self.looked_at..];
        self.looked_at = recorder.commits.len();
        for &(_, id) in new {
            let attempt = recorder.history.attempt(id);
            let (stamp, _) = attempt.commit().expect("commits are recorded");
            if world.leader.view().number.0 > 1 && stamp.epoch() >= first_epoch {
                self.nodes.insert(attempt.node);
            }
        }
        self.nodes.len() == world.nodes.len()
    }
}
