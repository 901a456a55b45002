//! What clients are told stays consistent while nodes are killed and stopped by a seed.
use std::process::Command;

use cli::data::DataDir;
use e2e::{Machine, eventually};

#[test]
fn a_cluster_that_is_treated_badly_stays_consistent() {
    let mut machine = Machine::new("chaos");
    let outcome = machine.check_chaos(&["--seed", "1", "--faults", "8"]);
    assert!(outcome.out.starts_with("seed 1, 3 nodes\n"), "{outcome:#?}");
    assert!(outcome.out.contains("s  kill all nodes"), "{outcome:#?}");
}

/// Answers leave before any disk has what they tell.
#[test]
fn what_only_memories_have_survives_the_loss_of_one_node_at_a_time() {
    let mut machine = Machine::new("memory");
    let outcome = machine.check_chaos(&["--seed", "2", "--faults", "5", "--durability", "memory"]);
    assert!(!outcome.out.contains("s  kill all nodes"), "{outcome:#?}");
    assert!(outcome.out.contains("s  kill node"), "{outcome:#?}");
}

#[test]
fn ctrl_c_ends_it_early_with_a_verdict_and_no_process_is_left() {
    let mut machine = Machine::new("early");
    let run = machine.start(&["chaos", "--minutes", "60", "--json"]);
    eventually("a fault has happened", || {
        run.err().contains(" s  ").then_some(())
    });
    // The fault may have been the loss of all.
    let nodes = eventually("some run", || {
        let running = DataDir::open(&machine.data()).ok()?.running().ok()?;
        (!running.nodes.is_empty()).then_some(running.nodes)
    });
    run.interrupt();
    let outcome = run.wait().ok();
    assert!(
        outcome
            .out
            .starts_with("{\"consistent\":true,\"problems\":[],"),
        "{outcome:#?}"
    );
    for pid in nodes.iter().map(|node| node.pid) {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        assert!(!line.contains("plurix"), "process {pid} is left: {line}");
    }
}

#[test]
fn a_node_that_crashes_without_a_fault_is_found_and_the_data_kept() {
    let mut machine = Machine::new("crash");
    let run = machine.start(&["chaos", "--faults", "1", "--seed", "3"]);
    let nodes = eventually("the cluster is there", || {
        let running = DataDir::open(&machine.data()).ok()?.running().ok()?;
        (running.nodes.len() == 3).then_some(running.nodes)
    });
    eventually("the run has begun", || {
        run.out().contains(" s  ").then_some(())
    });
    let script = format!("kill -ABRT {}", nodes[1].pid);
    let status = Command::new("sh").args(["-c", &script]).status();
    assert!(status.expect("there is a shell").success());
    let outcome = run.wait();
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    for words in [
        "wrong: node 2 has crashed by itself: signal: 6",
        "are kept in",
        "verdict: NOT consistent",
    ] {
        assert!(outcome.out.contains(words), "{outcome:#?}");
    }
    assert!(machine.node(2).join("log").is_file());
}
