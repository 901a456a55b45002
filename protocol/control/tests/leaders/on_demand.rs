//! An epoch that somebody waits for ends before its time, as soon as what ended before is safe.
use types::{Durability, Duration, Epoch, NodeId};
use wire::Message;

use crate::world::{EPOCH, EPOCH_MIN, OWN, World};

const ALMOST_MIN: Duration = Duration::from_micros(1_999);
const REST: Duration = Duration::from_micros(1);
const HALF: Duration = Duration::from_millis(50);

/// A cluster of three in which everything that has ended is stable; its members.
fn calm() -> (World, Vec<NodeId>) {
    let mut world = World::running(2);
    world.all_stored();
    world.pass(EPOCH_MIN, &[]);
    let nodes = world.view().nodes().collect();
    (world, nodes)
}

/// Everything is stored that has ended.
fn all_stored(world: &mut World, nodes: &[NodeId]) {
    let epoch = Epoch(world.leader.epoch().0 - 1);
    nodes.iter().for_each(|&node| world.stored(node, epoch));
}

#[test]
fn an_epoch_ends_when_somebody_waits_for_it() {
    let (mut world, nodes) = calm();
    let epoch = world.leader.epoch();
    world.awaits(nodes[1]);
    assert_eq!(world.leader.epoch(), epoch.next());
}

#[test]
fn with_nobody_waiting_the_clock_ends_epochs() {
    let (mut world, nodes) = calm();
    let epoch = world.leader.epoch();
    for _ in 0..20 {
        world.pass(HALF, &[]);
        all_stored(&mut world, &nodes);
    }
    assert_eq!(world.leader.epoch().0, epoch.0 + 10);
}

/// Whoever waits meanwhile shares one end.
#[test]
fn the_next_waits_until_the_one_before_is_stable() {
    let (mut world, nodes) = calm();
    world.awaits(nodes[1]);
    let epoch = world.leader.epoch();
    world.awaits(nodes[0]);
    world.awaits(nodes[2]);
    world.pass(HALF, &[]);
    assert_eq!(world.leader.epoch(), epoch);
    all_stored(&mut world, &nodes);
    assert_eq!(world.leader.epoch(), epoch.next());
    // Nobody has said that he waits for this one.
    all_stored(&mut world, &nodes);
    world.pass(HALF, &[]);
    assert_eq!(world.leader.epoch(), epoch.next());
}

#[test]
fn the_clock_ends_epochs_also_while_nothing_becomes_stable() {
    let (mut world, nodes) = calm();
    world.awaits(nodes[1]);
    let epoch = world.leader.epoch();
    world.awaits(nodes[1]);
    world.pass(EPOCH, &[]);
    assert_eq!(world.leader.epoch(), epoch.next());
}

#[test]
fn no_epoch_is_shorter_than_the_shortest() {
    let (mut world, nodes) = calm();
    world.awaits(nodes[1]);
    all_stored(&mut world, &nodes);
    let epoch = world.leader.epoch();
    world.awaits(nodes[1]);
    world.pass(ALMOST_MIN, &[]);
    assert_eq!(world.leader.epoch(), epoch);
    world.pass(REST, &[]);
    assert_eq!(world.leader.epoch(), epoch.next());
}

#[test]
fn who_waits_for_an_epoch_that_has_ended_ends_no_other() {
    let (mut world, nodes) = calm();
    let epoch = world.leader.epoch();
    world.awaits(nodes[1]);
    all_stored(&mut world, &nodes);
    world.say(nodes[2], Message::Awaited { epoch });
    world.pass(HALF, &[]);
    assert_eq!(world.leader.epoch(), epoch.next());
}

/// What is left from before a view is stable no sooner than the first epoch of the view.
#[test]
fn the_first_epoch_of_a_view_ends_on_demand() {
    let (mut world, nodes) = calm();
    world.pass(EPOCH, &[]);
    world.pass(EPOCH, &[]);
    world.dies(nodes[2]);
    world.pass(EPOCH_MIN, &[]);
    let view = world.view();
    assert_eq!(view.members.len(), 2);
    let epoch = world.leader.epoch();
    assert!(world.leader.state().stable() < epoch);
    world.awaits(nodes[1]);
    assert_eq!(world.leader.epoch(), epoch.next());
}

#[test]
fn what_is_held_is_waited_for_where_memories_count() {
    let mut world = World::started(3, Durability::Memory, vec![]);
    (OWN..OWN + 3).for_each(|store| world.join(store));
    world.all_stored();
    world.pass(EPOCH_MIN, &[]);
    let nodes: Vec<NodeId> = world.view().nodes().collect();
    let first = world.leader.epoch();
    let mut ended = 0;
    // Disks fall behind so far and no farther.
    for _ in 0..20 {
        let epoch = world.leader.epoch();
        world.awaits(nodes[1]);
        ended += world.leader.epoch().0 - epoch.0;
        for &node in &nodes {
            world.say(node, Message::EpochHeld { epoch });
        }
        world.pass(EPOCH_MIN, &[]);
    }
    assert_eq!(ended, 8);
    all_stored(&mut world, &nodes);
    assert!(world.leader.epoch().0 > first.0 + 8);
}

/// A heartbeat goes to nobody who has still to answer one; when he has he is told.
#[test]
fn who_answers_in_an_earlier_epoch_is_told_at_once() {
    let (mut world, nodes) = calm();
    world.awaits(nodes[1]);
    let told = |world: &World| {
        let is_it =
            |(to, message): &&(NodeId, Message)| *to == nodes[1] && *message == Message::Heartbeat;
        world.sent.iter().filter(is_it).count()
    };
    all_stored(&mut world, &nodes);
    world.now = world.now + EPOCH_MIN;
    world.awaits(nodes[1]);
    assert!(
        world.asked.contains(&nodes[1]),
        "it has answered no heartbeat"
    );
    let (before, epoch) = (told(&world), Epoch(world.leader.epoch().0 - 1));
    world.asked.remove(&nodes[1]);
    world.say_in(epoch, nodes[1], Message::Heartbeat);
    assert_eq!(told(&world), before + 1);
    world.asked.remove(&nodes[1]);
    world.say(nodes[1], Message::Heartbeat);
    assert_eq!(told(&world), before + 1);
}
