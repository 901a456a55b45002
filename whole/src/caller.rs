//! Callers from outside: each connects where a program listens, sends numbers, one after the
//! other, and is told for each how many have passed so far. Whatever happens to the cluster,
//! what a caller was told stays true, no number is lost or comes twice, and answers come in
//! their order. Callers who are answered at commit stay on their lines: what was told on one
//! that is not broken stays true.
use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

use admin::{FailureKind, Request, Response};
use platform::SocketId;
use types::{Duration, Instant, Prng};

use crate::guest;
use crate::item::Item;
use crate::outside::Passing;
use crate::report::Property;
use crate::tool::{Asker, Told};
use crate::world::World;

/// The program that they call.
const PROGRAM: &str = "turnstile";
const ADDRESS: &str = "10.0.0.1:7000";
const NUMBER_BYTES: usize = 8;
/// Numbers sent at once, and unanswered, at most.
const SENT_AT_ONCE: u64 = 6;
const UNANSWERED_MAX: u64 = 20;
/// A caller who is not answered for so long tries again.
const PATIENCE: Duration = Duration::from_millis(8_000);
/// An answer of a node to whoever looks after the program.
const ANSWER_TIME: Duration = Duration::from_millis(20_000);
const PAUSE: Duration = Duration::from_millis(60);
/// Without faults everything is stable within less.
const REST: Duration = Duration::from_millis(3_000);

/// All callers, and what they were told together.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    pub(crate) callers: Vec<Caller>,
    program: Program,
    is_asking: bool,
    /// Since when nobody begins anything more.
    closed: Option<Instant>,
    /// What anybody was told.
    told: BTreeSet<u64>,
    sent: u64,
    /// How many have passed, as the program says when all is over.
    counted: Option<u64>,
}

/// How far the program is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Program {
    #[default]
    Unknown,
    Deployed,
    Runs,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Caller {
    prng: Prng,
    line: Option<Line>,
}

/// A connection as its caller sees it.
#[derive(Debug)]
struct Line {
    socket: SocketId,
    sent: u64,
    answered: u64,
    /// For each number without an answer: the largest that anybody had been told when it was
    /// sent.
    floors: VecDeque<u64>,
    part: Vec<u8>,
    /// What was answered on a line that is to last.
    answers: Vec<u64>,
    /// When all is well again one more number is sent on a line that has lasted.
    is_probed: bool,
    /// Numbers that it will send.
    length: u64,
    has_ended: bool,
    /// When anything came, or was sent after everything had been answered.
    last: Instant,
}

impl World {
    pub(crate) fn begin_callers(&mut self) {
        for number in 0..self.scenario.callers {
            let prng = Prng::new(self.prng.next_u64());
            self.callers.callers.push(Caller { prng, line: None });
            self.push(PAUSE, Item::Caller(number));
        }
    }

    /// Whether there is a program that they can call, if they need one; goes on making it.
    pub(crate) fn are_callers_served(&mut self) -> bool {
        if self.scenario.callers == 0 {
            return true;
        }
        if self.callers.is_asking {
            return false;
        }
        let release = match self.scenario.answers_at_commit {
            true => "commit",
            false => "stable",
        };
        let request = match self.callers.program {
            Program::Unknown => Request::Deploy {
                name: PROGRAM.to_owned(),
                wasm: guest::TURNSTILE.to_vec(),
            },
            Program::Deployed => Request::Run {
                module: PROGRAM.to_owned(),
                program: PROGRAM.to_owned(),
                workers: 0,
                arguments: vec![ADDRESS.to_owned(), release.to_owned()],
                inputs: Vec::new(),
            },
            Program::Runs => return true,
        };
        self.ask_for_callers(&request);
        false
    }

    fn ask_for_callers(&mut self, request: &Request) {
        if let Some(&node) = self.alive().first() {
            self.callers.is_asking = true;
            self.ask(Asker::Callers, node, request, ANSWER_TIME);
        }
    }

