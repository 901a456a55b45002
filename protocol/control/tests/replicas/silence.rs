//! Machines that fall silent, and processes that are only slow.
use crate::world::{PROMISE_MS, SYNC_MS, TIMEOUT_MS, World};
use std::collections::BTreeSet;

/// The leader, and the others.
fn roles(world: &mut World) -> (u64, Vec<u64>) {
    world.decide();
    let leader = world.settled().unwrap();
    let others = world.alive().into_iter().filter(|&id| id != leader);
    (leader, others.collect())
}

#[test]
fn a_silent_leader_is_followed_when_no_promise_is_left() {
    for seed in 0..40 {
        let voters = if seed % 2 == 0 { 3 } else { 5 };
        let mut world = World::voting(300 + seed, voters, 0);
        let (leader, others) = roles(&mut world);
        world.isolate(&[leader]);
        let begun = world.now_ms;
        for other in others {
            let after = PROMISE_MS * 3 / 4 + world.random.below(PROMISE_MS / 4);
            world.notice(other, leader, after);
        }
        world.until("another leads", |world| {
            world.settled().is_some_and(|acting| acting != leader)
        });
        let lacking = world.now_ms - begun;
        assert!(lacking < 2 * PROMISE_MS, "seed {seed}: {lacking} ms");
        world.decide_without(&[leader]);
    }
}

#[test]
fn one_voter_that_notices_is_enough_if_the_others_hear_nobody() {
    for seed in 0..40 {
        let mut world = World::voting(340 + seed, 3, 0);
        let (leader, others) = roles(&mut world);
        world.crash(leader);
        let begun = world.now_ms;
        world.notice(others[(seed % 2) as usize], leader, PROMISE_MS / 2);
        world.until("another leads", |world| world.settled().is_some());
        let lacking = world.now_ms - begun;
        assert!(lacking < 2 * PROMISE_MS, "seed {seed}: {lacking} ms");
    }
}

/// One leader that is slow, or all others are: it acts no more while it has no answer, and
/// goes on then. Nobody stands for election.
#[test]
fn whoever_is_slow_goes_on() {
    for seed in 0..60 {
        let voters = if seed % 2 == 0 { 3 } else { 5 };
        let mut world = World::voting(400 + seed, voters, 0);
        let (leader, others) = roles(&mut world);
        let terms = world.leaders.len();
        let time = 2 * PROMISE_MS + world.random.below(TIMEOUT_MS - 3 * PROMISE_MS);
        let slow = if seed % 3 == 0 { others } else { vec![leader] };
        slow.iter().for_each(|&id| world.stop(id, time));
        world.pass(2 * PROMISE_MS);
        assert_eq!(world.acting(), None, "seed {seed}");
        world.pass(time - 2 * PROMISE_MS + 15);
        assert_eq!(world.settled(), Some(leader), "seed {seed}");
        world.pass(3 * TIMEOUT_MS);
        assert_eq!(world.leaders.len(), terms, "seed {seed}");
    }
}

/// Its links with a voter are cut, of which nobody is told; that voter misses it, and asks
/// again and again.
#[test]
fn whoever_misses_the_leader_alone_deposes_no_slow_one() {
    for seed in 0..10 {
        let mut world = World::voting(460 + seed, 3, 0);
        let (leader, others) = roles(&mut world);
        let terms = world.leaders.len();
        // That it was told of something else before does not count.
        world.notice(others[0], leader, 1);
        world.pass(PROMISE_MS);
        world.cut.extend([(leader, others[0]), (others[0], leader)]);
        for _ in 0..20 {
            world.stop(leader, 3 * PROMISE_MS);
            world.pass(5 * PROMISE_MS);
            assert_eq!(world.settled(), Some(leader), "seed {seed}");
        }
        assert_eq!(world.leaders.len(), terms, "seed {seed}");
    }
}

