//! Keys and values over HTTP: what was answered is so, whichever node is killed, and whoever
//! misbehaves harms nobody else.
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::counting::{self, Count};
use e2e::{Machine, Started, eventually, free_address};

/// Nobody waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

struct Service {
    machine: Machine,
    address: SocketAddr,
    _run: Started,
}

impl Service {
    fn new(name: &str, release: &str) -> Self {
        Self::on(Machine::with_cluster(name), release)
    }

    fn on(mut machine: Machine, release: &str) -> Self {
        let address = free_address();
        let run = machine.start(&["run", "kv", "--", &address.to_string(), release]);
        Self {
            machine,
            address,
            _run: run,
        }
    }

    /// Kills each node in turn; in between there are all of them, with all copies.
    fn kill_each(&mut self, mut before: impl FnMut()) {
        for number in ["1", "2", "3"] {
            before();
            let _ = self.machine.run(&["kill", number]).ok();
            self.machine.wait_members(3);
            self.machine.wait_copies();
        }
    }
}

fn connect(address: SocketAddr) -> Client {
    let socket = eventually("somebody listens", || TcpStream::connect(address).ok());
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    Client(BufReader::new(socket))
}

#[derive(PartialEq, Eq, Debug)]
struct Answer {
    status: u16,
    /// Its entity tag, with quotes.
    tag: String,
    content: Vec<u8>,
}

impl Answer {
    fn number(&self) -> u64 {
        let text = std::str::from_utf8(&self.content).unwrap();
        text.parse().unwrap()
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn send(&mut self, bytes: &[u8]) -> Option<()> {
        self.0.get_mut().write_all(bytes).ok()
    }

    /// The next answer; `None`: the connection has broken.
    fn answer(&mut self) -> Option<Answer> {
        let status = self.line()?;
        let mut answer = Answer {
            status: status["HTTP/1.1 ".len()..][..3].parse().unwrap(),
            tag: String::new(),
            content: Vec::new(),
        };
        let mut length = 0;
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                Some(("Content-Length", text)) => length = text.parse().unwrap(),
                Some(("ETag", text)) => answer.tag = text.to_owned(),
                Some(_) => {}
                None => break,
            }
        }
        answer.content.resize(length, 0);
        self.0.read_exact(&mut answer.content).ok()?;
        Some(answer)
    }

    /// A line of a head, without its end.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.0.read_line(&mut line).ok()?;
        line.strip_suffix("\r\n").map(str::to_owned)
    }

    fn ask(&mut self, line: &str, headers: &str, content: &[u8]) -> Option<Answer> {
        self.send(&request(line, headers, content))?;
        self.answer()
    }

    fn get(&mut self, key: &str) -> Option<Answer> {
        self.ask(&format!("GET /keys/{key}"), "", b"")
    }

    fn put(&mut self, key: &str, value: &[u8]) -> Option<Answer> {
        self.ask(&format!("PUT /keys/{key}"), "", value)
    }

    /// The sum after a number was added to a key.
    fn add(&mut self, key: &str, amount: u64) -> Option<u64> {
        let content = amount.to_string();
        let answer = self.ask(&format!("POST /keys/{key}/add"), "", content.as_bytes())?;
        assert_eq!(answer.status, 200);
        Some(answer.number())
    }
}

