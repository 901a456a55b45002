//! Nodes that nobody of the cluster has started, and those that do not belong to it.
use std::fs;

use e2e::{Machine, eventually};

fn token(machine: &Machine) -> String {
    let path = machine.data().join("token");
    path.to_str().unwrap().to_owned()
}

fn link(machine: &Machine) -> String {
    machine.running().nodes[0].link.to_string()
}

fn wait_nodes(machine: &Machine, count: usize) {
    eventually("so many are members", || {
        let (_, status) = machine.leader();
        (status.nodes.len() == count).then_some(())
    });
}

#[test]
fn a_node_joins_with_the_token_and_may_die() {
    let mut machine = Machine::with_cluster("join");
    let (token, link) = (token(&machine), link(&machine));
    let options = ["--token", &token, "--join", &link, "--name", "west"];
    let fourth = machine.start_node(4, &options);
    wait_nodes(&machine, 4);
    machine.wait_copies();
    machine.check_bank();
    let (_, status) = machine.leader();
    assert_eq!(status.nodes.last().unwrap().name, "west");
    fourth.kill();
    wait_nodes(&machine, 3);
    machine.check_bank();
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "64000\n");
}

#[test]
fn a_node_that_has_joined_leaves_again() {
    let mut machine = Machine::with_cluster("guest");
    let (token, link) = (token(&machine), link(&machine));
    let join = ["--token", &token, "--join", &link];
    let [west, east] = [4, 5].map(|number| {
        let named = [&join[..], &["--name", "visitor"]].concat();
        machine.start_node(number, &named)
    });
    wait_nodes(&machine, 5);
    machine.check_bank();
    // There are two of the name.
    let refused = machine.run(&["drain", "visitor"]);
    let refused = refused.refused(&["expected one node of the name visitor, found 2"]);
    let (_, hint) = refused.err.split_once("by its id: ").unwrap();
    let ids: Vec<&str> = hint.trim().split(", ").collect();
    let _ = machine.run(&["drain", ids[0]]).ok();
    wait_nodes(&machine, 4);
    let _ = machine.run(&["drain", "visitor"]).ok();
    wait_nodes(&machine, 3);
    for node in [west, east] {
        let left = node.wait().ok();
        assert!(left.out.contains("plurix-node left"), "{left:#?}");
    }
    let (_, status) = machine.leader();
    assert_eq!(status.last_failure, None);
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "64000\n");
}

#[test]
fn without_the_token_nobody_joins() {
    let mut machine = Machine::with_cluster("token");
    let link = link(&machine);
    let good = fs::read_to_string(token(&machine)).unwrap();
    // The id of the cluster is right, the key is not.
    let last = if good.trim().ends_with('a') { "b" } else { "a" };
    let forged = machine.write("forged", format!("{}{last}", good.trim()));
    let mut other = good.trim().to_owned();
    other.replace_range(other.len() - 8.., "abcdabcd");
    let other = machine.write("other", other);
    let cases: [(&[&str], &[&str]); 4] = [
        (
            &["--token", &other],
            &["turned away by", "expected the key of the cluster"],
        ),
        (
            &["--cluster", "00000000000000ab"],
            &["turned away by", "expected the key of the cluster"],
        ),
        (
            &["--token", &forged],
            &["expected `plurix1-` and 64 letters"],
        ),
        (&["--token", "/nowhere"], &["read /nowhere"]),
    ];
    for (number, (identity, words)) in (4..).zip(cases) {
        let options = [identity, &["--join", &link]].concat();
        machine.start_node(number, &options).wait().refused(words);
    }
    // The node that was asked has counted them, and the cluster is what it was.
    eventually("those who were turned away are counted", || {
        let (_, status) = machine.leader();
        let counted = status.nodes.iter().filter(|node| node.intruders > 0);
        let counted: Vec<_> = counted
            .map(|node| (&node.name[..], node.intruders))
            .collect();
        (counted == [("node-1", 2)]).then_some(())
    });
    let status = machine.run(&["status"]).ok();
    let expected = "node-1 has turned away or cut off 2 connections";
    assert!(status.out.contains(expected), "{status:#?}");
    machine.wait_members(3);
    machine.check_bank();
}

#[test]
fn addresses_that_are_not_safe_are_refused() {
    let mut machine = Machine::with_cluster("listen");
    let token = token(&machine);
    let cases: [(&[&str], &str); 4] = [
        (
            &["--token", &token, "--join", "192.0.2.1:7"],
            "expected an address by which 192.0.2.1:7 reaches this node, found 127.0.0.1:0",
        ),
        (
            &["--cluster", "ab", "--listen", "0.0.0.0:0"],
            "without the cluster's key links are not encrypted",
        ),
        (
            &["--token", &token, "--listen", "0.0.0.0:0"],
            "expected the address by which peers reach this node",
        ),
        (
            &["--token", &token, "--tools", "0.0.0.0:0"],
            "expected a loopback address for tools",
        ),
    ];
    for (options, words) in cases {
        machine.start_node(4, options).wait().refused(&[words]);
    }
}
