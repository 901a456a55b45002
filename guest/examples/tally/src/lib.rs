//! Counts what it is told by datagrams, from anywhere.
//!
//! It has a port at its first argument (`127.0.0.1:8125`). A datagram has lines like
//! `visits:1|c`, as statsd has them: the count of that name grows by so much. A line that is a
//! name alone is answered by a datagram, `visits:7`, when that can no longer be undone. Other
//! lines are counted as `malformed`, datagrams that had no room as `dropped`.
//!
//! Calls: `show()` prints all counts.
#![no_std]

extern crate alloc;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use core::cell::RefCell;

use sdk::{Event, Port, Release, Static, Step, arguments, call, out, worker};

const ADDRESS: &str = "127.0.0.1:8125";
const SOMETHING_CAME: Event = Event(1);
/// Datagrams that a step takes.
const DATAGRAMS_PER_STEP: usize = 64;
/// Counts at most; others are malformed.
const COUNTS_MAX: usize = 10_000;

static TALLY: Static<RefCell<Option<Tally>>> = Static::new(RefCell::new(None));

struct Tally {
    port: Port,
    counts: BTreeMap<String, i64>,
}

fn open() -> Port {
    let arguments = arguments();
    let address = arguments.first().map_or(ADDRESS, String::as_str);
    Port::bind(address, Release::AtStable, SOMETHING_CAME)
}

impl Tally {
    fn new() -> Self {
        Self {
            port: open(),
            counts: BTreeMap::new(),
        }
    }

    fn step(&mut self) -> Step {
        if self.port.is_lost() {
            self.port = open();
        }
        self.port.flush();
        for _ in 0..DATAGRAMS_PER_STEP {
            let Some((peer, bytes)) = self.port.receive() else {
                return Step::Wait(SOMETHING_CAME);
            };
            let text = String::from_utf8_lossy(&bytes);
            let mut answers = String::new();
            for line in text.lines() {
                if let Some(answer) = self.hear(line) {
                    answers.push_str(&answer);
                }
            }
            if !answers.is_empty() {
                // Without room for it, it is lost, as datagrams are.
                self.port.send(peer, answers.as_bytes());
            }
        }
        Step::Again
    }

    /// What a line says; an answer, if it asks.
    fn hear(&mut self, line: &str) -> Option<String> {
        let Some((name, amount)) = line.split_once(':') else {
            let count = self.counts.get(line).copied().unwrap_or(0);
            return Some(format!("{line}:{count}\n"));
        };
        let amount = amount.strip_suffix("|c").and_then(|text| text.parse().ok());
        match amount {
            Some(amount) if self.counts.len() < COUNTS_MAX || self.counts.contains_key(name) => {
                self.add(name, amount);
            }
            _ => self.add("malformed", 1),
        }
        None
    }

    fn add(&mut self, name: &str, amount: i64) {
        let count = self.counts.entry(name.to_string()).or_insert(0);
        *count = count.saturating_add(amount);
    }
}

worker! {
    fn main(_argument: i64) -> Step {
        TALLY.borrow_mut().get_or_insert_with(Tally::new).step()
    }
}

call! {
    fn show() -> i64 {
        let tally = TALLY.borrow();
        let Some(tally) = tally.as_ref() else {
            return 0;
        };
        for (name, count) in &tally.counts {
            out!("{name} {count}");
        }
        out!("dropped {}", tally.port.dropped());
        tally.counts.len() as i64
    }
}
