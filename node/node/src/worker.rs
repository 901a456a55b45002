//! Running workers: the node's main business. A step is one transaction: take the
//! worker, run its guest, put it where it goes on, commit.
use alloc::string::{String, ToString};

use dtm::{Attempt, CommitMode};
use engine::{Instance, Limits, StepReturn, Stop};
use kernel::queues::{Backlog, Owner};
use kernel::step::{self, Step, StepEnd, Taken};
use kernel::{EntryCall, Event, Failure, ModuleId, ProcessId, Slot, WorkerId, output, queues};
use platform::{Disk, Wait};

use crate::apps::OpenError;
use crate::core::Core;
use crate::step::Running;
use crate::transaction::{NotDone, Transaction, loss};
use crate::{Node, Platform};

/// What came of looking for work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ran {
    /// There was something to do.
    Something,
    /// No worker is ready at this station.
    Nothing,
}

/// What came of one attempt at a step.
enum Attempted {
    Committed,
    Nothing,
    /// Undone; run it again.
    Retry,
    /// Undone; the process must be opened on this node first.
    Closed(ProcessId, ModuleId),
    /// Undone; it will not do better next time.
    Failed(WorkerId, String),
}

impl<P: Platform, D: Disk> Node<P, D> {
    /// Runs the next step of this station, as often as it takes to commit it.
    pub(crate) fn run_next(&mut self) -> Ran {
        let mut attempt = Attempt::First;
        while self.core.is_going_on() {
            self.apps.follow_resets(&mut self.core);
            self.core.begin(attempt, CommitMode::Apply);
            attempt = Attempt::Retry;
            match self.attempt_step() {
                Attempted::Committed => return Ran::Something,
                Attempted::Nothing => return Ran::Nothing,
                Attempted::Retry => self.core.pump(Wait::No),
                Attempted::Closed(process, module) => {
                    attempt = Attempt::First;
                    let opened = self
                        .apps
                        .open(&mut self.core, &self.engine, process, module);
                    if let Err(OpenError::Unusable(why)) = opened {
                        self.core.refuse_process(process, &why);
                    }
                }
                Attempted::Failed(worker, report) => {
                    self.core.fail_worker(worker, &report);
                    return Ran::Something;
                }
            }
        }
        Ran::Nothing
    }

    fn attempt_step(&mut self) -> Attempted {
        let core = &mut self.core;
        let station = core.station();
        let step = match step::take(&mut Transaction { core }, station) {
            Ok(Taken::Step(step)) => step,
            Ok(Taken::Swept) => return core.commit_step(),
            Ok(Taken::Nothing) => {
                core.rollback();
                return Attempted::Nothing;
            }
            Err(kernel::Stop) => {
                core.rollback();
                return Attempted::Retry;
            }
        };
        let process = *step.process();
        let Some(instance) = self.apps.get(process.id) else {
            core.rollback();
            return Attempted::Closed(process.id, process.module);
        };
        core.run_worker(instance, step, self.limits)
    }
}

impl<P: Platform, D: Disk> Core<P, D> {
    pub(crate) fn begin(&mut self, attempt: Attempt, mode: CommitMode) {
        self.dtm.begin(self.now, attempt, mode, &mut self.memory);
    }

    fn run_worker(&mut self, instance: &mut Instance, step: Step, limits: Limits) -> Attempted {
        let process = step.process().id;
        let EntryCall { entry, argument } = step.entry().expect("a worker has an entry");
        let entry = entry.as_str();
        let worker = step.worker().expect("this is no call");
        let mut running = Running::new(self, step, None);
        let result = if entry == abi::ENTRY_WASI {
            instance
                .start(&mut running, entry, limits)
                .map(|()| StepReturn::Done(0))
        } else {
            instance.step(&mut running, entry, argument, limits)
        };
        let Running {
            mut step,
            complaint,
            ..
        } = running;
        let end = match result {
            Ok(StepReturn::Again) => StepEnd::Again,
            Ok(StepReturn::Wait(event)) => StepEnd::Wait(Event(event)),
            Ok(StepReturn::Done(value)) => StepEnd::Done(value),
            Err(Stop::Exit(code)) => {
                step.exit(code);
                StepEnd::Again
            }
            Err(Stop::Conflict | Stop::Fallback) => {
                self.rollback();
                return Attempted::Retry;
            }
            Err(stop) => return self.failed(worker, &report(&stop, &complaint)),
        };
        match step.finish(&mut Transaction { core: self }, end) {
            Ok(_) => {
                let committed = self.commit_step();
                if matches!(committed, Attempted::Committed) {
                    *self.steps.entry(process).or_insert(0) += 1;
                }
                committed
            }
            Err(Failure::Stop(_)) => match self.lost_page() {
                Some((page, version)) => self.failed(worker, &loss(page, version)),
                None => {
                    self.rollback();
                    Attempted::Retry
                }
            },
            Err(Failure::Refused(refusal)) => self.failed(worker, &refusal.to_string()),
        }
    }