fn request(line: &str, headers: &str, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head =
        format!("{line} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), content].concat()
}

/// Asks on a connection or, when that breaks, on another one.
fn insist<T>(address: SocketAddr, what: &str, ask: impl Fn(&mut Client) -> Option<T>) -> T {
    let mut client = connect(address);
    eventually(what, || {
        let answer = ask(&mut client);
        if answer.is_none() {
            client = connect(address);
        }
        answer
    })
}

/// Counts at a key, over one connection after the other.
fn count(address: SocketAddr, key: &str, is_over: &AtomicBool) -> Count {
    let mut client = connect(address);
    counting::count(is_over, || {
        let told = client.add(key, 1);
        if told.is_none() {
            client = connect(address);
        }
        told
    })
}

#[test]
fn who_counts_is_told_the_truth_whichever_node_is_killed() {
    let mut service = Service::new("kv-count", "stable");
    let (address, is_over) = (service.address, AtomicBool::new(false));
    thread::scope(|scope| {
        let is_over = &is_over;
        let keys = ["one", "two", "three"];
        let counting = keys.map(|key| scope.spawn(move || count(address, key, is_over)));
        service.kill_each(|| {
            let before = insist(address, "somebody counts", |client| client.add("all", 1));
            insist(address, "somebody counts on", |client| {
                client.add("all", 1).filter(|told| *told > before + 5)
            });
        });
        is_over.store(true, Ordering::Relaxed);
        let mut client = connect(address);
        for (key, counted) in keys.into_iter().zip(counting) {
            let Count {
                acknowledged,
                unknown,
            } = counted.join().unwrap();
            assert!(acknowledged > 0, "nobody has counted {key}");
            let value = client.add(key, 0).unwrap();
            let expected = acknowledged..=acknowledged + unknown;
            assert!(expected.contains(&value), "{key}: {value} of {expected:?}");
        }
    });
}

#[test]
fn values_and_their_versions_are_there_whichever_node_is_killed() {
    let mut service = Service::new("kv-values", "stable");
    let address = service.address;
    let large = (0..1 << 20).map(|number: u32| (number % 251) as u8);
    let values = [b"small".to_vec(), Vec::new(), large.collect()];
    let keys = ["small", "empty", "large"];
    let mut client = connect(address);
    let mut expected = Vec::new();
    for (key, value) in keys.into_iter().zip(&values) {
        let put = client.put(key, value).unwrap();
        assert_eq!((put.status, &*put.tag), (201, "\"1\""));
        expected.push(Answer {
            status: 200,
            tag: put.tag,
            content: value.clone(),
        });
    }
    drop(client);
    let mut round = 0;
    let look = |round: u64, expected: &[Answer]| {
        for (key, expected) in keys.into_iter().zip(expected) {
            let found = insist(address, "somebody answers", |client| client.get(key));
            assert!(found == *expected, "{key} after {round} kills");
        }
        let names = insist(address, "somebody lists", |client| {
            client.ask("GET /keys", "", b"")
        });
        assert_eq!(names.content, b"empty\nlarge\nsmall\n");
    };
    service.kill_each(|| {
        look(round, &expected);
        // Compare and set: a second try of what had its effect is refused, and says so.
        let header = format!("If-Match: {}\r\n", expected[0].tag);
        let value = format!("small {round}").into_bytes();
        let set = insist(address, "somebody sets", |client| {
            client.ask("PUT /keys/small", &header, &value)
        });
        assert!([204, 412].contains(&set.status), "{set:?}");
        round += 1;
        expected[0].content = value;
        expected[0].tag = format!("\"{}\"", round + 1);
    });
    look(round, &expected);
}

#[test]
fn of_those_who_compare_and_set_at_the_same_time_one_succeeds() {
    let service = Service::new("kv-compare", "commit");
    let address = service.address;
    let mut client = connect(address);
    assert_eq!(client.put("a", b"0").unwrap().status, 201);
    let rounds = 30;
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(move || {
                let mut client = connect(address);
                let mut done = 0;
                while done < rounds {
                    let found = client.get("a").unwrap();
                    let value = (found.number() + 1).to_string();
                    let header = format!("If-Match: {}\r\n", found.tag);
                    let set = client.ask("PUT /keys/a", &header, value.as_bytes());
                    match set.unwrap().status {
                        204 => done += 1,
                        status => assert_eq!(status, 412),
                    }
                }
            });
        }
    });
    assert_eq!(client.get("a").unwrap().number(), 3 * rounds);
}

