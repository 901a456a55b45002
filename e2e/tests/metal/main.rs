//! Nodes on bare metal, in machines that QEMU makes, alone and among nodes on Linux.
#![expect(
    clippy::tests_outside_test_module,
    reason = "an integration test is nothing but tests"
)]
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use admin::ProcessState;
use e2e::{Machine, eventually, free_address, free_port};

mod disks;

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
fn datagrams_reach_programs_of_a_machine_and_another_takes_the_port_over() {
    let mut machine = Machine::new("metal-datagrams");
    let addresses = [(); 4].map(|()| free_port());
    let [inside, second, third, other] = addresses.map(|address| address.port());
    let forward = [
        format!("udp:{inside}"),
        format!("2:udp:{second}-{inside}"),
        format!("3:udp:{third}-{inside}"),
        format!("udp:{other}"),
    ];
    let mut options = vec!["--nodes", "3"];
    options.extend(forward.iter().flat_map(|one| ["--forward", one]));
    machine.boot(&options);
    machine.wait_members(3);
    for port in [inside, other] {
        let listen = format!("0.0.0.0:{port}");
        machine.run(&["run", "-d", "tally", "--", &listen]).ok();
    }
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let time = Duration::from_millis(500);
    socket.set_read_timeout(Some(time)).unwrap();
    // Whichever machine has the port, one of these leads there.
    let [first, second, third, other] = addresses;
    let visits = || count(&socket, &[first, second, third], "visits");
    assert_eq!(visits(), 0);
    for turn in 1..=10 {
        for _ in 0..20 {
            socket.send_to(b"visits:1|c", first).unwrap();
        }
        eventually("they are counted", || (visits() == 20 * turn).then_some(()));
    }
    // Nobody is there, and nobody has to wait for him.
    let lost = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    lost.send_to(b"visits", first).unwrap();
    drop(lost);
    assert_eq!(visits(), 200);
    // The other program has a port of its own.
    assert_eq!(count(&socket, &[other], "visits"), 0);
    socket.send_to(b"visits:7|c", other).unwrap();
    eventually("it counts for itself", || {
        (count(&socket, &[other], "visits") == 7).then_some(())
    });
    machine.run(&["kill", "1"]).ok();
    assert_eq!(visits(), 200, "what was answered is so");
    for address in [first, second, third] {
        socket.send_to(b"visits:1|c", address).unwrap();
    }
    eventually("who has the port now counts", || {
        (visits() == 201).then_some(())
    });
    machine.down();
}

#[test]
fn a_datagram_for_somebody_who_is_not_there_does_not_hold_others_up_for_good() {
    let mut machine = Machine::new("metal-unreached");
    machine.boot(&["--nodes", "1"]);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let [low, high] = socket.local_addr().unwrap().port().to_le_bytes();
    let port = format!("\\{low:02x}\\{high:02x}");
    let text = include_str!("unreached.wat").replace("PORT", &port);
    let module = machine.write("unreached.wasm", wat::parse_str(text).unwrap());
    machine.run(&["run", "-d", &module]).ok();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut bytes = [0; 100];
    let count = socket.recv(&mut bytes).expect("it comes");
    assert_eq!(&bytes[..count], b"here");
    machine.down();
}

/// What a tally that is reached at one of these addresses says of a name.
fn count(socket: &UdpSocket, addresses: &[SocketAddr], name: &str) -> i64 {
    eventually("somebody answers", || {
        // Datagrams to nobody are lost.
        for address in addresses {
            socket.send_to(name.as_bytes(), address).ok()?;
        }
        let mut answer = [0; 100];
        let (length, from) = socket.recv_from(&mut answer).ok()?;
        if !addresses.contains(&from) {
            return None;
        }
        let text = String::from_utf8_lossy(&answer[..length]).into_owned();
        let (asked, count) = text.trim().split_once(':')?;
        (asked == name).then(|| count.parse().ok())?
    })
}

#[test]
fn a_machines_serial_port_is_the_console() {
    let mut machine = Machine::new("metal-serial");
    machine.boot(&["--nodes", "1", "--mixed", "1", "--serial"]);
    for program in ["console", "shell"] {
        let _ = machine.run(&["run", "-d", program]).ok();
    }
    machine.wait_sessions(2);
    let mut line = Line::of(&machine, 1);
    for (typed, answer) in [
        ("help\r", "what the memory can go back to"),
        ("snapshot first\r\n", "kept as epoch"),
        ("nodes\n", "node-2"),
    ] {
        let _ = line.ask(typed, answer);
    }
    let snapshots = machine.run(&["snapshots"]).ok().out;
    assert!(snapshots.contains("first"), "{snapshots}");
    machine.down();
}

