//! Programs append to files: each line is there once, in order, whichever node is lost.
use std::fs;
use std::path::PathBuf;

use e2e::{Machine, eventually};

/// Lines that the program appends, and milliseconds between two of them.
const LINES: usize = 4000;
const PAUSE_MS: u32 = 2;

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
    let (count, pause) = (LINES.to_string(), PAUSE_MS.to_string());
    let run = machine.start(&["run", "scribe", "--", "lines", &count, &pause]);
    let lines = || fs::read_to_string(&file).map_or(0, |text| text.lines().count());
    let mut before = 0;
    for number in ["1", "2", "3"] {
        before = eventually("it goes on", || {
            let there = lines();
            (there > before + 100).then_some(there)
        });
        machine.run(&["kill", number]).ok();
        machine.wait_members(3);
        machine.wait_copies();
    }
    run.wait().ok();
    assert!(before < LINES, "the kills came in between");
    eventually("all are there", || (lines() == LINES).then_some(()));
    let found = fs::read_to_string(&file).unwrap();
    assert!(found == expected(LINES), "{found}");
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
    let run = machine.start(&["run", "scribe", "--", "lines", "1000000", "2"]);
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
