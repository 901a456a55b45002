//! The committed module `resp` serves clients whose bytes come in pieces of any length, on
//! nodes and in an order drawn from a seed.

use check::{Client, ClientState, End, Program, Setup};

const RESP: &[u8] = include_bytes!("../../../modules/resp.wasm");
const ADDRESS: &str = "127.0.0.1:6379";

fn start(nodes: u32, seed: u64) -> Program {
    let setup = Setup {
        nodes,
        seed,
        ..Setup::default()
    };
    let mut program = Program::new(RESP, setup).expect("the module is sound");
    serve(&mut program);
    program
}

/// Runs until nothing travels and nobody has anything to do.
fn serve(program: &mut Program) {
    assert_eq!(program.run(), End::Stuck, "{}", program.errors());
}

fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).bytes());
        bytes.extend(*word);
        bytes.extend(b"\r\n");
    }
    bytes
}

/// Sends lines; returns the answers.
fn ask(program: &mut Program, client: Client, lines: &str) -> String {
    program.send(client, lines.as_bytes());
    serve(program);
    String::from_utf8(program.received(client)).expect("text is answered")
}

#[test]
fn clients_at_the_same_time_are_answered_in_order() {
    for seed in 0..5 {
        let mut program = start(1 + seed as u32, seed);
        let clients: Vec<Client> = (0..10).map(|_| program.connect(ADDRESS)).collect();
        for round in 0..3 {
            let mut expected = vec![Vec::new(); clients.len()];
            for (number, client) in clients.iter().enumerate() {
                for count in 0..50 {
                    let count = (round * 50 + count + 1).to_string();
                    let own = format!("own:{number}");
                    program.send(*client, &request(&[b"INCR", own.as_bytes()]));
                    program.send(*client, &request(&[b"SET", b"k", own.as_bytes()]));
                    program.send(*client, format!("ECHO {number}\r\n").as_bytes());
                    program.send(*client, &request(&[b"INCR", b"shared"]));
                    expected[number].extend(format!(":{count}\r\n+OK\r\n").bytes());
                    expected[number].extend(format!("$1\r\n{number}\r\n").bytes());
                }
            }
            serve(&mut program);
            for (client, expected) in clients.iter().zip(expected) {
                let received = String::from_utf8(program.received(*client)).expect("text");
                let lines: Vec<&str> = received.split_inclusive("\r\n").collect();
                let (own, shared): (Vec<_>, Vec<_>) = lines
                    .iter()
                    .enumerate()
                    .partition(|(index, _)| index % 5 < 4);
                let own: String = own.iter().map(|(_, line)| **line).collect();
                assert_eq!(own.as_bytes(), expected);
                let shared = shared
                    .iter()
                    .map(|(_, line)| line[1..].trim().parse::<u32>());
                assert!(shared.map(|number| number.expect("a number")).is_sorted());
            }
        }
        assert_eq!(
            ask(&mut program, clients[0], "GET shared\r\n"),
            "$4\r\n1500\r\n"
        );
    }
}

#[test]
fn a_transaction_is_seen_as_a_whole() {
    for seed in 0..5 {
        let mut program = start(3, seed);
        let clients: Vec<Client> = (0..6).map(|_| program.connect(ADDRESS)).collect();
        ask(&mut program, clients[0], "MSET a 500 b 500\r\n");
        let _ = program.received(clients[0]);
        for _ in 0..40 {
            for writer in &clients[..3] {
                program.send(*writer, b"MULTI\r\nDECRBY a 3\r\nINCRBY b 3\r\nEXEC\r\n");
            }
            for reader in &clients[3..] {
                program.send(*reader, b"MGET a b\r\nMULTI\r\nGET a\r\nGET b\r\nEXEC\r\n");
            }
        }
        serve(&mut program);
        for reader in &clients[3..] {
            let received = String::from_utf8(program.received(*reader)).expect("text");
            let numbers: Vec<i64> = received
                .lines()
                .filter_map(|line| line.parse().ok())
                .collect();
            assert_eq!(numbers.len(), 40 * 4);
            assert!(numbers.chunks(2).all(|pair| pair[0] + pair[1] == 1000));
        }
        assert_eq!(
            ask(&mut program, clients[0], "GET a\r\n").lines().last(),
            Some("140")
        );
    }
}

