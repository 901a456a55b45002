//! What the leader decides, and when.
use control::{
    Command, Config, ControlState, EPOCHS_AHEAD_MAX, Event, FailedWhy, Input, JoinerId, Process,
    RefusedWhy, VoterId,
};
use std::collections::{BTreeMap, BTreeSet};
use types::{Duration, Epoch, Fallback, NodeId, Prng, StoreId, View, ViewNumber};
use wire::Message;

use crate::world::{GRACE, LEASE, OWN, Persist, TIMEOUT, World, config_of, state_of};

#[test]
fn a_cluster_forms_when_all_expected_have_joined() {
    let mut world = World::new(3);
    world.join(OWN + 1);
    world.join(OWN);
    assert_eq!(world.leader.view(), None);
    world.join(OWN + 2);
    let view = world.view();
    assert_eq!(
        (view.number, view.stable, view.first_epoch),
        (ViewNumber(1), Epoch(0), Epoch(1))
    );
    assert_eq!(view.leader, world.node(OWN));
    assert_eq!(view.fallbacks, []);
    for store in OWN..OWN + 3 {
        let you = world.node(store);
        assert_eq!(world.bound[&JoinerId(store)], you);
        let addresses = (OWN..OWN + 3)
            .map(|store| format!("10.0.0.{store}:7"))
            .collect();
        let message = Message::NewView {
            view: view.clone(),
            you,
            addresses,
            retained: vec![],
        };
        assert!(world.sent.contains(&(you, message)), "{you} knows the view");
    }
}

