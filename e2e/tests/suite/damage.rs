//! Bytes that a disk has lost are noticed, named, and replaced by another store's.
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use cli::client::Client;
use e2e::{Machine, eventually};

use crate::picture::{native, render, scene};

/// Changes the byte in the middle of some bytes wherever a node's store has them;
/// returns in how many places.
fn damage(machine: &Machine, node: u32, bytes: &[u8]) -> usize {
    let mut places = 0;
    for path in segments(machine, node) {
        let content = fs::read(&path).unwrap();
        let windows = content.windows(bytes.len()).enumerate();
        let found = windows.filter_map(|(at, window)| (window == bytes).then_some(at));
        // In place: the node may be writing.
        let file = File::options().write(true).open(&path).unwrap();
        for at in found {
            let middle = at + bytes.len() / 2;
            let changed = [content[middle] ^ 0x10];
            file.write_all_at(&changed, middle as u64).unwrap();
            places += 1;
        }
    }
    places
}

fn segments(machine: &Machine, node: u32) -> Vec<PathBuf> {
    let entries = fs::read_dir(machine.node(node).join("store")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    // Beside them lies the lock, which is empty.
    let is_segment = |path: &PathBuf| fs::metadata(path).unwrap().len() > 0;
    paths.filter(is_segment).collect()
}

fn logs(machine: &Machine) -> String {
    let read = |node| fs::read_to_string(machine.node(node).join("log")).unwrap();
    (1..=3).map(read).collect()
}

/// A cluster that is stopped, with a picture in it; the picture and its process.
fn with_picture(name: &str) -> (Machine, Vec<u8>, u32) {
    let mut machine = Machine::with_cluster(name);
    let process = render(&mut machine, &scene());
    machine.check_bank();
    machine.down();
    (machine, native(&scene()), process)
}

#[test]
fn a_damaged_page_is_read_from_the_other_store() {
    let (mut machine, picture, process) = with_picture("damaged-page");
    let piece = &picture[picture.len() / 2..][..256];
    let node = (1..=3).find(|&node| damage(&machine, node, piece) > 0);
    let node = node.expect("some store has the picture");
    machine.up(&[]);
    assert!(machine.client().result(process).unwrap() == picture);
    let log = fs::read_to_string(machine.node(node).join("log")).unwrap();
    assert!(log.contains("segment "), "{log}");
    assert!(log.contains("is damaged at offset"), "{log}");
    machine.check_bank();
}

/// The sums of what `plurix scrub` has in its table: damaged, mended, lost.
fn figures(scrubbed: &str) -> [u64; 3] {
    let mut sums = [0; 3];
    for line in scrubbed.lines().filter(|line| line.starts_with("node-")) {
        let cells: Vec<u64> = line
            .split_whitespace()
            .skip(1)
            .flat_map(str::parse)
            .collect();
        assert!(cells[0] > 0, "it has read something: {scrubbed}");
        for (sum, cell) in sums.iter_mut().zip(&cells[1..]) {
            *sum += cell;
        }
    }
    sums
}

#[test]
fn a_damaged_page_is_mended_and_then_as_good_as_the_other_copy() {
    let (mut machine, picture, process) = with_picture("mended-page");
    let piece = &picture[picture.len() / 2..][..256];
    let node = (1..=3).find(|&node| damage(&machine, node, piece) > 0);
    let node = node.expect("some store has the picture");
    let stopped = machine.run(&["scrub"]);
    let _ = stopped.refused(&["no cluster runs", "so the cluster must run"]);
    machine.up(&[]);
    machine.wait_members(3);
    let scrubbed = machine.run(&["scrub"]).ok();
    let [damaged, mended, lost] = figures(&scrubbed.out);
    assert!(
        damaged > 0 && mended == damaged && lost == 0,
        "{scrubbed:#?}"
    );
    machine.down();
    let others = (1..=3).filter(|&other| other != node);
    let damaged: usize = others.map(|other| damage(&machine, other, piece)).sum();
    assert!(damaged > 0);
    machine.up(&[]);
    assert!(machine.client().result(process).unwrap() == picture);
}

#[test]
fn what_flips_on_all_disks_is_mended_from_memory_while_that_has_it() {
    let mut machine = Machine::with_cluster("mended-from-memory");
    let process = render(&mut machine, &scene());
    let picture = native(&scene());
    machine.wait_members(3);
    machine.wait_copies();
    let piece = &picture[picture.len() / 2..][..256];
    let damaged: usize = eventually("the picture is on disks", || {
        let damaged = (1..=3).map(|node| damage(&machine, node, piece)).sum();
        (damaged >= 2).then_some(damaged)
    });
    let scrubbed = machine.run(&["scrub"]).ok();
    // What was superseded in between is damaged, too, and nobody's concern.
    let [found, mended, lost] = figures(&scrubbed.out);
    let is_mended = (2..=damaged as u64).contains(&found) && mended == found && lost == 0;
    assert!(is_mended, "{damaged} places: {scrubbed:#?}");
    machine.down();
    machine.up(&[]);
    assert!(machine.client().result(process).unwrap() == picture);
}

#[test]
fn what_no_disk_has_any_more_is_named() {
    let (mut machine, picture, process) = with_picture("named-loss");
    let piece = &picture[picture.len() / 2..][..256];
    let damaged: usize = (1..=3).map(|node| damage(&machine, node, piece)).sum();
    machine.up(&[]);
    machine.wait_members(3);
    for _ in 0..2 {
        let scrubbed = machine.run(&["scrub"]);
        assert_eq!(scrubbed.code, Some(1), "{scrubbed:#?}");
        let [found, mended, lost] = figures(&scrubbed.out);
        let is_lost = (2..=damaged as u64).contains(&found) && mended == 0 && lost == found;
        assert!(is_lost, "{damaged} places: {scrubbed:#?}");
        let words = ["lost: damaged on every disk", "the newest state lacks"];
        assert!(
            words.iter().all(|word| scrubbed.out.contains(word)),
            "{scrubbed:#?}"
        );
    }
    let error = machine.client().result(process).unwrap_err().to_string();
    let page = error.split_whitespace().find(|word| word.contains(":0x"));
    let page = page.expect("the page is named").trim_end_matches(',');
    let scrubbed = machine.run(&["scrub"]);
    assert!(scrubbed.out.contains(page), "{page}: {scrubbed:#?}");
    eventually("the leader knows of it", || {
        let shown = machine.run(&["status"]).ok();
        shown
            .out
            .contains("`plurix scrub` names them")
            .then_some(())
    });
}

#[test]
fn a_page_that_every_store_has_lost_is_not_replaced_by_an_older_one() {
    let (mut machine, picture, process) = with_picture("lost-page");
    let piece = &picture[picture.len() / 2..][..256];
    let damaged: usize = (1..=3).map(|node| damage(&machine, node, piece)).sum();
    assert!(damaged >= 2, "{damaged} copies");
    machine.up(&[]);
    // Whoever needs it is told, by any node.
    for node in machine.running().nodes {
        let result = Client::connect(node.tools).unwrap().result(process);
        let error = result.unwrap_err().to_string();
        assert!(error.contains("is damaged in every store"), "{error}");
    }
    let logs = logs(&machine);
    assert!(logs.contains("is damaged at offset"), "{logs}");
    // The rest of the memory is as it was, and the nodes live.
    machine.wait_members(3);
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "64000\n");
}

