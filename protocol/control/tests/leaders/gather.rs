//! Before a view the survivors are fenced, and only those that depend on lost work go back.
use control::Event;
use types::{Cut, Epoch, Interval, NodeId, Stamp};
use wire::{IntervalEdges, Message, Testimony};

use crate::world::{OWN, World};

fn at(epoch: u64) -> Interval {
    Interval {
        epoch: Epoch(epoch),
        sub: 0,
    }
}

/// An interval that depends on this one of that node.
fn of(epoch: u64, on: &[(NodeId, u64)]) -> IntervalEdges {
    let stamp = |&(node, epoch): &(NodeId, u64)| Stamp {
        node,
        interval: at(epoch),
    };
    IntervalEdges {
        interval: at(epoch),
        edges: on.iter().map(stamp).collect(),
    }
}

fn fences(world: &World) -> Vec<NodeId> {
    let fenced = world.sent.iter();
    let fenced = fenced.filter(|(_, message)| matches!(message, Message::Fence { .. }));
    fenced.map(|&(node, _)| node).collect()
}

#[test]
fn a_view_waits_for_every_survivors_answer() {
    let mut world = World::running(3);
    let nodes: Vec<NodeId> = world.view().nodes().collect();
    world.muted = nodes.iter().copied().collect();
    world.dies(nodes[3]);
    assert_eq!(fences(&world), nodes[..3]);
    for &node in &nodes[..2] {
        world.say(node, Message::Intervals(Testimony::default()));
        assert_eq!(world.view().number.0, 1);
    }
    world.say(nodes[2], Message::Intervals(Testimony::default()));
    assert_eq!(world.view().nodes().collect::<Vec<_>>(), nodes[..3]);
}

/// Otherwise it would wait for ever.
#[test]
fn a_survivor_that_dies_before_its_answer_is_not_waited_for() {
    let mut world = World::running(3);
    let nodes: Vec<NodeId> = world.view().nodes().collect();
    world.muted = nodes.iter().copied().collect();
    world.dies(nodes[3]);
    for &node in &nodes[..2] {
        world.say(node, Message::Intervals(Testimony::default()));
    }
    world.dies(nodes[2]);
    world.join(OWN + 2); // Its disk is needed, and is there again.
    assert_eq!(fences(&world), [&nodes[..3], &nodes[..2]].concat());
    for &node in &nodes[..2] {
        world.say(node, Message::Intervals(Testimony::default()));
    }
    let members: Vec<NodeId> = world.view().nodes().collect();
    assert_eq!(members, [nodes[0], nodes[1], NodeId(5)]);
    assert_eq!(world.view().fallbacks[0].cuts.len(), 2);
}

#[test]
fn dependants_go_back_and_others_do_not() {
    let mut world = World::running(4);
    let nodes: Vec<NodeId> = world.view().nodes().collect();
    let [_, direct, transitive, free, dead] = nodes[..] else {
        panic!("five members");
    };
    let chain = vec![of(2, &[]), of(3, &[(dead, 2)])];
    world.intervals.insert(direct, chain);
    world
        .intervals
        .insert(transitive, vec![of(5, &[(direct, 3)])]);
    world.intervals.insert(free, vec![of(5, &[(direct, 2)])]);
    world.dies(dead);
    let stable = Interval::last_of(Epoch(0));
    let cut = |node, last| Cut { node, last };
    let expected = [
        cut(direct, at(2)),
        cut(transitive, stable),
        cut(dead, stable),
    ];
    let view = world.view();
    assert_eq!(view.fallbacks[0].cuts, expected);
    assert_eq!(view.reset().collect::<Vec<_>>(), [direct, transitive]);
    let began = world.events.iter().rev().find_map(|event| match event {
        Event::ViewBegan { reset, .. } => Some(*reset),
        _ => None,
    });
    assert_eq!(began, Some(2));
}

/// Somebody joins: nothing is lost, so nobody goes back.
#[test]
fn a_join_takes_nothing_from_anybody() {
    let mut world = World::running(1);
    let nodes: Vec<NodeId> = world.view().nodes().collect();
    world
        .intervals
        .insert(nodes[1], vec![of(5, &[(nodes[0], 5)])]);
    world.join(OWN + 9);
    assert_eq!(world.view().members.len(), 3);
    assert_eq!(world.view().fallbacks[0].cuts, []);
}
