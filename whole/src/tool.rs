//! Tools: whoever asks a node something, over a connection that ends with the node.
use std::collections::BTreeMap;

use admin::{Request, Response};
use platform::RequestId;
use types::Duration;

use crate::item::Item;
use crate::names::Pid;
use crate::process::Letter;
use crate::world::World;

/// A question under way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Ticket(pub(crate) u64);

/// From a tool to a node of its machine, and back.
const WAY: Duration = Duration::from_micros(50);

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asker {
    /// A client that calls a program.
    Client(usize),
    /// Whoever looks after the whole: how the cluster is.
    Status,
    /// The same: do what the story needs next.
    Story,
    /// Somebody who reads the past.
    Historian,
    /// Whoever starts programs and ends them.
    Mortals,
    /// Whoever looks after the program that callers from outside use.
    Callers,
    /// Whoever types and looks at displays.
    Typist,
}

/// What a tool gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    Answer(Box<Response>),
    /// The node has ended.
    Lost,
    /// Nothing, for too long.
    Late,
    /// Nobody listens.
    NoNode,
}

#[derive(Debug)]
struct Question {
    asker: Asker,
    process: Pid,
}

/// All questions.
#[derive(Default, Debug)]
pub(crate) struct Tools {
    asked: BTreeMap<Ticket, Question>,
    last: u64,
}

impl World {
    /// Asks a process; the answer comes to whoever asks.
    pub(crate) fn ask(&mut self, asker: Asker, to: Pid, request: &Request, patience: Duration) {
        self.tools.last += 1;
        let ticket = Ticket(self.tools.last);
        let question = Question { asker, process: to };
        self.tools.asked.insert(ticket, question);
        let bytes = admin::encode(request);
        self.push(WAY, Item::Ask { ticket, bytes });
        self.push(patience, Item::GiveUp { ticket });
    }

    pub(crate) fn on_ask(&mut self, ticket: Ticket, bytes: Vec<u8>) {
        let Some(question) = self.tools.asked.get(&ticket) else {
            return;
        };
        let (asker, process) = (question.asker, question.process);
        if !self.process(process).is_alive() {
            self.tools.asked.remove(&ticket);
            self.on_told(asker, process, Told::NoNode);
            return;
        }
        let id = RequestId(ticket.0);
        let to = self.process_mut(process);
        to.requests.insert(id, ticket);
        to.inbox.push_back(Letter::Request(id, bytes));
        self.rouse(process);
    }

    /// A node answers.
    pub(crate) fn on_reply(&mut self, process: Pid, id: RequestId, bytes: Vec<u8>) {
        if let Some(ticket) = self.process_mut(process).requests.remove(&id) {
            let at = self.here(process) + WAY;
            let bytes = Some(bytes);
            self.queue.push(at, Item::Answer { ticket, bytes });
        }
    }

    /// A process has ended that owed answers.
    pub(crate) fn lose_requests(&mut self, process: Pid, tickets: Vec<Ticket>) {
        self.process_mut(process).requests.clear();
        for ticket in tickets {
            let bytes = None;
            self.push(WAY, Item::Answer { ticket, bytes });
        }
    }

    pub(crate) fn on_answer(&mut self, ticket: Ticket, bytes: Option<Vec<u8>>) {
        let Some(Question { asker, process }) = self.tools.asked.remove(&ticket) else {
            return;
        };
        let told = match bytes {
            None => Told::Lost,
            Some(bytes) => {
                let response = admin::decode(&bytes).expect("nodes say what can be decoded");
                Told::Answer(Box::new(response))
            }
        };
        self.on_told(asker, process, told);
    }

    pub(crate) fn on_give_up(&mut self, ticket: Ticket) {
        let Some(Question { asker, process }) = self.tools.asked.remove(&ticket) else {
            return;
        };
        let id = RequestId(ticket.0);
        let to = self.process_mut(process);
        if to.requests.remove(&id).is_some() {
            to.inbox.push_back(Letter::RequestGone(id));
            self.rouse(process);
        }
        self.on_told(asker, process, Told::Late);
    }

    fn on_told(&mut self, asker: Asker, process: Pid, told: Told) {
        match asker {
            Asker::Client(number) => self.on_client_told(number, told),
            Asker::Status => self.on_status_told(process, told),
            Asker::Story => self.on_story_told(told),
            Asker::Historian => self.on_historian_told(told),
            Asker::Mortals => self.on_mortals_told(told),
            Asker::Callers => self.on_callers_told(told),
            Asker::Typist => self.on_typist_told(process, told),
        }
    }
}
