//! One simulated node: the real memory, its pages, and the programs that use it.
use dtm::{Dtm, Input};
use types::{Duration, Epoch, Instant, NodeId, StoreId, ViewNumber};
use wire::{Envelope, Message};

use crate::client::{Cause, Client, Desk, Next};
use crate::common::Common;
use crate::event::Event;
use crate::memory::Memory;
use crate::plant::Ghosts;

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    /// The disk that it serves.
    pub(crate) store: StoreId,
    pub(crate) dtm: Dtm,
    pub(crate) memory: Memory,
    pub(crate) client: Client,
    ghosts: Ghosts,
    /// By which its clock is ahead.
    skew: Duration,
    /// Messages of views that have not reached the node yet.
    early: Vec<Envelope>,
    /// The leader's question that waits for a view, too.
    pub(crate) asked: Option<u64>,
    /// Commits of its when it was given up.
    pub(crate) commits_before: u64,
    /// It stands still until then.
    asleep_until: Option<Instant>,
    /// What happened to it meanwhile, in order.
    piled: Vec<Event>,
    /// When the client's next step is due, if one is.
    pub(crate) step_at: Option<Instant>,
    /// When the memory's deadline is looked at, if it is.
    pub(crate) deadline_at: Option<Instant>,
}

impl Node {
    pub(crate) fn new(id: NodeId, store: StoreId, client: Client, common: &mut Common) -> Self {
        let mut config = common.scenario.config;
        config.seed = common.prng.next_u64();
        let skew = common.span(common.scenario.clock_skew_max);
        Self {
            id,
            store,
            dtm: Dtm::new(config),
            memory: Memory::default(),
            client,
            ghosts: Ghosts::default(),
            skew,
            early: vec![],
            asked: None,
            commits_before: 0,
            asleep_until: None,
            piled: vec![],
            step_at: None,
            deadline_at: None,
        }
    }

    /// The view that it is in.
    pub(crate) fn view(&self) -> Option<ViewNumber> {
        self.dtm.view().map(|view| view.number)
    }

    /// What its clock shows.
    pub(crate) fn clock(&self, now: Instant) -> Instant {
        now + self.skew
    }

    pub(crate) fn fall_asleep(&mut self, until: Instant) {
        self.asleep_until = Some(until);
    }

    pub(crate) fn asleep_until(&self) -> Option<Instant> {
        self.asleep_until
    }

    /// Something happens to it while it stands still: it will see it later.
    pub(crate) fn pile_up(&mut self, event: Event) {
        self.piled.push(event);
    }

    /// It goes on; what has happened meanwhile.
    pub(crate) fn wake(&mut self, now: Instant) -> Vec<Event> {
        self.asleep_until = None;
        self.step_at = self.step_at.filter(|&at| now < at);
        core::mem::take(&mut self.piled)
    }

    /// When the memory wants to be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.dtm.next_deadline().map(|at| at - self.skew)
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.dtm.epoch()
    }

    /// A message of this node in its view.
    pub(crate) fn envelope(&self, message: Message) -> Envelope {
        let view = self.view().expect("nodes speak in views");
        Envelope {
            from: self.id,
            view,
            epoch: self.epoch(),
            message,
        }
    }

    pub(crate) fn handle(&mut self, input: Input, common: &Common) {
        if self.client.is_doomed() {
            if let Input::Message(envelope) = &input {
                self.ghosts.on_message(common.planted, &envelope.message);
            }
        } else {
            self.ghosts.clear();
        }
        let clock = self.clock(common.now);
        self.dtm.handle(clock, input, &mut self.memory);
    }

    /// The client takes a step.
    pub(crate) fn step(&mut self, common: &mut Common) -> Next {
        let (client, mut desk) = self.desk(common);
        client.step(&mut desk)
    }

    /// The client looks what has become of its transaction.
    pub(crate) fn react(&mut self, cause: Cause, common: &mut Common) -> Next {
        let (client, mut desk) = self.desk(common);
        client.react(cause, &mut desk)
    }

    /// Keeps a message until its view has reached the node.
    pub(crate) fn keep_early(&mut self, envelope: Envelope) {
        self.early.push(envelope);
    }

    /// Messages that waited for the view that the node has entered.
    pub(crate) fn take_early(&mut self) -> Vec<Envelope> {
        let view = self.view();
        let (now, later) = core::mem::take(&mut self.early)
            .into_iter()
            .partition(|e| Some(e.view) <= view);
        self.early = later;
        now
    }

    fn desk<'node>(&'node mut self, common: &'node mut Common) -> (&'node mut Client, Desk<'node>) {
        let clock = self.clock(common.now);
        let Self {
            dtm,
            memory,
            ghosts,
            client,
            ..
        } = self;
        (
            client,
            Desk {
                dtm,
                memory,
                ghosts,
                common,
                clock,
            },
        )
    }
}
