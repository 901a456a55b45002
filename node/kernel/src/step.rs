//! One step of a worker, from taking it off the queue to putting it where it goes on.
//!
//! All of it is one transaction with the guest's own reads and writes. What the guest
//! asks for that others compete for (queues, wait lists, counts) is gathered here
//! and applied at the end, so that the time in which others can interfere is short.
//! What it writes to pages of its own slot is written at once.
use alloc::format;
use alloc::vec::Vec;

use crate::channels::device::{self, FAULTS_MAX, Verdict};
use crate::events::{self, Waiter};
use crate::living::lives;
use crate::processes::{self, Process, ProcessState, ProgressCount, Tally};
use crate::{
    EntryCall, Event, Failure, Pages, ProcessId, Refusal, Station, Stop, Worker, WorkerId, blobs,
    output, queues, workers,
};

/// The level of output that is for standard error.
const ERROR_LEVEL: u8 = 1;

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepEnd {
    /// The worker has more to do.
    Again,
    /// The worker goes on after the event is signalled.
    Wait(Event),
    /// The worker has ended with this value.
    Done(i64),
}

/// What a node found when it asked for work.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "lives on the stack for the time of one step"
)]
pub enum Taken {
    /// A step to run.
    Step(Step),
    /// The worker of a process that has ended; it is gone when this commits. Ask again.
    Swept,
    /// Nobody is ready here; maybe elsewhere: see [`queues::steal`].
    Nothing,
}

/// A step that runs, or a call into a process, which is like a step of nobody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    station: Station,
    process: Process,
    worker: Option<Worker>,
    spawned: Vec<Worker>,
    signals: Vec<Event>,
    progress: Option<ProgressCount>,
    exit: Option<i32>,
}

/// Begins the step that is next at this station.
///
/// # Errors
/// Only [`Stop`].
pub fn take(pages: &mut impl Pages, station: Station) -> Result<Taken, Stop> {
    let Some(worker) = queues::take(pages, station.slot())? else {
        return Ok(Taken::Nothing);
    };
    match processes::find(pages, worker.process)? {
        Some(process) if process.state == ProcessState::Running => {
            Ok(Taken::Step(Step::new(station, process, Some(worker))))
        }
        _ => {
            queues::release(pages, station.slot(), worker)?;
            Ok(Taken::Swept)
        }
    }
}

/// Ends a process because a step of it failed, or gives it another try, if it drives a device
/// (`now_ns` is the time since 1970). The step's transaction was undone; this is one of its own.
/// False if the worker was stolen or swept in between: then it is somebody else's now, and the
/// fault will show again if it is real.
///
/// # Errors
/// Only [`Stop`].
pub fn fail(
    pages: &mut impl Pages,
    station: Station,
    worker: WorkerId,
    report: &str,
    now_ns: u64,
) -> Result<bool, Stop> {
    let (step, held) = match take(pages, station)? {
        Taken::Step(step) => match step.worker {
            Some(held) if held.id == worker => (step, held),
            _ => return Ok(false),
        },
        _ => return Ok(false),
    };
    let (id, slot) = (step.process.id, station.slot());
    processes::set_fault_report(pages, id, report)?;
    match device::judge(pages, slot, id, now_ns)? {
        Verdict::GoesOn(faults) => {
            let news = format!("driver has failed ({faults} of {FAULTS_MAX}): {report}\n");
            output::append(pages, id, slot, ERROR_LEVEL, news.as_bytes())?;
            queues::rotate(pages, slot, held)?;
        }
        Verdict::Ends | Verdict::TakenOffline => {
            step.release(pages)?;
            processes::end(pages, id, ProcessState::Faulted)?;
        }
    }
    Ok(true)
}

impl Step {
    /// Begins a call into a process that runs, or is done and has still its name. Finish it
    /// with [`Step::finish_call`].
    ///
    /// # Errors
    /// If there is no such process, it has failed, or its memory is not kept any more.
    pub fn call(pages: &mut impl Pages, station: Station, id: ProcessId) -> Result<Self, Failure> {
        let process = processes::get(pages, id)?;
        match process.state {
            ProcessState::Loading => Err(Refusal::NotRunning(id).into()),
            _ if lives(pages, &process)? => Ok(Self::new(station, process, None)),
            ProcessState::Done(_) => Err(Refusal::Replaced(id).into()),
            _ => Err(Refusal::NotRunning(id).into()),
        }
    }

    /// Begins the start function of a process that is loading: a call before it runs.
    /// Finish it with [`Step::finish_call`].
    ///
    /// # Errors
    /// If there is no such process or it is not loading.
    pub fn load(pages: &mut impl Pages, station: Station, id: ProcessId) -> Result<Self, Failure> {
        let process = processes::get(pages, id)?;
        match process.state {
            ProcessState::Loading => Ok(Self::new(station, process, None)),
            _ => Err(Refusal::NotLoading(id).into()),
        }
    }

    fn new(station: Station, process: Process, worker: Option<Worker>) -> Self {
        let (spawned, signals) = (Vec::new(), Vec::new());
        Self {
            station,
            process,
            worker,
            spawned,
            signals,
            progress: None,
            exit: None,
        }
    }

    /// The process, as it was when the step began.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The worker; nobody in a call.
    #[must_use]
    pub fn worker(&self) -> Option<WorkerId> {
        self.worker.map(|worker| worker.id)
    }

