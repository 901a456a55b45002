//! Clients that append to lists and read them, and note what they are told.
use admin::{Request, Response};
use oracle::Moment;
use oracle::lists::{Answer, Element, List, Operation};
use types::{Duration, Prng};

use crate::item::Item;
use crate::names::Pid;
use crate::tool::{Asker, Told};
use crate::world::World;

/// The program whose functions are called.
pub(crate) const PROGRAM: &str = "lists";
/// Lists in use at a time.
const LISTS: u64 = 4;
/// Operations after which other lists are used: none becomes full.
const OPERATIONS_PER_LIST: u64 = 300;
/// An answer that takes longer is not waited for.
const ANSWER_TIME: Duration = Duration::from_millis(10_000);
/// While no node listens.
const PAUSE: Duration = Duration::from_millis(50);
/// Lists read at a time in the end.
const READ_MAX: u64 = 32;

/// An operation before it is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Call {
    function: &'static str,
    arguments: Vec<u64>,
    appends: Vec<(List, Element)>,
}

/// A client: one operation after the other.
#[derive(Debug)]
pub(crate) struct Client {
    prng: Prng,
    node: Option<Pid>,
    asked: Option<(Moment, Call)>,
    /// Its answers so far.
    pub(crate) answers: u64,
}

/// What all clients together were told.
#[derive(Default, Debug)]
pub(crate) struct Diary {
    pub(crate) clients: Vec<Client>,
    pub(crate) operations: Vec<Operation>,
    /// Nobody begins anything more.
    pub(crate) is_closed: bool,
    /// When the last answer came.
    pub(crate) answered_at: u64,
    elements: u64,
}

impl Client {
    pub(crate) fn new(prng: Prng) -> Self {
        Self {
            prng,
            node: None,
            asked: None,
            answers: 0,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.asked.is_none()
    }
}

impl Diary {
    /// One past the last list that anybody has used.
    pub(crate) fn lists(&self) -> u64 {
        self.first_list() + LISTS
    }

    fn first_list(&self) -> u64 {
        self.operations.len() as u64 / OPERATIONS_PER_LIST * LISTS
    }
}

impl Call {
    fn drawn(prng: &mut Prng, first: u64, element: Element) -> Self {
        let list = prng.below(LISTS);
        let to = first + list;
        let other = first + (list + 1 + prng.below(LISTS - 1)) % LISTS;
        let (function, arguments, targets) = match prng.below(8) {
            0 => ("read", vec![first, LISTS], vec![]),
            1 => ("append_both", vec![to, element.0, other], vec![to, other]),
            2..=4 => ("append_reading", vec![to, element.0, other], vec![to]),
            _ => ("append", vec![to, element.0], vec![to]),
        };
        let appends = targets.into_iter().map(|list| (List(list), element));
        Self {
            function,
            arguments,
            appends: appends.collect(),
        }
    }

    /// Reads lists from this one on.
    pub(crate) fn read(first: u64, end: u64) -> Self {
        Self {
            function: "read",
            arguments: vec![first, READ_MAX.min(end - first)],
            appends: Vec::new(),
        }
    }

    /// One past the last list that it reads.
    pub(crate) fn read_end(&self) -> u64 {
        self.arguments.iter().sum()
    }

    pub(crate) fn request(&self) -> Request {
        Request::Call {
            program: PROGRAM.to_owned(),
            function: self.function.to_owned(),
            arguments: self.arguments.iter().map(ToString::to_string).collect(),
            inputs: Vec::new(),
            is_query: self.appends.is_empty(),
        }
    }

    pub(crate) fn told(self, begin: Moment, answer: Answer) -> Operation {
        Operation {
            begin,
            appends: self.appends,
            answer,
        }
    }
}

impl World {
    pub(crate) fn moment(&self) -> Moment {
        Moment(self.now.as_nanos())
    }

    /// A client asks for its next operation, if it can.
    pub(crate) fn on_client(&mut self, number: usize) {
        if self.story.diary.is_closed {
            return;
        }
        let nodes = self.alive();
        let first = self.story.diary.first_list();
        let begin = self.moment();
        let elements = self.story.diary.elements;
        let client = &mut self.story.diary.clients[number];
        let is_elsewhere = client.prng.chance(1, 8);
        let drawn = client.prng.next_u64();
        let is_there = client.node.is_some_and(|node| nodes.contains(&node));
        if is_elsewhere || !is_there {
            let place = drawn.checked_rem(nodes.len() as u64);
            client.node = place.map(|place| nodes[usize::try_from(place).expect("few")]);
        }
        let Some(node) = client.node else {
            self.push(PAUSE, Item::Client(number));
            return;
        };
        let call = Call::drawn(&mut client.prng, first, Element(elements + 1));
        let request = call.request();
        client.asked = Some((begin, call));
        self.story.diary.elements += 1;
        self.ask(Asker::Client(number), node, &request, ANSWER_TIME);
    }

    pub(crate) fn on_client_told(&mut self, number: usize, told: Told) {
        let at = self.moment();
        let is_late = told == Told::Late;
        let answer = understand(at, told);
        let client = &mut self.story.diary.clients[number];
        let (begin, call) = client.asked.take().expect("it has asked");
        let mut pause = Duration::from_micros(client.prng.below(20_000));
        match answer {
            Answer::Given { .. } => {
                client.answers += 1;
                self.story.diary.answered_at = at.0;
            }
            _ => {
                client.node = None;
                pause = if is_late { pause } else { PAUSE };
            }
        }
        self.trace.mix(at.0);
        if !self.is_undone_later(&answer) {
            self.story.diary.operations.push(call.told(begin, answer));
        }
        self.push(pause, Item::Client(number));
    }
}

/// What a response says.
pub(crate) fn understand(at: Moment, told: Told) -> Answer {
    let response = match told {
        Told::Answer(response) => *response,
        Told::NoNode => return Answer::Refused,
        Told::Lost | Told::Late => return Answer::Missing,
    };
    match response {
        Response::Returned { values, .. } if values == ["-1"] => Answer::Refused,
        Response::Returned { reply, .. } => {
            let reads = parse(&reply).expect("the program says what can be read");
            Answer::Given { at, reads }
        }
        // "It could not be done; nothing has changed."
        _ => Answer::Refused,
    }
}

/// Lists as the program shows them.
fn parse(reply: &[u8]) -> Option<Vec<(List, Vec<Element>)>> {
    let lines = std::str::from_utf8(reply).ok()?.lines().map(|line| {
        let (list, elements) = line.split_once(':')?;
        let elements = elements.split_whitespace();
        let elements = elements.map(|element| element.parse().ok().map(Element));
        Some((List(list.parse().ok()?), elements.collect::<Option<_>>()?))
    });
    lines.collect()
}
