//! What cannot be done is refused in words that say what would be right.
use std::fs;
use std::net::TcpListener;

use e2e::Machine;

#[test]
fn wrong_inputs_are_named() {
    let mut machine = Machine::with_cluster("inputs");
    let missing = ["run", "wordcount", "--input", "nowhere.txt"];
    machine
        .run(&missing)
        .refused(&["read the input nowhere.txt"]);
    machine
        .run(&["run", "nowhere.wasm"])
        .refused(&["nowhere.wasm", "examples: bank"]);

    let wrong = machine.write("wrong.scene", "image 48 30\nsphere at 1 2 material gold\n");
    let outcome = machine.run(&["run", "raytracer", "--input", &wrong]);
    assert_ne!(outcome.code, Some(0), "{outcome:#?}");
    assert!(outcome.err.contains("line 2, column "), "{outcome:#?}");
    assert!(outcome.err.contains("expected "), "{outcome:#?}");
    let outcome = machine.run(&["run", "raytracer"]);
    assert_ne!(outcome.code, Some(0), "{outcome:#?}");
    assert!(outcome.err.contains("scene"), "{outcome:#?}");
    machine.check_bank();
}

#[test]
fn a_busy_port_is_named() {
    let mut machine = Machine::new("port");
    let (port, _holder) = (1..100)
        .map(|step| 20_000 + step * 100)
        .find_map(|port| Some((port, TcpListener::bind(("127.0.0.1", port + 3)).ok()?)))
        .unwrap();
    let line = ["--port", &port.to_string()];
    let outcome = machine.start_up(&line).wait();
    let expected = format!("port {} is not free", port + 3);
    outcome.refused(&[&expected, "--port"]);
}

#[test]
fn a_directory_is_used_by_one_cluster_of_one_version() {
    let mut machine = Machine::with_cluster("directory");
    let second = machine.start_up(&[]).wait();
    second.refused(&["runs already", "plurix status"]);
    let fewer = machine.start_up(&["--nodes", "2"]).wait();
    fewer.refused(&["runs already"]);
    machine.down();
    let fewer = machine.start_up(&["--nodes", "2"]).wait();
    fewer.refused(&["expected at least 3 nodes, found --nodes 2"]);
    machine
        .run(&["status"])
        .refused(&["no cluster runs", "plurix up"]);

    fs::write(machine.data().join("VERSION"), "77\n").unwrap();
    let other = machine.start_up(&[]).wait();
    other.refused(&["expected a data directory of version 1, found version 77"]);
}

#[test]
fn a_store_of_another_cluster_is_refused() {
    let mut machine = Machine::with_cluster("foreign");
    machine.check_bank();
    machine.down();
    let file = machine.data().join("cluster.json");
    let ours = fs::read_to_string(&file).unwrap();
    let at = ours.find("\"cluster\": \"").unwrap() + "\"cluster\": \"".len();
    let other = format!("{}0123456789abcdef{}", &ours[..at], &ours[at + 16..]);
    fs::write(&file, other).unwrap();
    let outcome = machine.start_up(&[]).wait();
    outcome.refused(&[
        "expected the token of cluster 0123456789abcdef",
        "found that of",
    ]);
    // Without one a new token is made.
    let token = machine.data().join("token");
    fs::rename(&token, machine.file("token")).unwrap();
    let outcome = machine.start_up(&[]).wait();
    outcome.refused(&["the store belongs to cluster", "0123456789abcdef"]);
    fs::write(&file, ours).unwrap();
    fs::rename(machine.file("token"), &token).unwrap();
    machine.up(&[]);
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "64000\n");
}
