//! Snapshots with names, and a memory that goes back to them.
use e2e::{Machine, Started, eventually};

/// Lists of numbers that callers append to.
struct Lists {
    machine: Machine,
    _run: Started,
}

impl Lists {
    fn start(name: &str) -> Self {
        let mut machine = Machine::with_cluster(name);
        let run = machine.start(&["run", "lists"]);
        eventually("the lists are there", || {
            let all = machine.client().processes().unwrap();
            all.iter().any(|one| one.steps > 0).then_some(())
        });
        Self { machine, _run: run }
    }

    fn append(&mut self, list: u32, elements: core::ops::Range<u32>) {
        for element in elements {
            let (list, element) = (list.to_string(), element.to_string());
            let _ = self
                .machine
                .run(&["call", "lists", "append", &list, &element])
                .ok();
        }
    }

    /// What is in the first two lists.
    fn read(&mut self) -> String {
        let line = ["call", "lists", "read", "0", "2", "--query"];
        let outcome = self.machine.run(&line).ok();
        outcome.out.lines().take(2).collect::<Vec<_>>().join("|")
    }

    fn snapshot(&mut self, name: &str) {
        let outcome = self.machine.run(&["snapshot", name]).ok();
        assert!(outcome.out.contains(" is epoch "), "{outcome:#?}");
    }

    fn restore(&mut self, options: &[&str]) {
        let _ = self.machine.run(&[&["restore"], options].concat()).ok();
    }
}

#[test]
fn the_memory_goes_back_and_goes_on_whatever_dies_then() {
    let mut lists = Lists::start("restore");
    lists.append(0, 1..4);
    lists.snapshot("three");
    lists.append(0, 4..6);
    lists.append(1, 7..8);
    lists.snapshot("five");
    // Nobody loses a snapshot by oversight.
    let refused = lists.machine.run(&["restore", "three"]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.err.contains("found five, which would be gone"),
        "{refused:#?}"
    );
    assert_eq!(lists.read(), "0: 1 2 3 4 5|1: 7");
    lists.restore(&["three", "--discard-later"]);
    assert_eq!(lists.read(), "0: 1 2 3|1:");
    lists.append(0, 14..16);
    let (number, _) = lists.machine.leader();
    let _ = lists.machine.run(&["kill", &number.to_string()]).ok();
    assert_eq!(lists.read(), "0: 1 2 3 14 15|1:");
    lists.machine.wait_members(3);
    lists.machine.kill_all();
    lists.machine.up(&[]);
    assert_eq!(lists.read(), "0: 1 2 3 14 15|1:");
    lists.machine.wait_members(3);
    lists.restore(&["three"]);
    assert_eq!(lists.read(), "0: 1 2 3|1:");
    // What was decided holds also if nothing of it had reached any disk.
    lists.machine.kill_all();
    lists.machine.up(&[]);
    assert_eq!(lists.read(), "0: 1 2 3|1:");
    lists.machine.check_bank();
}

#[test]
fn a_snapshot_survives_the_node_that_leaves() {
    let mut lists = Lists::start("restore-drained");
    lists.append(0, 1..4);
    lists.append(1, 1..4);
    lists.snapshot("three");
    lists.append(0, 4..6);
    lists.append(1, 4..6);
    lists.machine.wait_members(3);
    let _ = lists.machine.run(&["drain", "2"]).ok();
    lists.machine.wait_members(2);
    let _ = lists.machine.run(&["drain", "3"]).ok();
    lists.machine.wait_members(1);
    lists.restore(&["three"]);
    assert_eq!(lists.read(), "0: 1 2 3|1: 1 2 3");
}

/// A program that had ended runs again from where it was, and ends again.
#[test]
fn a_program_goes_on_from_the_middle() {
    let mut machine = Machine::with_cluster("restore-bank");
    let run = machine.start(&["run", "bank", "--", "1000", "40000", "3"]);
    eventually("the bank works", || {
        let all = machine.client().processes().unwrap();
        let steps = all.iter().map(|one| one.steps).max()?;
        (steps > 100).then_some(())
    });
    let _ = machine.run(&["snapshot", "busy"]).ok();
    let first = run.wait().ok();
    assert!(first.out.contains("total 1000000 of 1000000"), "{first:#?}");
    let state = |machine: &Machine| machine.client().processes().unwrap()[0].state;
    assert!(state(&machine).is_final());
    let _ = machine.run(&["restore", "busy"]).ok();
    assert!(!state(&machine).is_final());
    eventually("the bank has ended again", || {
        state(&machine).is_final().then_some(())
    });
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "1000000\n");
}
