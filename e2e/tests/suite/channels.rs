//! Programs that are reached over TCP: who connects is answered, and what was answered stays
//! true whichever node is lost.
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, SystemTime};

use e2e::{Machine, Started, eventually, free_address, free_port};

const TURNSTILE: &[u8] = include_bytes!("../../../guest/modules/turnstile.wasm");
/// Nobody waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A cluster with a turnstile.
struct Turnstile {
    machine: Machine,
    module: String,
    address: SocketAddr,
}

impl Turnstile {
    fn new(name: &str) -> Self {
        let machine = Machine::with_cluster(name);
        let module = machine.write("turnstile.wasm", TURNSTILE);
        Self {
            machine,
            module,
            address: free_address(),
        }
    }

    fn run(&mut self, release: &str) -> Started {
        let address = self.address.to_string();
        self.machine
            .start(&["run", &self.module, "--", &address, release])
    }

    /// Connects, as soon as anybody listens.
    fn connect(&self) -> Caller {
        let socket = eventually("somebody listens", || TcpStream::connect(self.address).ok());
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Caller { socket, last: 0 }
    }

    /// Passes once, over a new connection if need be.
    fn pass(&self, caller: &mut Caller) -> u64 {
        eventually("somebody answers", || {
            let passed = caller.pass();
            if passed.is_none() {
                *caller = self.connect();
            }
            passed
        })
    }

    fn passed(&mut self) -> u64 {
        let line = ["call", "turnstile", "passed", "--query"];
        self.machine.run(&line).ok().out.trim().parse().unwrap()
    }
}

struct Caller {
    socket: TcpStream,
    last: u64,
}

impl Caller {
    fn send(&mut self, count: u64) {
        let mut bytes = Vec::new();
        for _ in 0..count {
            self.last += 1;
            bytes.extend(self.last.to_le_bytes());
        }
        self.socket.write_all(&bytes).unwrap();
    }

    /// The next answer; none if the other end has ended, or broken off.
    fn answer(&mut self) -> Option<u64> {
        let mut answer = [0; 8];
        match self.socket.read_exact(&mut answer) {
            Ok(()) => Some(u64::from_le_bytes(answer)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nobody answers"),
            Err(_) => None,
        }
    }

    /// How many have passed, this one included; none if the connection is broken.
    fn pass(&mut self) -> Option<u64> {
        self.last += 1;
        self.socket.write_all(&self.last.to_le_bytes()).ok()?;
        self.answer()
    }
}

#[test]
fn who_connects_is_answered_in_order() {
    for release in ["stable", "commit"] {
        let mut turnstile = Turnstile::new(&format!("channels-{release}"));
        let _run = turnstile.run(release);
        let mut first = turnstile.connect();
        let mut second = turnstile.connect();
        first.send(1000);
        for expected in 1..=1000 {
            assert_eq!(first.answer(), Some(expected));
        }
        assert_eq!(second.pass(), Some(1001));
        assert_eq!(first.pass(), Some(1002));
        // Who has ended is still answered.
        second.send(5);
        second.socket.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        second.socket.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len(), 5 * 8);
        assert_eq!(turnstile.passed(), 1007);
        // Who ends when all was answered hears the end, and nothing is left of him.
        first.socket.shutdown(Shutdown::Write).unwrap();
        assert_eq!(first.answer(), None);
        eventually("only the listener is left", || {
            let channels = turnstile.machine.client().channels().unwrap();
            (channels.len() == 1).then_some(())
        });
    }
}