/// What the drivers of a machine's parts were told is so again after each reset, at whichever
/// machine leads then.
#[test]
fn parts_of_machines_are_as_they_were_told_whatever_is_reset() {
    let mut machine = Machine::new("metal-parts");
    let address = free_address();
    let port = address.port().to_string();
    machine.boot(&["--nodes", "1", "--serial", "--shell", "--forward", &port]);
    let listen = format!("0.0.0.0:{port}");
    let _ = machine.run(&["run", "-d", "resp", "--", &listen]).ok();
    // With display, keyboard and console.
    machine.wait_sessions(6);
    let mut line = Line::of(&machine, 1);
    for (typed, answer) in [
        ("network\n", "none"),
        (
            "network address=10.0.2.77/24 deny=tcp:7777\n",
            "address=10.0.2.77/24 deny=tcp:7777",
        ),
        (
            "network address=home\n",
            "cannot expected IP/BITS, found `home`",
        ),
        (
            "network address=10.0.2.15/24\n",
            "cannot the machine has 10.0.2.15 as its own address",
        ),
        ("disk\n", "cache=back depth=21"),
        ("disk cache=through depth=3\n", "cache=through depth=3"),
        ("clock 2031-05-06T07:08:09Z\n", "2031-05-06T07:08:"),
    ] {
        let _ = line.ask(typed, answer);
    }
    eventually("the database is reached", || ask(address, "PING\r\n"));
    let deny = format!("deny=tcp:{port}");
    let _ = line.ask(&format!("network {deny}\n"), &deny);
    assert_eq!(
        ask_within(Duration::from_secs(1), address, "PING\r\n"),
        None
    );
    let settings = "address=10.0.2.77/24 deny=tcp:7777";
    let _ = line.ask(&format!("network {settings}\n"), settings);
    eventually("it is reached again", || ask(address, "PING\r\n"));
    let before = line.ask("power\n", "on ");
    // Whoever asked hears of it afterwards.
    let after = line.ask("power reset\n", "on ");
    assert_ne!(after, before);
    let starts = log(&machine, 1).matches("kernel entered").count();
    assert_eq!(starts, 2, "{}", log(&machine, 1));
    for (typed, answer) in [
        ("network\n", "address=10.0.2.77/24 deny=tcp:7777"),
        ("disk\n", "cache=through depth=3"),
        ("clock\n", "2031-05-06T07:"),
    ] {
        let _ = line.ask(typed, answer);
    }
    // It was done once.
    assert_eq!(line.ask("power\n", "on "), after);
    line.type_text("power off\n");
    machine.wait_ended();
    machine.boot(&["--nodes", "1", "--serial"]);
    let mut line = Line::of(&machine, 1);
    let _ = line.ask("network\n", "address=10.0.2.77/24");
    machine.down();
}

/// An address of the cluster is at the machine that leads, and no other.
#[test]
fn an_address_goes_where_the_leader_goes() {
    let mut machine = Machine::new("metal-address");
    let doors = [1, 2].map(|number| (number, free_address()));
    let forward = doors.map(|(number, door)| format!("{number}:{}-10.0.2.77:6379", door.port()));
    let [first, second] = forward.each_ref().map(String::as_str);
    let options = ["--nodes", "2", "--serial", "--shell"];
    machine.boot(&[&options[..], &["--forward", first, "--forward", second]].concat());
    let listen = ["run", "-d", "resp", "--", "0.0.0.0:6379", "stable"];
    let _ = machine.run(&listen).ok();
    machine.wait_sessions(6);
    let address = "address=10.0.2.77/24";
    let _ = Line::of(&machine, 1).ask(&format!("network {address}\n"), address);
    let counted = |machine: &Machine| {
        eventually("the leader's machine has the address, and counts", || {
            let devices = machine.client().devices().ok()?;
            let network = devices.iter().find(|device| device.name == "network")?;
            let (_, status) = machine.leader();
            let node = status.nodes.iter().find(|node| node.node == network.node)?;
            let at = |(number, _): &&(u32, _)| node.name == format!("node-{number}");
            let (_, door) = doors.iter().find(at)?;
            let count = ask_within(Duration::from_secs(2), *door, "INCR visits\r\n")?;
            let others = doors.iter().filter(|(_, other)| other != door);
            for (_, other) in others {
                let answer = ask_within(Duration::from_secs(1), *other, "PING\r\n");
                assert_eq!(answer, None, "another machine has it, too");
            }
            Some((node.name.clone(), count))
        })
    };
    let (before, count) = counted(&machine);
    assert_eq!((before.as_str(), count.as_str()), ("node-1", ":1\r\n"));
    let _ = machine.run(&["kill", "1"]).ok();
    machine.wait_members(2);
    let (_, count) = counted(&machine);
    let count: u32 = count.trim_matches([':', '\r', '\n']).parse().unwrap();
    assert!(count > 1, "what was counted is kept: {count}");
    machine.down();
}

/// A machine's serial port with a shell at it.
struct Line(UnixStream);

impl Line {
    fn of(machine: &Machine, number: u32) -> Self {
        let line = UnixStream::connect(machine.node(number).join("line")).unwrap();
        line.set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Self(line)
    }

    fn type_text(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    /// Types something, and reads until the shell has said this and waits for more. What it has
    /// said before, its greeting for one, may come first.
    fn ask(&mut self, typed: &str, answer: &str) -> String {
        self.type_text(typed);
        let mut said = String::new();
        while !(said.contains(answer) && said.ends_with("\r\n> ")) {
            let mut bytes = [0; 1024];
            let count = self.0.read(&mut bytes).unwrap();
            assert!(count > 0, "the machine ends: {said}");
            said += core::str::from_utf8(&bytes[..count]).unwrap();
        }
        said
    }
}

/// What the database answers; `None` if nobody takes the call.
fn ask(address: SocketAddr, line: &str) -> Option<String> {
    ask_within(Duration::from_secs(30), address, line)
}

fn ask_within(time: Duration, address: SocketAddr, line: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(time)).ok()?;
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
