//! The programs' side of a node: runs one script after the other as transactions,
//! step by step, and records what it sees.
//!
//! Like compiled code, it reads a mapped page of linear memory without asking anybody,
//! and it may take a few more steps after its transaction was doomed.
use std::collections::BTreeMap;

use dtm::{Access, AccessResult, Attempt, CommitMode, Dtm, TxnStatus, Why};
use oracle::{Abort, AttemptId, Period, Token, TxnId};
use types::{Duration, Instant, NodeId, PageId};

use crate::Property;
use crate::common::Common;
use crate::memory::{Cell, Memory};
use crate::plant::Ghosts;
use crate::workload::{Kind, Script, Seen, Step, Update};

/// A step takes some time, however fast the node is.
const STEP: Duration = Duration::from_micros(1);

/// Transactions that a worker runs in addition to its share at most.
const EXTRA: u32 = 150;

/// What a client works with.
pub(crate) struct Desk<'node> {
    pub(crate) dtm: &'node mut Dtm,
    pub(crate) memory: &'node mut Memory,
    pub(crate) ghosts: &'node Ghosts,
    pub(crate) common: &'node mut Common,
    /// What the node's clock shows.
    pub(crate) clock: Instant,
}

/// When a client wants its next step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    After(Duration),
    /// When something has changed.
    Sleep,
}

/// After what a client looks at its transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cause {
    /// The memory was given something.
    Input,
    /// The client itself did something.
    Step,
}

/// Which transactions a client runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Its share, and more as long as the chaos lasts.
    Worker,
    /// Its share of long ones.
    Prey,
    /// Short ones that get in the way of the long ones, as long as there are any.
    Hunter,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Resting,
    Running,
    Waiting,
    Committing,
    Doomed { steps_left: u64 },
    Retrying,
}

#[derive(Debug)]
pub(crate) struct Client {
    role: Role,
    /// What it must do.
    quota: u32,
    /// What it may do in addition while the chaos lasts.
    extra: u32,
    /// Comes before everything else.
    queued: Option<Script>,
    phase: Phase,
    current: Option<Current>,
}

/// The transaction that runs.
#[derive(Debug)]
struct Current {
    txn: TxnId,
    script: Script,
    attempt: AttemptId,
    taken: usize,
    seen: Seen,
    written: BTreeMap<PageId, Token>,
}