/// Whichever node listens: others do when it is gone, and what was answered was so.
#[test]
fn what_was_answered_stays_true_whichever_node_is_killed() {
    let mut turnstile = Turnstile::new("channels-kill");
    let _run = turnstile.run("stable");
    let mut caller = turnstile.connect();
    let mut told = 0;
    for number in ["1", "2", "3"] {
        for _ in 0..3 {
            let passed = turnstile.pass(&mut caller);
            assert!(passed > told, "{passed} after {told}");
            told = passed;
        }
        let _ = turnstile.machine.run(&["kill", number]).ok();
        let passed = turnstile.pass(&mut caller);
        assert!(passed > told, "{passed} after {told}");
        told = passed;
        turnstile.machine.wait_members(3);
        turnstile.machine.wait_copies();
    }
    assert!(turnstile.passed() >= told);
}

/// A program is not at home anywhere: it listens again when the cluster is back.
#[test]
fn a_cluster_that_comes_back_listens_and_knows_what_it_said() {
    let mut turnstile = Turnstile::new("channels-restart");
    let run = turnstile.run("stable");
    let mut caller = turnstile.connect();
    let told = turnstile.pass(&mut caller);
    turnstile.machine.kill_all();
    drop(run);
    assert_eq!(caller.answer(), None);
    turnstile.machine.up(&[]);
    let passed = turnstile.pass(&mut caller);
    assert!(passed > told);
}

#[test]
fn a_program_that_has_ended_listens_no_more_and_the_next_one_does() {
    let mut turnstile = Turnstile::new("channels-end");
    let run = turnstile.run("stable");
    let mut caller = turnstile.connect();
    assert_eq!(caller.pass(), Some(1));
    run.interrupt();
    let _ = run.wait();
    assert_eq!(caller.answer(), None);
    eventually("nobody listens", || {
        TcpStream::connect(turnstile.address).err()
    });
    let _run = turnstile.run("stable");
    let mut caller = turnstile.connect();
    assert_eq!(caller.pass(), Some(1));
}

/// Who writes and never reads is stopped by his own system, and others are served.
#[test]
fn who_never_reads_stops_nobody_else() {
    let mut turnstile = Turnstile::new("channels-deaf");
    let _run = turnstile.run("commit");
    let mut deaf = turnstile.connect();
    deaf.socket
        .set_write_timeout(Some(Duration::from_secs(3)))
        .unwrap();
    let numbers: Vec<u8> = (1..=4_000_000_u64).flat_map(u64::to_le_bytes).collect();
    let written = deaf.socket.write_all(&numbers);
    assert!(written.is_err(), "all 32 MB were taken");
    let mut other = turnstile.connect();
    let before = other.pass().expect("others are served");
    assert_eq!(other.pass(), Some(before + 1));
    assert!(before < 4_000_000);
}

/// The memory is as it was, and so is where it listens; who was told more hears no more.
#[test]
fn what_goes_back_to_a_snapshot_listens_and_breaks_its_connections() {
    let mut turnstile = Turnstile::new("channels-back");
    let _run = turnstile.run("stable");
    for line in [
        &["restore", "then"][..],
        &["restore", "--app", "turnstile", "then"],
    ] {
        let mut caller = turnstile.connect();
        let before = caller.pass().unwrap();
        let _ = turnstile.machine.run(&["snapshot", "then"]).ok();
        assert_eq!(caller.pass(), Some(before + 1));
        let _ = turnstile.machine.run(line).ok();
        assert_eq!(caller.answer(), None);
        let mut again = turnstile.connect();
        assert_eq!(turnstile.pass(&mut again), before + 1);
        let _ = turnstile.machine.run(&["rm", "then"]).ok();
    }
}

/// It had ended, and so had its listener.
#[test]
fn a_program_that_had_ended_listens_anew_when_it_is_brought_back() {
    let mut turnstile = Turnstile::new("channels-revived");
    let run = turnstile.run("stable");
    let mut caller = turnstile.connect();
    assert_eq!(caller.pass(), Some(1));
    let _ = turnstile.machine.run(&["snapshot", "then"]).ok();
    run.interrupt();
    let _ = run.wait();
    eventually("nobody listens", || {
        TcpStream::connect(turnstile.address).err()
    });
    let line = ["restore", "--app", "turnstile", "then"];
    let _ = turnstile.machine.run(&line).ok();
    let mut caller = turnstile.connect();
    assert_eq!(turnstile.pass(&mut caller), 2);
}

