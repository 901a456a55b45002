//! A run from its seed to its verdict.
use std::collections::BTreeMap;

use kernel::ProcessId;
use oracle::lists::{self, Answer, Operation};
use store::{Damage, MemoryDisk, Store};
use types::limits::REPLICAS;
use types::{PageId, Prng, RegionId, Version};

use crate::life::{SEGMENT_SIZE, identity};
use crate::machine::{Drive, Place};
use crate::names::MachineId;
use crate::options::{Options, Tell};
use crate::plant::{self, Planted};
use crate::report::{Failure, Property, Report};
use crate::scenario::Scenario;
use crate::stage::Stage;
use crate::trace::Trace;
use crate::typist;
use crate::world::World;

/// Lines of the story that are told of a failure.
const LINES: usize = 60;
const ALL_LINES: usize = 2_000_000;

/// Runs the cluster that `seed` describes.
///
/// # Errors
/// If a promise was broken.
pub fn run(seed: u64, options: &Options) -> Result<Report, Failure> {
    let mut prng = Prng::new(seed);
    let mut scenario = Scenario::draw(&mut prng, options);
    if let Some(plant) = options.plant {
        plant::prepare(plant, &mut scenario);
    }
    play(seed, options, prng, scenario)
}

/// Runs a cluster as described.
pub(crate) fn play(
    seed: u64,
    options: &Options,
    prng: Prng,
    scenario: Scenario,
) -> Result<Report, Failure> {
    let described = format!("{scenario:?}");
    let kept = match options.tell {
        Tell::End => LINES,
        Tell::Story | Tell::Messages => ALL_LINES,
    };
    let planted = Planted(options.plant);
    let stage = Stage::new(|stage| {
        let mut world = World::new(stage, prng, scenario, planted, Trace::new(kept));
        world.tells_messages = options.tell == Tell::Messages;
        world
    });
    stage.play();
    let mut world = stage.lock();
    let operations = &mut world.story.diary.operations;
    operations.sort_by_key(|operation| operation.begin);
    let operations = operations.clone();
    if let Err(violation) = lists::check(&operations) {
        let detail = describe(&operations, &violation);
        world.fail(Property::History, detail);
    }
    check_disks(&mut world);
    match world.failure.take() {
        None => Ok(report(seed, described, &world, &operations)),
        Some((property, detail)) => Err(Failure {
            seed,
            command: command(seed, options),
            scenario: described,
            property,
            detail,
            story: world.trace.last(),
        }),
    }
}

/// When all is over nothing that is kept is damaged on any disk, and the newest stable version
/// of each page is there twice. (Of what has ended disks may have different things left.)
fn check_disks(world: &mut World) {
    if world.failure.is_some() {
        return;
    }
    let mut stores = Vec::new();
    for machine in world
        .machines
        .iter()
        .filter(|one| one.place == Place::Wanted)
    {
        let disk = machine.disks[Drive::Store.index()].clone();
        let opened = Store::open_with(disk, identity(0), SEGMENT_SIZE);
        let learnt = opened
            .map_err(|error| error.to_string())
            .and_then(|mut store| {
                // As when it is started again: its own record of that may not be synced.
                let view = world.checks.last_view();
                let applied = view.map_or(Ok(()), |view| store.apply_view(view));
                applied.map_err(|error| error.to_string())?;
                Ok(store)
            });
        match learnt {
            Ok(store) => stores.push((machine.id, store)),
            Err(error) => {
                let detail = format!("{}: {error}", machine.id);
                return world.fail(Property::Repair, detail);
            }
        }
    }
    // Who answers callers begins first, then what the typist needs, then the lists.
    let first = u32::from(world.scenario.callers > 0);
    let last = first + typist::programs(world.scenario.typist) + 1;
    let lives = |region| {
        let process = ProcessId::of_region(region);
        process.is_none_or(|process| process.0 <= last)
    };
    let checked = scrub_all(&mut stores, lives).and_then(|()| count_copies(&mut stores, lives));
    if let Err(detail) = checked {
        world.fail(Property::Repair, detail);
    }
}

/// What is left of the dead may stay damaged: others may have given up theirs already.
fn scrub_all(
    stores: &mut [(MachineId, Store<MemoryDisk>)],
    lives: impl Fn(RegionId) -> bool,
) -> Result<(), String> {
    for (machine, store) in stores {
        let mut scrubbed = store
            .scrub_step(usize::MAX)
            .map_err(|error| format!("{machine}: {error}"))?;
        let is_of_living = |damage: &Damage| damage.page.is_none_or(|(page, _)| lives(page.region));
        scrubbed.damage.retain(is_of_living);
        if !scrubbed.damage.is_empty() {
            return Err(format!("{machine}: {scrubbed:?}"));
        }
    }
    Ok(())
}

