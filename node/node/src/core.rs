//! What a node is made of, and how events flow through it, also while a transaction
//! waits for a page: [`Core::pump`] may be called at any point where no borrow of the
//! core is held, the guest's own faults included.
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use control::Follower;
use devices::machine::Machine;
use dtm::{Dtm, Input, Output};
use kernel::ProcessId;
use platform::{Disk, Event, LostWhy, RequestId, SocketEvent, Wait};
use store::Store;
use types::{Duration, Epoch, Instant, NodeId, ViewNumber};
use wire::{Envelope, Message, NodeReport};

use crate::cleaning::Cleaning;
use crate::copies::Copies;
use crate::leader::Leadership;
use crate::living::Census;
use crate::members::Joining;
use crate::memory::Memory;
use crate::mending::Mending;
use crate::past::Past;
use crate::replies::Reply;
use crate::report::Figures;
use crate::scrub::Scrub;
use crate::voter::Voter;
use crate::{Config, FatalReason, Platform};

/// Events handled per call of the pump: bounds its work.
const EVENTS_PER_PUMP: usize = 64;
/// Pages captured for the stores per call of the pump: some 20 µs.
const CAPTURES_PER_PUMP: usize = 64;

/// All of a node but the guests it runs.
pub(crate) struct Core<P: Platform, D: Disk> {
    pub(crate) config: Config,
    pub(crate) platform: P,
    pub(crate) dtm: Dtm,
    pub(crate) memory: Memory<P::View>,
    pub(crate) store: Store<D>,
    pub(crate) voter: Voter<D>,
    /// On the leader only.
    pub(crate) leadership: Option<Leadership>,
    pub(crate) joining: Joining,
    /// Since when this node may not commit.
    suspended_since: Option<Instant>,
    /// Requests of tools, to be handled between transactions.
    pub(crate) requests: VecDeque<(RequestId, Vec<u8>)>,
    /// What has happened to sockets of programs, to be handled between transactions.
    pub(crate) socket_events: VecDeque<SocketEvent>,
    /// The devices of this node.
    pub(crate) machine: Machine,
    /// A step has done something to a channel, which may be one of this node.
    pub(crate) is_rung: bool,
    /// Steps run here that the processes' counts do not contain yet.
    pub(crate) steps: BTreeMap<ProcessId, u64>,
    /// Answers to tools that wait for their epoch to be stable.
    pub(crate) replies: Vec<Reply>,
    /// The epoch of which the leader was told last that somebody waits for it.
    pub(crate) awaited: Epoch,
    /// Copies that other stores should have.
    pub(crate) copies: Copies,
    /// When the store is cleaned.
    pub(crate) cleaning: Cleaning,
    /// Questions about epochs that are kept.
    pub(crate) past: Past,
    /// When the store is read again.
    pub(crate) scrub: Scrub,
    /// What is damaged in the store.
    pub(crate) mending: Mending,
    /// Whom the leader's node has told of who lives.
    pub(crate) census: Census,
    /// Something is left of processes that are dead.
    pub(crate) has_dead: bool,
    /// How often this node has gone back to an earlier state of its own.
    pub(crate) resets: u64,
    /// Messages of a view that this node has not entered yet.
    pub(crate) early: Vec<Envelope>,
    /// Messages of this node to itself, and to its own store.
    own: VecDeque<Envelope>,
    pub(crate) figures: Figures,
    /// How long this member may go on without its leader; the leader itself has the
    /// word of the voters.
    pub(crate) follower: Option<Follower>,
    /// When this node said the last that a leader must have heard before it begins the next
    /// view: that it wants in, or on what its work depends.
    pub(crate) heard_at: Instant,
    /// Time at the last look at the clock.
    pub(crate) now: Instant,
    /// Set when the node cannot go on.
    pub(crate) fatal: Option<FatalReason>,
}

