//! Epochs that are kept: what people ask for, what members are told, and when.
use control::{Command, Fate, Forgotten, Leader, SnapshotRefused};
use std::collections::BTreeMap;
use types::{Epoch, NodeId};
use wire::Message;

use crate::world::{OWN, WALL_MS, World, config_of, state_of};

/// What one member was told of snapshots and stable epochs, in this order.
fn told(world: &World, node: NodeId) -> Vec<Message> {
    let is_told = |(to, message): &&(NodeId, Message)| {
        let is_it = matches!(message, Message::Retain { .. } | Message::Stable { .. });
        *to == node && is_it
    };
    let told = world.sent.iter().filter(is_told);
    told.map(|(_, message)| message.clone()).collect()
}

fn retained(world: &World) -> Vec<Epoch> {
    world.leader.state().snapshots().epochs().collect()
}

fn take(world: &mut World, name: &str) -> Result<(), SnapshotRefused> {
    let taken = world.leader.snapshot(world.now, name);
    world.pump();
    taken
}

fn forget(world: &mut World, what: Forgotten) -> Result<(), SnapshotRefused> {
    let forgotten = world.leader.forget(world.now, what);
    world.pump();
    forgotten
}

/// In the one after that, its pages may be superseded.
#[test]
fn members_hear_what_is_kept_before_it_is_stable() {
    let mut world = World::running(2);
    world.all_stored();
    world.sent.clear();
    take(&mut world, "monday").unwrap();
    let asked = world.leader.epoch();
    assert_eq!(world.leader.state().snapshots().named("monday"), None);
    world.all_stored();
    let epoch = world.leader.state().snapshots().named("monday").unwrap();
    assert!(epoch >= asked);
    for node in world.view().nodes() {
        let epochs = retained(&world);
        assert!(epochs.contains(&epoch));
        let expected = [Message::Retain { epochs }, Message::Stable { epoch }];
        assert_eq!(told(&world, node), expected);
    }
}

#[test]
fn the_first_epoch_is_kept_and_then_one_in_ten_seconds() {
    let mut world = World::running(0);
    for _ in 0..350 {
        world.all_stored();
    }
    let snapshots = world.leader.state().snapshots();
    let times: Vec<u64> = snapshots.iter().map(|(_, one)| one.wall_ms).collect();
    assert!(times[0] >= WALL_MS && times.len() == 4, "{times:?}");
    assert!(times.is_sorted_by_key(|ms| ms / 10_000));
    let kept = told(&world, world.node(OWN)).into_iter();
    assert_eq!(
        kept.filter(|one| matches!(one, Message::Retain { .. }))
            .count(),
        4
    );
}

#[test]
fn who_comes_later_hears_of_all_that_is_kept_with_the_view() {
    let mut world = World::running(1);
    take(&mut world, "before").unwrap();
    world.all_stored();
    world.join(OWN + 7);
    let kept = retained(&world);
    assert!(!kept.is_empty());
    let node = world.node(OWN + 7);
    let is_told = |(to, message): &(NodeId, Message)| match message {
        Message::NewView { retained, .. } => *to == node && *retained == kept,
        _ => false,
    };
    assert!(world.sent.iter().any(is_told));
}

#[test]
fn the_next_leader_keeps_what_the_last_one_has_decided() {
    let mut world = World::running(2);
    take(&mut world, "before").unwrap();
    let state = state_of(&world.log);
    let old = world.node(OWN);
    let lost = BTreeMap::from([(old, Fate::Dead)]);
    let next = Leader::take_over(world.now, config_of(OWN + 1), state, &lost);
    world.leader = next.expect("a member");
    world.pump();
    // What the name was asked for is before the new view, and so is the epoch after it.
    world.all_stored();
    let epoch = world.leader.state().snapshots().named("before");
    assert!(epoch.is_some_and(|epoch| epoch >= world.view().stable));
    let refused = take(&mut world, "before");
    assert_eq!(refused, Err(SnapshotRefused::Taken(epoch)));
}

#[test]
fn what_is_given_up_is_retained_no_more() {
    let mut world = World::running(0);
    take(&mut world, "a").unwrap();
    assert_eq!(take(&mut world, "a"), Err(SnapshotRefused::Taken(None)));
    let unknown = forget(&mut world, Forgotten::Name("a".into()));
    assert_eq!(unknown, Err(SnapshotRefused::Unknown));
    world.all_stored();
    let epoch = world.leader.state().snapshots().named("a").unwrap();
    forget(&mut world, Forgotten::Epoch(epoch)).unwrap();
    assert_eq!(world.log.last(), Some(&Command::Forget { epoch }));
    assert!(!retained(&world).contains(&epoch));
    let last = told(&world, world.node(OWN)).pop();
    let epochs = retained(&world);
    assert_eq!(last, Some(Message::Retain { epochs }));
}

#[test]
fn while_the_cluster_gathers_nothing_is_kept() {
    let mut world = World::new(2);
    world.join(OWN);
    assert_eq!(take(&mut world, "a"), Err(SnapshotRefused::NotRunning));
    let forgotten = forget(&mut world, Forgotten::Epoch(Epoch(1)));
    assert_eq!(forgotten, Err(SnapshotRefused::NotRunning));
}
