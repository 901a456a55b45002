//! Bytes that a disk has lost are noticed, named, and replaced by another store's.
use std::fs;
use std::path::PathBuf;

use cli::client::Client;
use e2e::Machine;

use crate::picture::{native, render, scene};

/// Changes the byte in the middle of some bytes wherever a node's store has them;
/// returns in how many places.
fn damage(machine: &Machine, node: u32, bytes: &[u8]) -> usize {
    let mut places = 0;
    for path in segments(machine, node) {
        let mut content = fs::read(&path).unwrap();
        let found: Vec<usize> = content
            .windows(bytes.len())
            .enumerate()
            .filter_map(|(at, window)| (window == bytes).then_some(at))
            .collect();
        for at in &found {
            content[at + bytes.len() / 2] ^= 0x10;
        }
        places += found.len();
        fs::write(path, content).unwrap();
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