/// Also when all nodes are gone for a while; each tick comes later than the one before, or the
/// program ends.
#[test]
fn a_timer_ticks_whatever_happens() {
    let mut machine = Machine::with_cluster("channels-timer");
    let wasm = wat::parse_str(include_str!("metronome.wat")).unwrap();
    let module = machine.write("metronome.wasm", wasm);
    let run = machine.start(&["run", &module]);
    let await_ticks = |machine: &mut Machine, count: u64| {
        eventually("it ticks", || {
            let outcome = machine.run(&["call", "metronome", "ticks", "--query"]);
            let ticks = outcome.out.trim().parse::<u64>().ok()?;
            (ticks >= count).then_some(ticks)
        })
    };
    let mut ticks = await_ticks(&mut machine, 5);
    for number in ["1", "2", "3"] {
        let _ = machine.run(&["kill", number]).ok();
        ticks = await_ticks(&mut machine, ticks + 5);
        machine.wait_members(3);
        machine.wait_copies();
    }
    machine.kill_all();
    drop(run);
    machine.up(&[]);
    await_ticks(&mut machine, ticks + 5);
}

/// What an `alarm` knows: how often it has rung, when it was to, when it has, and ticks so far.
fn alarm(machine: &mut Machine) -> [u64; 4] {
    eventually("the alarm is set", || {
        let outcome = machine.run(&["call", "alarm", "state", "--query"]);
        let numbers = outcome.out.lines().map(|line| line.parse().unwrap());
        let numbers: [u64; 4] = numbers.collect::<Vec<_>>().try_into().ok()?;
        (numbers[3] > 0).then_some(numbers)
    })
}

/// Once, whether it is time before all nodes are gone, while they are, or when they are back.
#[test]
fn a_timer_that_rings_once_does_so_once_whenever_the_cluster_is_off() {
    for (name, seconds, is_over_before_all_are_gone) in [
        ("before", "0", true),
        ("while", "1", false),
        ("behind", "9", false),
    ] {
        let mut machine = Machine::with_cluster(&format!("channels-alarm-{name}"));
        let wasm = wat::parse_str(include_str!("alarm.wat")).unwrap();
        let module = machine.write("alarm.wasm", wasm);
        machine.run(&["run", "-d", &module, "--", seconds]).ok();
        let [_, due, ..] = alarm(&mut machine);
        let is_due = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() > u128::from(due);
        if is_over_before_all_are_gone {
            eventually("it rings", || (alarm(&mut machine)[0] > 0).then_some(()));
        }
        machine.kill_all();
        if name == "while" {
            eventually("it is time", || is_due().then_some(()));
        }
        machine.up(&[]);
        if name == "behind" {
            assert!(!is_due(), "the cluster was back in time");
        }
        let rung = eventually("it has rung", || {
            Some(alarm(&mut machine)).filter(|state| state[0] > 0)
        });
        assert!(is_due(), "not before it is time");
        // It ticks on, also after another time, and rings no more.
        machine.kill_all();
        machine.up(&[]);
        let [times, _, at, _] = eventually("it ticks", || {
            Some(alarm(&mut machine)).filter(|state| state[3] > rung[3] + 20)
        });
        assert_eq!((times, at), (1, due), "{name}");
    }
}

