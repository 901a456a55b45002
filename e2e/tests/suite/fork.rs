//! A second cluster that goes on from a snapshot of the first, made of its files.
use std::fs;
use std::path::Path;

use e2e::{Machine, Outcome, Started, eventually};

/// The fork's cluster, while it runs.
struct Fork {
    data: String,
    up: Option<Started>,
}

impl Fork {
    fn of(machine: &mut Machine, name: &str, snapshot: &str) -> Self {
        let data = machine.file(name);
        let outcome = machine.run(&["fork", snapshot, &data]).ok();
        assert!(outcome.out.contains(" goes on from epoch "), "{outcome:#?}");
        Self { data, up: None }
    }

    fn up(&mut self, machine: &mut Machine) {
        let mut up = machine.start_at(&self.data, &["up", "--epoch", "50"]);
        eventually("the fork is ready", || {
            assert!(up.is_running(), "{}", up.out());
            up.out().contains("\nready; ").then_some(())
        });
        self.up = Some(up);
    }

    fn run(&self, machine: &mut Machine, arguments: &[&str]) -> Outcome {
        machine.start_at(&self.data, arguments).wait()
    }

    fn down(&mut self, machine: &mut Machine) {
        let _ = self.run(machine, &["down"]).ok();
        let _ = self.up.take().expect("it runs").wait().ok();
    }
}

const TOTAL: [&str; 4] = ["call", "bank", "total", "--query"];
const BALANCE: [&str; 5] = ["call", "bank", "balance", "0", "--query"];
const TRANSFER: [&str; 6] = ["call", "bank", "transfer", "0", "1", "100"];

#[test]
fn a_fork_goes_its_own_way() {
    let mut machine = Machine::with_cluster("fork");
    machine.check_bank();
    let before = machine.run(&BALANCE).ok().out;
    let _ = machine.run(&["snapshot", "before"]).ok();
    let _ = machine.run(&TRANSFER).ok();
    let after = machine.run(&BALANCE).ok().out;
    assert_ne!(before, after);
    // Of a cluster that runs; both run at a time.
    let mut fork = Fork::of(&mut machine, "second", "before");
    fork.up(&mut machine);
    assert_eq!(fork.run(&mut machine, &BALANCE).ok().out, before);
    assert_eq!(machine.run(&BALANCE).ok().out, after);
    for _ in 0..3 {
        let _ = fork.run(&mut machine, &TRANSFER).ok();
    }
    let spent = fork.run(&mut machine, &BALANCE).ok().out;
    assert_eq!(fork.run(&mut machine, &TOTAL).ok().out, "64000\n");
    assert_eq!(machine.run(&BALANCE).ok().out, after);
    // The fork has a key of its own: nobody of one can join the other.
    let token = |data: &str| fs::read_to_string(Path::new(data).join("token")).unwrap();
    assert_ne!(token(&fork.data), token(machine.data().to_str().unwrap()));
    // Its own life: ends, snapshots, a fork of the fork, of the present and stopped.
    fork.down(&mut machine);
    let grandchild = machine.file("third");
    let _ = fork
        .run(&mut machine, &["fork", "latest", &grandchild])
        .ok();
    let mut grandchild = Fork {
        data: grandchild,
        up: None,
    };
    grandchild.up(&mut machine);
    assert_eq!(grandchild.run(&mut machine, &BALANCE).ok().out, spent);
    let _ = grandchild.run(&mut machine, &["restore", "before"]).ok();
    assert_eq!(grandchild.run(&mut machine, &BALANCE).ok().out, before);
    grandchild.down(&mut machine);
    fork.up(&mut machine);
    assert_eq!(fork.run(&mut machine, &BALANCE).ok().out, spent);
    // The first one goes, files and all: the second has everything that it needs.
    machine.down();
    fs::remove_dir_all(machine.data()).unwrap();
    fork.down(&mut machine);
    fork.up(&mut machine);
    assert_eq!(fork.run(&mut machine, &BALANCE).ok().out, spent);
    fork.down(&mut machine);
}

#[test]
fn what_cannot_be_forked_is_refused_and_leaves_nothing_behind() {
    let mut machine = Machine::with_cluster("fork-refused");
    let _ = machine.run(&["snapshot", "one"]).ok();
    let _fork = Fork::of(&mut machine, "second", "one");
    let place = machine.file("second");
    let again = machine.run(&["fork", "one", &place]);
    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("to be new or empty"), "{again:#?}");
    let nowhere = machine.file("third");
    let unknown = machine.run(&["fork", "two", &nowhere]);
    assert!(unknown.err.contains("found `two`"), "{unknown:#?}");
    assert!(!Path::new(&nowhere).exists());
}
