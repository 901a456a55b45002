//! The leader's side of a node: carries what the control state machine decides to its
//! log, to the members and to this node, and keeps what people want to know.
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use admin::{Fallen, NodeInfo, Status};
use control::{ControlState, Event, Input, JoinerKey, Leader, Output, Record};
use platform::{Disk, JoinerId};
use store::ControlLog;
use types::{Duration, Instant, NodeId, StoreId};
use wire::{Envelope, Message, NodeReport};

use crate::core::Core;
use crate::{FatalReason, LeaderConfig, Platform};

/// What makes a node the leader.
pub struct Leadership<D> {
    leader: Leader,
    log: ControlLog<D>,
    started: Instant,
    /// From the start to the first commit.
    start: Option<Duration>,
    snapshots: u64,
    reports: BTreeMap<NodeId, NodeReport>,
    /// Sums of the members that are gone.
    gone: NodeReport,
    last_failure: Option<Failure>,
}

/// A failure and when it was noticed.
struct Failure {
    told: Fallen,
    noticed: Instant,
}

impl<D: Disk> Leadership<D> {
    /// A leader that continues from the records of its log.
    ///
    /// # Errors
    /// If a record is none of this version.
    pub fn new(
        config: LeaderConfig,
        log: ControlLog<D>,
        records: &[Vec<u8>],
        now: Instant,
    ) -> Result<Self, String> {
        let mut state = ControlState::default();
        for record in records {
            let record: Record = postcard::from_bytes(record)
                .map_err(|_| "expected a decision in the control log, found other bytes")?;
            state.apply(&record);
        }
        Ok(Self {
            leader: Leader::new(config, state, now),
            log,
            started: now,
            start: None,
            snapshots: 0,
            reports: BTreeMap::new(),
            gone: NodeReport::default(),
            last_failure: None,
        })
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.leader.next_deadline()
    }

    fn on_report(&mut self, from: NodeId, report: NodeReport, now: Instant) {
        self.reports.insert(from, report);
        if let Some(failure) = &mut self.last_failure
            && report.has_committed_in_view
            && failure.told.recovered_us.is_none()
        {
            failure.told.recovered_us = Some(now.since(failure.noticed).as_micros());
        }
        if report.has_committed_in_view && self.start.is_none() {
            self.start = Some(now.since(self.started));
        }
    }

    fn on_event(&mut self, event: Event, now: Instant) {
        let Event::Failed {
            node,
            name,
            fallback_to,
            survivors,
        } = event;
        if let Some(report) = self.reports.remove(&node) {
            add(&mut self.gone, &report);
        }
        let told = Fallen {
            node: node.0,
            name,
            noticed_by: "its connection was lost".to_string(),
            fallback_to: fallback_to.0,
            nodes_reset: survivors,
            recovered_us: None,
        };
        self.last_failure = Some(Failure { told, noticed: now });
    }

    fn persist(&mut self, record: &Record) -> Result<(), platform::DiskError> {
        let bytes = postcard::to_allocvec(record).expect("plain data can be encoded");
        if !self.log.wants_checkpoint() {
            return self.log.append(&bytes);
        }
        let mut state = self.leader.state().clone();
        state.apply(record);
        let whole = postcard::to_allocvec(&Record::Checkpoint(state));
        self.log
            .checkpoint(&whole.expect("plain data can be encoded"))
    }
}

impl<P: Platform, D: Disk> Core<P, D> {
    /// Gives the leader a message of a member.
    pub(crate) fn to_leadership(&mut self, envelope: Envelope) {
        let (now, node) = (self.now, envelope.from);
        let Some(leadership) = &mut self.leadership else {
            return;
        };
        let input = match envelope.message {
            Message::EpochStored { epoch } => Input::EpochStored { node, epoch },
            Message::Unreachable { node } => Input::Unreachable(node),
            Message::Report(report) => {
                leadership.on_report(node, report, now);
                Input::Heard(node)
            }
            _ => Input::Heard(node),
        };
        leadership.leader.handle(now, input);
    }

    fn tell_leader(&mut self, input: Input) {
        let now = self.now;
        if let Some(leadership) = &mut self.leadership {
            leadership.leader.handle(now, input);
        }
    }

    pub(crate) fn on_join(
        &mut self,
        joiner: JoinerId,
        address: String,
        store: StoreId,
        name: String,
    ) {
        self.tell_leader(Input::Join {
            joiner: JoinerKey(joiner.0),
            address,
            store,
            name,
        });
    }

    pub(crate) fn forget_joiner(&mut self, joiner: JoinerId) {
        self.tell_leader(Input::JoinerLost(JoinerKey(joiner.0)));
    }