    /// The function to run and its argument; none in a call.
    #[must_use]
    pub fn entry(&self) -> Option<EntryCall> {
        self.worker.map(|worker| worker.call)
    }

    /// Makes a worker of the same process, which is ready when the step commits. The
    /// workers that a station makes go to the slots of the view in turn.
    ///
    /// # Errors
    /// Only [`Stop`]; if there are too many, finishing refuses.
    pub fn spawn(&mut self, pages: &mut impl Pages, call: EntryCall) -> Result<WorkerId, Stop> {
        let worker = workers::create(pages, self.station.slot(), self.process.id, call)?;
        self.spawned.push(worker);
        Ok(worker.id)
    }

    /// Makes everybody ready who waits for the event, when the step commits.
    pub fn signal(&mut self, event: Event) {
        if !self.signals.contains(&event) {
            self.signals.push(event);
        }
    }

    /// Says how far the process is.
    pub fn set_progress(&mut self, progress: ProgressCount) {
        self.progress = Some(progress);
    }

    /// Ends the process when the step commits. The first code counts.
    pub fn exit(&mut self, code: i32) {
        self.exit.get_or_insert(code);
    }

    /// Prints.
    ///
    /// # Errors
    /// Only [`Stop`].
    pub fn print(&self, pages: &mut impl Pages, level: u8, bytes: &[u8]) -> Result<(), Stop> {
        output::append(pages, self.process.id, self.station.slot(), level, bytes)
    }

    /// Writes into the result of the process.
    ///
    /// # Errors
    /// If the result would become too long.
    pub fn write_result(
        &self,
        pages: &mut impl Pages,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        blobs::write(
            pages,
            self.station.slot(),
            self.process.result,
            offset,
            bytes,
        )
    }

    /// Applies what the step asked for and puts its worker where it belongs. Returns
    /// how the process ended, if it did. After this the transaction is to commit.
    ///
    /// # Errors
    /// If a limit of the process is exceeded.
    ///
    /// # Panics
    /// If this is a call.
    pub fn finish(
        &self,
        pages: &mut impl Pages,
        end: StepEnd,
    ) -> Result<Option<ProcessState>, Failure> {
        let worker = self.worker.expect("a step has a worker");
        let slot = self.station.slot();
        if self.exit.is_some() {
            self.release(pages)?;
            return self.finish_call(pages);
        }
        self.apply(pages)?;
        match end {
            StepEnd::Again => queues::rotate(pages, slot, worker)?,
            StepEnd::Wait(event) => {
                queues::release(pages, slot, worker)?;
                let waiter = Waiter {
                    worker,
                    event,
                    home: slot,
                };
                events::wait(pages, waiter)?;
            }
            StepEnd::Done(value) => {
                queues::release(pages, slot, worker)?;
                return Ok(self.count_end(pages, worker.id, value)?);
            }
        }
        Ok(None)
    }

    /// Applies what a call asked for. Returns how the process ended, if it did.
    ///
    /// # Errors
    /// If the call made workers for, or ended, a process that is done, or a limit of
    /// the process is exceeded.
    pub fn finish_call(&self, pages: &mut impl Pages) -> Result<Option<ProcessState>, Failure> {
        let needs_running = self.exit.is_some() || !self.spawned.is_empty();
        if needs_running && self.process.state != ProcessState::Running {
            return Err(Refusal::NotRunning(self.process.id).into());
        }
        let Some(code) = self.exit else {
            self.apply(pages)?;
            return Ok(None);
        };
        self.apply_progress(pages)?;
        let state = ProcessState::Exited(code);
        processes::end(pages, self.process.id, state)?;
        Ok(Some(state))
    }

    fn apply(&self, pages: &mut impl Pages) -> Result<(), Failure> {
        self.apply_progress(pages)?;
        if !self.spawned.is_empty() {
            processes::add_workers(pages, self.process.id, self.spawned.len())?;
        }
        for &worker in &self.spawned {
            queues::enqueue(pages, self.station.after(worker.id.turn()), worker)?;
        }
        for &event in &self.signals {
            for waiter in events::signal(pages, self.process.id, event)? {
                let slot = self.station.nearest(waiter.home);
                queues::enqueue(pages, slot, waiter.worker)?;
            }
        }
        Ok(())
    }

    fn apply_progress(&self, pages: &mut impl Pages) -> Result<(), Stop> {
        let cell = processes::progress_cell(self.process.id);
        self.progress
            .map_or(Ok(()), |progress| cell.set(pages, progress))
    }

    /// Takes the worker from its queue and puts it nowhere.
    fn release(&self, pages: &mut impl Pages) -> Result<(), Stop> {
        let worker = self.worker.expect("a step has a worker");
        queues::release(pages, self.station.slot(), worker)
    }

    /// Counts the end of a worker; the last one's is the end of the process.
    fn count_end(
        &self,
        pages: &mut impl Pages,
        worker: WorkerId,
        value: i64,
    ) -> Result<Option<ProcessState>, Stop> {
        let id: ProcessId = self.process.id;
        let is_main = self.process.main == worker;
        let tally = Tally::cell(id).update(pages, |tally| {
            tally.alive -= 1;
            if is_main {
                tally.main_value = value;
            }
        })?;
        if tally.alive > 0 {
            return Ok(None);
        }
        let state = ProcessState::Done(tally.main_value);
        processes::end(pages, id, state)?;
        Ok(Some(state))
    }
}
