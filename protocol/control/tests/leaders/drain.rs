//! Members leave in order: nothing of theirs is lost, nobody goes back.
use control::{DrainRefused, Event, Fate, Input, Leader, VoterId};
use std::collections::{BTreeMap, BTreeSet};
use types::{Cut, Epoch, Interval, NodeId, Stamp};
use wire::{IntervalEdges, Message};

use crate::world::{OWN, TIMEOUT, World, config_of};

fn nodes(world: &World) -> Vec<NodeId> {
    world.view().nodes().collect()
}

/// Everything is done for those that leave.
fn finish(world: &mut World) {
    world.voters();
    world.all_stored();
    world.replicated();
}

fn failures(world: &World) -> usize {
    let failed = |event: &&Event| matches!(event, Event::MemberFailed { .. });
    world.events.iter().filter(failed).count()
}

fn told_to_go(world: &World, message: &Message) -> Vec<NodeId> {
    let told = world.sent.iter().filter(|(_, sent)| sent == message);
    told.map(|&(node, _)| node).collect()
}

#[test]
fn a_member_leaves_in_two_views_neither_of_which_undoes_anything() {
    let mut world = World::running(2);
    let all = nodes(&world);
    // Both others depend on unstable work of the one that leaves.
    for &node in &all[..2] {
        let interval = |node| Stamp {
            node,
            interval: Interval {
                epoch: Epoch(1),
                sub: 0,
            },
        };
        let edges = vec![interval(all[2])];
        let interval = interval(node).interval;
        world
            .intervals
            .insert(node, vec![IntervalEdges { interval, edges }]);
    }
    assert_eq!(world.drain(&all[2..]), Ok(()));
    let view = world.view();
    assert_eq!(
        (nodes(&world), view.leaving),
        (all.clone(), all[2..].to_vec())
    );
    assert!(world.leader.is_leaving(all[2]) && !world.leader.is_leaving(all[1]));
    finish(&mut world);
    let view = world.view();
    assert_eq!((nodes(&world), view.leaving), (all[..2].to_vec(), vec![]));
    assert!(view.fallbacks.iter().all(|decided| decided.cuts.is_empty()));
    assert_eq!(told_to_go(&world, &Message::Left), all[2..]);
    assert_eq!(told_to_go(&world, &Message::Expelled), []);
    assert_eq!(failures(&world), 0);
    // All that is stable has its copies without the disk that may be thrown away now.
    assert!(world.leader.state().is_replicated());
    assert_eq!(
        world
            .leader
            .state()
            .missing(&BTreeSet::from([view.members[0].store]))
            .len(),
        1
    );
    world.pass(TIMEOUT + TIMEOUT, &[]);
    assert_eq!(nodes(&world), all[..2]);
}

/// What is not stable might be lost with it, and what is not copied; and a vote that went
/// without a decision might be missed for ever.
#[test]
fn a_member_that_leaves_is_kept_until_all_is_done() {
    type Deed = fn(&mut World);
    let deeds: [Deed; 3] = [World::voters, World::all_stored, World::replicated];
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let mut world = World::running(3);
        let all = nodes(&world);
        // They still vote.
        let voters = world.leader.state().electorate();
        world.input(Input::Voters(voters));
        world.drain(&all[1..2]).unwrap();
        for deed in order {
            assert_eq!(nodes(&world), all, "{order:?}");
            deeds[deed](&mut world);
        }
        assert_eq!(nodes(&world), [all[0], all[2], all[3]], "{order:?}");
    }
}

#[test]
fn its_vote_is_not_wanted_from_the_beginning_and_its_disk_keeps_nothing_new() {
    let mut world = World::running(3);
    let all = nodes(&world);
    world.drain(&all[1..2]).unwrap();
    let state = world.leader.state();
    let votes = [OWN, OWN + 2, OWN + 3].map(VoterId);
    assert_eq!(state.electorate(), BTreeSet::from(votes));
    // Until everything is copied its disk may have the only second copy.
    assert!(!state.is_replicated());
    world.replicated();
    assert!(world.leader.state().is_replicated());
}

#[test]
fn of_two_members_one_may_leave() {
    let mut world = World::running(1);
    let all = nodes(&world);
    world.drain(&all[1..]).unwrap();
    assert_eq!(world.leader.state().may_miss(), 0);
    finish(&mut world);
    assert_eq!(nodes(&world), all[..1]);
}

#[test]
fn several_leave_together() {
    let mut world = World::running(4);
    let all = nodes(&world);
    world.drain(&all[2..4]).unwrap();
    finish(&mut world);
    assert_eq!(nodes(&world), [all[0], all[1], all[4]]);
    assert_eq!(told_to_go(&world, &Message::Left), all[2..4]);
}