/// It has hung up on a voter that is off.
#[test]
fn a_leader_that_has_hung_up_on_one_may_be_slow() {
    let mut world = World::voting(43, 3, 0);
    let (leader, others) = roles(&mut world);
    let terms = world.leaders.len();
    world.crash(others[0]);
    world.hang_up(others[0], 1);
    for _ in 0..20 {
        world.stop(leader, 3 * PROMISE_MS);
        world.pass(5 * PROMISE_MS);
        assert_eq!(world.settled(), Some(leader));
    }
    assert_eq!(world.leaders.len(), terms);
}

#[test]
fn a_leader_that_is_slow_for_long_is_replaced() {
    let mut world = World::voting(37, 3, 0);
    let (leader, _) = roles(&mut world);
    world.stop(leader, 10 * TIMEOUT_MS);
    world.until("another leads", |world| {
        world.settled().is_some_and(|acting| acting != leader)
    });
    world.pass(10 * TIMEOUT_MS);
    world.decide();
}

/// The leader reaches a majority, but not one voter, which knows that.
#[test]
fn a_voter_that_alone_does_not_reach_the_leader_deposes_nobody() {
    for (seed, voters) in [(38, 3), (39, 3), (40, 5), (41, 5)] {
        let mut world = World::voting(seed, voters, 0);
        let (leader, others) = roles(&mut world);
        let terms = world.leaders.len();
        let alone = others[(seed % 2) as usize];
        world.cut.insert((leader, alone));
        if seed > 39 {
            world.cut.insert((alone, leader));
        }
        world.notice(alone, leader, PROMISE_MS);
        for _ in 0..20 * TIMEOUT_MS {
            world.pass(1);
            assert_eq!(world.settled(), Some(leader), "{voters} voters");
        }
        world.cut.clear();
        world.pass(5 * TIMEOUT_MS);
        assert_eq!(world.leaders.len(), terms, "{voters} voters");
    }
}

/// A leader's machine was not reached for a moment. Later its process is slow, and that is
/// another matter.
#[test]
fn a_leader_that_is_heard_again_is_not_held_to_be_silent() {
    for seed in 0..20 {
        let mut world = World::voting(420 + seed, 3, 0);
        let (leader, others) = roles(&mut world);
        let terms = world.leaders.len();
        world.notice(others[0], leader, 1);
        world.notice(others[1], leader, 1);
        world.pass(PROMISE_MS);
        world.stop(leader, 3 * PROMISE_MS);
        world.pass(5 * PROMISE_MS);
        assert_eq!(world.settled(), Some(leader), "seed {seed}");
        assert_eq!(world.leaders.len(), terms, "seed {seed}");
    }
}

/// Records that take longer than a promise are on their way all the time.
#[test]
fn slow_disks_end_no_lease() {
    for voters in [2, 3, 5] {
        let mut world = World::voting(42, voters, 0);
        let (leader, _) = roles(&mut world);
        world.sync_ms = 3 * PROMISE_MS;
        for step in 0..20 * TIMEOUT_MS {
            if step % 10 == 0 {
                world.propose(leader);
            }
            world.pass(1);
            assert_eq!(world.acting(), Some(leader), "{voters} voters");
        }
    }
}

/// One voter has not heard the leader for long, and would lead. The third has, and does not
/// hear it any more either: what it has promised counts (the world sees to it that one leader
/// acts), also if it is started anew, and though the leader's clock is slow and theirs fast.
#[test]
fn a_promise_is_kept_whatever_others_say() {
    for seed in 0..4 * PROMISE_MS {
        let mut world = World::voting(440 + seed, 3, 0);
        let (leader, others) = roles(&mut world);
        let (far, near) = (others[0], others[1]);
        world.sync_ms = 1;
        world.set_pace(leader, 87);
        others.iter().for_each(|&id| world.set_pace(id, 115));
        world.cut.extend([(leader, far), (far, leader)]);
        world.pass(PROMISE_MS + 10 + seed % 17);
        world.isolate(&[leader]);
        if (seed / PROMISE_MS).is_multiple_of(2) {
            world.crash(near);
            world.start(near);
        }
        world.notice(far, leader, seed % PROMISE_MS);
        world.until("another leads", |world| {
            world.acting().is_some_and(|acting| acting != leader)
        });
    }
}

