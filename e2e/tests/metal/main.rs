//! Nodes on bare metal, in machines that QEMU makes, alone and among nodes on Linux.
#![expect(
    clippy::tests_outside_test_module,
    reason = "an integration test is nothing but tests"
)]
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use admin::ProcessState;
use e2e::{Machine, eventually, free_address};

/// Where peers and tools reach a node.
fn doors(machine: &Machine, number: u32) -> [SocketAddr; 2] {
    let nodes = machine.running().nodes;
    let node = nodes.iter().find(|node| node.number == number);
    let node = node.expect("it runs");
    [node.link, node.tools]
}

/// What a machine has said.
fn log(machine: &Machine, number: u32) -> String {
    fs::read_to_string(machine.node(number).join("log")).unwrap_or_default()
}

#[test]
fn a_machine_is_a_node_like_others_and_comes_back_when_it_was_killed() {
    let mut machine = Machine::new("metal-mixed");
    machine.boot(&["--nodes", "1", "--mixed", "2"]);
    machine.wait_members(3);
    let run = machine.start(&["run", "bank", "--", "1000", "20000", "3"]);
    eventually("the machine works, too", || {
        let (_, status) = machine.leader();
        let node = status.nodes.iter().find(|node| node.name == "node-3")?;
        (node.transactions > 100).then_some(())
    });
    let _ = machine.run(&["kill", "3"]).ok();
    let outcome = run.wait().ok();
    assert!(
        outcome.out.contains("total 1000000 of 1000000"),
        "{outcome:#?}"
    );
    machine.wait_members(3);
    machine.check_bank();
    let starts = log(&machine, 3).matches("kernel entered").count();
    assert_eq!(starts, 2, "{}", log(&machine, 3));
}

#[test]
fn a_machine_has_a_node_for_each_of_its_processors() {
    let mut machine = Machine::new("metal-cores");
    machine.boot(&["--nodes", "1", "--cores", "3", "--mixed", "1"]);
    machine.wait_cores(6, 2);
    let run = machine.start(&["run", "bank", "--", "1000", "4000", "6"]);
    eventually("all processors of the machine work", || {
        let (_, status) = machine.leader();
        let is_busy = |name: &str| {
            let node = status.nodes.iter().find(|node| node.name == name);
            node.is_some_and(|node| node.transactions > 100)
        };
        ["node-2", "node-2.2", "node-2.3"]
            .into_iter()
            .all(is_busy)
            .then_some(())
    });
    // They fail together, and come back together.
    let _ = machine.run(&["kill", "2"]).ok();
    let outcome = run.wait().ok();
    assert!(
        outcome.out.contains("total 1000000 of 1000000"),
        "{outcome:#?}"
    );
    machine.wait_cores(6, 2);
    machine.check_bank();
    machine.down();
}

#[test]
fn machines_alone_run_programs_and_have_all_of_it_after_the_end_of_all() {
    let mut machine = Machine::new("metal-alone");
    machine.boot(&["--nodes", "2"]);
    // Nobody there has a compiler: the command has.
    machine.check_bank();
    let processes = machine.client().processes().unwrap();
    assert!(
        matches!(processes[0].state, ProcessState::Done(_)),
        "{processes:#?}"
    );
    machine.kill_all();
    machine.boot(&["--nodes", "2"]);
    assert_eq!(machine.client().processes().unwrap().len(), processes.len());
    machine.check_bank();
    machine.down();
}

#[test]
fn strangers_and_nonsense_are_turned_away_and_change_nothing() {
    let mut machine = Machine::new("metal-hostile");
    machine.boot(&["--nodes", "1", "--mixed", "1"]);
    let [link, tools] = doors(&machine, 2);
    for door in [link, tools] {
        for nonsense in [&[0xff; 4096][..], b"GET / HTTP/1.1\r\n\r\n", &[0; 64]] {
            let mut stream = TcpStream::connect(door).unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(10)))
                .unwrap();
            // It may be cut off while it speaks.
            let _ = stream.write_all(nonsense);
            let _ = stream.read(&mut [0; 64]);
        }
    }
    // Another cluster's key.
    let other = machine.file("other");
    let elsewhere = machine.start_at(&other, &["up", "--nodes", "1"]);
    eventually("the other cluster is ready", || {
        elsewhere.out().contains("ready; ").then_some(())
    });
    let token = format!("{other}/token");
    let address = link.to_string();
    let stranger = machine.start_node(9, &["--token", &token, "--join", &address]);
    let outcome = stranger.wait();
    assert!(outcome.err.contains("turned away"), "{outcome:#?}");
    drop(elsewhere);
    machine.check_bank();
    let starts = log(&machine, 2).matches("kernel entered").count();
    assert_eq!(starts, 1, "{}", log(&machine, 2));
}

