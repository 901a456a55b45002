//! Clients that append to lists and read them, and note what they are told.
use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use admin::{Request, Response};
use oracle::lists::{Answer, Element, List, Operation};
use types::Prng;

use super::board::{Board, LISTS};
use crate::client::{Client, ClientError};
use crate::data::DataDir;
use crate::error::Error;

/// The program whose functions are called.
pub(super) const PROGRAM: &str = "lists";
/// How many clients there are.
pub(super) const CLIENTS: u64 = 6;
/// An answer that takes longer is not waited for.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// While no node listens.
const PAUSE: Duration = Duration::from_millis(50);
/// Lists read at a time in the end.
const READ_MAX: u64 = 32;
/// The cluster has answered long before.
const LAST_TIME: Duration = Duration::from_secs(60);

/// What a client was told, from its first to its last operation.
#[derive(Default, Debug)]
pub(super) struct Told {
    pub(super) operations: Vec<Operation>,
    /// Answers that mean nothing.
    pub(super) nonsense: Vec<String>,
}

/// A client: one operation after the other, each drawn from the seed.
pub(super) struct Caller<'run> {
    board: &'run Board,
    data: &'run DataDir,
    prng: Prng,
    number: u64,
    client: Option<Client>,
    told: Told,
}

/// An operation before it is asked for.
struct Call {
    function: &'static str,
    arguments: Vec<u64>,
    appends: Vec<(List, Element)>,
}

impl<'run> Caller<'run> {
    pub(super) fn new(board: &'run Board, data: &'run DataDir, seed: u64, number: u64) -> Self {
        let mut prng = Prng::new(seed);
        let own = (0..=number).map(|_| prng.next_u64()).last();
        Self {
            board,
            data,
            prng: Prng::new(own.unwrap_or(seed)),
            number,
            client: None,
            told: Told::default(),
        }
    }

    /// Goes on until the run is over.
    pub(super) fn run(mut self) -> Told {
        for count in 0.. {
            let (is_elsewhere, place) = (self.prng.chance(1, 8), self.prng.next_u64());
            let drawn = [0; 3].map(|_| self.prng.next_u64());
            if is_elsewhere {
                self.client = None;
            }
            let Some(client) = self.connect(place) else {
                break;
            };
            let element = Element(count * CLIENTS + self.number);
            let call = Call::drawn(drawn, self.board.first_list(), element);
            self.ask(client, call);
        }
        self.told
    }

    /// The connection that there is, or one to a node that listens; `None` when it is over.
    fn connect(&mut self, place: u64) -> Option<Client> {
        while !self.board.is_over() {
            if let Some(client) = self.client.take() {
                return Some(client);
            }
            let nodes = self.data.running().map_or(Vec::new(), |file| file.nodes);
            if let Some(turn) = place.checked_rem(nodes.len() as u64) {
                let first = usize::try_from(turn).expect("fewer than there are nodes");
                let mut others = nodes.iter().cycle().skip(first).take(nodes.len());
                self.client = others.find_map(|node| Client::connect(node.tools).ok());
            }
            if self.client.is_none() {
                thread::sleep(PAUSE);
            }
        }
        None
    }

    fn ask(&mut self, mut client: Client, call: Call) {
        let request = call.request();
        let begin = self.board.now();
        client.give_up_at(Instant::now() + ANSWER_TIME);
        let answer = match client.ask(&request) {
            Ok(response) => {
                let answer = understand(self.board, &response);
                if answer.is_none() {
                    self.told.nonsense.push(format!("{response:?}"));
                }
                self.client = Some(client);
                answer.unwrap_or(Answer::Missing)
            }
            // "It could not be done; nothing has changed."
            Err(ClientError::Failed(_) | ClientError::NoNode(_)) => {
                thread::sleep(PAUSE);
                Answer::Refused
            }
            Err(_) => Answer::Missing,
        };
        self.told.operations.push(Operation {
            begin,
            appends: call.appends,
            answer,
        });
    }
}

