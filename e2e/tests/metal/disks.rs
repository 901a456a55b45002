//! Disks that are full, or fail, while their node runs.
use e2e::{Machine, eventually};

use crate::log;

/// Where the disk fails: behind the log of decisions, and before what is filled has room.
const LIMIT_BYTES: u64 = 48 << 20;

/// Starts a program that fills 16 MiB, and waits until it has.
fn fill(machine: &mut Machine) {
    let wasm = wat::parse_str(include_str!("../suite/filler.wat")).unwrap();
    let module = machine.write("filler.wasm", wasm);
    let _ = machine.run(&["run", "-d", &module]).ok();
    eventually("the memory is full", || {
        let outcome = machine.run(&["call", "filler", "filled", "--query"]);
        (outcome.out.trim() == "256").then_some(())
    });
}

/// The machine says what is wrong; the others go on with all that was there.
fn assert_lost_only_a_node(machine: &mut Machine, why: &str) {
    let last = format!("the store failed: {why}");
    let mut fills = 0;
    while !log(machine, 3).contains(&last) {
        fills += 1;
        assert!(fills < 8, "there was room for all: {}", log(machine, 3));
        fill(machine);
    }
    let sums = machine.run(&["call", "filler", "sum", "--query"]).ok().out;
    machine.check_bank();
    let again = machine.run(&["call", "filler", "sum", "--query"]).ok().out;
    assert_eq!(sums, again);
    machine.down();
}

#[test]
fn a_disk_that_is_full_costs_its_node_and_nothing_else() {
    let mut machine = Machine::new("metal-full");
    machine.boot(&["--nodes", "1", "--mixed", "2", "--disk", "64"]);
    machine.wait_members(3);
    assert_lost_only_a_node(&mut machine, "the disk is full");
}

/// No file may be longer than so: to write behind that is an error, which the machine is told.
#[test]
fn a_disk_that_fails_costs_its_node_and_nothing_else() {
    let mut machine = Machine::new("metal-failing");
    machine.take_file_limits_for_errors();
    machine.boot(&["--nodes", "1", "--mixed", "2"]);
    machine.wait_members(3);
    machine.limit_files(3, LIMIT_BYTES);
    assert_lost_only_a_node(&mut machine, "the disk failed to append (error 1)");
}
