//! Elections, leases, changes of the electorate, snapshots.
use control::{
    Checkpoint, Command, ControlState, Entries, Entry, Legacy, Position, Process, Record,
    ReplicaOutput, VoterId,
};
use std::hash::Hasher;
use types::{Epoch, NodeId, StoreId};

use crate::world::{PROMISE_MS, TIMEOUT_MS, World};

#[test]
fn one_voter_decides_alone_once_its_disk_knows() {
    let mut world = World::new(1, 1, 0);
    let mut records = 0;
    while let Some(output) = world.replica(1).poll_output() {
        assert!(matches!(output, ReplicaOutput::Persist(_)), "{output:?}");
        records += 1;
    }
    let now = world.now();
    assert!(world.replica(1).has_lease(now));
    assert!(!world.replica(1).is_settled());
    world.replica(1).persisted(records);
    assert_eq!(world.replica(1).poll_output(), None);
    assert!(world.replica(1).is_settled());
}

#[test]
fn voters_count_only_when_the_change_is_decided() {
    let mut world = World::new(12, 3, 0);
    let decided = |world: &mut World| world.replica(1).decided_voters().len();
    world.until("three are to vote", |world| {
        let _ = world.adjust(&[1, 2, 3]);
        !world.replica(1).electorate().next.is_empty()
    });
    assert_eq!(decided(&mut world), 1);
    // The others have not heard of it: without the first one they can decide nothing.
    world.until("it is decided", |world| {
        let _ = world.adjust(&[1, 2, 3]);
        decided(world) == 3
    });
    world.crash(1);
    world.until("another leads", |world| world.settled().is_some());
    world.decide();
}

#[test]
fn voters_join_one_after_the_other_and_all_decide_the_same() {
    let mut world = World::voting(2, 5, 0);
    for _ in 0..20 {
        world.decide();
    }
    assert_eq!(world.acting(), Some(1));
    assert_eq!(world.leaders.len(), 1);
}

#[test]
fn a_leaders_death_costs_about_an_election_timeout() {
    let mut world = World::voting(3, 3, 0);
    world.decide();
    world.crash(1);
    let died = world.now_ms;
    world.until("another leads", |world| world.settled().is_some());
    assert!(
        world.now_ms - died < 3 * TIMEOUT_MS,
        "{}",
        world.now_ms - died
    );
    world.decide();
    world.start(1);
    world.decide();
    assert_ne!(world.acting(), Some(1));
}

/// The last step of a node that leaves in order: nobody has to miss it first.
#[test]
fn a_leader_whose_vote_goes_is_followed_by_another_at_once() {
    for (seed, voters) in [(20, 2), (21, 3), (22, 5)] {
        let mut world = World::voting(seed, voters, 0);
        world.decide();
        let rest: Vec<u64> = (2..=voters).collect();
        world.until("its vote has gone", |world| {
            let _ = world.adjust(&rest);
            !world.replica(1).is_leader()
        });
        assert_eq!(world.acting(), None);
        let went = world.now_ms;
        world.until("another leads", |world| world.settled().is_some());
        let lacking = world.now_ms - went;
        assert!(lacking < TIMEOUT_MS / 2, "{voters} voters: {lacking} ms");
        assert_ne!(world.acting(), Some(1));
        // It is not needed any more.
        world.crash(1);
        world.decide();
        let leader = world.acting().unwrap();
        assert!(
            !world
                .replica(leader)
                .electorate()
                .voters
                .contains(&VoterId(1))
        );
    }
}

/// Its last word may be lost: then it is missed, as any leader is.
#[test]
fn a_leader_whose_vote_goes_may_leave_without_a_word() {
    for seed in 0..20 {
        let mut world = World::voting(seed, 3, 20);
        world.until("its vote has gone", |world| {
            let _ = world.adjust(&[2, 3]);
            !world.replica(1).is_leader()
        });
        world.crash(1);
        world.until("another leads", |world| world.settled().is_some());
        world.decide();
    }
}