#[test]
fn a_watched_key_is_not_overwritten() {
    let mut program = start(2, 3);
    let [one, other] = [(); 2].map(|()| program.connect(ADDRESS));
    assert_eq!(
        ask(&mut program, one, "SET a 1\r\nWATCH a\r\nGET a\r\n"),
        "+OK\r\n+OK\r\n$1\r\n1\r\n"
    );
    assert_eq!(ask(&mut program, other, "SET b 1\r\n"), "+OK\r\n");
    assert_eq!(
        ask(&mut program, one, "MULTI\r\nSET a 2\r\nEXEC\r\n"),
        "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n"
    );
    assert_eq!(ask(&mut program, one, "WATCH a\r\n"), "+OK\r\n");
    assert_eq!(ask(&mut program, other, "SET a 2\r\n"), "+OK\r\n");
    assert_eq!(
        ask(&mut program, one, "MULTI\r\nSET a 3\r\nEXEC\r\n"),
        "+OK\r\n+QUEUED\r\n*-1\r\n"
    );
    assert_eq!(ask(&mut program, one, "GET a\r\n"), "$1\r\n2\r\n");
}

#[test]
fn a_client_that_does_not_read_takes_bounded_memory_and_keeps_nobody_waiting() {
    let mut program = start(2, 7);
    let [slow, other] = [(); 2].map(|()| program.connect(ADDRESS));
    let value = vec![b'v'; 100_000];
    program.send(slow, &request(&[b"SET", b"large", &value]));
    serve(&mut program);
    assert_eq!(program.received(slow), b"+OK\r\n");
    let before = program.memory_bytes();
    program.stop_reading(slow);
    let asked = 400;
    for number in 0..asked {
        program.send(slow, &request(&[b"GET", b"large"]));
        program.send(
            slow,
            &request(&[b"APPEND", b"log", format!("{number},").as_bytes()]),
        );
        let number = (number + 1).to_string();
        program.send(other, &request(&[b"INCR", b"n"]));
        serve(&mut program);
        assert_eq!(program.received(other), format!(":{number}\r\n").as_bytes());
    }
    let grown = program.memory_bytes() - before;
    assert!(grown < 4 << 20, "{grown} bytes for answers of 40 MB");
    program.resume_reading(slow);
    serve(&mut program);
    let mut expected = Vec::new();
    let mut length = 0;
    for number in 0..asked {
        length += format!("{number},").len();
        expected.extend([b"$100000\r\n", &value[..], b"\r\n"].concat());
        expected.extend(format!(":{length}\r\n").bytes());
    }
    assert!(
        program.received(slow) == expected,
        "each answer comes once, in order"
    );
    let log: String = (0..asked).map(|number| format!("{number},")).collect();
    let expected = format!("${}\r\n{log}\r\n", log.len());
    assert_eq!(ask(&mut program, slow, "GET log\r\n"), expected);
    assert!(program.memory_bytes() - before < 4 << 20);
}

#[test]
fn bad_input_ends_its_session_alone() {
    let mut program = start(2, 5);
    let good = program.connect(ADDRESS);
    for (input, answer) in [
        (
            &b"*1\r\n%3\r\n"[..],
            "-ERR Protocol error: expected '$', got '%'\r\n",
        ),
        (
            b"*x\r\nPING\r\n",
            "-ERR Protocol error: invalid multibulk length\r\n",
        ),
        (
            b"GET \"a\r\n",
            "-ERR Protocol error: unbalanced quotes in request\r\n",
        ),
        (
            &[b'x'; 100_000],
            "-ERR Protocol error: too big inline request\r\n",
        ),
        (
            b"*1\r\n$9999999\r\n",
            "-ERR Protocol error: invalid bulk length\r\n",
        ),
    ] {
        let bad = program.connect(ADDRESS);
        program.send(bad, b"PING\r\n");
        program.send(bad, input);
        program.send(bad, b"PING\r\n");
        serve(&mut program);
        let received = String::from_utf8(program.received(bad)).expect("text is answered");
        assert_eq!(received, format!("+PONG\r\n{answer}"));
        assert_eq!(program.client_state(bad), ClientState::Closed);
        assert_eq!(ask(&mut program, good, "PING\r\n"), "+PONG\r\n");
    }
    let clients = ask(&mut program, good, "INFO clients\r\n");
    assert!(clients.contains("connected_clients:1\r\n"), "{clients}");
}

#[test]
fn noise_ends_nothing_but_sessions() {
    let mut state = 1u64;
    let mut below = |limit: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    let pieces: [&[u8]; 16] = [
        b"*3\r\n",
        b"$3\r\nSET\r\n",
        b"$1\r\na\r\n",
        b"$5\r\n",
        b"\r\n",
        b"*-1\r\n",
        b"\x00\xff",
        b"GET a\r\n",
        b"MULTI\r\n",
        b"EXEC\r\n",
        b"LPUSH l 1\r\n",
        b"'",
        b"LPOP l 5\r\n",
        b"$0\r\n\r\n",
        b"*1000000\r\n",
        b"HSET h a 1\r\n",
    ];
    let mut program = start(3, 9);
    let good = program.connect(ADDRESS);
    for _ in 0..200 {
        let bad = program.connect(ADDRESS);
        for _ in 0..below(30) {
            program.send(bad, pieces[below(pieces.len() as u64) as usize]);
        }
        serve(&mut program);
        match below(3) {
            0 => program.break_off(bad),
            1 => program.end(bad),
            _ => {}
        }
        serve(&mut program);
        assert_eq!(ask(&mut program, good, "PING\r\n"), "+PONG\r\n");
    }
}