#[test]
fn a_view_is_told_only_when_it_is_durable() {
    let mut world = World::new(1);
    world.persist = Persist::OnDemand;
    world.join(OWN);
    assert!(world.sent.is_empty() && world.leader.view().is_none());
    world.persisted();
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn epochs_advance_in_time_and_heartbeats_wait_for_answers() {
    let mut world = World::running(1);
    let other = world.node(OWN + 1);
    world.sent.clear();
    world.pass(Duration::from_millis(450), &[other]);
    assert_eq!(world.epochs, [2, 3, 4, 5].map(Epoch));
    assert_eq!(world.sent, []);
    world.pass(Duration::from_millis(50), &[]);
    // The first answer is confirmed at once; then there are six in a lease.
    assert_eq!(world.sent, vec![(other, Message::Heartbeat); 3]);
}

#[test]
fn an_epoch_is_stable_when_all_have_stored_it_and_that_is_durable() {
    let mut world = World::running(2);
    let nodes = [OWN, OWN + 1, OWN + 2].map(|store| world.node(store));
    world.pass(Duration::from_millis(1000), &[]);
    world.persist = Persist::OnDemand;
    world.stored(nodes[0], Epoch(3));
    world.stored(nodes[1], Epoch(5));
    assert_eq!(world.pending, None);
    world.stored(nodes[2], Epoch(4));
    assert_eq!(world.sent_stable(nodes[1]), []);
    world.stored(nodes[0], Epoch(9));
    world.persisted();
    assert_eq!(world.leader.state().stable(), Epoch(3));
    assert_eq!(world.sent_stable(nodes[1]), [3]);
    world.persisted();
    assert_eq!(
        nodes.map(|node| world.sent_stable(node)),
        [[3, 4], [3, 4], [3, 4]]
    );
    // An epoch that has not ended cannot be stored; who says so is wrong.
    nodes
        .into_iter()
        .for_each(|node| world.stored(node, Epoch(1_000)));
    assert_eq!(world.pending, None);
}

#[test]
fn epochs_stop_when_stores_do_not_keep_up() {
    let mut world = World::running(0);
    world.pass(Duration::from_millis(100 * (EPOCHS_AHEAD_MAX + 50)), &[]);
    let limit = Epoch(1 + EPOCHS_AHEAD_MAX);
    assert_eq!(world.leader.epoch(), limit);
    let held = world
        .events
        .iter()
        .filter(|event| matches!(event, Event::EpochsStopped { .. }));
    assert_eq!(held.count(), 1);
    world.stored(world.node(OWN), Epoch(500));
    assert_eq!(world.leader.epoch(), limit.next());
}

#[test]
fn who_leads_while_epochs_are_stopped_is_woken_for_heartbeats_alone() {
    let config = Config {
        expected: 2,
        epoch_length: Duration::from_millis(1),
        ..config_of(OWN)
    };
    let mut world = World::led(config, ControlState::default());
    (OWN..=OWN + 1).for_each(|store| world.join(store));
    world.pass(Duration::from_millis(EPOCHS_AHEAD_MAX + 50), &[]);
    for _ in 0..20 {
        world.sent.clear();
        let deadline = world.leader.next_deadline().unwrap();
        assert!(deadline > world.now);
        world.pass(deadline.since(world.now), &[]);
        let is_heartbeat = |(_, message): &(NodeId, Message)| *message == Message::Heartbeat;
        assert!(world.sent.iter().any(is_heartbeat), "{:?}", world.sent);
    }
}

#[test]
fn a_lost_link_makes_one_fallback_and_the_survivors_keep_their_ids() {
    let mut world = World::running(2);
    let nodes = [OWN, OWN + 1, OWN + 2].map(|store| world.node(store));
    world.pass(Duration::from_millis(500), &[]);
    nodes
        .into_iter()
        .for_each(|node| world.stored(node, Epoch(2)));
    world.persist = Persist::OnDemand;
    world.dies(nodes[1]);
    world.say(nodes[2], Message::Unreachable { node: nodes[1] });
    world.sent.clear();
    let used = world.leader.epoch();
    world.persisted();
    world.pass(TIMEOUT, &[]);
    assert_eq!(world.pending, None);
    let view = world.view();
    assert_eq!(view.number, ViewNumber(2));
    assert_eq!(view.nodes().collect::<Vec<_>>(), [nodes[0], nodes[2]]);
    assert!(view.first_epoch > used);
    // Nobody depends on anything: only the work of the lost one is undone.
    let fallback = Fallback::to_stable(Epoch(2), view.first_epoch, [nodes[1]]);
    assert_eq!((view.stable, view.fallbacks), (Epoch(2), vec![fallback]));
    assert!(world.sent.contains(&(nodes[1], Message::Expelled)));
}

#[test]
fn two_members_that_fail_together_make_one_fallback_and_apart_two() {
    for together in [true, false] {
        let mut world = World::running(3);
        let nodes = [OWN + 1, OWN + 2].map(|store| world.node(store));
        world.replicated();
        world.persist = Persist::OnDemand;
        world.dies(nodes[0]);
        if !together {
            world.persisted();
            world.replicated();
            world.persisted();
        }
        world.dies(nodes[1]);
        world.persisted();
        if together {
            // The first decision was on its way; it holds for the first alone. Without
            // both disks the data may be gone: the cluster waits.
            assert_eq!(world.pending, None);
            assert_eq!(world.missing().len(), 2);
            world.join(OWN + 1);
            world.persisted();
        }
        let fallbacks = world.view().fallbacks;
        assert_eq!(fallbacks.len(), 2);
        assert!(fallbacks[0].first_epoch < fallbacks[1].first_epoch);
    }
}

#[test]
fn a_silent_member_is_given_up_and_the_others_are_not() {
    let mut world = World::running(2);
    let silent = world.node(OWN + 1);
    world.pass(Duration::from_millis(900), &[]);
    world.pass(Duration::from_millis(900), &[silent]);
    assert_eq!(world.stores().len(), 3);
    world.pass(Duration::from_millis(200), &[silent]);
    assert_eq!(world.stores(), [OWN, OWN + 2]);
    let why = FailedWhy::Silent;
    assert!(
        world
            .events
            .contains(&Event::MemberFailed { node: silent, why })
    );
    world.pass(Duration::from_millis(5000), &[]);
    assert_eq!(world.stores(), [OWN, OWN + 2]);
}

#[test]
fn who_reaches_nobody_goes_and_not_those_it_accuses() {
    let mut world = World::running(3);
    let nodes = [OWN + 1, OWN + 2, OWN + 3].map(|store| world.node(store));
    world.pass(Duration::from_millis(300), &[]);
    world.say(nodes[0], Message::Unreachable { node: nodes[1] });
    world.say(nodes[2], Message::Unreachable { node: nodes[0] });
    world.say(nodes[0], Message::Unreachable { node: nodes[2] });
    assert_eq!(world.stores().len(), 4);
    world.pass(Duration::from_millis(300), &[]);
    assert_eq!(world.stores(), [OWN, OWN + 2, OWN + 3]);
}

#[test]
fn a_late_process_joins_under_an_id_that_nobody_had() {
    let mut world = World::running(1);
    world.pass(Duration::from_millis(300), &[]);
    world.join(OWN + 5);
    assert_eq!(world.stores(), [OWN, OWN + 1, OWN + 5]);
    let first = world.node(OWN + 5);
    world.dies(first);
    world.join(OWN + 5);
    assert!(world.node(OWN + 5) > first);
    assert_eq!(world.view().fallbacks.len(), 3);
}

/// A path was cut while a process asked to be let in, so that it gave up its connection and
/// asked over another. When the path was mended its system said the first question once more:
/// by then it was a member, which went on while its place was given away. The simulator of
/// whole nodes found it.
#[test]
fn a_question_that_comes_late_harms_no_member() {
    let mut world = World::running(1);
    world.pass(LEASE, &[]);
    let (view, member) = (world.view(), world.node(OWN + 1));
    world.join(OWN + 1);
    world.pass(LEASE.doubled(), &[]);
    assert_eq!(world.view(), view);
    assert_eq!(world.refused, []);
    let failed = |event: &Event| matches!(event, Event::MemberFailed { .. });
    assert!(!world.events.iter().any(failed), "{member} is well");
}

/// It was let in over a connection that it knows no more, and hears nothing of it.
#[test]
fn who_does_not_know_that_it_was_let_in_is_let_in_after_a_lease() {
    let mut world = World::running(1);
    let old = world.node(OWN + 1);
    world.join(OWN + 1);
    assert_eq!(world.node(OWN + 1), old, "it may know it, and act");
    world.pass(LEASE, &[old]);
    assert_eq!(world.stores(), [OWN, OWN + 1]);
    assert!(world.node(OWN + 1) > old);
}

#[test]
fn a_process_that_comes_back_before_it_is_missed_is_let_in_when_it_is() {
    let mut world = World::running(1);
    world.pass(LEASE, &[]);
    let old = world.node(OWN + 1);
    world.join(OWN + 1);
    assert_eq!(world.node(OWN + 1), old);
    world.dies(old);
    world.join(OWN + 1);
    assert_eq!(world.stores(), [OWN, OWN + 1]);
    assert!(world.node(OWN + 1) > old);
}

#[test]
fn two_processes_with_the_same_disk_id_are_not_both_let_in() {
    let mut world = World::new(3);
    world.join(OWN + 1);
    let process = Process {
        store: StoreId(OWN + 1),
        address: "10.0.0.99:7".to_owned(),
        name: "copy".to_owned(),
        voter: None,
    };
    world.input(Input::Join {
        joiner: JoinerId(99),
        process,
    });
    assert_eq!(world.refused, [JoinerId(99)]);
    let (joiner, store, why) = (JoinerId(99), StoreId(OWN + 1), RefusedWhy::SameStore);
    assert_eq!(world.events, [Event::Refused { joiner, store, why }]);
}

#[test]
fn a_process_that_leaves_while_it_is_let_in_is_given_up_at_once() {
    let mut world = World::running(1);
    world.persist = Persist::OnDemand;
    world.join(OWN + 5);
    world.input(Input::JoinerLost {
        joiner: JoinerId(OWN + 5),
    });
    world.persisted();
    assert!(!world.bound.contains_key(&JoinerId(OWN + 5)));
    world.persisted();
    assert_eq!(world.stores(), [OWN, OWN + 1]);
}

#[test]
fn a_restart_waits_for_all_disks_and_goes_back_to_the_newest_stable_epoch() {
    let mut world = World::running(2);
    world.pass(Duration::from_millis(2000), &[]);
    let nodes = [OWN, OWN + 1, OWN + 2].map(|store| world.node(store));
    nodes
        .into_iter()
        .for_each(|node| world.stored(node, Epoch(7)));
    let used = world.leader.epoch();

    let mut world = world.restart();
    world.join(OWN);
    world.join(OWN + 2);
    assert_eq!(world.leader.view(), None);
    world.join(OWN + 1);
    let view = world.view();
    assert_eq!((view.number, view.stable), (ViewNumber(2), Epoch(7)));
    assert!(view.first_epoch > used);
    assert_eq!(view.fallbacks.len(), 1);
    assert!(view.nodes().all(|node| !nodes.contains(&node)), "{view:?}");
    assert_eq!(world.stores(), [OWN, OWN + 1, OWN + 2]);
}

#[test]
fn a_restart_does_without_a_disk_after_a_while_but_names_two_that_are_missing() {
    let mut world = World::running(3).restart();
    world.join(OWN);
    world.join(OWN + 1);
    world.pass(GRACE, &[]);
    assert_eq!(world.leader.view(), None);
    assert_eq!(
        world.missing(),
        [(OWN + 2, "machine-c"), (OWN + 3, "machine-d")]
    );
    world.join(OWN + 3);
    assert_eq!(world.stores(), [OWN, OWN + 1, OWN + 3]);
    let mut world = World::running(3).restart();
    [OWN, OWN + 1, OWN + 2]
        .into_iter()
        .for_each(|store| world.join(store));
    world.pass(Duration::from_millis(4999), &[]);
    assert_eq!(world.leader.view(), None);
    world.pass(Duration::from_millis(1), &[]);
    assert_eq!(world.stores(), [OWN, OWN + 1, OWN + 2]);
}

/// With two copies of everything, the second disk to go may have had the last copy of
/// something, unless the first one's share was copied in between.
#[test]
fn a_second_loss_is_survived_only_after_replication() {
    for replicated in [true, false] {
        let mut world = World::running(3);
        let nodes = [OWN + 1, OWN + 2].map(|store| world.node(store));
        world.dies(nodes[0]);
        if replicated {
            world.replicated();
        }
        world.dies(nodes[1]);
        if replicated {
            assert_eq!(world.stores(), [OWN, OWN + 3]);
        } else {
            assert_eq!(world.view().number, ViewNumber(2));
            assert_eq!(
                world.missing(),
                [(OWN + 1, "machine-b"), (OWN + 2, "machine-c")]
            );
            world.join(OWN + 2);
            assert_eq!(world.stores(), [OWN, OWN + 3, OWN + 2]);
        }
    }
}

#[test]
fn who_asks_again_is_not_refused() {
    let mut world = World::new(2);
    world.join(OWN);
    world.join(OWN);
    let process = world.leader.joiners().next().unwrap().clone();
    let joiner = JoinerId(77);
    world.input(Input::Join { joiner, process });
    assert_eq!(world.refused, []);
    world.join(OWN + 1);
    assert_eq!(world.stores(), [OWN, OWN + 1]);
    assert_eq!(world.bound.keys().max(), Some(&joiner));
}

#[test]
fn the_five_oldest_members_vote() {
    let mut world = World::running(6);
    let voters = |world: &World| -> Vec<u64> {
        let all = world.leader.state().electorate();
        all.into_iter().map(|voter| voter.0).collect()
    };
    assert_eq!(voters(&world), [OWN, OWN + 1, OWN + 2, OWN + 3, OWN + 4]);
    world.dies(world.node(OWN + 1));
    assert_eq!(voters(&world), [OWN, OWN + 2, OWN + 3, OWN + 4, OWN + 5]);
}

/// Members that join at once are numbered by their disks, so the founder of a cluster of
/// eight is often not among the oldest five. When it lost its vote for that, it led no more,
/// and one of the others began a view without it.
#[test]
fn the_leader_votes_whatever_its_age() {
    let mut world = World::new(8);
    (OWN - 7..=OWN).for_each(|store| world.join(store));
    let voters = world.leader.state().electorate();
    assert_eq!(voters.len(), 5);
    assert!(voters.contains(&VoterId(OWN)));
}

/// Anything that happens in any order, leader deaths included: stable epochs only
/// grow, no epoch and no node id serves twice, nothing is told before it is durable.
#[test]
fn no_history_uses_an_epoch_twice_or_takes_stable_back() {
    for seed in 0..300 {
        let mut prng = Prng::new(seed);
        let mut past = Past::default();
        let mut world = World::new(3);
        (OWN..OWN + 3).for_each(|store| world.join(store));
        for _ in 0..200 {
            step(&mut world, &mut prng);
            past.check(&mut world, seed);
            if prng.chance(1, 40) {
                // The decision on its way may or may not have reached the disk.
                let pending = world.pending.take().filter(|_| prng.chance(1, 2));
                world.log.extend(pending);
                world = world.restart();
                past.epoch_at_restart = Some(past.epoch);
                (OWN..OWN + 3).for_each(|store| world.join(store));
            }
        }
    }
}

fn step(world: &mut World, prng: &mut Prng) {
    let store = OWN + prng.below(5);
    let node = NodeId(u32::try_from(1 + prng.below(world.bound.len() as u64 + 3)).unwrap());
    world.persist = if prng.chance(1, 2) {
        Persist::AtOnce
    } else {
        Persist::OnDemand
    };
    match prng.below(12) {
        10 => {
            // Refused or not.
            let _ = world.drain(&[node]);
        }
        11 => world.voters(),
        0 => world.join(store),
        1 => world.input(Input::JoinerLost {
            joiner: JoinerId(store),
        }),
        2 => world.dies(node),
        3 => world.say(
            node,
            Message::Unreachable {
                node: NodeId(node.0 / 2 + 1),
            },
        ),
        4 => world.say(node, Message::Replicated),
        5 | 6 => {
            let epoch = Epoch(world.leader.epoch().0.saturating_sub(prng.below(4)));
            let nodes = world
                .leader
                .view()
                .map_or(vec![], |view| view.nodes().collect());
            nodes.into_iter().for_each(|node| world.stored(node, epoch));
        }
        7 if world.pending.is_some() => world.persisted(),
        _ => world.pass(Duration::from_millis(prng.below(300)), &[]),
    }
}

#[derive(Default)]
struct Past {
    stable: Epoch,
    epoch: Epoch,
    epoch_at_restart: Option<Epoch>,
    views: BTreeMap<ViewNumber, View>,
    nodes: BTreeSet<NodeId>,
}

impl Past {
    fn check(&mut self, world: &mut World, seed: u64) {
        for (_, message) in world.sent.drain(..) {
            match message {
                Message::NewView { view, .. } => self.check_view(&view, &world.log, seed),
                Message::Stable { epoch } => {
                    let durable = state_of(&world.log);
                    assert!(
                        epoch <= durable.stable(),
                        "seed {seed}: told before durable"
                    );
                    assert!(epoch >= self.stable, "seed {seed}: stable fell");
                    self.stable = epoch;
                }
                _ => (),
            }
        }
        for epoch in world.epochs.drain(..) {
            self.epoch = self.epoch.max(epoch);
        }
    }

    fn check_view(&mut self, view: &View, log: &[Command], seed: u64) {
        let durable = state_of(log);
        assert!(
            durable
                .view()
                .is_some_and(|last| last.number >= view.number),
            "seed {seed}"
        );
        assert!(view.stable >= self.stable, "seed {seed}: stable fell");
        if let Some(known) = self.views.insert(view.number, view.clone()) {
            assert_eq!(known, *view, "seed {seed}");
            return;
        }
        if let Some((_, last)) = self.views.range(..view.number).next_back() {
            assert!(view.fallbacks.starts_with(&last.fallbacks), "seed {seed}");
            assert!(view.fallbacks.len() > last.fallbacks.len(), "seed {seed}");
            assert!(view.first_epoch > last.first_epoch, "seed {seed}");
            let kept = view.nodes().filter(|&node| last.member(node).is_some());
            let new = view.nodes().filter(|&node| last.member(node).is_none());
            assert!(kept.into_iter().all(|node| self.nodes.contains(&node)));
            for node in new {
                assert!(
                    self.nodes.iter().all(|&old| old < node),
                    "seed {seed}: id reused"
                );
            }
        }
        if let Some(used) = self.epoch_at_restart.take() {
            assert!(view.first_epoch > used, "seed {seed}: epoch reused");
        }
        self.nodes.extend(view.nodes());
    }
}