#[test]
fn a_leader_that_is_cut_off_stops_before_another_begins() {
    let mut world = World::voting(4, 3, 0);
    world.decide();
    world.isolate(&[1]);
    world.until("the old one has stopped", |world| world.acting() != Some(1));
    assert_eq!(world.acting(), None, "nobody leads yet");
    world.until("another leads", |world| world.settled().is_some());
    assert!(world.replica(1).is_leader(), "it does not know");
    // What it proposes now is never taken.
    world.proposed = 500;
    world.propose(1);
    world.decide_without(&[1]);
    world.cut.clear();
    world.decide();
    assert!(!world.replica(1).is_leader());
    let epochs = world.truth.values().filter_map(|command| match command {
        Command::Stable { epoch, .. } => Some(epoch.0),
        _ => None,
    });
    assert!(!epochs.collect::<Vec<_>>().contains(&501));
}

#[test]
fn a_voter_that_hears_nobody_deposes_nobody_when_it_is_back() {
    let mut world = World::voting(5, 3, 0);
    world.decide();
    // It is heard, and hears nothing.
    world.cut.extend([(1, 3), (2, 3)]);
    world.pass(20 * TIMEOUT_MS);
    assert_eq!(world.acting(), Some(1));
    world.isolate(&[3]);
    world.pass(20 * TIMEOUT_MS);
    world.cut.clear();
    world.pass(5 * TIMEOUT_MS);
    assert_eq!((world.acting(), world.leaders.len()), (Some(1), 1));
    world.decide();
}

#[test]
fn a_leader_that_is_heard_and_hears_nobody_is_replaced() {
    let mut world = World::voting(6, 3, 0);
    world.decide();
    world.cut.extend([(2, 1), (3, 1)]);
    world.until("it has stopped", |world| world.acting() != Some(1));
    // Its signs of life go on; nobody may lead in its place until they end.
    world.pass(5 * TIMEOUT_MS);
    world.cut.extend([(1, 2), (1, 3)]);
    world.until("another leads", |world| world.settled().is_some());
}

#[test]
fn after_everybodys_crash_all_is_there_and_nobody_waits_for_long() {
    let mut world = World::voting(7, 3, 0);
    world.decide();
    let epoch = world.proposed;
    for id in 1..=3 {
        world.crash(id);
    }
    for id in 1..=3 {
        world.start(id);
    }
    let begun = world.now_ms;
    world.until("somebody leads", |world| world.settled().is_some());
    assert!(
        world.now_ms - begun < TIMEOUT_MS,
        "all have been started: no promise counts"
    );
    let leader = world.settled().unwrap();
    assert_eq!(world.replica(leader).state().stable(), Epoch(epoch));
    world.decide();
}

/// A voter that had voted for another went on to stand itself when the last answer to its
/// own questions came, in a term above that of the leader, which stepped down. All had
/// heard a leader by then, so all waited.
#[test]
fn after_a_restart_of_all_no_candidate_ends_a_leadership_that_has_just_begun() {
    for seed in 1000..1200 {
        let mut world = World::voting(seed, 3, 0);
        world.decide();
        for id in 1..=3 {
            world.crash(id);
        }
        for id in 1..=3 {
            world.start(id);
            let pause = world.random.below(20);
            world.pass(pause);
        }
        let begun = world.now_ms;
        world.until("somebody leads", |world| world.settled().is_some());
        let time = world.now_ms - begun;
        assert!(time < TIMEOUT_MS, "seed {seed}: {time} ms");
    }
}

/// Whoever had asked went on to stand for election, though it had just promised its vote to
/// another one that had asked: all stood at once, and nobody had a majority.
#[test]
fn after_a_restart_of_all_one_stands_for_election() {
    for seed in 2000..2200 {
        let mut world = World::voting(seed, 3, 0);
        world.decide();
        (1..=3).for_each(|id| world.crash(id));
        for id in [3, 1, 2] {
            world.pass(30);
            world.start(id);
        }
        let begun = world.now_ms;
        world.until("somebody leads", |world| world.settled().is_some());
        let time = world.now_ms - begun;
        assert!(time < PROMISE_MS, "seed {seed}: {time} ms");
    }
}

