//! Programs append to files: each line is there once, in order, whichever node is lost.
use std::fs;
use std::path::PathBuf;

use e2e::{Machine, eventually};

/// More lines than a program appends while it is looked at, with a pause between two of them.
const ENDLESS: [&str; 6] = ["run", "scribe", "--", "lines", "1000000", "2"];

/// A cluster with a directory for files.
fn machine(name: &str) -> (Machine, PathBuf) {
    let mut machine = Machine::new(name);
    let directory = PathBuf::from(machine.file("files"));
    fs::create_dir(&directory).unwrap();
    let path = directory.to_str().unwrap().to_owned();
    machine.up(&["--nodes", "3", "--files", &path]);
    (machine, directory)
}

fn expected(lines: usize) -> String {
    (1..=lines).map(|line| format!("line {line}\n")).collect()
}

#[test]
fn each_line_is_in_the_file_once_whichever_node_is_lost() {
    let (mut machine, directory) = machine("files-kills");
    let file = directory.join("lines");
    let run = machine.start(&ENDLESS);
    let lines = || fs::read_to_string(&file).map_or(0, |text| text.lines().count());
    let goes_on = || {
        let before = lines();
        eventually("it goes on", || (lines() > before + 100).then_some(()));
    };
    for number in ["1", "2", "3"] {
        goes_on();
        machine.run(&["kill", number]).ok();
        machine.wait_members(3);
        machine.wait_copies();
    }
    goes_on();
    run.interrupt();
    run.wait().refused(&["the program was cancelled"]);
    // What it had written still gets there, and nothing else.
    let processes = machine.client().processes().unwrap();
    let written = usize::try_from(processes[0].done).unwrap();
    let all = eventually("all are there", || {
        let found = fs::read_to_string(&file).unwrap();
        (found.lines().count() >= written).then_some(found)
    });
    assert!(all == expected(written), "{written} lines: {all}");
}

#[test]
fn the_next_program_goes_on_behind_the_last_one() {
    let (mut machine, directory) = machine("files-next");
    let file = directory.join("lines");
    for _ in 0..2 {
        machine.run(&["run", "scribe", "--", "lines", "1000"]).ok();
    }
    let all = expected(1000).repeat(2);
    eventually("all are there", || {
        let found = fs::read_to_string(&file).ok()?;
        assert!(all.starts_with(&found), "{found}");
        (found == all).then_some(())
    });
}

#[test]
fn a_file_that_somebody_cuts_ends_the_program_with_the_reason() {
    let (mut machine, directory) = machine("files-cut");
    let file = directory.join("lines");
    let run = machine.start(&ENDLESS);
    eventually("it writes", || {
        fs::metadata(&file)
            .is_ok_and(|file| file.len() > 100)
            .then_some(())
    });
    fs::write(&file, "").unwrap();
    let _ = run.wait().refused(&["somebody has cut it"]);
}

#[test]
fn without_a_directory_the_program_hears_what_is_missing() {
    let mut machine = Machine::with_cluster("files-none");
    let _ = machine
        .run(&["run", "scribe", "--", "lines", "10000000"])
        .refused(&["--files DIR"]);
    let _ = machine
        .run(&["run", "scribe", "--", "../lines"])
        .refused(&["not the name of a file"]);
}
