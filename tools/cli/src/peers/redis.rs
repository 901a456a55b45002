//! Redis with `BGSAVE`: the server forks, and the child writes everything that it has to a
//! file. The work is that of a client that sets values of a page each.
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use bench::{Load, Snapshot, StartSubject, Subject};
use types::Prng;

use super::Place;
use super::redis_server::RedisServer;
pub(super) use super::redis_server::find;

const NO_LOG: [&str; 2] = ["--appendonly", "no"];
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(1);
const PAGE: usize = 4096;
const KEYS_PER_MIB: u32 = 256;
/// Values that are set at a time when it is filled.
const FILLED_AT_ONCE: u32 = 256;
/// How often it is asked whether it has done.
const ASK_EVERY: Duration = Duration::from_millis(20);

pub(super) fn start() -> StartSubject<'static> {
    Box::new(|load| Ok(Box::new(Forking::start(load)?)))
}

/// A server that forks.
struct Forking {
    server: RedisServer,
    line: Line,
    place: Place,
    load: Load,
    prng: Prng,
}

impl Forking {
    fn start(load: Load) -> Result<Self, String> {
        let place = Place::new("redis")?;
        let server = RedisServer::start(&place, &NO_LOG)?;
        let line = Line::to(&server)?;
        let mut one = Self {
            server,
            line,
            place,
            load,
            prng: Prng::new(1),
        };
        let keys = load.mib * KEYS_PER_MIB;
        for first in (0..keys).step_by(FILLED_AT_ONCE as usize) {
            let these = first..keys.min(first + FILLED_AT_ONCE);
            for key in these.clone() {
                one.set(key)?;
            }
            for _ in these {
                one.line.answer()?;
            }
        }
        Ok(one)
    }

    fn set(&mut self, key: u32) -> Result<(), String> {
        let mut value = Vec::with_capacity(PAGE);
        while value.len() < PAGE {
            value.extend(self.prng.next_u64().to_le_bytes());
        }
        let key = format!("page-{key}");
        self.line.say(&[b"SET", key.as_bytes(), &value])
    }

    fn is_saving(&mut self) -> Result<bool, String> {
        self.line.say(&[b"INFO", b"persistence"])?;
        let told = self.line.answer()?;
        Ok(told.contains("rdb_bgsave_in_progress:1"))
    }
}

impl Subject for Forking {
    fn snapshot(&mut self) -> Result<Snapshot, String> {
        self.line.say(&[b"BGSAVE"])?;
        let begin = Instant::now();
        let mut longest = Duration::ZERO;
        // What it has been asked before is answered first.
        let (mut next_write, mut next_look) = (begin, begin + ASK_EVERY);
        let told = self.line.answer()?;
        if !told.contains("started") {
            return Err(format!("expected it to save, found {told}"));
        }
        longest = longest.max(begin.elapsed());
        let keys = u64::from(self.load.mib * KEYS_PER_MIB);
        loop {
            let now = Instant::now();
            if now >= next_write {
                next_write += self.load.pause();
                let key = u32::try_from(self.prng.below(keys)).expect("few keys");
                self.set(key)?;
                self.line.answer()?;
                longest = longest.max(now.elapsed());
            }
            if now >= next_look {
                next_look = now + ASK_EVERY;
                if !self.is_saving()? {
                    break;
                }
            }
            let next = next_write.min(next_look);
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        let file = std::fs::metadata(self.place.path().join("dump.rdb"));
        let bytes = file.map_err(|error| error.to_string())?.len();
        Ok(Snapshot {
            pause: longest,
            bytes: super::float(bytes),
        })
    }

    fn restore(&mut self) -> Result<Duration, String> {
        self.server.kill();
        let begin = Instant::now();
        self.server = RedisServer::start(&self.place, &NO_LOG)?;
        self.line = Line::to(&self.server)?;
        while begin.elapsed() < PATIENCE {
            self.line.say(&[b"GET", b"page-0"])?;
            if !self.line.answer()?.starts_with("-LOADING") {
                return Ok(begin.elapsed());
            }
            thread::sleep(LOOK_EVERY);
        }
        Err("it does not answer".to_owned())
    }
}

/// A connection that speaks its protocol.
struct Line(BufReader<TcpStream>);

impl Line {
    fn to(server: &RedisServer) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("connect to redis-server: {error}");
        let stream = TcpStream::connect(server.address()).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        Ok(Self(BufReader::new(stream)))
    }

    fn say(&mut self, words: &[&[u8]]) -> Result<(), String> {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bytes.extend(format!("${}\r\n", word.len()).into_bytes());
            bytes.extend_from_slice(word);
            bytes.extend(b"\r\n");
        }
        let sent = self.0.get_mut().write_all(&bytes);
        sent.map_err(|error| format!("ask redis-server: {error}"))
    }

    /// The next answer: its line, or what follows it.
    fn answer(&mut self) -> Result<String, String> {
        let failed = |error: std::io::Error| format!("hear redis-server: {error}");
        let mut line = String::new();
        if self.0.read_line(&mut line).map_err(failed)? == 0 {
            return Err("redis-server has ended".to_owned());
        }
        let length = line.strip_prefix('$').map(|length| length.trim().parse());
        let Some(Ok(length)) = length else {
            return Ok(line);
        };
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).map_err(failed)?;
        self.0.read_exact(&mut [0; 2]).map_err(failed)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