#[test]
fn what_cannot_be_is_refused() {
    let mut world = World::new(2);
    let unknown = NodeId(77);
    assert_eq!(world.drain(&[unknown]), Err(DrainRefused::NotRunning));
    let mut world = World::running(2);
    let all = nodes(&world);
    let no_member = Err(DrainRefused::NoMember(unknown));
    assert_eq!(world.drain(&[unknown]), no_member);
    assert_eq!(world.drain(&all), Err(DrainRefused::Last));
    let heard = BTreeSet::from([VoterId(OWN)]);
    let refused = world.drain_heard(&all[1..2], &heard).unwrap_err();
    let voters = BTreeSet::from([VoterId(OWN), VoterId(OWN + 2)]);
    let away = BTreeSet::from([VoterId(OWN + 2)]);
    assert_eq!(refused, DrainRefused::Voters { voters, away });
    assert_eq!(world.view().number.0, 1);
    world.drain(&all[1..2]).unwrap();
    for node in &all[1..] {
        let under_way = Err(DrainRefused::UnderWay(all[1..2].to_vec()));
        assert_eq!(world.drain(&[*node]), under_way);
    }
    assert_eq!(
        World::running(0).drain(&[NodeId(1)]),
        Err(DrainRefused::Last)
    );
}

/// It may have taken unstable work with it, as ever.
#[test]
fn a_member_that_dies_while_it_leaves_has_failed() {
    let mut world = World::running(2);
    let all = nodes(&world);
    world.drain(&all[2..]).unwrap();
    world.dies(all[2]);
    let view = world.view();
    assert_eq!((nodes(&world), view.leaving), (all[..2].to_vec(), vec![]));
    let node = all[2];
    let last = Interval::last_of(Epoch(0));
    assert_eq!(view.fallbacks.last().unwrap().cuts, [Cut { node, last }]);
    assert_eq!(told_to_go(&world, &Message::Expelled), all[2..]);
    assert_eq!(told_to_go(&world, &Message::Left), []);
    // Its disk may come back as another member, that stays.
    world.join(OWN + 2);
    assert_eq!((nodes(&world).len(), world.view().leaving), (3, vec![]));
    assert_eq!(world.drain(&nodes(&world)[2..]), Ok(()));
}

#[test]
fn another_that_dies_meanwhile_changes_nothing_for_it() {
    let mut world = World::running(3);
    let all = nodes(&world);
    world.drain(&all[2..3]).unwrap();
    world.dies(all[1]);
    assert_eq!(nodes(&world), [all[0], all[2], all[3]]);
    assert_eq!(world.view().leaving, all[2..3]);
    finish(&mut world);
    assert_eq!(nodes(&world), [all[0], all[3]]);
    assert_eq!(told_to_go(&world, &Message::Left), all[2..3]);
}

/// Those that leave never take the place of those that stay.
#[test]
fn without_those_that_stay_the_cluster_waits_for_their_disks() {
    let mut world = World::running(2);
    let all = nodes(&world);
    world.drain(&all[..2]).unwrap();
    world.dies(all[2]);
    assert_eq!(world.missing(), [(OWN + 2, "machine-c")]);
    assert_eq!(nodes(&world), all);
    world.join(OWN + 2);
    let view = world.view();
    assert_eq!((view.members.len(), view.leaving), (3, all[..2].to_vec()));
}

#[test]
fn the_leader_hands_on_when_nothing_else_is_left_to_do() {
    let mut world = World::running(2);
    let all = nodes(&world);
    world.drain(&all[..1]).unwrap();
    let votes = |world: &World| world.leader.electorate().contains(&VoterId(OWN));
    assert!(votes(&world));
    world.all_stored();
    assert!(votes(&world));
    world.replicated();
    assert!(!votes(&world));
    world.voters();
    assert_eq!(nodes(&world), all, "it does not send itself away");
    // Whoever leads next takes nothing from it.
    let state = world.leader.state().clone();
    world.leader =
        Leader::take_over(world.now, config_of(OWN + 1), state, &BTreeMap::new()).unwrap();
    world.sent.clear();
    world.asked.clear();
    world.pump();
    let view = world.view();
    assert_eq!((view.leader, view.leaving), (all[1], all[..1].to_vec()));
    assert!(view.fallbacks.iter().all(|decided| decided.cuts.is_empty()));
    world.voters();
    world.all_stored();
    assert_eq!(nodes(&world), all[1..]);
    assert!(
        world
            .view()
            .fallbacks
            .iter()
            .all(|decided| decided.cuts.is_empty())
    );
    assert_eq!(told_to_go(&world, &Message::Left), all[..1]);
    assert_eq!(failures(&world), 0);
}

#[test]
fn who_is_leaving_goes_on_leaving_under_the_next_leader() {
    let mut world = World::running(2);
    let all = nodes(&world);
    world.drain(&all[2..]).unwrap();
    let state = world.leader.state().clone();
    let lost = BTreeMap::from([(all[0], Fate::Dead)]);
    world.leader = Leader::take_over(world.now, config_of(OWN + 1), state, &lost).unwrap();
    world.asked.clear();
    world.pump();
    assert_eq!(
        (nodes(&world), world.view().leaving),
        (all[1..].to_vec(), all[2..].to_vec())
    );
    finish(&mut world);
    assert_eq!(nodes(&world), all[1..2]);
}

#[test]
fn after_a_restart_of_all_everybody_is_a_member_again() {
    let mut world = World::running(2);
    let all = nodes(&world);
    world.drain(&all[2..]).unwrap();
    let mut world = world.restart();
    (OWN..OWN + 3).for_each(|store| world.join(store));
    assert_eq!((nodes(&world).len(), world.view().leaving), (3, vec![]));
}