impl<P: Platform, D: Disk> Core<P, D> {
    pub(crate) fn new(
        config: Config,
        platform: P,
        store: Store<D>,
        voter: Voter<D>,
        seed: Option<String>,
    ) -> Self {
        let now = platform.now();
        let dtm = Dtm::new(config.dtm);
        Self {
            config,
            platform,
            dtm,
            memory: Memory::new(),
            store,
            voter,
            leadership: None,
            joining: Joining::new(seed, now),
            suspended_since: None,
            requests: VecDeque::new(),
            socket_events: VecDeque::new(),
            machine: Machine::default(),
            is_rung: false,
            steps: BTreeMap::new(),
            replies: Vec::new(),
            awaited: Epoch(0),
            copies: Copies::new(now),
            cleaning: Cleaning::new(now),
            past: Past::default(),
            scrub: Scrub::new(now),
            mending: Mending::default(),
            census: Census::default(),
            has_dead: false,
            resets: 0,
            early: Vec::new(),
            own: VecDeque::new(),
            figures: Figures::new(now),
            follower: None,
            heard_at: now,
            now,
            fatal: None,
        }
    }

    /// The view that this node is in; number 0 before the first.
    pub(crate) fn view_number(&self) -> ViewNumber {
        self.dtm.view().map_or(ViewNumber(0), |view| view.number)
    }

    /// Whether it is about to leave for good: it begins nothing more.
    pub(crate) fn is_leaving(&self) -> bool {
        let me = self.dtm.me();
        self.dtm.view().is_some_and(|view| view.is_leaving(me))
    }

    /// Whether nothing will be run here any more.
    pub(crate) fn is_ending(&self) -> bool {
        self.fatal.is_some() || self.is_leaving()
    }

    /// Handles what has happened; waits for something if nothing has, until `until`
    /// at most. Bounded work.
    pub(crate) fn pump(&mut self, wait: Wait) {
        self.flush();
        let mut wait = self.bounded(wait);
        for _ in 0..EVENTS_PER_PUMP {
            let Some(event) = self.platform.next_event(wait) else {
                break;
            };
            self.now = self.platform.now();
            self.on_event(event);
            self.flush();
            wait = Wait::No;
        }
        self.now = self.platform.now();
        self.on_time();
        self.on_disk();
        self.on_cleaning();
        self.look_at_past();
        let begun = self.platform.now();
        self.inherit();
        self.dtm
            .snapshot_step(begun, CAPTURES_PER_PUMP, &self.memory);
        self.figures.longest_pause(self.platform.now().since(begun));
        self.flush();
        // In the middle of a step, too, and whatever waits for pages or a leader.
        self.serve_status();
    }