#[test]
fn programs_of_a_machine_are_reached_from_outside_and_stay() {
    let mut machine = Machine::new("metal-programs");
    let address = free_address();
    let port = address.port().to_string();
    machine.boot(&["--nodes", "1", "--mixed", "2", "--forward", &port]);
    machine.wait_members(3);
    // Inside, the machine's addresses are others.
    let listen = format!("0.0.0.0:{port}");
    let _ = machine
        .run(&["run", "-d", "resp", "--", &listen, "stable"])
        .ok();
    for turn in 1..=3 {
        let count = eventually("it counts", || ask(address, "INCR visits\r\n"));
        assert_eq!(count, format!(":{turn}\r\n"));
        // Whoever keeps its pages may go.
        let _ = machine.run(&["kill", "3"]).ok();
        machine.wait_members(3);
    }
    machine.down();
}

#[test]
fn a_machines_serial_port_is_the_console() {
    let mut machine = Machine::new("metal-serial");
    machine.boot(&["--nodes", "1", "--mixed", "1", "--serial"]);
    for program in ["console", "shell"] {
        let _ = machine.run(&["run", "-d", program]).ok();
    }
    machine.wait_sessions(2);
    let mut line = UnixStream::connect(machine.node(1).join("line")).unwrap();
    line.set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut said = String::new();
    for (typed, answer) in [
        ("help\r", "what the memory can go back to"),
        ("snapshot first\r\n", "kept as epoch"),
        ("nodes\n", "node-2"),
    ] {
        line.write_all(typed.as_bytes()).unwrap();
        while !(said.contains(answer) && said.ends_with("\r\n> ")) {
            let mut bytes = [0; 1024];
            let count = line.read(&mut bytes).unwrap();
            assert!(count > 0, "the machine ends: {said}");
            said += core::str::from_utf8(&bytes[..count]).unwrap();
        }
        said.clear();
    }
    let snapshots = machine.run(&["snapshots"]).ok().out;
    assert!(snapshots.contains("first"), "{snapshots}");
    machine.down();
}

/// What the database answers; `None` if nobody takes the call.
fn ask(address: SocketAddr, line: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .ok()?;
    // Nobody behind the port may take it yet: then it is broken off before it has an answer.
    stream.write_all(line.as_bytes()).ok()?;
    let mut answer = [0; 64];
    let count = stream.read(&mut answer).ok().filter(|&count| count > 0)?;
    Some(String::from_utf8_lossy(&answer[..count]).into_owned())
}

#[test]
fn a_disk_with_something_else_on_it_is_refused_and_left_alone() {
    let mut machine = Machine::new("metal-disk");
    machine.boot(&["--nodes", "1"]);
    machine.kill_all();
    let disk = machine.node(1).join("disk.img");
    // Over the second copy of what says that there is a volume, too.
    let foreign = b"somebody else's data\n".repeat(10_000);
    let file = File::options().write(true).open(&disk).unwrap();
    file.write_all_at(&foreign, 0).unwrap();
    let outcome = machine.run(&["boot", "--nodes", "1"]);
    assert_ne!(outcome.code, Some(0), "{outcome:#?}");
    let said = log(&machine, 1);
    assert!(said.contains("holds something that is no volume"), "{said}");
    let mut kept = vec![0; foreign.len()];
    File::open(&disk).unwrap().read_exact(&mut kept).unwrap();
    assert_eq!(kept, foreign);
}

#[test]
fn machines_that_are_killed_and_stand_still_stay_consistent() {
    let mut machine = Machine::new("metal-chaos");
    let options = ["--metal", "--seed", "7", "--faults", "6", "--minutes", "3"];
    let _ = machine.check_chaos(&options);
}
