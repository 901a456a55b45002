//! Epochs that are kept: what people ask for, what members are told, and when.
use control::{Command, Fate, Forgotten, Leader, Outcome, RestoreRefused, SnapshotRefused, Ticket};
use std::collections::BTreeMap;
use types::{Epoch, Interval, NodeId};
use wire::Message;

use crate::world::{OWN, Persist, WALL_MS, World, config_of, state_of};

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

fn take(world: &mut World, name: &str) -> Result<Ticket, SnapshotRefused> {
    let taken = world.leader.snapshot(world.now, name);
    world.pump();
    taken
}

fn forget(world: &mut World, what: Forgotten) -> Result<Ticket, SnapshotRefused> {
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
    world.persist = Persist::OnDemand;
    take(&mut world, "a").unwrap();
    // While it is being decided, and when it is.
    assert_eq!(take(&mut world, "a"), Err(SnapshotRefused::Taken(None)));
    world.persist = Persist::AtOnce;
    world.persisted();
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

fn restore(world: &mut World, epoch: Epoch) -> Result<Ticket, RestoreRefused> {
    let ordered = world.leader.restore(world.now, epoch);
    world.pump();
    ordered
}

/// A cluster with a snapshot `early` and a later one `late`.
fn with_two(others: u64) -> (World, Epoch, Epoch) {
    let mut world = World::running(others);
    for name in ["early", "late"] {
        take(&mut world, name).unwrap();
        world.all_stored();
    }
    let snapshots = world.leader.state().snapshots();
    let (early, late) = (snapshots.named("early"), snapshots.named("late"));
    let (early, late) = (early.unwrap(), late.unwrap());
    (world, early, late)
}

#[test]
fn everybody_who_ever_was_goes_back_to_the_snapshot_and_what_came_later_is_gone() {
    let (mut world, early, late) = with_two(2);
    let (dead, before) = (world.node(OWN + 2), world.view());
    world.dies(dead);
    world.replicated();
    let stable = world.leader.state().stable();
    let ticket = restore(&mut world, early).unwrap();
    let view = world.view();
    assert_eq!(world.leader.outcome(ticket), Outcome::Decided);
    assert_eq!(
        view.members,
        before.members[..]
            .iter()
            .filter(|one| one.node != dead)
            .copied()
            .collect::<Vec<_>>()
    );
    let decided = view.fallbacks.last().unwrap();
    let cuts: Vec<u32> = decided.cuts.iter().map(|cut| cut.node.0).collect();
    assert_eq!(cuts, [1, 2, 3], "the dead, too");
    assert!(
        decided
            .cuts
            .iter()
            .all(|cut| cut.last == Interval::last_of(early))
    );
    assert_eq!(view.stable, stable, "no epoch is used twice");
    assert!(view.first_epoch > late);
    let kept = retained(&world);
    assert!(kept.contains(&early) && kept.iter().all(|&kept| kept <= early));
    // And on from there, under the same name again.
    take(&mut world, "late").unwrap();
    world.all_stored();
    assert!(world.leader.state().snapshots().named("late") >= Some(view.first_epoch));
}

#[test]
fn what_is_not_kept_cannot_be_gone_back_to() {
    let (mut world, early, late) = with_two(0);
    forget(&mut world, Forgotten::Epoch(late)).unwrap();
    assert_eq!(restore(&mut world, late), Err(RestoreRefused::Unknown));
    restore(&mut world, early).unwrap();
}

/// Some store might not have what the memory was like.
#[test]
fn nobody_goes_back_while_copies_are_made() {
    let (mut world, early, _) = with_two(2);
    let dead = world.node(OWN + 2);
    world.dies(dead);
    assert_eq!(restore(&mut world, early), Err(RestoreRefused::Unsettled));
    world.replicated();
    restore(&mut world, early).unwrap();
}

/// The order is given up: whoever gave it hears of that.
#[test]
fn a_death_before_the_decision_comes_first() {
    let (mut world, early, _) = with_two(2);
    world.persist = Persist::OnDemand;
    take(&mut world, "other").unwrap();
    let ticket = restore(&mut world, early).unwrap();
    // Whoever wants the same waits for the same.
    assert_eq!(restore(&mut world, early), Ok(ticket));
    assert_eq!(world.leader.outcome(ticket), Outcome::Pending);
    let dead = world.node(OWN + 2);
    world.dies(dead);
    world.persisted();
    world.persist = Persist::AtOnce;
    world.persisted();
    let dropped = Outcome::Dropped(RestoreRefused::Unsettled);
    assert_eq!(world.leader.outcome(ticket), dropped);
    let is_restore = |command: &Command| matches!(command, Command::Restore { .. });
    assert!(!world.log.iter().any(is_restore));
}

/// What is given up before its turn comes is not gone back to, and nobody is told that it was.
#[test]
fn a_snapshot_that_is_given_up_first_is_not_gone_back_to() {
    let (mut world, early, _) = with_two(0);
    let before = world.view().number;
    world.persist = Persist::OnDemand;
    take(&mut world, "other").unwrap();
    forget(&mut world, Forgotten::Epoch(early)).unwrap();
    let ticket = restore(&mut world, early).unwrap();
    world.persist = Persist::AtOnce;
    world.persisted();
    let dropped = Outcome::Dropped(RestoreRefused::Unknown);
    assert_eq!(world.leader.outcome(ticket), dropped);
    assert_eq!(world.view().number, before);
}

/// Both are asked for at a time: whoever waits for the snapshot does not wait in vain.
#[test]
fn a_name_that_is_awaited_is_given_after_going_back() {
    let (mut world, early, _) = with_two(0);
    take(&mut world, "now").unwrap();
    restore(&mut world, early).unwrap();
    world.all_stored();
    let first = world.view().first_epoch;
    assert!(world.leader.state().snapshots().named("now") >= Some(first));
}