#[test]
fn a_damaged_control_log_is_refused_and_a_majority_of_the_others_is_enough() {
    let mut machine = Machine::with_cluster("decisions");
    machine.check_bank();
    machine.wait_members(3);
    machine.down();
    let control = machine.node(1).join("control");
    let segment = control.join("00000001.segment");
    let good = fs::read(&segment).unwrap();
    let mut content = good.clone();
    // Not just anywhere: what pads a record may change without harm.
    let before = good[..good.len() / 2].windows(2);
    let record = before.rev().position(|start| start == b"PX");
    content[good.len() / 2 - 2 - record.expect("records begin so")] ^= 0x10;
    fs::write(&segment, content).unwrap();
    let damaged = machine.start_up(&[]).wait();
    damaged.refused(&[
        "the cluster's decisions",
        "segment 00000001 is damaged",
        "a copy",
        "move it away",
    ]);
    fs::remove_dir_all(&control).unwrap();
    machine.up(&[]);
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "64000\n");
    machine.wait_members(3);
    machine.check_bank();
}

#[test]
fn without_a_majority_of_the_control_logs_nothing_is_started() {
    let mut machine = Machine::with_cluster("majority");
    machine.check_bank();
    machine.wait_members(3);
    machine.down();
    let away = |machine: &Machine, node| {
        fs::rename(
            machine.node(node).join("control"),
            machine.file(&format!("away-{node}")),
        )
        .unwrap();
    };
    away(&machine, 1);
    away(&machine, 2);
    let one = machine.start_up(&[]).wait();
    one.refused(&[
        "there is no leader",
        "decisions need 2 of the 3 control logs",
    ]);
    fs::remove_dir_all(machine.node(1).join("control")).unwrap();
    fs::remove_dir_all(machine.node(2).join("control")).unwrap();
    away(&machine, 3);
    let none = machine.start_up(&[]).wait();
    none.refused(&["the cluster's decisions", "it is empty", "a copy"]);
    for node in 1..=3 {
        let control = machine.node(node).join("control");
        let _ = fs::remove_dir_all(&control);
        fs::rename(machine.file(&format!("away-{node}")), control).unwrap();
    }
    machine.up(&[]);
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "64000\n");
}