    pub(crate) fn on_member_lost(&mut self, node: NodeId) {
        self.tell_leader(Input::Unreachable(node));
    }

    pub(crate) fn on_leadership_time(&mut self) {
        let due = self.leadership.as_ref().and_then(Leadership::next_deadline);
        if due.is_some_and(|deadline| deadline <= self.now) {
            self.tell_leader(Input::Tick);
        }
    }

    /// Tells the leader which of its records are durable.
    pub(crate) fn on_control_log(&mut self) {
        let Some(leadership) = &mut self.leadership else {
            return;
        };
        match leadership.log.poll() {
            Ok(0) => {}
            Ok(count) => self.tell_leader(Input::Persisted(count)),
            Err(error) => self.store_failed(&error),
        }
    }

    /// Does the next thing that the leader wants; false if there is none.
    pub(crate) fn flush_leadership(&mut self) -> bool {
        let now = self.now;
        let Some(leadership) = &mut self.leadership else {
            return false;
        };
        let Some(output) = leadership.leader.poll_output() else {
            return false;
        };
        match output {
            Output::Send { to, message } => {
                let is_mine = to == self.dtm.me();
                if is_mine && matches!(message, Message::Stable { .. }) {
                    leadership.snapshots += 1;
                }
                self.say(to, message);
            }
            Output::Admit {
                joiner,
                node,
                message,
            } => {
                let envelope = self.envelope(message);
                self.platform.send_joiner(JoinerId(joiner.0), &envelope);
                self.platform.bind(JoinerId(joiner.0), node);
            }
            Output::Persist(record) => {
                if let Err(error) = leadership.persist(&record) {
                    self.store_failed(&error);
                }
                self.on_control_log();
            }
            Output::Enter {
                view,
                you,
                addresses,
            } => self.enter(&view, you, &addresses),
            Output::AdvanceEpoch => self.feed(dtm::Input::AdvanceEpoch),
            Output::Event(event) => leadership.on_event(event, now),
            Output::Stop(why) => self.fatal = Some(FatalReason::CannotLead(why.to_string())),
        }
        true
    }

    /// Tells all members that the cluster stops.
    pub(crate) fn say_down(&mut self) {
        let me = self.dtm.me();
        let view = self.dtm.view().expect("the cluster runs");
        let others: Vec<NodeId> = view.nodes().filter(|node| *node != me).collect();
        for node in others {
            self.say(node, Message::Down);
        }
        self.platform.flush();
    }

    /// How the cluster is, as the leader knows it; another node knows little.
    pub(crate) fn status(&self) -> Status {
        let view = self.dtm.view();
        let mut status = Status {
            view: view.map_or(0, |view| view.number.0),
            epoch: self.dtm.epoch().0,
            stable: self.dtm.stable().0,
            ..Status::default()
        };
        if let Some(leadership) = &self.leadership {
            leadership.describe(&mut status, self.now);
        }
        status
    }
}

impl<D: Disk> Leadership<D> {
    fn describe(&self, status: &mut Status, now: Instant) {
        status.snapshots = self.snapshots;
        status.uptime_ms = now.since(self.started).as_millis();
        status.start_us = self.start.map_or(0, Duration::as_micros);
        status.last_failure = self
            .last_failure
            .as_ref()
            .map(|failure| failure.told.clone());
        let mut sum = self.gone;
        for (node, name, address, store) in self.leader.members() {
            let report = self.reports.get(&node).copied().unwrap_or_default();
            add(&mut sum, &report);
            status.nodes.push(NodeInfo {
                node: node.0,
                name: name.to_string(),
                address: address.to_string(),
                store: store.0,
                transactions: report.transactions,
                aborts: report.aborts,
                steps: report.steps,
                pages_fetched: report.pages_fetched,
                bytes_stored: report.bytes_stored,
                pause_us_max: report.pause_us_max,
            });
        }
        status.transactions = sum.transactions;
        status.aborts = sum.aborts;
        status.bytes_stored = sum.bytes_stored;
        status.pause_us_max = sum.pause_us_max;
    }
}

impl<D> core::fmt::Debug for Leadership<D> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Leadership")
            .field("leader", &self.leader)
            .finish_non_exhaustive()
    }
}

fn add(sum: &mut NodeReport, report: &NodeReport) {
    sum.transactions += report.transactions;
    sum.aborts += report.aborts;
    sum.steps += report.steps;
    sum.pages_fetched += report.pages_fetched;
    sum.bytes_stored += report.bytes_stored;
    sum.frames_stored += report.frames_stored;
    sum.pause_us_max = sum.pause_us_max.max(report.pause_us_max);
}
