//! Those who do not say what a node says.
use std::net::SocketAddr;

use links::{HELLO_SIZE, PROTOCOL_VERSION, Received};
use platform::{Event, Links, LostWhy, Refusal};
use seal::{HANDSHAKE_SIZE, Key};
use types::NodeId;

use crate::memory::{HERE, Node, World, until};

const WIDE: usize = 1 << 20;
const ELSEWHERE: &str = "127.0.0.1:9000";

fn opening(kind: u32, rest: &[u8]) -> Vec<u8> {
    let mut bytes = b"plurix\r\n".to_vec();
    bytes.extend(PROTOCOL_VERSION.to_le_bytes());
    bytes.extend(kind.to_le_bytes());
    bytes.extend(rest);
    bytes
}

fn hello(sender: u32, target: u32) -> Vec<u8> {
    let mut rest = HERE.0.to_le_bytes().to_vec();
    rest.extend(sender.to_le_bytes());
    rest.extend(target.to_le_bytes());
    opening(0, &rest)
}

#[test]
fn two_nodes_with_different_keys_turn_each_other_away() {
    let mut world = World::new(WIDE, 5);
    let keys = [Key::generate(&mut world), Key::generate(&mut world)];
    let mut one = Node::open(&world, 1, Some(&keys[0]));
    let mut two = Node::open(&world, 2, Some(&keys[1]));
    let address = one.exchange.address();
    two.exchange.connect(NodeId(1), &address);
    let seen = until(&world, &mut [&mut one, &mut two], |seen| {
        seen.iter().all(|seen| !seen.is_empty())
    });
    let why = LostWhy::Refused(Refusal::Key);
    let node = NodeId(1);
    assert_eq!(seen[0], [Event::Refused(Refusal::Key)]);
    assert_eq!(seen[1], [Event::LinkLost { node, why }]);
    assert_eq!(one.exchange.counters().intruders(), 1);
}

#[test]
fn an_answer_to_the_handshake_that_is_made_without_the_key_ends_the_call() {
    let mut world = World::new(WIDE, WIDE);
    let key = Key::generate(&mut world);
    let other: SocketAddr = ELSEWHERE.parse().unwrap();
    let welcome = opening(1, &hello(1, 2)[HELLO_SIZE / 2..]);
    for answer in [opening(5, &[7; HANDSHAKE_SIZE]), welcome] {
        world.open_door(other);
        let mut two = Node::open(&world, 2, Some(&key));
        two.exchange.connect(NodeId(1), ELSEWHERE);
        two.turn();
        let socket = world.accept(other).unwrap();
        world.pass();
        let call = world.take(socket);
        assert!(call.starts_with(&opening(4, &[])), "{call:?}");
        world.write(socket, &answer);
        let seen = until(&world, &mut [&mut two], |seen| !seen[0].is_empty());
        let (node, why) = (NodeId(1), LostWhy::Refused(Refusal::Key));
        assert_eq!(seen[0], [Event::LinkLost { node, why }]);
        let (calls, before) = (world.calls(), world.now());
        while world.now().since(before).as_millis() < 2_000 {
            world.pass();
            two.turn();
        }
        assert_eq!(
            world.calls(),
            calls,
            "who was turned away does not call again"
        );
    }
}

#[test]
fn who_breaks_a_link_is_told_before_the_other_end_notices() {
    let world = World::new(WIDE, WIDE);
    let mut one = Node::open(&world, 1, None);
    one.exchange.connect(NodeId(2), ELSEWHERE);
    let socket = world.dial(one.exchange.link_address());
    world.write(socket, &hello(2, 1));
    let seen = until(&world, &mut [&mut one], |seen| !seen[0].is_empty());
    assert_eq!(seen[0], [Event::LinkUp(NodeId(2))]);
    world.write(socket, &[0xFF; 64]);
    world.pass();
    one.turn();
    assert!(world.is_held(socket), "the node does not know yet");
    one.turn();
    assert!(world.is_held(socket), "the event was not taken");
    let event = one.exchange.next_event();
    let is_malformed = matches!(
        event,
        Some(Event::LinkLost {
            why: LostWhy::Malformed(_),
            ..
        })
    );
    assert!(is_malformed, "{event:?}");
    assert!(world.is_held(socket), "the node may not have handled it");
    one.turn();
    assert!(!world.is_held(socket));
}

#[test]
fn a_caller_that_nobody_expects_is_held_until_somebody_does() {
    let world = World::new(WIDE, WIDE);
    let mut one = Node::open(&world, 1, None);
    let socket = world.dial(one.exchange.link_address());
    world.write(socket, &hello(2, 1));
    for _ in 0..10 {
        world.pass();
        one.turn();
    }
    assert_eq!(world.take(socket), []);
    one.exchange.connect(NodeId(2), ELSEWHERE);
    let seen = until(&world, &mut [&mut one], |seen| !seen[0].is_empty());
    assert_eq!(seen[0], [Event::LinkUp(NodeId(2))]);
    one.turn();
    world.pass();
    let welcome = opening(1, &hello(1, 2)[HELLO_SIZE / 2..]);
    assert_eq!(world.take(socket), welcome);
}

#[test]
fn who_speaks_another_language_is_shown_the_door_without_a_word() {
    let world = World::new(WIDE, 3);
    let mut one = Node::open(&world, 1, None);
    let socket = world.dial(one.exchange.link_address());
    world.write(socket, b"GET / HTTP/1.1\r\nHost: local.at\r\n");
    let seen = until(&world, &mut [&mut one], |seen| !seen[0].is_empty());
    assert_eq!(seen[0], [Event::Refused(Refusal::NoNode)]);
    assert_eq!(world.read(socket, &mut [0; 1]), Received::Closed);
}
