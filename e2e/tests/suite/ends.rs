//! Ends: of the leader, of a program by Ctrl-C, of a cluster by Ctrl-C.
use std::path::PathBuf;

use admin::ProcessState;
use cli::client::Client;
use e2e::{Machine, eventually};

use crate::picture::newest;

/// Whether a process of this number is one of ours.
fn is_alive(pid: u32) -> bool {
    let line = std::fs::read_to_string(PathBuf::from(format!("/proc/{pid}/cmdline")));
    line.is_ok_and(|line| line.contains("plurix"))
}

fn pids(machine: &Machine) -> Vec<u32> {
    machine
        .running()
        .nodes
        .iter()
        .map(|node| node.pid)
        .collect()
}

#[test]
fn without_its_leader_a_cluster_ends_and_can_be_restarted() {
    let mut machine = Machine::with_cluster("leader");
    machine.check_bank();
    let pids = pids(&machine);
    let _ = machine.run(&["kill", "1"]).ok();
    let outcome = machine.take_up().wait();
    outcome.refused(&["the node that leads has ended", "plurix up"]);
    assert!(!pids.into_iter().any(is_alive));
    machine.up(&[]);
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "64000\n");
    machine.check_bank();
}

#[test]
fn nodes_without_a_leader_say_so_and_end() {
    let mut machine = Machine::new("leaderless");
    let leader = machine.start_node(1, &["--lead", "--members", "3"]);
    let words = ["link=", "tools="];
    let [link, tools] = words.map(|word| {
        eventually("the leader listens", || {
            let out = leader.out();
            let (_, rest) = out.split_once(word)?;
            Some(rest[..rest.find([' ', '\n'])?].to_owned())
        })
    });
    let members = [2, 3].map(|number| machine.start_node(number, &["--leader", &link]));
    let mut client = Client::connect(tools.parse().unwrap()).unwrap();
    eventually("all are members", || {
        let status = client.status().ok()?;
        (status.nodes.len() == 3).then_some(())
    });
    leader.kill();
    for member in members {
        member
            .wait()
            .refused(&["the leader is gone", "can be restarted from its data"]);
    }
}

#[test]
fn ctrl_c_cancels_the_program_that_runs() {
    let mut machine = Machine::with_cluster("cancel");
    let line = ["run", "bank", "--", "1000", "1000000000", "3"];
    let run = machine.start(&line);
    eventually("the program works", || {
        let all = machine.client().processes().unwrap();
        (all.first()?.steps > 100).then_some(())
    });
    run.interrupt();
    run.wait().refused(&["the program was cancelled"]);
    let process = newest(&machine, "bank");
    let all = machine.client().processes().unwrap();
    let found = all.iter().find(|one| one.process == process).unwrap();
    assert_eq!(found.state, ProcessState::Cancelled);
    eventually("its workers have ended", || {
        let all = machine.client().processes().unwrap();
        all.iter().all(|one| one.workers == 0).then_some(())
    });
    machine.check_bank();
}

#[test]
fn ctrl_c_ends_the_whole_cluster() {
    let mut machine = Machine::with_cluster("ctrl-c");
    machine.check_bank();
    let pids = pids(&machine);
    assert!(pids.iter().all(|&pid| is_alive(pid)));
    let up = machine.take_up();
    up.interrupt();
    let outcome = up.wait().ok();
    assert!(outcome.err.contains("stopping"), "{outcome:#?}");
    assert!(!pids.into_iter().any(is_alive));
    machine.up(&[]);
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "64000\n");
}