    /// Cuts a wait at the next deadline of anything in the node.
    fn bounded(&self, wait: Wait) -> Wait {
        let Wait::Until(until) = wait else {
            return wait;
        };
        let lease_end = self.follower.as_ref().map(Follower::deadline);
        let deadlines = [
            self.dtm.next_deadline(),
            self.next_of_leadership(),
            Some(self.voter.next_deadline(self.now)),
            self.next_join(),
            // Only once: who has no lease any more waits for events.
            lease_end.filter(|end| *end > self.now),
            self.copies.next_deadline(),
            Some(self.cleaning.next_deadline()),
            self.past.next_deadline(self.now, self.store.stable()),
            Some(self.scrub.next_deadline()),
            self.next_mending(),
            Some(self.figures.next_report(self.config.report_every)),
        ];
        Wait::Until(deadlines.into_iter().flatten().fold(until, Ord::min))
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Message(envelope) => self.on_message(envelope),
            Event::LinkLost { node, why } => {
                self.note_intruder(why);
                self.on_link_lost(node, why);
            }
            Event::Joiner { joiner, envelope } => self.on_joiner(joiner, envelope),
            Event::JoinerLost { joiner, why } => {
                self.note_intruder(why);
                self.on_joiner_lost(joiner, why);
            }
            Event::Request { id, bytes } => self.requests.push_back((id, bytes)),
            Event::RequestGone { id } => {
                self.requests.retain(|(request, _)| *request != id);
                self.past.forget(id);
            }
            Event::LinkUp(node) => drop(self.voter.lost.remove(&node)),
            Event::Socket(event) => self.socket_events.push_back(event),
            Event::Refused(refusal) => self.note_intruder(LostWhy::Refused(refusal)),
            Event::Felt(event) => self.on_own_input(event),
            Event::Typed(bytes) => self.on_own_text(&bytes),
            Event::Woken => {}
        }
    }

    /// Sorts a message to the part of the node that it is for.
    pub(crate) fn on_message(&mut self, envelope: Envelope) {
        if let Message::NewView { .. } = envelope.message {
            return self.on_new_view(envelope);
        }
        if envelope.message == Message::Expelled {
            // Whatever the view: it may be that of the others, in which this node is not.
            self.fatal = Some(FatalReason::Expelled);
            return;
        }
        if envelope.view > self.view_number() {
            // Its sender has entered a view that the leader has told us of, too; the
            // message waits until that has arrived.
            return self.early.push(envelope);
        }
        if envelope.view < self.view_number() {
            return self.tell_memory(envelope);
        }
        match envelope.message {
            Message::StoreRead { .. } | Message::StoreFrame { .. } | Message::PartEnd { .. } => {
                self.on_store_message(envelope);
            }
            Message::Awaited { .. }
            | Message::EpochStored { .. }
            | Message::EpochHeld { .. }
            | Message::Report(_)
            | Message::Unreachable { .. }
            | Message::Intervals { .. }
            | Message::Replicated => {
                self.tell_leadership(envelope);
            }
            Message::GetCopies { .. }
            | Message::Copies { .. }
            | Message::CopiesEnd { .. }
            | Message::CopiesStored { .. } => self.on_copies_message(envelope),
            Message::PastQuery { .. } | Message::PastAnswer { .. } => {
                self.on_past_message(envelope);
            }
            Message::GetVersion { .. } | Message::Version { .. } => {
                self.on_mending_message(envelope);
            }
            Message::Scrub | Message::Scrubbed(_) => self.on_scrub_message(envelope),
            Message::Heartbeat => self.on_heartbeat(envelope),
            Message::Fence { stable, ref lost } => {
                self.heard_at = self.now;
                let testimony = self.dtm.fence(stable, lost);
                self.say(envelope.from, Message::Intervals(testimony));
            }
            Message::Stable { epoch } => {
                self.tell_memory(envelope);
                let wall_ms = self.platform.wall_ns() / 1_000_000;
                if let Err(error) = self.store.set_stable(epoch, wall_ms) {
                    self.store_failed(&error);
                }
                self.release_replies();
            }
            Message::Retain { ref epochs } => {
                self.retain(epochs);
                self.tell_memory(envelope);
            }
            Message::Living(ref living) => {
                self.on_living(living);
                self.tell_memory(envelope);
            }
            Message::Held { .. } => {
                self.tell_memory(envelope);
                self.release_replies();
            }
            Message::Down => self.fatal = Some(FatalReason::Down),
            Message::Left => self.fatal = Some(FatalReason::Left),
            _ => self.tell_memory(envelope),
        }
    }

    /// Feeds the memory; measures what an epoch's end costs.
    pub(crate) fn tell_memory(&mut self, envelope: Envelope) {
        self.feed(Input::Message(envelope));
    }

    pub(crate) fn feed(&mut self, input: Input) {
        let epoch = self.dtm.epoch();
        // A new view is a fallback, which is told apart.
        let is_view = matches!(input, Input::View { .. });
        let begun = self.platform.now();
        self.dtm.handle(begun, input, &mut self.memory);
        if self.dtm.epoch() != epoch && !is_view {
            self.figures.longest_pause(self.platform.now().since(begun));
        }
    }

    fn on_heartbeat(&mut self, envelope: Envelope) {
        let from = envelope.from;
        self.tell_memory(envelope.clone());
        let is_leaders = self.dtm.view().is_some_and(|view| view.leader == from);
        if is_leaders {
            if let Some(follower) = &mut self.follower {
                follower.on_heartbeat(self.now);
            }
            self.say(from, Message::Heartbeat);
        } else {
            self.tell_leadership(envelope);
        }
    }

    /// Sends everything that the parts of the node want to say.
    pub(crate) fn flush(&mut self) {
        loop {
            if let Some(Output::Send { to, envelope }) = self.dtm.poll_output() {
                // The leader's own heartbeats spread the epoch, one per answer.
                if envelope.message != Message::Heartbeat {
                    self.send(to, envelope);
                }
            } else if let Some(envelope) = self.own.pop_front() {
                self.on_message(envelope);
            } else if !self.flush_leadership() && !self.flush_voter() {
                break;
            }
        }
    }

    /// Says something to a member in this node's name.
    pub(crate) fn say(&mut self, to: NodeId, message: Message) {
        let envelope = self.envelope(message);
        self.send(to, envelope);
    }

    pub(crate) fn envelope(&self, message: Message) -> Envelope {
        let (from, view, epoch) = (self.dtm.me(), self.view_number(), self.dtm.epoch());
        Envelope {
            from,
            view,
            epoch,
            message,
        }
    }

    fn send(&mut self, to: NodeId, envelope: Envelope) {
        if to == self.dtm.me() {
            self.own.push_back(envelope);
        } else if !self.dtm.is_cut_off(to) || is_of_control(&envelope.message) {
            self.platform.send(to, &envelope);
        }
    }

    fn on_time(&mut self) {
        if self
            .dtm
            .next_deadline()
            .is_some_and(|deadline| deadline <= self.now)
        {
            self.feed(Input::Tick);
        }
        self.on_voter_time();
        self.on_leadership_time();
        self.on_copies_time();
        self.on_cleaning_time();
        self.on_scrub_time();
        self.on_mending_time();
        self.on_join_time();
        if self.figures.next_report(self.config.report_every) <= self.now {
            self.report();
        }
        self.on_suspension();
    }

    /// A node that may not commit waits for a leader, but not for ever.
    fn on_suspension(&mut self) {
        if self.dtm.view().is_none() || self.may_commit() {
            self.suspended_since = None;
            return;
        }
        let since = *self.suspended_since.get_or_insert(self.now);
        if since + self.config.patience <= self.now {
            let why = self.voter.why_no_leader();
            let reason = FatalReason::LeaderLost(why);
            self.fatal = self.fatal.take().or(Some(reason));
        }
    }

    /// Says that a connection was no node's of this cluster; ever more seldom, or a log is
    /// soon full.
    fn note_intruder(&self, why: LostWhy) {
        let count = self.platform.counters().intruders();
        let is_intruder = match why {
            LostWhy::Refused(_)
            | LostWhy::Malformed(_)
            | LostWhy::Forged
            | LostWhy::WrongSender(_) => true,
            LostWhy::Closed
            | LostWhy::Unreachable
            | LostWhy::Stuck
            | LostWhy::Silent
            | LostWhy::Replaced => false,
        };
        if is_intruder && count.is_power_of_two() {
            (self.config.note)(&format!("a connection has ended, {count} like it: {why}"));
        }
    }

    /// Tells the leader this node's figures.
    pub(crate) fn report(&mut self) {
        self.figures.reported(self.now);
        let lost = self.count_lost();
        let Some(view) = self.dtm.view() else { return };
        let leader = view.leader;
        let (dtm, links) = (self.dtm.counters(), self.platform.counters());
        let report = NodeReport {
            versions_damaged: self.mending.damaged,
            versions_mended: self.mending.mended,
            versions_lost: lost,
            ..self.figures.report(dtm, &self.store.stats(), &links)
        };
        self.say(leader, Message::Report(report));
    }

    /// A span from now on.
    pub(crate) fn within(&self, span: Duration) -> Wait {
        Wait::Until(self.now + span)
    }
}

/// Messages that make sense also if one before them was lost: none is a part of something,
/// and each says all that the one before has said.
fn is_of_control(message: &Message) -> bool {
    matches!(
        message,
        Message::NewView { .. }
            | Message::Heartbeat
            | Message::Awaited { .. }
            | Message::EpochStored { .. }
            | Message::EpochHeld { .. }
            | Message::Held { .. }
            | Message::Stable { .. }
            | Message::Retain { .. }
            | Message::Living(_)
            | Message::Report(_)
            | Message::Unreachable { .. }
            | Message::Fence { .. }
            | Message::Intervals { .. }
            | Message::Replicated
            | Message::GetVersion { .. }
            | Message::Version { .. }
            | Message::Scrub
            | Message::Scrubbed(_)
            | Message::Down
            | Message::Left
            | Message::Expelled
    )
}