/// Two candidates of the same age: both have noticed at once, in a network that is slow.
#[test]
fn candidates_do_not_take_votes_from_each_other() {
    for seed in 0..200 {
        let voters = if seed % 2 == 0 { 3 } else { 5 };
        let mut world = World::voting(500 + seed, voters, 0);
        let (leader, others) = roles(&mut world);
        world.sync_ms = SYNC_MS + world.random.below(PROMISE_MS / 4);
        world.crash(leader);
        for other in others {
            let after = PROMISE_MS + world.random.below(10);
            world.notice(other, leader, after);
        }
        let begun = world.now_ms;
        world.until("another leads", |world| world.settled().is_some());
        let lacking = world.now_ms - begun;
        assert!(lacking < 3 * PROMISE_MS, "seed {seed}: {lacking} ms");
    }
}

/// One misfortune, of all kinds that there are.
fn misfortune(world: &mut World, voters: u64) {
    let id = 1 + world.random.below(voters);
    let other = 1 + world.random.below(voters);
    let leader = world.acting().unwrap_or(id);
    let time = 1 + world.random.below(2 * TIMEOUT_MS);
    let is_up = world.alive().contains(&leader);
    match world.random.below(10) {
        // Off, and seen to be, or not.
        0 if is_up => world.crash(leader),
        1 if is_up => world.crash_seen(leader, time),
        // Cut off.
        2 => world.isolate(&[leader]),
        3 => drop(world.cut.insert((id, other))),
        4 => drop(world.cut.insert((leader, other))),
        5 => world.cut.clear(),
        // Slow.
        6 => world.stop(leader, time),
        7 => world.stop(id, time),
        8 => world.sync_ms = SYNC_MS + world.random.below(PROMISE_MS),
        _ => {
            for voter in 1..=voters {
                if world.random.chance(1, 3) {
                    world.hang_up(voter, time);
                }
            }
        }
    }
    // Some are told of a silence, whether there is one or not.
    for voter in (1..=voters).filter(|&voter| voter != leader) {
        if world.random.chance(1, 2) {
            let after = world.random.below(2 * PROMISE_MS);
            world.notice(voter, leader, after);
        }
    }
}

/// Machines are silent and processes slow, connections end, what voters are told of it is
/// late or wrong, and their clocks go wrong by a tenth either way: one leader acts at a time
/// (every step of the world looks), and decisions go on.
#[test]
fn whatever_is_told_and_whoever_is_slow_one_leader_acts() {
    let (mut terms, mut decided) = (0, 0);
    for seed in 0..200 {
        let voters = if seed % 2 == 0 { 3 } else { 5 };
        let mut world = World::voting(2_000 + seed, voters, seed % 3 * 5);
        for id in 1..=voters {
            let percent = 90 + world.random.below(21);
            world.set_pace(id, percent);
        }
        for _ in 0..40 {
            misfortune(&mut world, voters);
            let pause = world.random.below(TIMEOUT_MS);
            for _ in 0..pause / 5 {
                world.pass(5);
                if let Some(leader) = world.settled() {
                    world.propose(leader);
                }
            }
            let down: BTreeSet<u64> = (1..=voters).collect();
            let down: Vec<u64> = down
                .difference(&world.alive().into_iter().collect())
                .copied()
                .collect();
            for id in down {
                if world.random.chance(1, 2) {
                    world.start(id);
                }
            }
        }
        world.cut.clear();
        world.sync_ms = SYNC_MS;
        for id in 1..=voters {
            if !world.alive().contains(&id) {
                world.start(id);
            }
        }
        // What is still under way may cost a leader its place, and its last proposal.
        world.pass(5 * TIMEOUT_MS);
        world.decide();
        terms += world.leaders.len();
        decided += world.truth.len();
    }
    assert!(terms > 1_000 && decided > 10_000, "{terms}, {decided}");
}