impl Client {
    pub(crate) fn new(role: Role, quota: u32) -> Self {
        Self {
            role,
            quota,
            extra: EXTRA,
            queued: None,
            phase: Phase::Resting,
            current: None,
        }
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// Whether all that it must do is done.
    pub(crate) fn is_idle(&self) -> bool {
        self.phase == Phase::Resting && self.queued.is_none() && self.quota == 0
    }

    pub(crate) fn queue(&mut self, script: Script) {
        self.queued = Some(script);
    }

    pub(crate) fn is_doomed(&self) -> bool {
        matches!(self.phase, Phase::Doomed { .. })
    }

    /// The node has died, or leaves.
    pub(crate) fn on_end(&mut self, common: &mut Common) {
        if let Some(current) = &self.current {
            common.recorder.abort(current.attempt, Abort::Crash);
        }
    }

    /// Looks how the transaction stands after something has happened.
    pub(crate) fn react(&mut self, cause: Cause, desk: &mut Desk<'_>) -> Next {
        let status = desk.dtm.transaction();
        match (self.phase, status) {
            (Phase::Running | Phase::Waiting | Phase::Committing, TxnStatus::Marked(why)) => {
                self.doom(why, desk)
            }
            (Phase::Committing, TxnStatus::Committed(stamp)) => self.on_committed(stamp, desk),
            (Phase::Committing, TxnStatus::Committing) if desk.common.prng.chance(1, 400) => {
                self.give_up(desk)
            }
            (Phase::Waiting, TxnStatus::Running) if cause == Cause::Input => {
                Next::After(desk.common.span(desk.common.scenario.wake_max))
            }
            (Phase::Committing, TxnStatus::Committing)
            | (Phase::Running | Phase::Waiting, TxnStatus::Running)
            | (Phase::Doomed { .. }, TxnStatus::Marked(_))
            | (Phase::Resting | Phase::Retrying, TxnStatus::Idle | TxnStatus::Committed(_)) => {
                Next::Sleep
            }
            (phase, status) => {
                let detail =
                    format!("the transaction is {status:?} while its program is {phase:?}");
                desk.common.fail(Property::Contract, detail);
                Next::Sleep
            }
        }
    }

    /// Takes the next step.
    pub(crate) fn step(&mut self, desk: &mut Desk<'_>) -> Next {
        let view = desk.dtm.view();
        let is_leaving = view.is_some_and(|view| view.is_leaving(desk.dtm.me()));
        if is_leaving && matches!(self.phase, Phase::Resting | Phase::Retrying) {
            return self.stop(desk.common);
        }
        match self.phase {
            Phase::Resting => self.begin_first(desk),
            Phase::Retrying => self.begin_again(desk),
            Phase::Running | Phase::Waiting => self.advance(desk),
            Phase::Doomed { steps_left } => self.wander(steps_left, desk),
            Phase::Committing => Next::Sleep,
        }
    }

    /// Nothing begins here any more.
    fn stop(&mut self, common: &mut Common) -> Next {
        self.on_end(common);
        (self.quota, self.extra, self.queued, self.current) = (0, 0, None, None);
        self.phase = Phase::Resting;
        Next::After(Duration::from_micros(200))
    }

    fn begin_first(&mut self, desk: &mut Desk<'_>) -> Next {
        if desk.dtm.view().is_none() {
            return Next::After(Duration::from_micros(50));
        }
        let Some(script) = self.next_script(desk.dtm.me(), desk.common) else {
            return Next::After(Duration::from_micros(200));
        };
        let txn = desk.common.recorder.new_txn();
        self.begin(txn, script, Attempt::First, desk)
    }

    fn begin_again(&mut self, desk: &mut Desk<'_>) -> Next {
        let current = self.current.take().expect("a retry has something to retry");
        self.begin(current.txn, current.script, Attempt::Retry, desk)
    }

    fn begin(&mut self, txn: TxnId, script: Script, attempt: Attempt, desk: &mut Desk<'_>) -> Next {
        let now = desk.clock;
        let view = desk.dtm.view().expect("transactions begin in a view");
        let before = usize::try_from(view.number.0 - 1).expect("a few views");
        let period = Period(before);
        let node = desk.dtm.me();
        let id = desk.common.recorder.begin(txn, node, period);
        desk.common.note(format_args!(
            "{node} {attempt:?} {id} of txn {}: {script:?}",
            txn.0
        ));
        desk.dtm.begin(now, attempt, script.mode(), desk.memory);
        let (seen, written) = Default::default();
        self.current = Some(Current {
            txn,
            script,
            attempt: id,
            taken: 0,
            seen,
            written,
        });
        self.phase = Phase::Running;
        self.pause(desk)
    }

    fn next_script(&mut self, node: NodeId, common: &mut Common) -> Option<Script> {
        if let Some(script) = self.queued.take() {
            return Some(script);
        }
        if let Some(sharing) = &common.scenario.sharing {
            return Some(sharing.script(node, &mut common.prng));
        }
        let is_extra = match self.role {
            Role::Worker => self.extra > 0 && common.now < common.scenario.heal_at,
            Role::Prey => false,
            Role::Hunter => common.is_prey_alive,
        };
        if self.quota == 0 && !is_extra {
            return None;
        }
        if self.quota == 0 {
            self.extra = self.extra.saturating_sub(1);
        }
        self.quota = self.quota.saturating_sub(1);
        let kinds = &common.scenario.kinds;
        let kind = match self.role {
            Role::Worker => kinds[crate::workload::index_below(kinds.len(), &mut common.prng)],
            Role::Prey => Kind::Long,
            Role::Hunter => Kind::Counters,
        };
        Some(Script::draw(
            kind,
            &common.scenario.layout,
            &mut common.prng,
        ))
    }

    /// One step of the script.
    fn advance(&mut self, desk: &mut Desk<'_>) -> Next {
        if self.phase == Phase::Running && desk.common.prng.chance(1, 500) {
            return self.give_up(desk);
        }
        self.phase = Phase::Running;
        let current = self.current();
        match current.script.step(current.taken, &current.seen) {
            Step::Pause => {
                self.current().taken += 1;
                let long = desk
                    .common
                    .scenario
                    .think_max
                    .max(Duration::from_micros(20));
                Next::After(desk.common.span(long + long))
            }
            Step::Read(page) => match Self::acquire(page, Access::Read, desk) {
                AccessResult::Ready => {
                    self.look(page, desk);
                    self.current().taken += 1;
                    self.pause(desk)
                }
                other => self.on_unready(other),
            },
            Step::Write(page, update) => match Self::acquire(page, Access::Write, desk) {
                AccessResult::Ready => {
                    self.look(page, desk);
                    self.write(page, update, desk);
                    self.current().taken += 1;
                    self.pause(desk)
                }
                other => self.on_unready(other),
            },
            Step::End => {
                self.verify(desk);
                self.phase = Phase::Committing;
                let now = desk.clock;
                desk.dtm.commit(now, desk.memory);
                Next::Sleep
            }
        }
    }

    /// Asks for a page, or just takes it where compiled code would.
    fn acquire(page: PageId, access: Access, desk: &mut Desk<'_>) -> AccessResult {
        let is_there = match access {
            Access::Read => desk.memory.is_mapped(page),
            Access::Write => desk.memory.is_writable(page),
        };
        if is_there && page.is_linear() {
            return AccessResult::Ready;
        }
        let result = desk.dtm.access(desk.clock, page, access, desk.memory);
        if result == AccessResult::Ready {
            let is_there = match access {
                Access::Read => desk.memory.is_mapped(page),
                Access::Write => desk.memory.is_writable(page),
            };
            assert!(is_there, "{page} is ready for {access:?}, but not there");
        }
        result
    }

    fn on_unready(&mut self, result: AccessResult) -> Next {
        assert_ne!(result, AccessResult::Ready);
        if result == AccessResult::Wait {
            self.phase = Phase::Waiting;
        }
        Next::Sleep
    }

    /// Reads a mapped page and records what is there.
    fn look(&mut self, page: PageId, desk: &mut Desk<'_>) {
        match desk.memory.cell(page) {
            Ok(cell) => self.saw(page, cell, desk.common),
            Err(_) => {
                let detail = format!("{} saw {page} torn", self.current().attempt);
                desk.common.fail(Property::Application, detail);
            }
        }
    }

    fn saw(&mut self, page: PageId, cell: Cell, common: &mut Common) {
        let current = self.current();
        current.seen.now.insert(page, cell.value);
        current.seen.first.entry(page).or_insert(cell.value);
        if current.written.contains_key(&page) {
            return;
        }
        if let Err(detail) = common.recorder.read(current.attempt, page, cell) {
            common.fail(Property::Application, detail);
        }
    }

    fn write(&mut self, page: PageId, update: Update, desk: &mut Desk<'_>) {
        let current = self.current();
        let value = update.apply(current.seen.now[&page]);
        let cell = if update == Update::Same {
            desk.memory.cell(page).expect("it was looked at")
        } else {
            let cell = desk.common.recorder.cell(page, value);
            current.written.insert(page, cell.token);
            cell
        };
        desk.memory.write(page, cell);
        current.seen.now.insert(page, value);
    }

    fn verify(&mut self, desk: &mut Desk<'_>) {
        let current = self.current();
        if let Err(detail) = current.script.verify(&current.seen) {
            let detail = format!("{} of {:?}: {detail}", current.attempt, current.script);
            desk.common.fail(Property::Application, detail);
        }
    }

    fn doom(&mut self, why: Why, desk: &mut Desk<'_>) -> Next {
        let abort = match why {
            Why::Conflict => Abort::Conflict,
            Why::Fallback => Abort::Fallback,
            Why::Lost(..) => unreachable!("the stores here read what they wrote"),
        };
        let attempt = self.current().attempt;
        desk.common.recorder.abort(attempt, abort);
        let max = match self.phase {
            Phase::Committing => 0,
            _ => desk.common.scenario.zombie_steps_max,
        };
        let steps_left = desk.common.prng.below(max + 1);
        desk.common.note(format_args!(
            "{attempt} doomed: {why:?}, {steps_left} steps left"
        ));
        self.phase = Phase::Doomed { steps_left };
        self.pause(desk)
    }

    /// A step of a doomed transaction: it sees what is mapped, until it is rolled back.
    fn wander(&mut self, steps_left: u64, desk: &mut Desk<'_>) -> Next {
        let current = self.current();
        let step = current.script.step(current.taken, &current.seen);
        let is_over = match step {
            Step::Read(page) if desk.memory.is_mapped(page) => {
                self.look(page, desk);
                self.current().taken += 1;
                false
            }
            Step::Read(page) => {
                // Not there: without a planted fault, there is nothing to see.
                if let Some(cell) = desk.ghosts.cell(page) {
                    self.saw(page, cell, desk.common);
                    self.current().taken += 1;
                }
                false
            }
            Step::Pause => {
                current.taken += 1;
                false
            }
            Step::Write(..) => true,
            Step::End => {
                self.verify(desk);
                true
            }
        };
        if is_over || steps_left == 0 {
            return self.roll_back(desk);
        }
        self.phase = Phase::Doomed {
            steps_left: steps_left - 1,
        };
        self.pause(desk)
    }

    /// The program ends by itself, as after a fault of its own, and is run again.
    fn give_up(&mut self, desk: &mut Desk<'_>) -> Next {
        let attempt = self.current().attempt;
        desk.common.recorder.abort(attempt, Abort::Own);
        desk.common.note(format_args!("{attempt} gives up"));
        self.roll_back(desk)
    }

    fn roll_back(&mut self, desk: &mut Desk<'_>) -> Next {
        desk.dtm.rollback(desk.clock, desk.memory);
        self.phase = Phase::Retrying;
        self.pause(desk)
    }

    fn on_committed(&mut self, stamp: types::Stamp, desk: &mut Desk<'_>) -> Next {
        let current = self.current.take().expect("a commit ends a transaction");
        desk.common
            .note(format_args!("{} committed {stamp:?}", current.attempt));
        let written = match current.script.mode() {
            CommitMode::Apply => current.written,
            CommitMode::Discard => BTreeMap::new(),
        };
        let mut told = desk.dtm.written().to_vec();
        told.sort_unstable();
        if !told.iter().eq(written.keys()) {
            let detail = format!("{} wrote {written:?}, told was {told:?}", current.attempt);
            desk.common.fail(Property::Contract, detail);
        }
        let now = desk.common.now;
        desk.common
            .recorder
            .commit(now, current.attempt, stamp, written.into_iter());
        self.phase = Phase::Resting;
        match desk.common.scenario.sharing {
            Some(sharing) => Next::After(desk.common.span(sharing.rest_max)),
            None => self.pause(desk),
        }
    }

    fn pause(&self, desk: &mut Desk<'_>) -> Next {
        let think = desk.common.span(desk.common.scenario.think_max);
        Next::After(STEP + think)
    }

    fn current(&mut self) -> &mut Current {
        self.current
            .as_mut()
            .expect("there is a transaction outside of a rest")
    }
}