#[test]
fn malformed_and_slow_clients_keep_nobody_waiting() {
    let service = Service::new("kv-bad", "commit");
    let address = service.address;
    let mut good = connect(address);
    let mut counted = 0;
    for (bad, status) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n"[..], "400"),
        (b"GET / HTTP/3.0\r\n\r\n", "505"),
        (b"BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n", "501"),
        (b"PUT /keys/b HTTP/1.1\r\nHost: x\r\n\r\n", "411"),
        (
            b"PUT /keys/b HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n",
            "413",
        ),
        (
            b"PUT /keys/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "400",
        ),
        (
            b"PUT /keys/b HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf",
            "",
        ),
    ] {
        let mut client = connect(address);
        client.send(bad).unwrap();
        // Who is refused is told why and hung up on; who is to go on, when he ends.
        if status.is_empty() {
            client.0.get_mut().shutdown(Shutdown::Write).unwrap();
        }
        let mut answer = Vec::new();
        client.0.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(answer.get(9..12).unwrap_or_default(), status, "{answer}");
        counted += 1;
        assert_eq!(good.add("a", 1), Some(counted));
    }
    // Many have begun a request and say no more; they are there all the time.
    let slow: Vec<Client> = (0..300)
        .map(|_| {
            let mut client = connect(address);
            client.send(b"PUT /keys/b HTTP/1.1\r\nHo").unwrap();
            client
        })
        .collect();
    assert_eq!(good.add("a", 1), Some(counted + 1));
    // Who asks for much and never reads waits; others do not.
    assert_eq!(good.put("big", &[b'x'; 1 << 20]).unwrap().status, 201);
    let mut deaf = connect(address);
    let socket = deaf.0.get_mut();
    socket
        .set_write_timeout(Some(Duration::from_secs(3)))
        .unwrap();
    let question = request("GET /keys/big", "", b"").repeat(1_000);
    let is_stopped = (0..1_000).any(|_| socket.write_all(&question).is_err());
    assert!(is_stopped, "60 MB of questions were taken");
    assert_eq!(good.add("a", 1), Some(counted + 2));
    assert_eq!(connect(address).get("b").unwrap().status, 404);
    // Who goes on after a while is served.
    let mut late = { slow }.pop().unwrap();
    late.send(b"st: x\r\nContent-Length: 4\r\n\r\nla").unwrap();
    late.send(b"te").unwrap();
    assert_eq!(late.answer().unwrap().status, 201);
    assert_eq!(good.get("b").unwrap().content, b"late");
}

/// Asks for large values for as long as it lasts, and reads no answer.
fn ask_and_never_read(address: SocketAddr, is_over: &AtomicBool) {
    let mut deaf = connect(address);
    let socket = deaf.0.get_mut();
    socket
        .set_write_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let questions = request("GET /keys/big", "", b"").repeat(1_000);
    while !is_over.load(Ordering::Relaxed) {
        // What was written in part makes the next request a malformed one, at some time.
        let _ = socket.write(&questions);
    }
}

/// Connects again and again, says what nobody understands, and is hung up on.
fn flood(address: SocketAddr, is_over: &AtomicBool) {
    let nonsense = b"BREW /pot HTTP/9.9\r\nHost\r\n".repeat(4_000);
    while !is_over.load(Ordering::Relaxed) {
        let mut client = connect(address);
        let _ = client.send(&nonsense);
        let _ = client.0.read_to_end(&mut Vec::new());
    }
}

/// Says that it is over, however a test ends.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// They come again in each round: what a node did not give back would add up.
#[test]
fn what_bad_clients_make_a_node_keep_is_bounded_while_others_are_served() {
    const ROUNDS: u64 = 6;
    const ADDED: u64 = 100;
    const DEAF: u64 = 16;
    const FLOODING: u64 = 4;
    const MIB: u64 = 1 << 20;
    // The pages that it may have, and outside of them an intake and an outlet for each connection
    // that may have been filled, twice because of how memory is shared out.
    const MOST: u64 = (256 + (DEAF + FLOODING + 1) * 4) * MIB;
    let mut machine = Machine::new("kv-memory");
    machine.up(&["--nodes", "3", "--memory", "256"]);
    let service = Service::on(machine, "stable");
    let address = service.address;
    let mut good = connect(address);
    assert_eq!(good.put("big", &[b'x'; 1 << 20]).unwrap().status, 201);
    let before = service.machine.resident_bytes();
    for round in 0..ROUNDS {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let over = Over(&is_over);
            for _ in 0..DEAF {
                scope.spawn(|| ask_and_never_read(address, &is_over));
            }
            for _ in 0..FLOODING {
                scope.spawn(|| flood(address, &is_over));
            }
            for count in 1..=ADDED {
                let sum = round * ADDED + count;
                assert_eq!(good.add("a", 1), Some(sum), "others are served");
                let now = service.machine.resident_bytes();
                for (now, before) in now.iter().zip(&before) {
                    let more = now.saturating_sub(*before);
                    assert!(more < MOST, "{} MiB in round {round}", more / MIB);
                }
            }
            drop(over);
        });
        eventually("of the bad ones nothing is left", || {
            let channels = service.machine.client().channels().ok()?;
            (channels.len() == 2).then_some(())
        });
    }
}
