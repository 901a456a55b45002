//! The leader is lost, and another goes on.
use control::{Event, FailedWhy, Fate, Leader};
use std::collections::{BTreeMap, BTreeSet};
use types::{Duration, Epoch, NodeId, ViewNumber};
use wire::Message;

use crate::world::{OWN, TIMEOUT, World, config_of, state_of};

/// A new leader takes the cluster of `world` over: the one of this disk.
fn take_over(world: &World, store: u64, lost: &[NodeId]) -> Option<World> {
    let mut next = World::recovered(3, world.log.clone());
    let lost = lost.iter().map(|&node| (node, Fate::Dead)).collect();
    next.leader = Leader::take_over(next.now, config_of(store), state_of(&world.log), &lost)?;
    next.pump();
    Some(next)
}

#[test]
fn a_new_leader_begins_a_view_without_the_old_one_and_the_others_keep_their_ids() {
    let mut world = World::running(2);
    let nodes = [OWN, OWN + 1, OWN + 2].map(|store| world.node(store));
    world.pass(Duration::from_millis(500), &[]);
    nodes
        .into_iter()
        .for_each(|node| world.stored(node, Epoch(2)));
    let used = world.leader.epoch();
    let next = take_over(&world, OWN + 1, &[]).unwrap();
    let view = next.view();
    assert!(next.leader.is_running());
    assert_eq!(view.leader, nodes[1]);
    assert_eq!(view.nodes().collect::<Vec<_>>(), nodes[1..]);
    assert_eq!((view.number, view.stable), (ViewNumber(2), Epoch(2)));
    assert!(view.first_epoch > used);
    let told = |number: u64| -> Vec<NodeId> {
        let is_told = |(node, message): &(NodeId, Message)| match message {
            Message::NewView { view, .. } => (view.number.0 == number).then_some(*node),
            _ => None,
        };
        next.sent.iter().filter_map(is_told).collect()
    };
    // The last view, too: the old leader may not have told everybody.
    assert_eq!([told(1), told(2)], [&nodes[1..], &nodes[1..]]);
    assert!(next.sent.contains(&(nodes[0], Message::Expelled)));
}

#[test]
fn a_new_leader_goes_on_only_with_enough_disks() {
    let world = World::running(2);
    let nodes = [OWN, OWN + 1, OWN + 2].map(|store| world.node(store));
    let mut next = take_over(&world, OWN + 1, &nodes[2..]).unwrap();
    assert!(!next.leader.is_running());
    assert_eq!(next.missing(), [(OWN, "machine-a"), (OWN + 2, "machine-c")]);
    next.join(OWN);
    assert_eq!(next.stores(), [OWN + 1, OWN]);
}

#[test]
fn a_new_leader_does_without_members_that_do_not_answer_it() {
    let world = World::running(2);
    let nodes = [OWN, OWN + 1, OWN + 2].map(|store| world.node(store));
    let lost = BTreeMap::from([(nodes[0], Fate::Dead)]);
    let mut next = World::recovered(3, world.log.clone());
    next.muted = BTreeSet::from([nodes[2]]);
    let config = config_of(OWN + 1);
    next.leader = Leader::take_over(next.now, config, state_of(&world.log), &lost).unwrap();
    next.pump();
    next.pass(TIMEOUT + TIMEOUT, &[]);
    assert!(!next.leader.is_running(), "two of three disks are missing");
    next.join(OWN);
    assert_eq!(next.stores(), [OWN + 1, OWN]);
    let failed = |event: &Event| match event {
        Event::MemberFailed { node, why } => Some((*node, *why)),
        _ => None,
    };
    let failed: Vec<_> = next.events.iter().filter_map(failed).collect();
    let expected = [
        (nodes[0], FailedWhy::Deposed),
        (nodes[2], FailedWhy::Silent),
    ];
    assert_eq!(failed, expected);
}

#[test]
fn a_new_leader_waits_for_whom_it_does_not_reach() {
    let world = World::running(3);
    let cut_off = world.node(OWN + 2);
    let mut next = World::recovered(3, world.log.clone());
    let lost = BTreeMap::from([(cut_off, Fate::Unknown)]);
    let config = config_of(OWN + 1);
    next.leader = Leader::take_over(next.now, config, state_of(&world.log), &lost).unwrap();
    next.pump();
    next.join(OWN);
    next.pass(Duration::from_millis(119), &[]);
    assert!(!next.leader.is_running());
    next.pass(Duration::from_millis(1), &[]);
    assert_eq!(next.stores(), [OWN + 1, OWN + 3, OWN]);
}

#[test]
fn whoever_is_no_member_takes_nothing_over() {
    let world = World::running(2);
    assert!(take_over(&world, OWN + 7, &[]).is_none());
    assert!(take_over(&World::new(3), OWN, &[]).is_none());
}
