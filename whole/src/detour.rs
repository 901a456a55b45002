//! A detour of the story: a snapshot is taken, clients go on and faults happen, and then the
//! memory goes back to it. Nobody is to see anything of what was done meanwhile.
use admin::{Failure, FailureKind, Request, Response};
use oracle::lists::Answer;
use types::Duration;

use crate::client::Client;
use crate::item::Item;
use crate::report::Property;
use crate::story::Phase;
use crate::world::World;

/// Name of the snapshot.
const SNAPSHOT: &str = "before";

impl World {
    /// Whether things are to go wrong now.
    pub(crate) fn are_faults_planned(&self) -> bool {
        matches!(self.story.phase, Phase::Chaos | Phase::Detour)
    }

    /// Whether going back will undo what was answered. What was not answered may happen at
    /// any time, also when everybody has gone back.
    pub(crate) fn is_undone_later(&self, answer: &Answer) -> bool {
        let is_detour = matches!(self.story.phase, Phase::Detour | Phase::Mending);
        is_detour && *answer != Answer::Missing
    }

    /// Looks what is next.
    pub(crate) fn look_at_detour(&mut self) {
        match self.story.phase {
            Phase::Keeping => self.ask_leader(&Request::Snapshot {
                name: SNAPSHOT.to_owned(),
            }),
            Phase::Detour if self.story.faults_left == 0 => {
                self.story.diary.is_closed = true;
                self.enter(Phase::Mending);
            }
            Phase::Mending if self.is_whole() && self.are_clients_idle() => {
                self.begin_going_back();
            }
            Phase::GoingBack => self.ask_leader(&Request::Restore {
                snapshot: SNAPSHOT.to_owned(),
                discards_named: false,
            }),
            Phase::Recovering if self.story.faults_left == 0 && self.is_whole() => {
                self.enter(Phase::Reading);
            }
            _ => {}
        }
    }

    fn are_clients_idle(&self) -> bool {
        self.story.diary.clients.iter().all(Client::is_idle)
    }

    pub(crate) fn on_detour_told(&mut self, response: Response) {
        match (self.story.phase, response) {
            (Phase::Keeping, Response::Snapshot { .. }) => self.begin_detour(),
            // The answer to the question before was lost.
            (Phase::Keeping, Response::Failed(failure)) if is_taken(&failure) => {
                self.begin_detour();
            }
            (Phase::GoingBack, Response::Done) => self.enter(Phase::Recovering),
            (phase, Response::Failed(failure)) if failure.kind == FailureKind::BadRequest => {
                let detail = format!("{phase:?} is refused: {}", failure.message);
                self.fail(Property::Progress, detail);
            }
            (_, other) => self.note(format_args!("{other:?}")),
        }
    }

    fn begin_detour(&mut self) {
        self.enter(Phase::Detour);
        self.story.diary.is_closed = false;
        let detour = self.story.detour.clone().expect("it is on one");
        self.story.faults_left = detour.faults.len();
        for number in 0..self.story.diary.clients.len() {
            self.push(Duration::ZERO, Item::Client(number));
        }
        for (after, fault) in detour.faults {
            self.push(after, Item::Fault(fault));
        }
    }

    fn begin_going_back(&mut self) {
        self.enter(Phase::GoingBack);
        let detour = self.story.detour.take().expect("it is on one");
        let (after, fault) = detour.last;
        self.story.faults_left = 1;
        self.push(after, Item::Fault(fault));
    }
}

fn is_taken(failure: &Failure) -> bool {
    let is_epoch = failure.message.contains("which is epoch");
    failure.kind == FailureKind::BadRequest && is_epoch
}
