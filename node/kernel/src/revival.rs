//! Bringing a program back as it was in an earlier epoch, while all others go on.
//!
//! What a process has lies in places of its own, and nobody but itself looks there. So the
//! program comes back as a new process: [`begin`] makes it, loading and without a name; what it
//! had is written to its places, piece by piece; [`finish`] ends the present process of that
//! name, gives the name to the new one and puts its workers where they belong, all in one
//! transaction. Until then nothing that anybody sees has changed.
//!
//! Whoever brings it back is outside, and may ask again when an answer was lost: he has a
//! token, and the pieces are counted. One that was lost with the memory of nodes is missed.
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::num::NonZeroU64;

use crate::cell::{Cell, record};
use crate::census::{self, Whereabouts};
use crate::names::{self, Object};
use crate::processes::{self, Process, ProcessState, ProgressCount, TABLE, Tally};
use crate::region::{self, ProcessPage};
use crate::table::Entry;
use crate::{
    EntryCall, Event, Failure, ModuleId, Name, Pages, ProcessId, Refusal, Station, Stop, Worker,
    WorkerId, blobs, channels, queues, workers,
};

/// Who brings a process back: a number that he has drawn.
pub type Token = NonZeroU64;

record! {
    struct Revival {
        /// 0: this process began as any other.
        token: u64,
        /// Pieces that have been written.
        pieces: u64,
        /// Whether the process has begun to live.
        is_finished: u8,
    }
}

/// What a process is to be made of, but for the contents of its memory and its inputs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin<'a> {
    /// Its name.
    pub name: Name,
    /// Its module.
    pub module: ModuleId,
    /// Its arguments.
    pub arguments: Vec<&'a [u8]>,
    /// Names of its inputs, and their lengths in bytes.
    pub inputs: Vec<(Name, u64)>,
}

/// What a process does: all that the kernel knows of it that changes while it runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Life {
    /// Its state.
    pub state: ProcessState,
    /// Its first worker.
    pub main: WorkerId,
    /// What that returned, if it has ended.
    pub main_value: i64,
    /// How far it says it is.
    pub progress: ProgressCount,
    /// The report of the fault that ended it, empty if none did.
    pub fault: String,
    /// Its workers that have not ended.
    pub workers: Vec<LivingWorker>,
}

/// A worker that has not ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LivingWorker {
    /// Its number, which the program may know.
    pub id: WorkerId,
    /// What it was made with.
    pub call: EntryCall,
    /// What it waits for; `None`: it is ready.
    pub event: Option<Event>,
}

/// What came of an attempt to finish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finish {
    /// The process lives.
    Done,
    /// Only so many pieces are there; nothing has changed.
    Missing(u64),
}

/// A process that is being brought back, and how many of its pieces are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unfinished {
    /// The process.
    pub process: ProcessId,
    /// Who brings it back.
    pub token: Token,
    /// Pieces.
    pub pieces: u64,
}

/// The life of a process as it is in these pages.
///
/// # Errors
/// If there is no such process, or it has not begun to run.
pub fn life(pages: &mut impl Pages, id: ProcessId) -> Result<Life, Failure> {
    let process = processes::get(pages, id)?;
    if process.state == ProcessState::Loading {
        return Err(Refusal::NotRunning(id).into());
    }
    let mut living = Vec::new();
    if process.state == ProcessState::Running {
        let all = census::workers(pages)?.into_iter();
        let own = all.filter(|(worker, _)| worker.process == id);
        living.extend(own.map(|(worker, place)| LivingWorker {
            id: worker.id,
            call: worker.call,
            event: match place {
                Whereabouts::Held(_) | Whereabouts::Queued(_) => None,
                Whereabouts::Waiting(event) => Some(event),
            },
        }));
    }
    Ok(Life {
        state: process.state,
        main: process.main,
        main_value: Tally::cell(id).get(pages)?.main_value,
        progress: processes::progress_cell(id).get(pages)?,
        fault: processes::fault_report(pages, id)?,
        workers: living,
    })
}

/// Makes a process that is to be filled. Whoever has begun with this token before gets the
/// same one; another who brings the same program back is given up.
///
/// # Errors
/// If the module is not there, a table is full, or there is too much of anything.
pub fn begin(
    pages: &mut impl Pages,
    station: Station,
    token: Token,
    origin: &Origin<'_>,
) -> Result<ProcessId, Failure> {
    for other in unfinished(pages)? {
        if processes::get(pages, other.process)?.name != origin.name {
            continue;
        }
        if other.token == token {
            return Ok(other.process);
        }
        processes::cancel(pages, other.process)?;
    }
    let Origin { name, module, .. } = origin;
    let id = processes::make(pages, station, name, *module, &origin.arguments)?;
    for (name, bytes) in &origin.inputs {
        let blob = blobs::create(pages, *bytes)?;
        processes::add_input(pages, id, name, blob)?;
    }
    let revival = Revival {
        token: token.get(),
        pieces: 0,
        is_finished: 0,
    };
    cell(id).set(pages, revival)?;
    Ok(id)
}