#[test]
fn sessions_that_have_ended_leave_no_memory_behind() {
    let mut program = start(2, 1);
    let mut after = Vec::new();
    for round in 0..10 {
        for _ in 0..50 {
            let [ends, breaks, quits] = [(); 3].map(|()| program.connect(ADDRESS));
            for client in [ends, breaks, quits] {
                program.send(client, b"SET a 1\r\nMULTI\r\nSET b 1\r\n*2\r\n$100000\r\n");
            }
            serve(&mut program);
            program.end(ends);
            program.break_off(breaks);
            program.send(quits, &[b'x'; 100_002]);
            program.send(quits, b"\r\nQUIT\r\n");
            serve(&mut program);
            program.end(quits);
            serve(&mut program);
            for client in [ends, breaks, quits] {
                assert_eq!(
                    program.client_state(client),
                    ClientState::Closed,
                    "round {round}"
                );
            }
        }
        after.push(program.memory_bytes());
    }
    assert_eq!(after[3], after[9], "{after:?}");
}

#[test]
fn the_rest_of_the_answers_comes_after_the_end() {
    let mut program = start(1, 2);
    let client = program.connect(ADDRESS);
    program.stop_reading(client);
    let lines = b"ECHO 0123456789\r\n".repeat(3000);
    program.send(client, &lines);
    serve(&mut program);
    program.end(client);
    serve(&mut program);
    assert_eq!(program.client_state(client), ClientState::Open);
    program.resume_reading(client);
    serve(&mut program);
    assert_eq!(
        program.received(client),
        b"$10\r\n0123456789\r\n".repeat(3000)
    );
    assert_eq!(program.client_state(client), ClientState::Closed);
}

#[test]
fn much_that_is_removed_is_freed_piece_by_piece() {
    let mut program = start(3, 4);
    let client = program.connect(ADDRESS);
    let mut sizes = Vec::new();
    for _ in 0..3 {
        for number in 0..20_000 {
            let number = number.to_string();
            program.send(client, &request(&[b"SET", number.as_bytes(), &[b'v'; 100]]));
            program.send(client, &request(&[b"RPUSH", b"list", number.as_bytes()]));
            program.send(
                client,
                &request(&[b"HSET", b"hash", number.as_bytes(), b"v"]),
            );
            program.send(client, &request(&[b"SADD", b"set", number.as_bytes()]));
        }
        serve(&mut program);
        let _ = program.received(client);
        assert_eq!(ask(&mut program, client, "DBSIZE\r\n"), ":20003\r\n");
        assert_eq!(
            ask(&mut program, client, "DEL list\r\nFLUSHALL\r\nDBSIZE\r\n"),
            ":1\r\n+OK\r\n:0\r\n"
        );
        sizes.push(program.memory_bytes());
    }
    assert_eq!(sizes[1], sizes[2], "the memory is used again");
}

#[test]
fn every_key_is_scanned() {
    let mut program = start(2, 6);
    let client = program.connect(ADDRESS);
    for number in 0..5000 {
        program.send(client, format!("SET key:{number} x\r\n").as_bytes());
    }
    serve(&mut program);
    let _ = program.received(client);
    let mut seen = std::collections::BTreeSet::new();
    let mut cursor = "0".to_owned();
    loop {
        let answer = ask(
            &mut program,
            client,
            &format!("SCAN {cursor} COUNT 100\r\n"),
        );
        let mut lines = answer.lines().skip(2).step_by(2);
        cursor = lines.next().expect("a cursor").to_owned();
        seen.extend(
            answer
                .lines()
                .filter(|line| line.starts_with("key:"))
                .map(str::to_owned),
        );
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 5000);
}

#[test]
fn what_cannot_be_an_address_is_explained() {
    for arguments in [&["localhost:6379"][..], &["1.2.3.4"], &[ADDRESS, "now"]] {
        let setup = Setup {
            arguments: arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect(),
            ..Setup::default()
        };
        let mut program = Program::new(RESP, setup).expect("the module is sound");
        assert_eq!(program.run(), End::Exited(1));
        let found = format!("found: {}\n", arguments.join(" "));
        assert!(program.errors().ends_with(&found), "{}", program.errors());
    }
}