impl Call {
    fn drawn(drawn: [u64; 3], first: u64, element: Element) -> Self {
        let [kind, list, step] = drawn;
        let list = list % LISTS;
        let (to, other) = (
            first + list,
            first + (list + 1 + step % (LISTS - 1)) % LISTS,
        );
        let (function, arguments, targets) = match kind % 8 {
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

    fn request(&self) -> Request {
        Request::Call {
            program: PROGRAM.to_owned(),
            function: self.function.to_owned(),
            arguments: self.arguments.iter().map(ToString::to_string).collect(),
            inputs: Vec::new(),
            is_query: self.appends.is_empty(),
        }
    }
}

/// What a response says; `None` if it makes no sense.
fn understand(board: &Board, response: &Response) -> Option<Answer> {
    let at = board.now();
    let Response::Returned { values, reply, .. } = response else {
        return None;
    };
    if values == &["-1"] {
        return Some(Answer::Refused);
    }
    let reads = parse(std::str::from_utf8(reply).ok()?)?;
    board.note_answer(at);
    Some(Answer::Given { at, reads })
}

/// Lists as the program shows them.
fn parse(reply: &str) -> Option<Vec<(List, Vec<Element>)>> {
    let lines = reply.lines().map(|line| {
        let (list, elements) = line.split_once(':')?;
        let elements = elements.split_whitespace();
        let elements = elements.map(|element| element.parse().ok().map(Element));
        Some((List(list.parse().ok()?), elements.collect::<Option<_>>()?))
    });
    lines.collect()
}

/// Reads all lists that anybody may have appended to, in the end.
pub(super) fn read_all(board: &Board, data: &DataDir) -> Result<Vec<Operation>, Error> {
    let mut client = Client::find(data)?;
    client.give_up_at(Instant::now() + LAST_TIME);
    let (mut operations, end) = (Vec::new(), board.first_list() + LISTS);
    let mut first = 0;
    while first < end {
        let count = READ_MAX.min(end - first);
        let call = Call {
            function: "read",
            arguments: vec![first, count],
            appends: Vec::new(),
        };
        let begin = board.now();
        let response = client.ask(&call.request())?;
        let answer = understand(board, &response)
            .ok_or_else(|| Error::internal(format!("a reply that means nothing: {response:?}")))?;
        operations.push(Operation {
            begin,
            appends: Vec::new(),
            answer,
        });
        first += count;
    }
    Ok(operations)
}

/// A history for people: a line per operation, times in milliseconds.
pub(super) fn describe(operations: &[Operation]) -> String {
    let mut text = String::new();
    for (number, operation) in operations.iter().enumerate() {
        let ms = |ns: u64| Duration::from_nanos(ns).as_secs_f64() * 1e3;
        let _ = write!(text, "o{number} {:.3}", ms(operation.begin.0));
        for (List(list), Element(element)) in &operation.appends {
            let _ = write!(text, " append {element} to {list},");
        }
        let _ = match &operation.answer {
            Answer::Refused => write!(text, " refused"),
            Answer::Missing => write!(text, " no answer"),
            Answer::Given { at, .. } => write!(text, " answered {:.3}", ms(at.0)),
        };
        if let Answer::Given { reads, .. } = &operation.answer {
            for (List(list), elements) in reads {
                let elements: Vec<u64> = elements.iter().map(|element| element.0).collect();
                let _ = write!(text, ", read {list} {elements:?}");
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_understood_as_the_program_shows_them() {
        let expected = vec![(List(3), vec![]), (List(4), vec![Element(10), Element(7)])];
        assert_eq!(parse("3:\n4: 10 7\n"), Some(expected));
        assert_eq!(parse(""), Some(vec![]));
        for wrong in ["3", "x: 1", "3: 1 x", "3: -1"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn operations_use_the_lists_of_the_moment_and_no_list_twice() {
        let mut prng = Prng::new(5);
        for _ in 0..200 {
            let drawn = [0; 3].map(|_| prng.next_u64());
            let call = Call::drawn(drawn, 8, Element(9));
            let lists: Vec<u64> = call.appends.iter().map(|(list, _)| list.0).collect();
            assert!(lists.iter().all(|list| (8..12).contains(list)));
            assert!(lists.len() < 2 || lists[0] != lists[1]);
            assert_eq!(call.function == "read", lists.is_empty());
        }
    }

    #[test]
    fn a_history_can_be_read_by_people() {
        let at = oracle::Moment(2_500_000);
        let operation = Operation {
            begin: oracle::Moment(1_000_000),
            appends: vec![(List(3), Element(10))],
            answer: Answer::Given {
                at,
                reads: vec![(List(3), vec![Element(7)])],
            },
        };
        assert_eq!(
            describe(&[operation]),
            "o0 1.000 append 10 to 3, answered 2.500, read 3 [7]\n"
        );
    }
}