/// Who does not know yet where the others are now asks them in vain. When they were heard it
/// asked again in its own time only.
#[test]
fn after_a_restart_of_all_whoever_is_heard_is_asked_at_once() {
    let mut times = Vec::new();
    for seed in 2200..2400 {
        let mut world = World::voting(seed, 3, 0);
        world.decide();
        (1..=3).for_each(|id| world.crash(id));
        world.cut.extend([(1, 2), (1, 3), (2, 3), (3, 2)]);
        (1..=3).for_each(|id| world.start(id));
        let begun = world.now_ms;
        world.until("somebody leads", |world| {
            let hosts = &world.hosts;
            world
                .cut
                .retain(|(from, to)| !hosts[from].heard.contains(to));
            world.settled().is_some()
        });
        times.push(world.now_ms - begun);
    }
    times.sort_unstable();
    assert!(times[times.len() / 2] < TIMEOUT_MS / 8, "{times:?}");
}

#[test]
fn a_voter_that_was_started_anew_lets_members_lead() {
    for seed in 100..120 {
        let mut world = World::voting(seed, 2, 0);
        let now = world.now();
        world.replica(2).be_member(now);
        world.decide();
        world.crash(1);
        world.start(1);
        world.until("somebody leads", |world| world.settled().is_some());
        assert_eq!(world.acting(), Some(2), "seed {seed}");
    }
}

#[test]
fn two_of_three_logs_are_enough_and_one_is_not() {
    let mut world = World::voting(8, 3, 0);
    world.decide();
    for id in 1..=3 {
        world.crash(id);
    }
    world.start(3);
    world.pass(20 * TIMEOUT_MS);
    assert_eq!(world.acting(), None);
    world.start(2);
    world.decide();
}

#[test]
fn the_dead_vote_no_more_and_newcomers_vote_once_they_know_all() {
    let mut world = World::voting(9, 5, 0);
    world.decide();
    world.crash(5);
    world.until("four vote", |world| world.adjust(&[1, 2, 3, 4]));
    world.crash(1);
    world.until("another leads", |world| world.settled().is_some());
    world.until("three vote", |world| world.adjust(&[2, 3, 4]));
    world.crash(2);
    world.until("two lead on", |world| world.settled().is_some());
    world.until("two vote", |world| world.adjust(&[3, 4]));
    world.decide();
    // Both are needed now.
    world.crash(3);
    world.pass(20 * TIMEOUT_MS);
    assert_eq!(world.acting(), None);
    world.start(3);
    world.decide();
    // One of the dead comes back under its old id.
    world.start(5);
    world.until("three vote", |world| world.adjust(&[3, 4, 5]));
    world.decide();
}

#[test]
fn an_electorate_without_a_living_majority_is_not_proposed() {
    let mut world = World::voting(10, 3, 0);
    world.crash(3);
    world.pass(TIMEOUT_MS);
    for _ in 0..5_000 {
        assert!(!world.adjust(&[1, 3]));
        world.pass(1);
    }
    let present = world.replica(1).electorate();
    assert_eq!(present.voters.len(), 3);
    assert!(present.next.is_empty());
    world.decide();
}

#[test]
fn whoever_lacks_what_nobody_keeps_gets_the_state() {
    let mut world = World::voting(11, 3, 0);
    world.crash(3);
    for _ in 0..50 {
        let leader = world.settled().unwrap();
        world.propose(leader);
        world.until("it is applied", |world| world.settled().is_some());
    }
    for id in [1, 2] {
        world.replica(id).checkpoint();
    }
    world.pass(100);
    world.start(3);
    world.decide();
    assert_eq!(world.restored, 1);
    for id in 1..=3 {
        world.crash(id);
        world.start(id);
    }
    world.decide();
}

