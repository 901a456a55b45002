//! Work can be safe before it is stable: when all stores' nodes have it in memory, if the
//! cluster was started so.
use control::{Command, Ladder};
use types::{Durability, Duration, Epoch, NodeId};
use wire::Message;

use crate::world::{OWN, World};

fn nodes(world: &World) -> Vec<NodeId> {
    world.view().nodes().collect()
}

/// A cluster of three in which memories count, some epochs old.
fn in_memory() -> World {
    let mut world = World::started(3, Durability::Memory, vec![]);
    (OWN..OWN + 3).for_each(|store| world.join(store));
    world.pass(Duration::from_millis(1000), &[]);
    world
}

fn held(world: &mut World, node: NodeId, epoch: u64) {
    let epoch = Epoch(epoch);
    world.say(node, Message::EpochHeld { epoch });
}

/// What a member was told to be held.
fn told(world: &World, node: NodeId) -> Vec<u64> {
    let epoch = |(to, message): &(NodeId, Message)| match message {
        Message::Held { epoch } if *to == node => Some(epoch.0),
        _ => None,
    };
    world.sent.iter().filter_map(epoch).collect()
}

#[test]
fn what_all_hold_is_told_without_a_decision() {
    let mut world = in_memory();
    let nodes = nodes(&world);
    let decided = world.log.len();
    held(&mut world, nodes[0], 3);
    held(&mut world, nodes[1], 5);
    assert_eq!(told(&world, nodes[2]), []);
    held(&mut world, nodes[2], 4);
    held(&mut world, nodes[0], 9);
    for node in nodes {
        assert_eq!(told(&world, node), [3, 4]);
    }
    assert_eq!(world.log.len(), decided);
}

#[test]
fn where_disks_count_nothing_is_told_to_be_held() {
    let mut world = World::running(2);
    world.pass(Duration::from_millis(1000), &[]);
    let nodes = nodes(&world);
    nodes.iter().for_each(|&node| held(&mut world, node, 3));
    assert_eq!(told(&world, nodes[0]), []);
}

/// What survivors had got in the view before may lie where the next loss finds it.
#[test]
fn in_a_new_view_what_was_before_must_be_stable_first() {
    let mut world = in_memory();
    let all = nodes(&world);
    world.dies(all[2]);
    world.pass(Duration::from_millis(500), &[]);
    let first = world.view().first_epoch;
    let left = nodes(&world);
    let new = first.next().0;
    left.iter().for_each(|&node| held(&mut world, node, new));
    assert_eq!(told(&world, left[0]), []);
    let before = Epoch(first.0 - 1);
    left.iter().for_each(|&node| world.stored(node, before));
    held(&mut world, left[0], new);
    assert_eq!(told(&world, left[0]), [new]);
}

/// His parts may be lost with him.
#[test]
fn while_somebody_has_failed_nothing_new_is_told() {
    let mut world = in_memory();
    let all = nodes(&world);
    world.loses(all[2]);
    all.iter().for_each(|&node| held(&mut world, node, 3));
    assert_eq!(told(&world, all[0]), []);
}

#[test]
fn what_counts_is_decided_and_may_be_changed_when_the_cluster_is_started_again() {
    let world = in_memory();
    let durability = Durability::Memory;
    let ladder = Ladder::default();
    assert_eq!(world.log[0], Command::Configure { durability, ladder });
    assert_eq!(world.view().durability, durability);
    let mut again = world.restart();
    (OWN..OWN + 3).for_each(|store| again.join(store));
    assert_eq!(again.view().durability, Durability::Memory);
    let mut other = World::started(9, Durability::Disk, world.log.clone());
    (OWN..OWN + 3).for_each(|store| other.join(store));
    assert_eq!(other.view().durability, Durability::Disk);
}
