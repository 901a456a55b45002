//! The memory as it was, of clusters that run and of those that are stopped.
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use e2e::{Machine, Outcome};

/// Memory of the first process, which is a bank.
const REGION: &str = "257";

/// Bytes and times of all files below a directory.
fn all_of(directory: &Path) -> Vec<(PathBuf, SystemTime, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let about = fs::metadata(&path).unwrap();
        if about.is_dir() {
            all.extend(all_of(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            all.push((path, about.modified().unwrap(), bytes));
        }
    }
    all.sort();
    all
}

/// What is said of a snapshot, but for its age.
fn inspected(machine: &mut Machine, snapshot: &str) -> String {
    let shown = machine.run(&["inspect", snapshot]).ok().out;
    let (head, rest) = shown.split_once(", taken ").unwrap();
    let (_, rest) = rest.split_once(" ago: ").unwrap();
    format!("{head}: {rest}")
}

/// The bytes of the bank's memory.
fn memory(machine: &mut Machine, snapshot: &str) -> Vec<u8> {
    let file = machine.file("memory");
    let line = ["inspect", snapshot, "--region", REGION, "--out", &file];
    let told = machine.run(&line).ok().out;
    assert!(told.contains("pages of region 257 in "), "{told}");
    fs::read(file).unwrap()
}

fn diff(machine: &mut Machine, from: &str, to: &str) -> String {
    let Outcome { out, .. } = machine.run(&["diff", from, to]).ok();
    out
}

#[test]
fn a_snapshot_is_the_same_while_the_cluster_goes_on_loses_a_node_and_is_stopped() {
    let mut machine = Machine::with_cluster("past");
    machine.check_bank();
    let _ = machine.run(&["snapshot", "before"]).ok();
    let shown = inspected(&mut machine, "before");
    for part in ["bank", "done (0)", "memory of bank (process 1)", "module 1"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let bytes = memory(&mut machine, "before");
    // A second bank of the same name, and money moved in it.
    machine.check_bank();
    let _ = machine
        .run(&["call", "bank", "transfer", "1", "2", "5"])
        .ok();
    let _ = machine.run(&["snapshot", "after"]).ok();
    let changes = diff(&mut machine, "before", "after");
    for part in [
        "memory of bank (process 2)",
        "name bank of a process",
        "process 1",
        "process 2 (bank)",
    ] {
        assert!(changes.contains(part), "{part}: {changes}");
    }
    // Nothing has happened to the memory of the first.
    assert!(!changes.contains("memory of bank (process 1)"), "{changes}");
    let none = diff(&mut machine, "before", "before");
    assert!(none.ends_with(": the same bytes\n"), "{none}");

    let _ = machine.run(&["kill", "2"]).ok();
    assert_eq!(inspected(&mut machine, "before"), shown);
    assert!(memory(&mut machine, "before") == bytes);
    machine.down();
    let disks = all_of(&machine.data());
    assert_eq!(inspected(&mut machine, "before"), shown);
    assert!(memory(&mut machine, "before") == bytes);
    assert_eq!(diff(&mut machine, "before", "after"), changes);
    let listed = machine.run(&["snapshots"]).ok();
    assert!(listed.err.contains("its disks are read"), "{listed:#?}");
    assert!(listed.out.contains("before") && listed.out.contains("after"));
    // The newest state that there was, though no store may have heard that it is stable.
    let latest = inspected(&mut machine, "latest");
    assert!(latest.contains("memory of bank (process 2)"), "{latest}");
    assert!(all_of(&machine.data()) == disks, "a disk has changed");
    machine.up(&[]);
    machine.check_bank();
}

#[test]
fn a_page_is_shown_byte_by_byte() {
    let mut machine = Machine::with_cluster("dump");
    let _ = machine.run(&["snapshot", "fresh"]).ok();
    let page = machine.run(&["inspect", "fresh", "--page", "1:0"]).ok().out;
    assert!(page.starts_with("page 1:0x0, version 1, "), "{page}");
    assert!(page.contains("  |PLURIXKT"), "{page}");
    assert!(page.ends_with("\n*\n00001000\n"), "{page}");
    let pages = machine.run(&["inspect", "fresh", "--region", "1"]).ok().out;
    assert!(pages.contains("1:0x0     0x0        1\n"), "{pages}");
    let never = machine.run(&["inspect", "fresh", "--page", "9:0x10"]).ok();
    assert!(never.out.contains("had not been written"), "{never:#?}");
    machine
        .run(&["inspect", "fresh", "--region", "77"])
        .refused(&["expected a region with pages, found 77"]);
    for line in [&["inspect", "stale"][..], &["diff", "fresh", "stale"]] {
        let unknown = machine.run(line);
        unknown.refused(&["found `stale`", "names: fresh", "`plurix snapshots`"]);
    }
    let gone = machine.run(&["inspect", "999999"]);
    gone.refused(&["found `999999`"]);
}
