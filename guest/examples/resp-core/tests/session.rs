//! Sessions step by step: what they read, keep and leave behind.

mod support;

use resp_core::{Database, Here, Next, Session};
use support::{HERE, Wire};

/// A session with its connection.
#[derive(Default)]
struct Client {
    session: Session,
    wire: Wire,
}

impl Client {
    /// Steps until there is nothing to do.
    fn run(&mut self, database: &mut Database, here: Here) -> Next {
        loop {
            let next = self.session.step(&mut self.wire, database, here);
            if next != Next::Again {
                return next;
            }
        }
    }

    fn ask(&mut self, database: &mut Database, here: Here, input: &[u8]) -> String {
        self.wire.input.extend(input);
        self.run(database, here);
        String::from_utf8_lossy(&self.wire.output.split_off(0)).into_owned()
    }
}

fn database() -> Database {
    Database::new([3; 16], HERE)
}

fn after(ms: u64) -> Here {
    Here {
        now_ms: HERE.now_ms + ms,
        ..HERE
    }
}

#[test]
fn keys_end_when_their_time_is_over() {
    let (mut database, mut client) = (database(), Client::default());
    let mut ask = |ms, input: &str| {
        let line = [input.as_bytes(), b"\r\n"].concat();
        client.ask(&mut database, after(ms), &line)
    };
    assert_eq!(ask(0, "SET a 1 PX 1500"), "+OK\r\n");
    assert_eq!(ask(0, "TTL a"), ":2\r\n");
    assert_eq!(ask(1, "TTL a"), ":1\r\n");
    assert_eq!(ask(1, "PTTL a"), ":1499\r\n");
    assert_eq!(ask(1499, "INCR a"), ":2\r\n");
    assert_eq!(ask(1499, "KEYS *"), "*1\r\n$1\r\na\r\n");
    assert_eq!(ask(1500, "KEYS *"), "*0\r\n");
    assert_eq!(ask(1500, "GET a"), "$-1\r\n");
    assert_eq!(ask(1500, "DBSIZE"), ":0\r\n");
    assert_eq!(ask(1500, "PTTL a"), ":-2\r\n");
    assert_eq!(ask(2000, "RPUSH l a"), ":1\r\n");
    assert_eq!(ask(2000, "EXPIRE l 10"), ":1\r\n");
    assert_eq!(ask(3000, "PEXPIRETIME l"), ":1700000012000\r\n");
    assert_eq!(ask(11_999, "RPUSH l b"), ":2\r\n");
    assert_eq!(ask(12_000, "RPUSH l c"), ":1\r\n");
    assert_eq!(ask(12_000, "TTL l"), ":-1\r\n");
    assert_eq!(ask(12_000, "SET b 1 PX 10"), "+OK\r\n");
    assert_eq!(ask(12_000, "WATCH b"), "+OK\r\n");
    assert_eq!(ask(12_000, "MULTI"), "+OK\r\n");
    assert_eq!(ask(12_000, "GET b"), "+QUEUED\r\n");
    assert_eq!(
        ask(12_010, "EXEC"),
        "*-1\r\n",
        "it has ended since it is watched"
    );
}

#[test]
fn nothing_is_read_while_answers_are_not_taken() {
    let (mut database, mut client) = (database(), Client::default());
    let value = vec![b'v'; 100_000];
    let set = [
        b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100000\r\n",
        &value[..],
        b"\r\n",
    ]
    .concat();
    assert_eq!(client.ask(&mut database, HERE, &set), "+OK\r\n");
    client.wire.room = 0;
    client.wire.input = b"GET a\r\n".repeat(100_000);
    assert_eq!(client.run(&mut database, HERE), Next::Wait);
    let left = client.wire.input.len();
    assert!(left > 680_000, "{left}");
    for _ in 0..100 {
        client.wire.room += 10;
        assert_eq!(client.run(&mut database, HERE), Next::Wait);
        assert_eq!(client.wire.input.len(), left);
    }
    client.wire.room = 3_000_000;
    assert_eq!(client.run(&mut database, HERE), Next::Wait);
    assert_eq!(client.wire.output.len(), 3_000_000);
    let answer = [b"$100000\r\n", &value[..], b"\r\n"].concat();
    assert!(
        client
            .wire
            .output
            .chunks(answer.len())
            .all(|it| answer.starts_with(it))
    );
}

#[test]
fn a_step_does_a_bounded_part() {
    let (mut database, mut client) = (database(), Client::default());
    client.wire.input = b"PING\r\n".repeat(100_000);
    let mut steps = 0;
    while client.session.step(&mut client.wire, &mut database, HERE) == Next::Again {
        steps += 1;
    }
    assert!(steps > 30, "{steps} steps for 600 000 bytes");
    assert_eq!(client.wire.output, b"+PONG\r\n".repeat(100_000));
}

