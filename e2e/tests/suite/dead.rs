//! The memory of programs that have ended is given back, by disks and by nodes, and comes back
//! from snapshots.
use std::fs;
use std::path::Path;

use e2e::{Machine, Started, eventually};

const MIB: u64 = 1 << 20;
/// What the program fills.
const FILLED: u64 = 16 * MIB;

struct Filled {
    machine: Machine,
    module: String,
}

impl Filled {
    fn new(name: &str) -> Self {
        let mut machine = Machine::new(name);
        machine.up(&["--nodes", "3", "--retain", "none"]);
        let wasm = wat::parse_str(include_str!("filler.wat")).unwrap();
        let module = machine.write("filler.wasm", wasm);
        Self { machine, module }
    }

    /// Starts the program; returns when its memory is full.
    fn fill(&mut self) -> Started {
        let run = self.machine.start(&["run", &self.module]);
        eventually("the memory is full", || {
            let outcome = self.machine.run(&["call", "filler", "filled", "--query"]);
            (outcome.out.trim() == "256").then_some(())
        });
        run
    }

    fn sum(&mut self) -> String {
        let line = ["call", "filler", "sum", "--query"];
        self.machine.run(&line).ok().out
    }

    /// Ends the newest program.
    fn cancel(&self) {
        let mut client = self.machine.client();
        let newest = client.processes().unwrap().pop().unwrap();
        client.cancel(newest.process).unwrap();
    }

    /// Bytes of all files in the stores.
    fn on_disks(&self) -> u64 {
        let nodes = (1..=3).map(|number| self.machine.node(number).join("store"));
        nodes.map(|store| bytes_in(&store)).sum()
    }

    /// Bytes of memory that the nodes have.
    fn in_memory(&self) -> u64 {
        let nodes = self.machine.running().nodes;
        nodes.iter().map(|node| resident(node.pid)).sum()
    }
}

fn bytes_in(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).expect("the node has a store");
    // A file may be deleted just now.
    let sizes = files.map(|file| file.and_then(|file| file.metadata()).map(|it| it.len()));
    sizes.map(Result::unwrap_or_default).sum()
}

/// Without the program itself, which comes in as it runs.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the node runs");
    let lines = status.lines();
    let own = lines.filter(|line| line.starts_with("RssAnon:") || line.starts_with("RssShmem:"));
    let kib = own.map(|line| line.split_whitespace().nth(1).map(str::parse::<u64>));
    kib.map(|kib| kib.expect("a word").expect("a number") << 10)
        .sum()
}

#[test]
fn the_memory_of_an_ended_program_is_given_back() {
    let mut filled = Filled::new("dead");
    let empty = (filled.on_disks(), filled.in_memory());
    let run = filled.fill();
    let sum = filled.sum();
    let full = eventually("it is on two disks", || {
        let on_disks = filled.on_disks();
        (on_disks >= empty.0 + 2 * FILLED).then_some(on_disks)
    });
    let resident = filled.in_memory();
    assert!(resident > empty.1 + FILLED, "{empty:?}, {resident}");
    filled.cancel();
    run.wait().refused(&["the program was cancelled"]);
    eventually("the disks are empty again", || {
        (filled.on_disks() < full - 2 * FILLED + 8 * MIB).then_some(())
    });
    eventually("so are the memories", || {
        (filled.in_memory() < resident - FILLED / 2).then_some(())
    });
    // Another fills the same cluster, and its memory is its own.
    let run = filled.fill();
    assert_eq!(filled.sum(), sum);
    filled.machine.kill_all();
    drop(run);
    filled.machine.up(&[]);
    assert_eq!(filled.sum(), sum);
    filled.cancel();
    eventually("the disks are empty once more", || {
        (filled.on_disks() < full - 2 * FILLED + 8 * MIB).then_some(())
    });
}

#[test]
fn what_a_snapshot_needs_stays_and_comes_back() {
    let mut filled = Filled::new("dead-kept");
    let run = filled.fill();
    let sum = filled.sum();
    let _ = filled.machine.run(&["snapshot", "full"]).ok();
    let resident = filled.in_memory();
    filled.cancel();
    run.wait().refused(&["the program was cancelled"]);
    eventually("the memories are empty", || {
        (filled.in_memory() < resident - FILLED / 2).then_some(())
    });
    assert!(filled.on_disks() >= 2 * FILLED);
    let _ = filled
        .machine
        .run(&["restore", "--app", "filler", "full"])
        .ok();
    assert_eq!(filled.sum(), sum);
    filled.cancel();
    // Also when all goes back, to where the first one lived.
    let _ = filled.machine.run(&["restore", "full"]).ok();
    assert_eq!(filled.sum(), sum);
    filled.cancel();
    let _ = filled.machine.run(&["rm", "full"]).ok();
    eventually("the disks are empty", || {
        (filled.on_disks() < 8 * MIB).then_some(())
    });
}

/// A program that is done can be called, until another has its name.
#[test]
fn a_program_that_is_done_is_called_by_its_name() {
    let mut machine = Machine::with_cluster("dead-done");
    machine.check_bank();
    let total = ["call", "bank", "total", "--query"];
    assert_eq!(machine.run(&total).ok().out.trim(), "64000");
    machine.check_bank();
    assert_eq!(machine.run(&total).ok().out.trim(), "64000");
    let first = ["call", "1", "total", "--query"];
    machine
        .run(&first)
        .refused(&["process 1 is done, and its memory gone since another has its name"]);
}
