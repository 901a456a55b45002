//! The database that speaks Redis's protocol: what it has acknowledged is there, whichever node
//! is killed, and whoever misbehaves harms nobody else.
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::counting::{self, Count};
use e2e::{Machine, Started, eventually, free_address};

/// Nobody waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

struct Database {
    machine: Machine,
    address: SocketAddr,
    _run: Started,
}

impl Database {
    fn new(name: &str, release: &str) -> Self {
        let mut machine = Machine::with_cluster(name);
        let address = free_address();
        let run = machine.start(&["run", "resp", "--", &address.to_string(), release]);
        Self {
            machine,
            address,
            _run: run,
        }
    }

    fn client(&self) -> Client {
        connect(self.address)
    }
}

fn connect(address: SocketAddr) -> Client {
    let socket = eventually("somebody listens", || TcpStream::connect(address).ok());
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    Client(BufReader::new(socket))
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn send(&mut self, bytes: &[u8]) -> Option<()> {
        self.0.get_mut().write_all(bytes).ok()
    }

    /// A line of an answer, without its end.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let count = self.0.read_line(&mut line).ok()?;
        (count > 0).then(|| line.trim_end().to_owned())
    }

    /// What is answered to a command that is answered by a line.
    fn ask(&mut self, command: &str) -> Option<String> {
        self.send(format!("{command}\r\n").as_bytes())?;
        self.line()
    }

    fn number(&mut self, command: &str) -> Option<u64> {
        let line = self.ask(command)?;
        let number = line.strip_prefix(':');
        Some(number.expect("a number").parse().unwrap())
    }
}

/// Counts at a key, over one connection after the other.
fn count(address: SocketAddr, key: &str, is_over: &AtomicBool) -> Count {
    let mut client = connect(address);
    counting::count(is_over, || {
        let told = client.number(&format!("INCR {key}"));
        if told.is_none() {
            client = connect(address);
        }
        told
    })
}

#[test]
fn what_is_acknowledged_is_there_whichever_node_is_killed() {
    let mut database = Database::new("resp-kill", "stable");
    let (address, is_over) = (database.address, AtomicBool::new(false));
    thread::scope(|scope| {
        let is_over = &is_over;
        let keys = ["one", "two", "three"];
        let counting = keys.map(|key| scope.spawn(move || count(address, key, is_over)));
        for number in ["1", "2", "3"] {
            let mut client = connect(address);
            let before = client.number("INCR all").unwrap_or(0);
            eventually("somebody counts", || {
                let told = client.number("INCR all");
                if told.is_none() {
                    client = connect(address);
                }
                told.filter(|told| *told > before + 5)
            });
            let _ = database.machine.run(&["kill", number]).ok();
            database.machine.wait_members(3);
            database.machine.wait_copies();
        }
        is_over.store(true, Ordering::Relaxed);
        let mut client = connect(address);
        for (key, counted) in keys.into_iter().zip(counting) {
            let Count {
                acknowledged,
                unknown,
            } = counted.join().unwrap();
            assert!(acknowledged > 0, "nobody has counted {key}");
            let value = client.number(&format!("INCRBY {key} 0")).unwrap();
            let expected = acknowledged..=acknowledged + unknown;
            assert!(expected.contains(&value), "{key}: {value} of {expected:?}");
        }
    });
}

#[test]
fn whoever_misbehaves_harms_nobody_else() {
    let database = Database::new("resp-bad", "commit");
    let mut good = database.client();
    assert_eq!(good.ask("SET a 1").unwrap(), "+OK");
    for bad in [
        &b"*2\r\n$3\r\nGET\r\n:1\r\n"[..],
        b"*-7\r\n*99999999\r\n",
        b"*1\r\n$99999999999\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$5\r\nhal",
    ] {
        let mut client = database.client();
        client.send(bad).unwrap();
        let _ = client.0.get_mut().shutdown(std::net::Shutdown::Write);
        let mut rest = Vec::new();
        // It may be broken, which is an end as well.
        let _ = client.0.read_to_end(&mut rest);
        assert_eq!(good.number("INCR a").map(|_| ()), Some(()));
    }
    // Who asks for much and never reads waits; others do not.
    let mut deaf = database.client();
    let value = "x".repeat(60_000);
    assert_eq!(good.ask(&format!("SET big {value}")).unwrap(), "+OK");
    let socket = deaf.0.get_mut();
    socket
        .set_write_timeout(Some(Duration::from_secs(3)))
        .unwrap();
    let question = b"GET big\r\n".repeat(1_000);
    let is_stopped = (0..2_000).any(|_| socket.write_all(&question).is_err());
    assert!(is_stopped, "18 MB of questions were taken");
    assert_eq!(good.ask("GET a").unwrap(), "$1");
    assert_eq!(good.line().unwrap(), "7");
    assert_eq!(good.ask("EXISTS b").unwrap(), ":0");
}
