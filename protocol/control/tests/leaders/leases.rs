//! What a member has is given to nobody while it may go on.
use control::{Event, FailedWhy, Follower};
use std::collections::VecDeque;
use types::{Duration, Instant, Prng};
use wire::Message;

use crate::world::{EPOCH, LEASE, OWN, World};

const MS: Duration = Duration::from_millis(1);

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn who_is_not_reached_keeps_its_place_for_a_lease() {
    let mut world = World::running(2);
    let cut_off = world.node(OWN + 1);
    world.pass(ms(300), &[]);
    world.say(cut_off, Message::Heartbeat);
    world.loses(cut_off);
    let why = FailedWhy::Unreachable;
    let told = Event::MemberFailed { node: cut_off, why };
    assert_eq!(world.events.last(), Some(&told));
    world.pass(ms(119), &[cut_off]);
    assert_eq!(world.stores().len(), 3);
    world.pass(MS, &[cut_off]);
    assert_eq!(world.stores(), [OWN, OWN + 2]);
}

#[test]
fn who_is_known_to_be_dead_is_not_waited_for() {
    let mut world = World::running(2);
    let cut_off = world.node(OWN + 1);
    world.pass(ms(300), &[]);
    world.loses(cut_off);
    world.pass(ms(10), &[cut_off]);
    assert_eq!(world.stores().len(), 3);
    world.dies(cut_off);
    assert_eq!(world.stores(), [OWN, OWN + 2]);
}

#[test]
fn while_one_may_go_on_another_death_waits_too() {
    let mut world = World::running(3);
    let [cut_off, dead] = [OWN + 1, OWN + 2].map(|store| world.node(store));
    world.pass(ms(300), &[]);
    world.all_stored();
    world.replicated();
    world.loses(cut_off);
    world.join(OWN + 7);
    world.dies(dead);
    assert_eq!(world.stores().len(), 4);
    world.pass(LEASE, &[cut_off, dead]);
    assert_eq!(world.missing().len(), 2);
    world.join(OWN + 1);
    assert_eq!(world.stores(), [OWN, OWN + 3, OWN + 1, OWN + 7]);
}

#[test]
fn who_stands_between_others_is_waited_for() {
    let mut world = World::running(2);
    let [one, other] = [OWN + 1, OWN + 2].map(|store| world.node(store));
    world.pass(ms(300), &[]);
    world.say(one, Message::Unreachable { node: other });
    world.pass(LEASE, &[]);
    let why = FailedWhy::Isolated;
    let told = Event::MemberFailed { node: other, why };
    assert_eq!(world.events.last(), Some(&told));
    assert_eq!(world.stores().len(), 3);
    world.pass(LEASE, &[]);
    assert_eq!(world.stores(), [OWN, OWN + 1]);
}

#[test]
fn the_first_answer_in_a_view_is_confirmed_at_once() {
    let mut world = World::running(1);
    let member = world.node(OWN + 1);
    let heartbeats = |world: &World| {
        let sent = world.sent.iter();
        sent.filter(|sent| **sent == (member, Message::Heartbeat))
            .count()
    };
    assert_eq!(heartbeats(&world), 1);
    assert!(world.asked.remove(&member));
    world.say(member, Message::Heartbeat);
    assert_eq!(heartbeats(&world), 2);
    assert!(world.asked.remove(&member));
    world.say(member, Message::Heartbeat);
    assert_eq!(heartbeats(&world), 2);
}

/// A member and its leader, with messages that take their time both ways. At a time that
/// nobody knows the leader loses sight of the member.
#[test]
fn nobody_acts_in_a_view_that_it_is_not_in() {
    let mut acted_until_the_end = 0;
    for seed in 0..300 {
        let mut prng = Prng::new(seed);
        let mut world = World::running(1);
        let member = world.node(OWN + 1);
        let mut follower = Follower::new(world.now, LEASE);
        let mut to_member: VecDeque<Instant> = VecDeque::new();
        let mut to_leader: VecDeque<Instant> = VecDeque::new();
        let slowness = 1 + prng.below(60);
        let cut_at = world.now + ms(200 + prng.below(300));
        let mut is_cut = false;
        while world.stores().len() == 2 {
            assert!(
                world.now < cut_at + ms(2_000),
                "nobody is waited for for ever"
            );
            // The view that the leader has begun is in force for nobody else yet.
            if world.asked.remove(&member) {
                let arrival = world.now + ms(prng.below(slowness));
                to_member.push_back(to_member.back().map_or(arrival, |last| arrival.max(*last)));
            }
            while to_member.front().is_some_and(|at| *at <= world.now) {
                to_member.pop_front();
                follower.on_heartbeat(world.now);
                let arrival = world.now + ms(prng.below(slowness));
                to_leader.push_back(to_leader.back().map_or(arrival, |last| arrival.max(*last)));
            }
            while to_leader.front().is_some_and(|at| *at <= world.now) {
                to_leader.pop_front();
                world.say(member, Message::Heartbeat);
            }
            if !is_cut && cut_at <= world.now {
                is_cut = true;
                acted_until_the_end += u32::from(!follower.is_expired(world.now));
                world.loses(member);
            }
            world.pass(MS, &[member]);
        }
        assert!(follower.is_expired(world.now), "seed {seed}");
    }
    assert!(acted_until_the_end > 100, "{acted_until_the_end}");
}

#[test]
fn heartbeats_are_frequent_enough_for_a_lease() {
    let mut world = World::running(1);
    let member = world.node(OWN + 1);
    let mut follower = Follower::new(world.now, LEASE);
    for _ in 0..EPOCH.as_nanos() / MS.as_nanos() * 10 {
        if world.asked.remove(&member) {
            follower.on_heartbeat(world.now);
            world.say(member, Message::Heartbeat);
        }
        assert!(!follower.is_expired(world.now), "at {:?}", world.now);
        world.pass(MS, &[member]);
    }
}