/// A step that runs again may see another time and throw something else; but what somebody was
/// told stays, and what a step has written it has written of one throw.
#[test]
fn what_was_thrown_stays_whichever_node_is_killed() {
    let mut machine = Machine::with_cluster("channels-dice");
    let wasm = wat::parse_str(include_str!("dice.wat")).unwrap();
    let module = machine.write("dice.wasm", wasm);
    machine.run(&["run", "-d", &module]).ok();
    let count = |machine: &mut Machine, more_than: usize| {
        eventually("the dice are thrown", || {
            let outcome = machine.run(&["call", "dice", "count", "--query"]);
            let count = outcome.out.trim().parse::<usize>().ok()?;
            (count > more_than).then_some(count)
        })
    };
    let look = |machine: &mut Machine, throw: usize| {
        let line = ["call", "dice", "throw", &throw.to_string(), "--query"];
        let outcome = machine.run(&line).ok();
        let numbers = outcome.out.lines().map(|line| line.parse().unwrap());
        let [throw, time, again, same_time]: [i64; 4] =
            numbers.collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((throw, time), (again, same_time), "of one step");
        (throw, time)
    };
    let mut told = Vec::new();
    for kill in [Some("1"), Some("2"), Some("3"), None] {
        // All that there are now, the very last of them just before the kill.
        let until = count(&mut machine, told.len() + 5);
        for throw in told.len()..until.min(told.len() + 10) {
            let last = look(&mut machine, throw);
            told.push(last);
        }
        let newest = count(&mut machine, 0) - 1;
        let seen = look(&mut machine, newest);
        match kill {
            Some(number) => drop(machine.run(&["kill", number]).ok()),
            None => {
                machine.kill_all();
                machine.up(&[]);
            }
        }
        count(&mut machine, newest + 5);
        assert_eq!(look(&mut machine, newest), seen);
        for (throw, before) in told.iter().enumerate() {
            assert_eq!(look(&mut machine, throw), *before, "throw {throw}");
        }
        if kill.is_some() {
            machine.wait_members(3);
            machine.wait_copies();
        }
    }
    let throws: BTreeSet<i64> = told.iter().map(|(throw, _)| *throw).collect();
    assert_eq!(throws.len(), told.len(), "each is another");
    assert!(told.is_sorted_by(|one, next| one.1 < next.1), "{told:?}");
}

#[test]
fn an_address_that_is_none_is_refused_with_what_was_expected() {
    let mut turnstile = Turnstile::new("channels-address");
    let module = turnstile.module.clone();
    let _ = turnstile
        .machine
        .run(&["run", &module, "--", "localhost"])
        .refused(&["`localhost`", "expected an address and port"]);
}

#[test]
fn datagrams_are_counted_once_and_another_node_takes_the_port_over() {
    let mut machine = Machine::with_cluster("channels-datagrams");
    let address = free_port();
    machine
        .run(&["run", "-d", "tally", "--", &address.to_string()])
        .ok();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    // Datagrams to nobody are lost: so it is asked until it answers.
    let ask = |name: &str| -> i64 {
        eventually("somebody answers", || {
            socket.send_to(name.as_bytes(), address).ok()?;
            let mut answer = [0; 100];
            let length = socket.recv(&mut answer).ok()?;
            let text = String::from_utf8_lossy(&answer[..length]).into_owned();
            let (asked, count) = text.trim().split_once(':')?;
            (asked == name).then(|| count.parse().ok())?
        })
    };
    assert_eq!(ask("visits"), 0);
    for _ in 0..200 {
        socket.send_to(b"visits:1|c\nbytes:10|c", address).unwrap();
    }
    socket.send_to(b"visits:many|c", address).unwrap();
    eventually("all are counted", || (ask("malformed") == 1).then_some(()));
    assert_eq!((ask("visits"), ask("bytes")), (200, 2000));
    let channels = machine.client().channels().unwrap();
    let (_, status) = machine.leader();
    let home = status
        .nodes
        .iter()
        .find(|node| node.node == channels[0].node);
    let home = home.expect("a member has the port").name.clone();
    machine.run(&["kill", &home]).ok();
    assert_eq!(ask("visits"), 200, "what was answered is so");
    socket.send_to(b"visits:1|c", address).unwrap();
    eventually("the next one counts", || {
        (ask("visits") == 201).then_some(())
    });
}
