//! The memory as it was: a tool may ask any node of the cluster about an epoch that is kept.
//!
//! The node asks the stores of all members, its own, too, and answers when all have. If the
//! view changes meanwhile it asks again. What others ask of its own store it answers a slice
//! at a time, so that its transactions notice little of it.
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::vec::Vec;

use admin::Response;
use platform::{Disk, RequestId};
use store::past::{Look, Looked, is_answer, merge};
use types::{Epoch, Instant, NodeId};
use wire::{Envelope, Message, PAST_PAGES_MAX, PastAnswer, PastQuestion};

use crate::Platform;
use crate::core::Core;
use crate::requests::{Served, Unserved, bad_request};

/// All questions under way.
#[derive(Default, Debug)]
pub(crate) struct Past {
    /// Those of tools that this node has put to the members.
    asked: BTreeMap<u64, Asked>,
    /// The number given last.
    last: u64,
    /// Those of members to this node's store, oldest first.
    looks: VecDeque<(NodeId, u64, Look)>,
}

/// A question of a tool.
#[derive(Debug)]
struct Asked {
    request: RequestId,
    epoch: Epoch,
    question: PastQuestion,
    /// Who has not answered.
    missing: BTreeSet<NodeId>,
    answers: Vec<Option<PastAnswer>>,
}

impl Past {
    /// A tool has hung up.
    pub(crate) fn forget(&mut self, request: RequestId) {
        self.asked.retain(|_, asked| asked.request != request);
    }

    /// When there is something to do next: at once, if anything waits for this node's store,
    /// and that knows of the epoch.
    pub(crate) fn next_deadline(&self, now: Instant, stable: Epoch) -> Option<Instant> {
        self.next_look(stable).map(|_| now)
    }

    /// A store that has not heard yet that the epoch is stable answers when it has.
    fn next_look(&self, stable: Epoch) -> Option<usize> {
        let is_due = |(_, _, look): &(NodeId, u64, Look)| look.epoch() <= stable;
        self.looks.iter().position(is_due)
    }
}

impl<P: Platform, D: Disk> Core<P, D> {
    /// Puts a tool's question to all members.
    pub(crate) fn ask_past(
        &mut self,
        request: RequestId,
        epoch: Epoch,
        question: PastQuestion,
    ) -> Served {
        // Every member has left an epoch that is stable, whether it has heard of that or not.
        let current = self.dtm.epoch();
        if epoch >= current {
            let message = format!("expected an epoch before {current}, which has just begun");
            return Err(bad_request(format!("{message}, found {epoch}")));
        }
        if let PastQuestion::Contents { pages } = &question
            && pages.len() > PAST_PAGES_MAX
        {
            let message = format!("expected {PAST_PAGES_MAX} pages at most at a time");
            return Err(bad_request(format!("{message}, found {}", pages.len())));
        }
        self.past.last += 1;
        let id = self.past.last;
        let asked = Asked {
            request,
            epoch,
            question,
            missing: BTreeSet::new(),
            answers: Vec::new(),
        };
        self.past.asked.insert(id, asked);
        self.ask_members(id);
        Err(Unserved::Later)
    }

    /// A view has begun: what the members of the last one were asked is asked of these.
    pub(crate) fn ask_past_again(&mut self) {
        self.past.looks.clear();
        let ids: Vec<u64> = self.past.asked.keys().copied().collect();
        for id in ids {
            self.ask_members(id);
        }
    }

    fn ask_members(&mut self, id: u64) {
        let view = self
            .dtm
            .view()
            .expect("a node without a view serves nobody");
        let members: Vec<NodeId> = view.nodes().collect();
        let asked = self.past.asked.get_mut(&id).expect("it is being asked");
        asked.missing = members.iter().copied().collect();
        asked.answers.clear();
        let (epoch, question) = (asked.epoch, asked.question.clone());
        for member in members {
            let question = question.clone();
            let query = Message::PastQuery {
                id,
                epoch,
                question,
            };
            self.say(member, query);
        }
    }

    /// What members ask each other's stores about the past, and answer.
    pub(crate) fn on_past_message(&mut self, envelope: Envelope) {
        let from = envelope.from;
        match envelope.message {
            Message::PastQuery {
                id,
                epoch,
                question,
            } => match Look::new(epoch, question) {
                Some(look) => self.past.looks.push_back((from, id, look)),
                None => self.say(from, Message::PastAnswer { id, answer: None }),
            },
            Message::PastAnswer { id, answer } => self.on_past_answer(from, id, answer),
            other => unreachable!("{other:?} is not about the past"),
        }
    }

    fn on_past_answer(&mut self, from: NodeId, id: u64, answer: Option<PastAnswer>) {
        let Some(asked) = self.past.asked.get_mut(&id) else {
            // Its tool has hung up.
            return;
        };
        if !asked.missing.remove(&from) {
            return;
        }
        let answer = answer.filter(|answer| is_answer(&asked.question, &answer.found));
        asked.answers.push(answer);
        if asked.missing.is_empty()
            && let Some(asked) = self.past.asked.remove(&id)
        {
            let found = merge(&asked.question, asked.answers);
            self.reply_now(asked.request, &Response::Past(found));
        }
    }

    /// Looks a slice further into what is asked of this node's store.
    pub(crate) fn look_at_past(&mut self) {
        let Some(at) = self.past.next_look(self.store.stable()) else {
            return;
        };
        let note = self.config.note;
        let (from, id, look) = &mut self.past.looks[at];
        let (from, id) = (*from, *id);
        let looked = look.go_on(&mut self.store, |damage| {
            note(&format!("the store: {damage}"))
        });
        match looked {
            Ok(Looked::More) => {}
            Ok(Looked::Done(answer)) => {
                self.past.looks.remove(at);
                self.say(from, Message::PastAnswer { id, answer });
            }
            Err(error) => self.store_failed(&error),
        }
    }
}
