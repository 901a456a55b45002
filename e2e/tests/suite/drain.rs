//! Nodes leave a running cluster for good: nobody goes back, nothing is lost, nobody has to
//! do without an answer.
use std::fs;

use e2e::{Machine, Outcome, Started, eventually};

/// Some member that does not lead.
fn follower(machine: &Machine) -> u32 {
    let (leader, _) = machine.leader();
    if leader == 1 { 2 } else { 1 }
}

fn drain(machine: &mut Machine, number: u32) -> Outcome {
    let node = number.to_string();
    machine.run(&["drain", &node])
}

/// Nobody has gone back since the cluster was started, and these nodes are all.
fn assert_no_reset(machine: &Machine, numbers: &[u32]) {
    let (_, status) = machine.leader();
    assert_eq!(status.last_failure, None);
    assert!(status.is_replicated);
    let mut names: Vec<String> = status.nodes.into_iter().map(|node| node.name).collect();
    names.sort();
    let expected: Vec<String> = numbers.iter().map(|n| format!("node-{n}")).collect();
    assert_eq!(names, expected);
}

fn balance(machine: &mut Machine) -> i64 {
    let line = ["call", "bank", "balance", "0", "--query"];
    machine.run(&line).ok().out.trim().parse().unwrap()
}

/// Calls a function with an effect again and again while a node leaves: each answer stands
/// for one effect. Returns the balance that must be there at the end.
fn transfer_while(machine: &mut Machine, mut leaving: Started) -> i64 {
    let mut expected = balance(machine);
    while leaving.is_running() {
        let line = ["call", "bank", "transfer", "0", "1", "1"];
        let outcome = machine.run(&line).ok();
        assert_eq!(outcome.out, "1\n");
        expected -= 1;
    }
    let outcome = leaving.wait().ok();
    assert!(outcome.out.contains("has left"), "{outcome:#?}");
    expected
}

#[test]
fn a_node_leaves_while_the_bank_works_and_is_called() {
    let mut machine = Machine::with_cluster("drain");
    machine.check_bank();
    machine.wait_members(3);
    // One that tools ask first, if it does not lead.
    let number = follower(&machine);
    let stay: Vec<u32> = (1..=3).filter(|&one| one != number).collect();
    let run = machine.start(&["run", "bank", "--", "1000", "40000", "6"]);
    eventually("the bank works", || {
        let all = machine.client().processes().unwrap();
        let steps = all.iter().map(|one| one.steps).max()?;
        (steps > 100).then_some(())
    });
    let outcome = drain(&mut machine, number).ok();
    assert!(
        outcome.out.contains(&format!("node-{number} has left")),
        "{outcome:#?}"
    );
    assert_no_reset(&machine, &stay);
    let outcome = run.wait().ok();
    assert!(
        outcome.out.contains("total 1000000 of 1000000"),
        "{outcome:#?}"
    );
    assert_no_reset(&machine, &stay);
    // What it had is elsewhere.
    fs::remove_dir_all(machine.node(number)).unwrap();
    machine.kill_all();
    machine.up(&[]);
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "1000000\n");
    machine.wait_members(2);
}

#[test]
fn every_call_is_answered_and_done_once_while_a_node_leaves() {
    let mut machine = Machine::with_cluster("drain-calls");
    machine.check_bank();
    machine.wait_members(3);
    let number = follower(&machine);
    let leaving = machine.start(&["drain", &format!("node-{number}")]);
    let expected = transfer_while(&mut machine, leaving);
    assert_eq!(balance(&mut machine), expected);
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "64000\n");
}

#[test]
fn the_leader_leaves_and_another_leads() {
    let mut machine = Machine::with_cluster("drain-leader");
    machine.check_bank();
    machine.wait_members(3);
    let (number, before) = machine.leader();
    let leaving = machine.start(&["drain", &format!("n{}", before.leader)]);
    let expected = transfer_while(&mut machine, leaving);
    let (_, after) = machine.leader();
    assert_ne!(after.leader, before.leader);
    let stay: Vec<u32> = (1..=3).filter(|&one| one != number).collect();
    assert_no_reset(&machine, &stay);
    machine.wait_members(2);
    assert_eq!(balance(&mut machine), expected);
    machine.check_bank();
}

/// Down to one, that has everything and decides alone.
#[test]
fn all_but_one_leave_one_after_the_other_and_the_next_start_does_without_them() {
    let mut machine = Machine::with_cluster("drain-all");
    machine.check_bank();
    machine.wait_members(3);
    for _ in 0..2 {
        let (number, _) = machine.leader();
        let _ = drain(&mut machine, number).ok();
        fs::remove_dir_all(machine.node(number)).unwrap();
    }
    let status = machine.run(&["status"]).ok();
    assert!(
        status.out.contains("cannot lose the only voter"),
        "{status:#?}"
    );
    let (last, _) = machine.leader();
    assert_no_reset(&machine, &[last]);
    drain(&mut machine, last).refused(&["expected that a node stays", "plurix down"]);
    machine.check_bank();
    machine.down();
    machine.up(&[]);
    assert_eq!(machine.running().nodes.len(), 1);
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "64000\n");
    machine.down();
    // New ones have new numbers.
    machine.up(&["--nodes", "3"]);
    let numbers: Vec<u32> = machine.running().nodes.iter().map(|n| n.number).collect();
    assert_eq!(numbers, [last, 4, 5]);
    machine.check_bank();
}

#[test]
fn what_cannot_leave_is_refused() {
    let mut machine = Machine::with_cluster("drain-refusals");
    machine
        .run(&["drain", "node-9"])
        .refused(&["found node-9", "members: node-"]);
    machine.run(&["drain", "nobody"]).refused(&["found nobody"]);
    machine.wait_members(3);
    let number = follower(&machine);
    let _ = drain(&mut machine, number).ok();
    drain(&mut machine, number).refused(&["which has left"]);
    machine.wait_members(2);
    machine.check_bank();
    machine.down();
    drain(&mut machine, number).refused(&["no cluster runs", "plurix up"]);
}

/// Whatever happens first: it has left, or it is a member.
#[test]
fn a_node_that_dies_while_it_leaves_has_left_or_is_a_member_again() {
    let mut machine = Machine::with_cluster("drain-death");
    machine.check_bank();
    machine.wait_members(3);
    let (leader, _) = machine.leader();
    let number = follower(&machine);
    let leaving = machine.start(&["drain", &number.to_string()]);
    for victim in [number, leader] {
        // It may have ended already.
        let _ = machine.run(&["kill", &victim.to_string()]);
    }
    let outcome = leaving.wait();
    let has_left = outcome.code == Some(0);
    if !has_left {
        outcome.refused(&["is a member again"]);
    }
    machine.wait_members(if has_left { 2 } else { 3 });
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "64000\n");
    machine.check_bank();
}