#[test]
fn a_cluster_without_enough_disks_names_those_it_needs() {
    let mut machine = Machine::with_cluster("disks");
    machine.check_bank();
    machine.down();
    for node in [2, 3] {
        let store = machine.node(node).join("store");
        fs::rename(store, machine.file(&format!("away-{node}"))).unwrap();
    }
    let outcome = machine.start_up(&[]).wait();
    outcome.refused(&["of node-2", "of node-3", "are missing", " has ended"]);
    for node in [2, 3] {
        let store = machine.node(node).join("store");
        fs::remove_dir_all(&store).unwrap();
        fs::rename(machine.file(&format!("away-{node}")), store).unwrap();
    }
    machine.up(&[]);
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "64000\n");
}

#[test]
fn a_store_that_lost_its_structure_is_refused_and_can_be_replaced() {
    let (mut machine, picture, process) = with_picture("damaged-store");
    for path in segments(&machine, 2) {
        let mut content = fs::read(&path).unwrap();
        let middle = content.len() / 2;
        content[middle..][..8192].fill(0xA5);
        fs::write(path, content).unwrap();
    }
    let outcome = machine.start_up(&[]).wait();
    outcome.refused(&[
        "node 2",
        "segment ",
        "is damaged at offset",
        "the other stores",
    ]);
    let store = machine.node(2).join("store");
    fs::rename(&store, machine.file("damaged")).unwrap();
    machine.up(&[]);
    assert!(machine.client().result(process).unwrap() == picture);
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "64000\n");
    machine.check_bank();
}

/// Disks that are replaced get their copies, so that the next one may be lost.
#[test]
fn disks_may_be_lost_one_after_the_other() {
    let mut machine = Machine::with_cluster("copies");
    machine.check_bank();
    for node in [3, 2, 1] {
        machine.down();
        fs::remove_dir_all(machine.node(node).join("store")).unwrap();
        machine.up(&[]);
        machine.wait_members(3);
        machine.wait_copies();
        let shown = machine.run(&["status"]).ok();
        assert!(shown.out.contains("everything stable has all its copies"));
    }
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "64000\n");
}