/// The process, and the number of the piece that is to be written next.
///
/// # Errors
/// If the process is not being brought back with this token.
pub fn next_piece(
    pages: &mut impl Pages,
    id: ProcessId,
    token: Token,
) -> Result<(Process, u64), Failure> {
    let (process, revival) = find(pages, id, token)?;
    match process.state {
        ProcessState::Loading => Ok((process, revival.pieces)),
        _ => Err(Refusal::NotReviving(id).into()),
    }
}

/// Counts a piece as written, in the transaction that writes the last of it; the number of the
/// next one.
///
/// # Errors
/// If there is no such process.
pub fn count_piece(pages: &mut impl Pages, id: ProcessId) -> Result<u64, Failure> {
    processes::get(pages, id)?;
    let revival = cell(id).update(pages, |revival| revival.pieces += 1)?;
    Ok(revival.pieces)
}

/// Has the process live on in the place of the present one of its name, which ends. Finishing
/// again changes nothing.
///
/// # Errors
/// If the process is not being brought back with this token, or none can live like that.
pub fn finish(
    pages: &mut impl Pages,
    station: Station,
    id: ProcessId,
    token: Token,
    pieces: u64,
    life: &Life,
) -> Result<Finish, Failure> {
    if find(pages, id, token)?.1.is_finished != 0 {
        return Ok(Finish::Done);
    }
    let (process, found) = next_piece(pages, id, token)?;
    if found != pieces {
        return Ok(Finish::Missing(found));
    }
    check(pages, id, life)?;
    if let Some(present) = processes::by_name(pages, &process.name)? {
        processes::cancel(pages, present)?;
        channels::inherit(pages, station.slot(), present, id)?;
    }
    names::bind(pages, &process.name, Object::Process(id))?;
    cell(id).update(pages, |revival| revival.is_finished = 1)?;
    Tally::cell(id).update(pages, |tally| tally.main_value = life.main_value)?;
    processes::progress_cell(id).set(pages, life.progress)?;
    processes::set_fault_report(pages, id, &life.fault)?;
    processes::run(pages, &process, life.main)?;
    if life.state.is_final() {
        processes::end(pages, id, life.state)?;
        return Ok(Finish::Done);
    }
    processes::add_workers(pages, id, life.workers.len())?;
    for living in &life.workers {
        place(pages, station, id, living)?;
    }
    Ok(Finish::Done)
}

/// Ends a process that is being brought back with this token; one that lives goes on.
///
/// # Errors
/// If there is no such process, or somebody else brings it back.
pub fn give_up(pages: &mut impl Pages, id: ProcessId, token: Token) -> Result<(), Failure> {
    let (process, _) = find(pages, id, token)?;
    if process.state == ProcessState::Loading {
        processes::cancel(pages, id)?;
    }
    Ok(())
}

/// Processes that are being brought back, oldest first.
///
/// # Errors
/// Only [`Stop`].
pub fn unfinished(pages: &mut impl Pages) -> Result<Vec<Unfinished>, Failure> {
    let mut all = Vec::new();
    for entry in TABLE.entries(pages)? {
        let Entry::Open(number) = entry else {
            continue;
        };
        let id = ProcessId(number);
        if processes::get(pages, id)?.state != ProcessState::Loading {
            continue;
        }
        let Revival { token, pieces, .. } = cell(id).get(pages)?;
        if let Some(token) = Token::new(token) {
            all.push(Unfinished {
                process: id,
                token,
                pieces,
            });
        }
    }
    Ok(all)
}

/// Workers are spread over the slots as those that the program makes. Those that wait look once
/// whether what they wait for is still there: connections are not.
fn place(
    pages: &mut impl Pages,
    station: Station,
    process: ProcessId,
    living: &LivingWorker,
) -> Result<(), Stop> {
    let &LivingWorker { id, call, .. } = living;
    let worker = Worker { id, process, call };
    let home = station.after(id.turn());
    queues::enqueue(pages, home, worker)
}

/// Whether there can be a process that lives like that.
fn check(pages: &mut impl Pages, id: ProcessId, life: &Life) -> Result<(), Failure> {
    let is_running = life.state == ProcessState::Running;
    if life.state == ProcessState::Loading || is_running == life.workers.is_empty() {
        return Err(Refusal::NoLife(id).into());
    }
    let mut seen = BTreeSet::new();
    for living in &life.workers {
        if !seen.insert(living.id) {
            return Err(Refusal::NoSuchWorker(living.id).into());
        }
    }
    seen.insert(life.main);
    for worker in seen {
        if !workers::was_made(pages, worker)? {
            return Err(Refusal::NoSuchWorker(worker).into());
        }
    }
    Ok(())
}

fn find(
    pages: &mut impl Pages,
    id: ProcessId,
    token: Token,
) -> Result<(Process, Revival), Failure> {
    let process = processes::get(pages, id)?;
    let revival = cell(id).get(pages)?;
    if revival.token != token.get() {
        return Err(Refusal::NotReviving(id).into());
    }
    Ok((process, revival))
}

fn cell(id: ProcessId) -> Cell<Revival> {
    Cell::first(region::process_page(id, ProcessPage::Revival))
}
