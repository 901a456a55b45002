//! A second cluster that goes on from a snapshot of the first, made of its files.
use std::fs;
use std::os::unix::fs::MetadataExt;
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

/// All segments of the first node's store and their links.
fn links(data: &Path) -> Vec<u64> {
    let entries = fs::read_dir(data.join("node-1/store")).unwrap();
    let files = entries.map(|entry| entry.unwrap().metadata().unwrap());
    files
        .filter(|file| file.len() > 0)
        .map(|file| file.nlink())
        .collect()
}

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

/// Complete files are shared; what one cluster does with them is nothing to the other.
#[test]
fn files_that_nobody_writes_any_more_are_shared() {
    let mut machine = Machine::with_cluster("fork-links");
    machine.check_bank();
    // Each start begins a file at most; the bank's pages are in the first.
    let _ = machine.run(&["snapshot", "one"]).ok();
    machine.down();
    let before: Vec<u64> = links(&machine.data());
    assert!(before.iter().all(|&count| count == 1));
    let fork = Fork::of(&mut machine, "second", "one");
    let shared = links(&machine.data())
        .iter()
        .filter(|&&count| count == 2)
        .count();
    assert_eq!(shared, before.len() - 1);
    drop(fork);
    // Refused in clear words, and nothing is left behind.
    let place = machine.file("second");
    let again = machine.run(&["fork", "one", &place]);
    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("to be new or empty"), "{again:#?}");
    let nowhere = machine.file("third");
    let unknown = machine.run(&["fork", "two", &nowhere]);
    assert!(unknown.err.contains("found `two`"), "{unknown:#?}");
    assert!(!Path::new(&nowhere).exists());
}