    fn commit_step(&mut self) -> Attempted {
        match self.commit() {
            Ok(_) => {
                self.figures.step_done();
                Attempted::Committed
            }
            Err(_) => Attempted::Retry,
        }
    }

    /// A fault counts only if what the guest has seen is true.
    fn failed(&mut self, worker: WorkerId, report: &str) -> Attempted {
        let has_bad_luck = self.has_bad_luck();
        self.rollback();
        if has_bad_luck {
            Attempted::Retry
        } else {
            Attempted::Failed(worker, report.to_string())
        }
    }

    /// Ends the process of a worker whose step failed.
    pub(crate) fn fail_worker(&mut self, worker: WorkerId, report: &str) {
        let report = alloc::format!("{report}\n  on node {}", self.dtm.me());
        let station = self.station();
        let now_ns = self.platform.wall_ns();
        let failed =
            self.transact(|pages| Ok(step::fail(pages, station, worker, &report, now_ns)?));
        if let Err(NotDone::Lost(page, version)) = failed {
            self.store_failed(&loss(page, version));
        }
        assert!(
            failed.is_ok() || self.is_ending(),
            "failing is never refused"
        );
    }

    /// Ends the process whose worker this station holds, because it cannot run here.
    fn refuse_process(&mut self, process: ProcessId, why: &str) {
        let station = self.station();
        let held = self.transact(|pages| match step::take(pages, station)? {
            Taken::Step(step) if step.process().id == process => Ok(step.worker()),
            _ => Ok(None),
        });
        if let Ok((Some(worker), _)) = held {
            self.fail_worker(worker, why);
        }
    }

    /// Adds the steps counted here to what the processes are known to have run. Counted
    /// apart, a step that runs again and again writes nothing of the kernel's.
    pub(crate) fn tell_steps(&mut self) {
        let slot = self.station().slot();
        for (process, count) in core::mem::take(&mut self.steps) {
            // A process that is gone needs no count; a node that ends tells none.
            let _ = self.transact(|pages| Ok(output::add_steps(pages, process, slot, count)?));
        }
    }

    /// Takes over work from another slot, unless its queue was found to move quickly since the
    /// look before; whether there was any.
    pub(crate) fn steal(&mut self, victim: Slot, before: &mut Option<Backlog>) -> Ran {
        let station = self.station();
        if victim == station.slot() {
            return Ran::Nothing;
        }
        let owner = if station.is_taken(victim) {
            Owner::Alive
        } else {
            Owner::Gone
        };
        let stolen = self.transact(|pages| {
            let backlog = queues::backlog(pages, victim)?;
            let is_quick = |before: &Backlog| backlog.is_quick(before);
            if owner == Owner::Alive && before.as_ref().is_none_or(is_quick) {
                return Ok((backlog, 0));
            }
            let count = queues::steal(pages, station.slot(), victim, owner)?;
            Ok((backlog, count))
        });
        let Ok(((backlog, count), _)) = stolen else {
            return Ran::Nothing;
        };
        *before = Some(backlog);
        match count {
            0 => Ran::Nothing,
            _ => Ran::Something,
        }
    }
}

/// What people read of a step that failed: why, and its own last words.
pub(crate) fn report(stop: &Stop, complaint: &[u8]) -> String {
    let words = String::from_utf8_lossy(complaint);
    match words.trim() {
        "" => stop.to_string(),
        words => alloc::format!("{words}\n{stop}"),
    }
}
