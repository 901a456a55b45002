//! The tools' door.
use links::{Limits, Received};
use platform::{Event, RequestId, Requests};

use crate::memory::{Node, World, until};

const ROOM: usize = 1_000;

fn frame(bytes: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(bytes.len()).unwrap().to_le_bytes().to_vec();
    frame.extend(bytes);
    frame
}

fn request(world: &World, node: &mut Node) -> (RequestId, Vec<u8>) {
    let seen = until(world, &mut [node], |seen| !seen[0].is_empty());
    match &seen[0][..] {
        [Event::Request { id, bytes }] => (*id, bytes.clone()),
        _ => panic!("expected one request, found {seen:?}"),
    }
}

#[test]
fn a_tool_asks_and_is_answered_in_pieces_and_in_order() {
    let world = World::new(ROOM, 3);
    let mut node = Node::open(&world, 1, None);
    let tool = world.dial(node.tools);
    world.write(tool, &[frame(b"first"), frame(b"second")].concat());
    let (first, bytes) = request(&world, &mut node);
    assert_eq!(bytes, b"first");
    for _ in 0..10 {
        world.pass();
        node.turn();
    }
    assert_eq!(
        node.exchange.next_event(),
        None,
        "the next waits for the reply"
    );
    let long = vec![5; 10 * ROOM];
    node.exchange.reply(first, long.clone());
    let (_, bytes) = request(&world, &mut node);
    assert_eq!(bytes, b"second");
    let mut answer = Vec::new();
    while answer.len() < 4 + long.len() {
        world.pass();
        node.turn();
        answer.extend(world.take(tool));
    }
    assert_eq!(answer, frame(&long));
}

#[test]
fn who_waits_may_send_frames_of_nothing() {
    let world = World::new(ROOM, 3);
    let mut node = Node::open(&world, 1, None);
    let tool = world.dial(node.tools);
    let nothing = frame(b"");
    world.write(tool, &[&nothing[..], &nothing, &frame(b"first")].concat());
    let (first, bytes) = request(&world, &mut node);
    assert_eq!(bytes, b"first");
    world.write(tool, &[&nothing[..], &frame(b"second"), &nothing].concat());
    node.exchange.reply(first, b"answer".to_vec());
    let (second, bytes) = request(&world, &mut node);
    assert_eq!(bytes, b"second");
    node.exchange.reply(second, b"another".to_vec());
    let expected = [frame(b"answer"), frame(b"another")].concat();
    let mut answers = Vec::new();
    while answers.len() < expected.len() {
        world.pass();
        node.turn();
        answers.extend(world.take(tool));
    }
    assert_eq!(answers, expected);
}

#[test]
fn a_tool_that_hangs_up_is_owed_nothing() {
    let world = World::new(ROOM, ROOM);
    let mut node = Node::open(&world, 1, None);
    let tool = world.dial(node.tools);
    world.write(tool, &frame(b"question"));
    let (id, _) = request(&world, &mut node);
    world.close(tool);
    let seen = until(&world, &mut [&mut node], |seen| !seen[0].is_empty());
    assert_eq!(seen[0], [Event::RequestGone { id }]);
    node.exchange.reply(id, b"answer".to_vec());
    assert_eq!(node.exchange.next_event(), None);
}

#[test]
fn a_request_that_nobody_could_take_is_cut_off() {
    let world = World::new(ROOM, ROOM);
    let mut node = Node::open(&world, 1, None);
    let tool = world.dial(node.tools);
    let length = u32::try_from(Limits::default().request_bytes + 1).unwrap();
    world.write(tool, &length.to_le_bytes());
    let mut rounds = 0;
    while world.read(tool, &mut [0; 1]) != Received::Closed {
        world.pass();
        node.turn();
        rounds += 1;
        assert!(rounds < 100, "it is still let in");
    }
    assert_eq!(node.exchange.malformed_requests(), 1);
}
