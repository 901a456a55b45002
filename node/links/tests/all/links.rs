//! Links between nodes, whatever the lines do.
use links::HELLO_SIZE;
use platform::{Event, Links, LostWhy};
use seal::{HANDSHAKE_SIZE, Key};
use types::NodeId;

use crate::memory::{GATEWAY, Node, SILENCE, World, linked, page, say, until};

/// What a line holds at least: the longest that is said at once.
const ROOM: usize = 16 + HANDSHAKE_SIZE;
const WIDE: usize = 1 << 20;

fn message(event: &Event) -> Option<u64> {
    match event {
        Event::Message(envelope) => Some(envelope.epoch.0),
        _ => None,
    }
}

fn lost(node: u32, why: LostWhy) -> Event {
    let node = NodeId(node);
    Event::LinkLost { node, why }
}

#[test]
fn messages_arrive_whole_however_the_line_cuts_them() {
    const { assert!(ROOM > HELLO_SIZE, "a hello fits as well") };
    for (room, step) in [
        (ROOM, 1),
        (ROOM, 7),
        (ROOM, ROOM),
        (5_000, 4_999),
        (WIDE, WIDE),
    ] {
        let mut world = World::new(room, step);
        let key = Key::generate(&mut world);
        for key in [None, Some(&key)] {
            let (mut one, mut two) = linked(&world, key);
            let sent = [page(1, 1), say(1, 2), page(1, 3)];
            for envelope in &sent {
                one.exchange.send(NodeId(2), envelope);
            }
            two.exchange.send(NodeId(1), &page(2, 4));
            let seen = until(&world, &mut [&mut one, &mut two], |seen| {
                seen[0].len() == 1 && seen[1].len() == 3
            });
            assert_eq!(seen[0], [Event::Message(page(2, 4))]);
            assert_eq!(seen[1], sent.map(Event::Message));
        }
    }
}

#[test]
fn a_message_that_is_cut_in_two_is_lost_and_the_next_ones_are_whole() {
    for sealed in [false, true] {
        let mut world = World::new(WIDE, WIDE);
        let key = sealed.then(|| Key::generate(&mut world));
        let (mut one, mut two) = linked(&world, key.as_ref());
        world.set_step(1_000);
        two.exchange.send(NodeId(1), &page(2, 1));
        two.turn();
        world.pass();
        one.turn();
        assert_eq!(one.exchange.next_event(), None, "it is not here yet");
        world.break_line(0);
        world.set_step(WIDE);
        let seen = until(&world, &mut [&mut one, &mut two], |seen| {
            seen.iter().all(|seen| seen.len() == 2)
        });
        let again = |node| [lost(node, LostWhy::Closed), Event::LinkUp(NodeId(node))];
        assert_eq!(seen, [again(2), again(1)]);
        two.exchange.send(NodeId(1), &page(2, 2));
        let seen = until(&world, &mut [&mut one, &mut two], |seen| {
            !seen[0].is_empty()
        });
        assert_eq!(message(&seen[0][0]), Some(2));
    }
}

#[test]
fn what_is_sent_before_the_loss_is_told_never_comes_later() {
    let world = World::new(WIDE, WIDE);
    let (mut one, mut two) = linked(&world, None);
    world.break_line(0);
    two.turn();
    two.exchange.send(NodeId(1), &say(2, 1));
    assert_eq!(two.exchange.next_event(), Some(lost(1, LostWhy::Closed)));
    two.exchange.send(NodeId(1), &say(2, 2));
    let seen = until(&world, &mut [&mut one, &mut two], |seen| seen[0].len() == 3);
    let messages: Vec<u64> = seen[0].iter().filter_map(message).collect();
    assert_eq!(messages, [2]);
}

#[test]
fn a_machine_that_acknowledges_nothing_is_silent() {
    let world = World::new(WIDE, WIDE);
    let (mut one, mut two) = linked(&world, None);
    until(&world, &mut [&mut one, &mut two], |_| {
        world.now().as_nanos() > 1_500_000_000
    });
    world.cut();
    let begin = world.now();
    one.exchange.send(NodeId(2), &say(1, 1));
    let seen = until(&world, &mut [&mut one, &mut two], |seen| {
        !seen[0].is_empty()
    });
    assert_eq!(seen[0], [lost(2, LostWhy::Silent)]);
    let time = world.now().since(begin);
    assert!(time >= SILENCE && time < SILENCE + SILENCE, "{time:?}");
    assert_eq!(seen[1], [], "who sends nothing misses nothing");
}

#[test]
fn a_call_that_nobody_takes_is_given_up() {
    let world = World::new(WIDE, WIDE);
    let mut node = Node::open(&world, 1, None);
    world.cut();
    let begin = world.now();
    let why = LostWhy::Unreachable;
    let joiner = node.exchange.call("127.0.0.1:7009");
    let seen = until(&world, &mut [&mut node], |seen| !seen[0].is_empty());
    assert_eq!(seen[0], [Event::JoinerLost { joiner, why }]);
    assert!(world.now().since(begin).as_millis() >= 1_000);
}

#[test]
fn without_a_key_only_those_are_called_who_are_here() {
    let mut world = World::new(WIDE, WIDE);
    let key = Key::generate(&mut world);
    let call = |key, address: &str| {
        let before = world.calls();
        Node::open(&world, 1, key).exchange.call(address);
        world.calls() - before
    };
    assert_eq!(call(None, "192.0.2.1:7001"), 0);
    assert_eq!(call(None, &format!("{GATEWAY}:7001")), 1);
    assert_eq!(call(None, "[::1]:7001"), 1);
    assert_eq!(call(Some(&key), "192.0.2.1:7001"), 1);
}