/// Crashes, cuts, losses and changes of the electorate in any order.
fn misery(seed: u64) -> (u64, usize, usize) {
    let mut world = World::voting(seed, 5, seed % 15);
    let mut wanted: Vec<u64> = (1..=5).collect();
    for _ in 0..60 {
        let id = 1 + world.random.below(5);
        match world.random.below(7) {
            0 | 1 if world.alive().len() > 3 => {
                let id = world.acting().unwrap_or(id);
                if world.hosts[&id].replica.is_some() {
                    world.crash(id);
                }
            }
            2 => world.isolate(&[id]),
            3 => {
                let other = 1 + world.random.below(5);
                world.cut.insert((id, other));
            }
            4 => world.cut.clear(),
            5 => {
                let size = 3 + world.random.below(3);
                wanted = (0..size).map(|step| 1 + (id - 1 + step) % 5).collect();
            }
            _ => {
                if world.hosts[&id].replica.is_none() {
                    world.start(id);
                } else {
                    world.replica(id).checkpoint();
                }
            }
        }
        for _ in 0..40 {
            world.pass(5);
            if let Some(leader) = world.settled() {
                world.propose(leader);
                let _ = world.adjust(&wanted);
            }
        }
    }
    world.cut.clear();
    for id in 1..=5 {
        if world.hosts[&id].replica.is_none() {
            world.start(id);
        }
    }
    world.until("all vote", |world| world.adjust(&[1, 2, 3, 4, 5]));
    world.decide();
    (world.trace.finish(), world.truth.len(), world.leaders.len())
}

#[test]
fn voters_agree_whatever_happens() {
    let (mut decided, mut leaders) = (0, 0);
    for seed in 1..=20 {
        let (_, truth, terms) = misery(seed);
        decided += truth;
        leaders += terms;
    }
    assert!(decided > 4_000, "{decided}");
    assert!(leaders > 80, "{leaders}");
}

#[test]
fn a_seed_tells_the_same_story_twice() {
    assert_eq!(misery(99), misery(99));
}

#[test]
fn later_records_replace_what_they_stand_in_the_place_of() {
    let position = |term, index| Position { term, index };
    let stable = |epoch| {
        Entry::Command(Command::Stable {
            epoch: Epoch(epoch),
            wall_ms: 0,
        })
    };
    let entries = |after, entries| Record::Entries(Entries { after, entries });
    let first = entries(position(0, 0), vec![Entry::Term(1), stable(1), stable(2)]);
    let second = entries(position(1, 2), vec![Entry::Term(2)]);
    let all = Checkpoint::replay([first, second]).unwrap();
    assert_eq!(all.tail, [Entry::Term(1), stable(1), Entry::Term(2)]);
    assert_eq!(all.end(), position(2, 3));
    assert_eq!(all.outcome().stable(), Epoch(1));
    let checkpoint = Checkpoint {
        at: position(1, 2),
        tail: vec![Entry::Term(2)],
        ..Checkpoint::default()
    };
    let records = [
        Record::Checkpoint(Box::new(checkpoint)),
        entries(position(2, 3), vec![stable(3)]),
    ];
    let all = Checkpoint::replay(records).unwrap();
    assert_eq!(all.tail, [Entry::Term(2), stable(3)]);
    assert_eq!(all.end(), position(2, 4));
    assert_eq!(all.outcome().stable(), Epoch(3));
    // A gap, and what a checkpoint stands for already.
    assert!(Checkpoint::replay([entries(position(1, 7), vec![])]).is_err());
    assert!(Record::decode(&[0xFF; 3]).is_err());
}

/// Voters whose logs were written for them, by whoever has made the cluster from a snapshot.
#[test]
fn voters_that_begin_with_a_checkpoint_elect_a_leader_and_decide() {
    for voters in 1..=5 {
        let process = |id: u64| Process {
            store: StoreId(id),
            address: "127.0.0.1:0".into(),
            name: format!("node-{id}"),
            voter: Some(VoterId(id)),
        };
        let legacy = Legacy {
            stable: Epoch(70),
            wall_ms: 0,
            names: vec![],
            last_node: NodeId(9),
        };
        let state = ControlState::resumed((1..=voters).map(process).collect(), &legacy);
        let record = Record::Checkpoint(Box::new(Checkpoint::of(state.clone())));
        let mut world = World::new(31 + voters, voters, 0);
        for id in 1..=voters {
            world.crash(id);
            world.hosts.get_mut(&id).unwrap().disk.durable = vec![record.clone()];
        }
        (1..=voters).for_each(|id| world.start(id));
        world.proposed = 70;
        world.decide();
        for id in 1..=voters {
            let known = world.replica(id).state();
            assert_eq!((known.view(), known.stable()), (state.view(), Epoch(71)));
        }
    }
}
