//! A leader's decisions are with the others before its own disk has them, and are none before.
//!
//! The library counts the leader's log as soon as it is in memory. Were that told to anybody, a
//! voter could apply what no majority of disks has: when the leader has forgotten it, another one
//! decides something else in its place.
use control::{Command, Record};
use types::Epoch;

use crate::world::{PROMISE_MS, World};

fn written(world: &World, id: u64) -> usize {
    let records = &world.hosts[&id].disk.durable;
    let entries = |record: &Record| match record {
        Record::Entries(entries) => entries.entries.len(),
        _ => 0,
    };
    records.iter().map(entries).sum()
}

fn known(world: &mut World, id: u64) -> Epoch {
    world.replica(id).state().stable()
}

#[test]
fn nothing_is_decided_that_the_leaders_disk_lacks() {
    let mut world = World::voting(1, 3, 0);
    world.decide();
    let before: Vec<usize> = [2, 3].map(|id| written(&world, id)).to_vec();
    world.stuck.insert(1);
    let epoch = Epoch(world.propose(1));
    world.until("the others have it on their disks", |world| {
        written(world, 2) > before[0] && written(world, 3) > before[1]
    });
    world.pass(PROMISE_MS / 2);
    for id in 1..=3 {
        assert!(
            known(&mut world, id) < epoch,
            "voter {id} takes it for decided"
        );
    }
    world.stuck.clear();
    world.until("it is decided", |world| known(world, 1) == epoch);
    world.decide();
}

#[test]
fn disks_write_at_the_same_time() {
    let mut world = World::voting(2, 3, 0);
    world.decide();
    world.sync_ms = 40;
    let epoch = Epoch(world.propose(1));
    let begun = world.now_ms;
    world.until("it is decided", |world| known(world, 1) == epoch);
    let time = world.now_ms - begun;
    assert!(time < 2 * world.sync_ms, "{time} ms");
}

#[test]
fn what_only_one_disk_has_is_not_decided_by_what_its_leader_says_meanwhile() {
    for seed in 0..20 {
        let mut world = World::voting(seed, 3, 0);
        world.decide();
        let before = written(&world, 2);
        world.stuck.insert(1);
        world.cut.insert((1, 3));
        let lost = Epoch(world.propose(1));
        world.until("one has it", |world| written(world, 2) > before);
        // The leader is told, and shows that it is alive.
        world.pass(PROMISE_MS / 2);
        world.stuck.clear();
        world.hosts.get_mut(&1).unwrap().disk.written.clear();
        world.crash(1);
        world.cut.clear();
        world.isolate(&[2]);
        world.start(1);
        world.until("another leads", |world| world.settled().is_some());
        world.decide_without(&[2]);
        world.cut.clear();
        world.decide();
        let lost = Command::Stable {
            epoch: lost,
            wall_ms: 0,
        };
        let mut decided = world.truth.values();
        assert!(decided.all(|command| *command != lost), "seed {seed}");
    }
}
