//! Resets of the machine that leads a cluster of two. Neither of two voters decides anything
//! without the other, so the cluster waits until the machine is back; then it goes on.
use e2e::{Machine, eventually};

use crate::monitor::Monitor;

/// Resets of each cluster, and appends before each of them.
const RESETS: usize = 3;
const APPENDS: usize = 4;

#[test]
fn a_machine_and_a_node_on_linux_go_on_after_a_reset() {
    reset("reset-mixed", &["--nodes", "1", "--mixed", "1"]);
}

#[test]
fn two_machines_go_on_after_a_reset_of_the_one_that_leads() {
    reset("reset-both", &["--nodes", "2"]);
}

#[test]
fn machines_that_keep_everything_in_their_memory_go_on_after_a_reset() {
    reset(
        "reset-memory",
        &["--nodes", "2", "--disk", "0", "--memory", "256"],
    );
}

/// A list is appended to and a bank works while machines are reset. Whatever was answered is in
/// the list, in its order, and the bank's total is what it was.
fn reset(name: &str, options: &[&str]) {
    let mut machine = Machine::new(name);
    machine.boot(&[options, &["--headless"]].concat());
    machine.wait_members(2);
    let _ = machine.run(&["run", "-d", "lists"]).ok();
    let bank = machine.start(&["run", "bank", "--", "1000", "5000", "2"]);
    eventually("the bank works", || {
        let programs = machine.client().processes().ok()?;
        (programs.len() == 2).then_some(())
    });
    let mut answered = Vec::new();
    for turn in 0..RESETS {
        for append in 0..APPENDS {
            let element = turn * APPENDS + append;
            append_to_list(&mut machine, element);
            answered.push(element.to_string());
        }
        // Of those that may be reset: a node on Linux has led since, if one could.
        let (leader, _) = machine.leader();
        assert!(
            turn > 0 || leader == 1,
            "the first machine founds and leads"
        );
        let node = machine.node(leader);
        let node = if node.join("qmp").exists() {
            node
        } else {
            machine.node(1)
        };
        let starts = || {
            let log = std::fs::read_to_string(node.join("log")).unwrap_or_default();
            log.matches("kernel entered").count()
        };
        let before = starts();
        Monitor::of(&node).reset();
        eventually("the machine starts again", || {
            (starts() > before).then_some(())
        });
        machine.wait_members(2);
        let list = machine
            .run(&["call", "lists", "read", "0", "1", "--query"])
            .ok()
            .out;
        // An append whose answer was lost may have been made again.
        let line = list.lines().next().unwrap_or_default();
        let mut found: Vec<&str> = line.split(' ').skip(1).collect();
        found.dedup();
        assert_eq!(found, answered, "{list}");
    }
    let outcome = bank.wait().ok();
    let total = "total 1000000 of 1000000";
    assert!(outcome.out.contains(total), "{outcome:#?}");
    machine.check_bank();
    machine.down();
}

/// Whoever has no answer asks again.
fn append_to_list(machine: &mut Machine, element: usize) {
    let element = element.to_string();
    eventually("the cluster answers", || {
        let outcome = machine.run(&["call", "lists", "append", "0", &element]);
        (outcome.code == Some(0)).then_some(())
    });
}