#[test]
fn what_is_too_long_is_refused() {
    let (mut database, mut client) = (database(), Client::default());
    let argument = [b"$8388608\r\n", &vec![b'x'; 8 << 20][..], b"\r\n"].concat();
    let request = [b"*4\r\n$4\r\nMSET\r\n", &argument[..], &argument, &argument].concat();
    let answer = client.ask(&mut database, HERE, &request);
    assert_eq!(answer, "-ERR Protocol error: too big request\r\n");
    assert_eq!(client.run(&mut database, HERE), Next::Close);

    let mut client = Client::default();
    let request = [b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n", &argument[..]].concat();
    assert_eq!(client.ask(&mut database, HERE, &request), "+OK\r\n");
    let answer = client.ask(&mut database, HERE, b"APPEND a x\r\n");
    assert_eq!(
        answer,
        "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"
    );
    assert_eq!(
        client.ask(&mut database, HERE, b"MGET a a\r\n").len(),
        2 * (argument.len()) + 4
    );
    assert_eq!(client.ask(&mut database, HERE, b"MGET a a a a\r\n"), "");
    assert_eq!(
        client.run(&mut database, HERE),
        Next::Close,
        "no client wants as much"
    );
}

#[test]
fn a_large_request_in_small_pieces_takes_time_in_proportion() {
    let (mut database, mut client) = (database(), Client::default());
    let words = 500_001;
    let mut request = format!("*{words}\r\n$3\r\nDEL\r\n").into_bytes();
    (1..words).for_each(|_| request.extend(b"$1\r\na\r\n"));
    for piece in request.chunks(100) {
        assert_eq!(client.ask(&mut database, HERE, b""), "");
        client.wire.input.extend(piece);
    }
    assert_eq!(
        client.ask(&mut database, HERE, b"PING\r\n"),
        ":0\r\n+PONG\r\n"
    );
}

#[test]
fn large_values_are_dropped_in_several_steps() {
    let (mut database, mut client) = (database(), Client::default());
    for number in 0..20_000 {
        let line = format!("RPUSH l {number}\r\nSADD s {number}\r\nHSET h {number} x\r\n");
        client.wire.input.extend(line.bytes());
    }
    client.run(&mut database, HERE);
    client.wire.output.clear();
    for line in [
        &b"DEL l\r\n"[..],
        b"SET s x\r\n",
        b"DEL h\r\n",
        b"FLUSHALL\r\n",
    ] {
        client.wire.input.extend(line);
        let mut steps = 0;
        while client.session.step(&mut client.wire, &mut database, HERE) == Next::Again {
            steps += 1;
        }
        let is_several = steps > 10;
        assert_eq!(is_several, line != b"FLUSHALL\r\n", "{steps} steps");
    }
    assert_eq!(client.wire.output, b":1\r\n+OK\r\n:1\r\n+OK\r\n");
}

#[test]
fn a_transaction_is_of_bounded_size() {
    let (mut database, mut client) = (database(), Client::default());
    assert_eq!(client.ask(&mut database, HERE, b"MULTI\r\n"), "+OK\r\n");
    let answers = client.ask(&mut database, HERE, &b"INCR a\r\n".repeat(70_000));
    assert_eq!(answers.matches("+QUEUED\r\n").count(), 70_000 - 1);
    assert!(answers.contains("-ERR too many commands in one transaction\r\n"));
    let answer = client.ask(&mut database, HERE, b"EXEC\r\nGET a\r\n");
    let expected = "-EXECABORT Transaction discarded because of previous errors.\r\n$-1\r\n";
    assert_eq!(answer, expected);
}

#[test]
fn a_transaction_that_reads_too_much_is_told_so() {
    let (mut database, mut client) = (database(), Client::default());
    for number in 0..100_000 {
        client
            .wire
            .input
            .extend(format!("SET {number} x\r\n").bytes());
    }
    client.wire.input.extend(b"MULTI\r\n");
    client.run(&mut database, HERE);
    client.wire.output.clear();
    client.ask(&mut database, HERE, &b"KEYS nothing\r\n".repeat(100));
    let answer = client.ask(&mut database, HERE, b"EXEC\r\n");
    assert!(answer.starts_with("*100\r\n*0\r\n*0\r\n"), "{answer}");
    assert!(
        answer.ends_with("-ERR the transaction reads more than one step of the system may\r\n")
    );
    assert_eq!(
        client.ask(&mut database, HERE, b"KEYS nothing\r\n"),
        "*0\r\n"
    );
}

#[test]
fn lost_clients_are_let_go() {
    let mut database = database();
    for is_lost in [false, true] {
        let mut client = Client::default();
        client.wire.input = b"SET a 1\r\nGET".to_vec();
        assert_eq!(client.run(&mut database, HERE), Next::Wait);
        (client.wire.is_lost, client.wire.is_ended) = (is_lost, true);
        assert_eq!(client.run(&mut database, HERE), Next::Close);
    }
    let mut client = Client::default();
    client.wire.room = 10;
    client.wire.input = b"ECHO 0123456789\r\n".to_vec();
    assert_eq!(client.run(&mut database, HERE), Next::Wait);
    client.wire.is_lost = true;
    assert_eq!(client.run(&mut database, HERE), Next::Close);
}