    pub(crate) fn on_callers_told(&mut self, told: Told) {
        self.callers.is_asking = false;
        let Told::Answer(response) = told else {
            return;
        };
        match (self.callers.program, *response) {
            (Program::Unknown, Response::Deployed { .. }) => {
                self.callers.program = Program::Deployed;
            }
            (Program::Deployed, Response::Started { .. }) => {
                self.callers.program = Program::Runs;
            }
            (Program::Runs, Response::Returned { values, .. }) => self.on_counted(&values),
            // A node that was told to leave before everything was whole: another is asked.
            (_, Response::Failed(failure)) if failure.kind == FailureKind::Ending => {}
            (_, other) => {
                self.note(format_args!("the turnstile: {other:?}"));
                if self.callers.program == Program::Runs {
                    let detail = format!("the turnstile cannot be asked: {other:?}");
                    self.fail(Property::Outside, detail);
                }
            }
        }
    }

    /// The program has said how many have passed.
    fn on_counted(&mut self, values: &[String]) {
        let passed: u64 = values[0].parse().expect("the program says a number");
        let told = self.callers.told.last().copied().unwrap_or(0);
        if passed < told || passed > self.callers.sent {
            let sent = self.callers.sent;
            let detail = format!("{passed} have passed; {told} was told, {sent} were sent");
            return self.fail(Property::Outside, detail);
        }
        self.callers.counted = Some(passed);
    }

    /// Whether it is known how many have passed; asks if not.
    pub(crate) fn is_counted(&mut self) -> bool {
        if self.callers.program != Program::Runs || self.callers.counted.is_some() {
            return true;
        }
        if !self.callers.is_asking {
            self.ask_for_callers(&Request::Call {
                program: PROGRAM.to_owned(),
                function: "passed".to_owned(),
                arguments: Vec::new(),
                inputs: Vec::new(),
                is_query: true,
            });
        }
        false
    }

    /// It is to be asked again: all has stopped meanwhile.
    pub(crate) fn count_again(&mut self) {
        self.callers.counted = None;
    }

    /// Callers come to their ends.
    pub(crate) fn close_callers(&mut self) {
        self.callers.closed = Some(self.now);
    }

    pub(crate) fn are_callers_idle(&self) -> bool {
        self.callers.callers.iter().all(|one| one.line.is_none())
    }

    /// A caller thinks of something to do.
    pub(crate) fn on_caller(&mut self, number: usize) {
        self.think(number);
        let prng = &mut self.callers.callers[number].prng;
        let pause = Duration::from_micros(prng.below(30_000));
        let is_closed = self.callers.closed.is_some();
        let is_done = is_closed && self.callers.callers[number].line.is_none();
        if !is_done {
            self.push(pause, Item::Caller(number));
        }
    }

    fn think(&mut self, number: usize) {
        let (now, closed) = (self.now, self.callers.closed);
        let is_closed = closed.is_some();
        let is_lasting = self.scenario.answers_at_commit;
        let is_well = closed.is_some_and(|at| now.since(at) > REST);
        let highest = self.callers.told.last().copied().unwrap_or(0);
        let caller = &mut self.callers.callers[number];
        let Some(line) = &mut caller.line else {
            if !is_closed {
                self.call(number);
            }
            return;
        };
        let socket = line.socket;
        if now.since(line.last) > PATIENCE {
            let was_well = closed.is_some_and(|closed| line.last >= closed);
            caller.line = None;
            if was_well && self.is_plugged(socket) {
                let detail = format!("caller {number} hears nothing, and all is well");
                return self.fail(Property::Outside, detail);
            }
            return self.pass_in(socket, Passing::Break);
        }
        if line.has_ended {
            return;
        }
        let unanswered = line.sent - line.answered;
        let is_all = line.sent == line.length || is_closed;
        if is_lasting && is_all && unanswered == 0 && !line.is_probed {
            if !is_well {
                line.last = now;
                return;
            }
            line.is_probed = true;
            line.sent += 1;
            line.floors.push_back(0);
            let number = line.sent.to_le_bytes().to_vec();
            self.callers.sent += 1;
            return self.pass_in(socket, Passing::Bytes(number));
        }
        if is_all && unanswered == 0 {
            if is_lasting {
                let answers = std::mem::take(&mut line.answers);
                line.has_ended = true;
                self.confirm(number, &answers);
            }
            let line = &mut self.callers.callers[number].line;
            let line = line.as_mut().expect("it is there");
            line.has_ended = true;
            line.last = now;
            return self.pass_in(socket, Passing::End);
        }
        if is_all || unanswered > UNANSWERED_MAX {
            return;
        }
        if unanswered == 0 {
            line.last = now;
        }
        if !is_lasting && caller.prng.chance(1, 60) {
            caller.line = None;
            return self.pass_in(socket, Passing::Break);
        }
        self.send_numbers(number, highest);
    }

