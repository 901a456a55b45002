//! A run from its seed to its verdict.
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use oracle::{History, Limits, Outcome, Violation};

use types::Prng;

use crate::client::Client;
use crate::scenario::Scenario;
use crate::world::{End, World};
use crate::{Failure, Options, Property, Recovery, Report};

/// Conflicts that a transaction may lose. An aged one loses only to older ones, but to
/// them as often as they try: an older writer that waits for the stores, or for one
/// still older, takes the page again after each back-off.
const LOSSES_MAX: usize = 1000;

/// Runs the cluster that `seed` describes.
///
/// # Errors
/// If a promise was broken.
pub fn run(seed: u64, options: &Options) -> Result<Report, Failure> {
    let mut prng = Prng::new(seed);
    let scenario = Scenario::draw(&mut prng, options);
    let mut world = World::new(prng, scenario, options);
    match watch(&mut world, |world| live(world, options), check) {
        Ok(()) => Ok(report(seed, &world)),
        Err(violated) => Err(failure(seed, command(seed, options), &world, violated)),
    }
}

fn check(history: &History) -> Result<(), Violation> {
    let limits = Limits {
        losses_max: LOSSES_MAX,
    };
    oracle::check(history, &limits)
}

/// Lets a cluster live and judges what it did.
///
/// # Errors
/// What was violated, and by what.
pub(crate) fn watch(
    world: &mut World,
    life: impl FnOnce(&mut World),
    check: fn(&History) -> Result<(), Violation>,
) -> Result<(), (Property, String)> {
    let outcome = catch_unwind(AssertUnwindSafe(|| life(world)));
    if let Err(panic) = outcome {
        world.common.fail(Property::Assertion, message_of(&*panic));
    }
    if world.common.failure.is_none() {
        let history = &world.common.recorder.history;
        if let Err(violation) = check(history) {
            let detail = describe(history, &violation);
            let property = Property::History(violation.property());
            world.common.fail(property, detail);
        }
    }
    world.common.failure.take().map_or(Ok(()), Err)
}

/// What there is to say about a promise that was broken.
pub(crate) fn failure(
    seed: u64,
    command: String,
    world: &World,
    (property, detail): (Property, String),
) -> Failure {
    Failure {
        history: match property {
            Property::History(_) => None,
            _ => oracle::check_safety(&world.common.recorder.history)
                .err()
                .map(Box::new),
        },
        seed,
        command,
        property,
        detail,
        scenario: format!("{:?}", world.common.scenario),
        last_events: world.common.trace.last(),
    }
}

fn command(seed: u64, options: &Options) -> String {
    let nodes = options.nodes.map(|nodes| format!(" --nodes {nodes}"));
    let plant = options.plant.map(|plant| format!(" --plant {plant}"));
    let faults = options.faults.map(|kind| format!(" --faults {kind}"));
    let rest: String = nodes.into_iter().chain(plant).chain(faults).collect();
    format!("cargo xtask sim --seed {seed}{rest}")
}

/// The four parts.
fn live(world: &mut World, options: &Options) {
    let heal_at = world.common.scenario.heal_at;
    if world.run_until(options.events_max, |world| world.common.now >= heal_at) == End::Stopped {
        return;
    }
    world.common.note(format_args!("healed"));
    if world.run_until(options.events_max, is_quiet) == End::Stopped {
        return;
    }
    world.inspect();
    if world.run_until(options.events_max, is_quiet) == End::Stopped {
        return;
    }
    let target = world.epoch_used;
    let is_settled = |world: &World| world.leader.stable() >= target;
    if world.run_until(options.events_max, is_settled) == End::Stopped {
        let detail = format!("stable is {}, expected {target}", world.leader.stable());
        world.common.fail(Property::Settling, detail);
    }
}

/// Everybody has done his share, in the view that was decided last.
fn is_quiet(world: &World) -> bool {
    let number = world.leader.view().number;
    let is_in = |node: &crate::node::Node| node.view() == Some(number);
    world.unnoticed == 0
        && world
            .nodes
            .values()
            .all(|node| is_in(node) && Client::is_idle(&node.client))
}

/// The violation, and what the attempts that are involved did.
fn describe(history: &History, violation: &Violation) -> String {
    let mut text = violation.to_string();
    for id in violation.attempts() {
        text.push_str(&format!("\n    {id}: {:?}", history.attempt(id)));
    }
    text
}

fn report(seed: u64, world: &World) -> Report {
    let history = &world.common.recorder.history;
    let committed = history.attempts.iter().filter_map(oracle::Attempt::commit);
    let last = oracle::Period(history.fallbacks.len());
    let undone = committed
        .clone()
        .filter(|&(stamp, _)| history.is_undone(stamp, last));
    Report {
        seed,
        digest: world.common.trace.digest(),
        scenario: format!("{:?}", world.common.scenario),
        events: world.common.trace.count(),
        attempts: history.attempts.len() as u64,
        commits: committed.count() as u64,
        undone: undone.count() as u64,
        views: world.leader.view().number.0,
        left: world.left,
        faults: world.happened,
        recovery: Recovery::of(history, world.survivors),
        losses_max: losses_max(history),
        counters: world.counters(),
        last_events: world.common.trace.last(),
    }
}

fn losses_max(history: &History) -> u64 {
    let mut losses = std::collections::BTreeMap::new();
    for attempt in &history.attempts {
        if attempt.outcome == Outcome::Aborted(oracle::Abort::Conflict) {
            *losses.entry(attempt.txn).or_insert(0) += 1;
        }
    }
    losses.into_values().max().unwrap_or(0)
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("panic without a message").to_owned()
}
