//! Ends: of leaders and of all nodes, of a program by Ctrl-C, of a cluster by Ctrl-C.
use std::path::PathBuf;
use std::process::Command;

use admin::ProcessState;
use cli::client::Client;
use e2e::{Machine, Started, eventually};

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

fn signal(name: &str, pids: &[u32]) {
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    let script = format!("kill -{name} {}", pids.join(" "));
    let status = Command::new("sh").args(["-c", &script]).status();
    assert!(status.expect("there is a shell").success());
}

/// Some bank that is busy for seconds.
const BUSY: [&str; 6] = ["run", "bank", "--", "1000", "40000", "3"];

/// Starts the bank and waits until it works.
fn start_bank(machine: &mut Machine) -> Started {
    let run = machine.start(&BUSY);
    eventually("the bank works", || {
        let all = machine.client().processes().unwrap();
        let steps = all.iter().map(|one| one.steps).max()?;
        (steps > 100).then_some(())
    });
    run
}

#[test]
fn a_program_goes_on_when_the_leader_dies_and_its_node_comes_back_as_another() {
    let mut machine = Machine::with_cluster("leader");
    machine.wait_members(3);
    let (number, before) = machine.leader();
    let run = start_bank(&mut machine);
    let _ = machine.run(&["kill", &number.to_string()]).ok();
    let outcome = run.wait().ok();
    assert!(
        outcome.out.contains("total 1000000 of 1000000"),
        "{outcome:#?}"
    );
    let (_, after) = machine.leader();
    assert_ne!(after.leader, before.leader);
    let fallen = after.last_failure.unwrap();
    assert_eq!(
        (fallen.node, fallen.recovered_us.is_some()),
        (before.leader, true)
    );
    machine.wait_members(3);
    let (_, after) = machine.leader();
    let name = format!("node-{number}");
    let back = after.nodes.iter().find(|node| node.name == name).unwrap();
    assert!(back.node > 3, "its process is a new node: {back:?}");
    let status = machine.run(&["status"]).ok();
    assert!(status.out.contains("can lose 1 of 3 voters"), "{status:#?}");
    machine.check_bank();
    // What only the new leader's voters have decided is there after the end of all.
    machine.kill_all();
    machine.up(&[]);
    machine.check_bank();
}

#[test]
fn leaders_may_die_one_after_the_other() {
    let mut machine = Machine::with_cluster("leaders");
    machine.check_bank();
    for _ in 0..3 {
        machine.wait_members(3);
        let (number, _) = machine.leader();
        let _ = machine.run(&["kill", &number.to_string()]).ok();
        let total = machine.run(&["call", "bank", "total", "--query"]).ok();
        assert_eq!(total.out, "64000\n");
    }
    machine.check_bank();
}

#[test]
fn nodes_that_die_together_are_started_again_and_find_each_other() {
    let mut machine = Machine::with_cluster("together");
    machine.check_bank();
    signal("KILL", &pids(&machine));
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "64000\n");
    machine.wait_members(3);
    machine.check_bank();
}

#[test]
fn a_leader_that_stood_still_learns_that_it_leads_no_more() {
    let mut machine = Machine::with_cluster("still");
    machine.check_bank();
    machine.wait_members(3);
    let (number, before) = machine.leader();
    let nodes = machine.running().nodes;
    let old = nodes.iter().find(|node| node.number == number).unwrap().pid;
    signal("STOP", &[old]);
    eventually("another leads", || {
        let (_, after) = machine.leader();
        (after.leader != before.leader).then_some(())
    });
    signal("CONT", &[old]);
    eventually("its process has ended", || (!is_alive(old)).then_some(()));
    machine.wait_members(3);
    machine.check_bank();
}

#[test]
fn two_nodes_are_both_needed_and_say_so() {
    let mut machine = Machine::new("two");
    machine.up(&["--nodes", "2"]);
    machine.check_bank();
    machine.wait_members(2);
    let status = machine.run(&["status"]).ok();
    assert!(
        status.out.contains("can lose none of 2 voters"),
        "{status:#?}"
    );
    for number in [1, 2] {
        let _ = machine.run(&["kill", &number.to_string()]).ok();
        let total = machine.run(&["call", "bank", "total", "--query"]).ok();
        assert_eq!(total.out, "64000\n");
        machine.wait_members(2);
    }
    let up = machine.take_up();
    assert!(up.out().contains("2 of 2 nodes are needed"), "{}", up.out());
    up.interrupt();
    let _ = up.wait().ok();
}

#[test]
fn one_node_is_a_cluster_that_comes_back_after_its_end() {
    let mut machine = Machine::new("one");
    machine.up(&["--nodes", "1"]);
    machine.check_bank();
    let status = machine.run(&["status"]).ok();
    assert!(
        status.out.contains("cannot lose the only voter"),
        "{status:#?}"
    );
    let _ = machine.run(&["kill", "1"]).ok();
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "64000\n");
    machine.kill_all();
    machine.up(&[]);
    machine.check_bank();
}

#[test]
fn a_node_without_a_majority_says_so_and_ends() {
    let mut machine = Machine::new("leaderless");
    let cluster = ["--cluster", "00000000000000ab"];
    let found = ["--found", "--members", "3", "--name", "node-1"];
    let first = machine.start_node(1, &[&cluster[..], &found].concat());
    let link = first.announced("link=");
    let [second, third] = [(2, "node-2"), (3, "node-3")].map(|(number, name)| {
        let join = ["--join", &link, "--name", name];
        machine.start_node(number, &[&cluster[..], &join].concat())
    });
    let clients = [&first, &second, &third].map(|node| {
        let tools = node.announced("tools=").parse().unwrap();
        Client::connect(tools).unwrap()
    });
    let [mut one, mut two, mut three] = clients;
    let votes = |client: &mut Client, count| {
        let status = client.status().ok()?;
        (status.voters.len() == count).then_some(())
    };
    eventually("all vote", || votes(&mut one, 3));
    first.kill();
    eventually("the others go on", || {
        votes(&mut two, 2).or_else(|| votes(&mut three, 2))
    });
    second.kill();
    third.wait().refused(&[
        "there is no leader",
        "decisions need 2 of the 2 control logs of node-",
        "can be restarted from its data",
    ]);
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

/// Once asked to cancel, the command neither waits for ever nor in a frenzy.
#[test]
fn a_cancelled_program_whose_cluster_is_gone_is_given_up() {
    let mut machine = Machine::with_cluster("gone");
    let run = start_bank(&mut machine);
    signal("STOP", &pids(&machine));
    run.interrupt();
    eventually("it cancels", || {
        run.err().contains("cancelling").then_some(())
    });
    machine.kill_all();
    run.wait().refused(&["127.0.0.1:", "node-N/log"]);
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