    /// A few numbers, when this had been told to somebody before.
    fn send_numbers(&mut self, number: usize, told: u64) {
        let caller = &mut self.callers.callers[number];
        let line = caller.line.as_mut().expect("its caller has found it");
        let socket = line.socket;
        let count = 1 + caller.prng.below(SENT_AT_ONCE.min(line.length - line.sent));
        let mut bytes = Vec::new();
        for _ in 0..count {
            line.sent += 1;
            line.floors.push_back(told);
            bytes.extend(line.sent.to_le_bytes());
        }
        self.callers.sent += count;
        // Also in the middle of a number.
        let cut = caller.prng.below(bytes.len() as u64);
        let rest = bytes.split_off(usize::try_from(cut).expect("small"));
        for bytes in [bytes, rest] {
            self.pass_in(socket, Passing::Bytes(bytes));
        }
    }

    /// All of these are true: nothing was broken.
    fn confirm(&mut self, number: usize, answers: &[u64]) {
        for &passed in answers {
            if !self.callers.told.insert(passed) {
                let detail = format!(
                    "caller {number} was told on a line that has lasted that {passed} have \
                     passed, and so was another"
                );
                return self.fail(Property::Outside, detail);
            }
        }
    }

    fn call(&mut self, number: usize) {
        let is_lasting = self.scenario.answers_at_commit;
        let address: SocketAddr = ADDRESS.parse().expect("an address");
        let Some(socket) = self.connect(number, address) else {
            return;
        };
        let now = self.now;
        let caller = &mut self.callers.callers[number];
        caller.line = Some(Line {
            socket,
            sent: 0,
            answered: 0,
            floors: VecDeque::new(),
            part: Vec::new(),
            answers: Vec::new(),
            is_probed: false,
            length: match is_lasting {
                true => u64::MAX,
                false => 1 + caller.prng.below(300),
            },
            has_ended: false,
            last: now,
        });
    }

    /// Something has come to a caller.
    pub(crate) fn on_pass_out(&mut self, number: usize, socket: SocketId, passing: Passing) {
        let now = self.now;
        let caller = &mut self.callers.callers[number];
        let Some(line) = caller.line.as_mut().filter(|line| line.socket == socket) else {
            return;
        };
        let bytes = match passing {
            Passing::Bytes(bytes) => bytes,
            Passing::Break => return caller.line = None,
            Passing::End => {
                let is_early = line.answered < line.sent;
                let (answered, sent) = (line.answered, line.sent);
                caller.line = None;
                self.pass_in(socket, Passing::End);
                if is_early {
                    let detail =
                        format!("caller {number} was hung up on: {answered} answers of {sent}");
                    self.fail(Property::Outside, detail);
                }
                return;
            }
        };
        line.last = now;
        line.part.extend(bytes);
        while let Some(answer) = line.part.first_chunk::<NUMBER_BYTES>() {
            let passed = u64::from_le_bytes(*answer);
            line.part.drain(..NUMBER_BYTES);
            let Some(floor) = line.floors.pop_front() else {
                let detail = format!("caller {number} is told {passed}, and has not asked");
                return self.fail(Property::Outside, detail);
            };
            line.answered += 1;
            self.counts.passed += 1;
            if self.scenario.answers_at_commit {
                line.answers.push(passed);
                continue;
            }
            let is_new = self.callers.told.insert(passed);
            if !is_new || passed <= floor {
                let detail = format!(
                    "caller {number} is told that {passed} have passed; that was told before, or \
                     {floor} was before it had asked"
                );
                return self.fail(Property::Outside, detail);
            }
        }
    }
}