fn count_copies(
    stores: &mut [(MachineId, Store<MemoryDisk>)],
    lives: impl Fn(RegionId) -> bool,
) -> Result<(), String> {
    let mut newest: BTreeMap<PageId, Version> = BTreeMap::new();
    for (_, store) in &*stores {
        let inventory = store.inventory().into_iter();
        for extent in inventory.filter(|extent| lives(extent.region)) {
            for (page, version, _) in store.kept_versions(extent) {
                let newest = newest.entry(page).or_default();
                *newest = version.max(*newest);
            }
        }
    }
    let wanted = REPLICAS.min(stores.len());
    for (page, version) in newest {
        // What is stable to one may not be to another that has stopped before.
        let mut copies = 0;
        for (_, store) in &mut *stores {
            let read = store.read(page).map_err(|error| error.to_string())?;
            copies += usize::from(read.is_some_and(|content| content.version >= version));
        }
        if copies < wanted {
            let of = |(machine, store): &(MachineId, Store<MemoryDisk>)| {
                let mut kept = store.kept_versions(page.extent());
                kept.retain(|(one, ..)| *one == page);
                format!("{machine}, stable {}: {kept:?}", store.stable())
            };
            let all: Vec<String> = stores.iter().map(of).collect();
            let (version, all) = (version.0, all.join("; "));
            return Err(format!(
                "{copies} copies of page {page}, version {version}: {all}"
            ));
        }
    }
    Ok(())
}

fn report(seed: u64, scenario: String, world: &World, operations: &[Operation]) -> Report {
    let is_answered = |one: &&Operation| matches!(one.answer, Answer::Given { .. });
    let answered = operations.iter().filter(is_answered).count();
    Report {
        seed,
        digest: world.trace.digest(),
        scenario,
        items: world.queue.count(),
        lasted: world.now.since(types::Instant::default()),
        answered: answered as u64,
        unanswered: (operations.len() - answered) as u64,
        views: world.checks.views(),
        confirmed: world.story.historian.confirmed,
        healed_in: world.story.healed_in,
        restarted_in: world.story.restarted_in,
        counts: world.counts.clone(),
        story: world.trace.last(),
    }
}

fn command(seed: u64, options: &Options) -> String {
    let nodes = options.nodes.map(|nodes| format!(" --nodes {nodes}"));
    let faults = options.faults.map(|kind| format!(" --faults {kind}"));
    let plant = options.plant.map(|plant| format!(" --plant {plant}"));
    let types = options.types.then(|| " --types".to_owned());
    let rest = nodes.into_iter().chain(faults).chain(plant).chain(types);
    let rest: String = rest.collect();
    format!("cargo xtask sim --whole --seed {seed}{rest}")
}

/// The violation, and the operations that it is about.
fn describe(operations: &[Operation], violation: &lists::Violation) -> String {
    let mut text = violation.to_string();
    for (number, operation) in operations.iter().enumerate() {
        let id = lists::OperationId(number).to_string();
        let is_named = text.lines().next().is_some_and(|line| {
            line.split(|c: char| !c.is_ascii_alphanumeric())
                .any(|word| word == id)
        });
        if is_named {
            text.push_str(&format!("\n    {id}: {operation:?}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use types::Duration;

    use super::*;
    use crate::fault::{Fault, Who};

    /// A process that was just let in again was cut off from its leader, which then stood
    /// still; another led, without that process as a voter. So its own voter heard no more,
    /// believed in the old leader, and it asked that one for ever, whatever it was told.
    #[test]
    fn who_believes_in_an_old_leader_is_let_in_by_the_new_one() {
        let ms = Duration::from_millis;
        let options = Options {
            nodes: Some(3),
            ..Options::default()
        };
        for seed in 20..36 {
            let mut prng = Prng::new(seed);
            let mut scenario = Scenario::draw(&mut prng, &options);
            let flap = Fault::Flap {
                one: Who::Leader { or: 0 },
                other: 1,
                each: ms(221),
                times: 2,
            };
            let pause = Fault::Pause {
                who: Who::Node(0),
                time: ms(1_610),
            };
            scenario.stutter = None;
            scenario.delays.base_min = Duration::from_micros(20);
            scenario.delays.base_more = Duration::from_micros(30);
            scenario.delays.jitter = Duration::from_micros(11);
            scenario.syncs.more = ms(13);
            scenario.epoch_length = ms(35);
            scenario.epoch_min = ms(35);
            scenario.faults = vec![(ms(896), flap), (ms(1_657), pause)];
            let played = play(seed, &options, prng, scenario);
            assert!(played.is_ok(), "seed {seed}: {}", played.unwrap_err());
        }
    }
}
