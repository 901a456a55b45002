//! The end of a connection tells that the leader's process is dead, or that it has hung up.
use crate::world::{TIMEOUT_MS, World};

#[test]
fn a_leader_that_is_seen_to_die_is_followed_by_another_at_once() {
    for (seed, voters) in [(30, 3), (31, 3), (32, 5), (33, 5)] {
        let mut world = World::voting(seed, voters, 0);
        world.decide();
        let leader = world.settled().unwrap();
        world.crash_seen(leader, 3);
        let died = world.now_ms;
        world.until("another leads", |world| world.settled().is_some());
        let lacking = world.now_ms - died;
        assert!(lacking < TIMEOUT_MS / 4, "{voters} voters: {lacking} ms");
        world.decide();
    }
}

#[test]
fn one_voter_that_sees_an_end_is_not_enough() {
    let mut world = World::voting(34, 3, 0);
    world.decide();
    let leader = world.settled().unwrap();
    let other = if leader == 1 { 2 } else { 1 };
    let terms = world.leaders.len();
    world.hang_up(other, 1);
    world.pass(3 * TIMEOUT_MS);
    assert_eq!(world.settled(), Some(leader));
    assert_eq!(world.leaders.len(), terms, "nobody has stood for election");
}

#[test]
fn a_leader_that_has_hung_up_on_a_majority_acts_no_more() {
    let mut world = World::voting(35, 3, 0);
    world.decide();
    let leader = world.settled().unwrap();
    for other in [1, 2, 3] {
        world.hang_up(other, 1);
    }
    assert_eq!(world.acting(), None);
    world.until("somebody leads", |world| world.settled().is_some());
    let terms = world.leaders.values().copied().collect::<Vec<_>>();
    assert_eq!(terms.first(), Some(&leader));
    world.decide();
}

/// One voter has not heard of the leader for long, but of the third; the leader hangs up
/// on that, too. The two may follow another as soon as the third has seen it, though the
/// leader has its answer still.
#[test]
fn a_promise_ends_when_its_owner_may_see_an_end() {
    for seed in 0..20 {
        let mut world = World::voting(100 + seed, 3, 0);
        world.decide();
        let leader = world.settled().unwrap();
        let [far, near] = if leader == 1 { [2, 3] } else { [1, 5 - leader] };
        world.cut.extend([(leader, far), (far, leader)]);
        world.pass(2 * TIMEOUT_MS);
        assert_eq!(world.acting(), Some(leader));
        world.hang_up(near, 5);
        world.isolate(&[leader]);
        world.until("another leads", |world| {
            world.acting().is_some_and(|acting| acting != leader)
        });
    }
}

/// The leader has hung up on a voter that is there again, and loses the other: its leadership
/// must end for the two to go on.
#[test]
fn whoever_was_hung_up_on_is_heard_in_the_next_leadership() {
    let mut world = World::voting(36, 3, 0);
    world.decide();
    let leader = world.settled().unwrap();
    let [one, other] = if leader == 1 { [2, 3] } else { [1, 5 - leader] };
    world.hang_up(one, 1);
    world.pass(TIMEOUT_MS);
    assert_eq!(world.settled(), Some(leader));
    world.crash(other);
    world.until("the lease is over", |world| world.acting().is_none());
    world.decide();
}

/// A leader dies, comes back and leads once more before the others have seen that it was
/// dead. Then it is cut off, and they see it.
#[test]
fn an_old_end_ends_no_new_promise() {
    let mut tried = 0;
    for seed in 0..40 {
        let mut world = World::voting(200 + seed, 3, 0);
        world.decide();
        let leader = world.settled().unwrap();
        world.crash_seen(leader, 1);
        let ends = std::mem::take(&mut world.news);
        world.start(leader);
        let now = world.now();
        world.replica(leader).be_member(now);
        world.until("one leads", |world| world.settled().is_some());
        world.decide();
        if world.settled() != Some(leader) {
            continue;
        }
        tried += 1;
        world.isolate(&[leader]);
        world.news = ends;
        world.until("another leads", |world| {
            world.acting().is_some_and(|acting| acting != leader)
        });
    }
    assert!(tried > 5, "{tried} of 40");
}

/// Ends of connections are seen late or early, while voters crash, come back and are cut
/// off: one leader acts at a time (every step of the world looks), and decisions go on.
#[test]
fn whatever_is_seen_one_leader_acts() {
    for seed in 0..150 {
        let voters = if seed % 2 == 0 { 3 } else { 5 };
        let mut world = World::voting(1_000 + seed, voters, seed % 3 * 5);
        for _ in 0..25 {
            let id = 1 + world.random.below(voters);
            let late = 1 + world.random.below(2 * TIMEOUT_MS);
            match world.random.below(5) {
                0 | 1 => {
                    let leader = world.acting().unwrap_or(id);
                    if world.alive().contains(&leader) {
                        world.crash_seen(leader, late);
                    }
                }
                2 => {
                    let leader = world.acting().unwrap_or(id);
                    for other in (1..=voters).filter(|&other| other != leader) {
                        if world.random.chance(1, 2) {
                            world.hang_up(other, late);
                            world.cut.extend([(leader, other), (other, leader)]);
                        }
                    }
                }
                3 => world.isolate(&[id]),
                _ => world.cut.clear(),
            }
            let pause = world.random.below(TIMEOUT_MS);
            world.pass(pause);
            for other in 1..=voters {
                if !world.alive().contains(&other) && world.random.chance(1, 2) {
                    world.start(other);
                }
            }
        }
        world.cut.clear();
        for other in 1..=voters {
            if !world.alive().contains(&other) {
                world.start(other);
            }
        }
        world.decide();
    }
}
