//! Processes: what runs or has run, and what became of it.
//!
//! Every step reads the record page of its process, so that ending a process stops
//! all steps of it at once; therefore what changes often lies on other pages.
use alloc::string::String;
use alloc::vec::Vec;
use types::RegionId;

use crate::cell::{Cell, Value, record};
use crate::limits::{
    ARGUMENTS_BYTES_MAX, FAULT_BYTES_MAX, INPUTS_MAX, RESULT_BYTES_MAX, WORKERS_PER_PROCESS_MAX,
};
use crate::names::{self, Kind, Object};
use crate::output::{self, Work};
use crate::region::{self, Counter, ProcessPage};
use crate::table::{Entry, Table};
use crate::{
    BlobId, EntryCall, Failure, ModuleId, Name, Pages, ProcessId, Refusal, Slot, Station, Stop,
    WorkerId, blobs, modules, queues, workers,
};

pub(crate) const TABLE: Table = Table {
    index: region::process_table(),
    counter: Counter::Processes,
};

/// What a process is doing, or how it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProcessState {
    /// Its inputs are being written.
    Loading,
    /// It has workers.
    Running,
    /// All workers are done; the value of the first one.
    Done(i64),
    /// It ended itself with this code.
    Exited(i32),
    /// A step failed; see [`fault_report`].
    Faulted,
    /// It was told to end.
    Cancelled,
}

impl ProcessState {
    /// Whether it stays like this.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Loading | Self::Running)
    }
}

impl Value for ProcessState {
    const SIZE: usize = u8::SIZE + i64::SIZE;

    fn load(bytes: &[u8]) -> Self {
        let payload = i64::load(&bytes[1..]);
        match bytes[0] {
            0 => Self::Loading,
            1 => Self::Running,
            2 => Self::Done(payload),
            3 => Self::Exited(i32::try_from(payload).expect("stored from 32 bits")),
            4 => Self::Faulted,
            5 => Self::Cancelled,
            state => panic!("process in state {state}, expected 0 to 5"),
        }
    }

    fn store(&self, bytes: &mut [u8]) {
        let (tag, payload) = match *self {
            Self::Loading => (0, 0),
            Self::Running => (1, 0),
            Self::Done(value) => (2, value),
            Self::Exited(code) => (3, i64::from(code)),
            Self::Faulted => (4, 0),
            Self::Cancelled => (5, 0),
        };
        bytes[0] = tag;
        payload.store(&mut bytes[1..]);
    }
}

record! {
    /// A process, without what changes often.
    pub struct Process {
        /// Its number.
        pub id: ProcessId,
        /// What it is doing.
        pub state: ProcessState,
        /// Its name; the directory leads to the newest process of that name.
        pub name: Name,
        /// The module that it runs.
        pub module: ModuleId,
        /// Its first worker; nobody before it runs.
        pub main: WorkerId,
        /// Its arguments, none if 0.
        pub arguments: BlobId,
        /// What it writes as its result.
        pub result: BlobId,
        /// Number of inputs.
        pub input_count: u32,
    }
}

record! {
    pub(crate) struct Tally {
        /// Workers that have not ended.
        pub(crate) alive: u32,
        /// One bit for every slot that keeps output of the process.
        pub(crate) accounts: u64,
        /// What the first worker returned.
        pub(crate) main_value: i64,
    }
}

record! {
    /// How far a process says it is.
    pub struct ProgressCount {
        /// Done so far.
        pub done: u64,
        /// To do in all.
        pub total: u64,
    }
}

record! {
    /// A blob that came with a process.
    pub struct Input {
        /// Its name.
        pub name: Name,
        /// Its bytes.
        pub blob: BlobId,
    }
}

/// A process as a list shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProcessInfo {
    /// The process.
    pub process: Process,
    /// The region of its memory.
    pub region: RegionId,
    /// Workers that have not ended.
    pub workers: u32,
    /// How far it says it is.
    pub progress: ProgressCount,
    /// Bytes of its result so far.
    pub result_bytes: u64,
    /// What all slots did for it.
    pub work: Work,
}

impl Tally {
    pub(crate) fn cell(process: ProcessId) -> Cell<Self> {
        Cell::first(region::process_page(process, ProcessPage::Tally))
    }
}

/// Makes a process that is still to get its inputs. Its name leads to it from now on.
///
/// # Errors
/// If the module is not ready, a table is full, or the arguments are too long.
pub fn create(
    pages: &mut impl Pages,
    station: Station,
    name: &Name,
    module: ModuleId,
    arguments: &[&[u8]],
) -> Result<ProcessId, Failure> {
    let id = make(pages, station, name, module, arguments)?;
    names::bind(pages, name, Object::Process(id))?;
    Ok(id)
}

/// Gives a loading process an input, which belongs to it from now on.
///
/// # Errors
/// If the process is not loading or has too many inputs.
pub fn add_input(
    pages: &mut impl Pages,
    id: ProcessId,
    name: &Name,
    blob: BlobId,
) -> Result<(), Failure> {
    let process = loading(pages, id)?;
    if process.input_count == INPUTS_MAX {
        return Err(Refusal::TooManyInputs.into());
    }
    input_cell(id, process.input_count).set(pages, Input { name: *name, blob })?;
    let input_count = process.input_count + 1;
    Ok(cell(id).set(
        pages,
        Process {
            input_count,
            ..process
        },
    )?)
}

/// Starts a process: seals its inputs, makes its first worker, puts it in the queue
/// of this station.
///
/// # Errors
/// If the process is not loading.
pub fn start(
    pages: &mut impl Pages,
    station: Station,
    id: ProcessId,
    call: EntryCall,
) -> Result<WorkerId, Failure> {
    let process = loading(pages, id)?;
    let main = workers::create(pages, station.slot(), id, call)?;
    run(pages, &process, main.id)?;
    Tally::cell(id).update(pages, |tally| tally.alive = 1)?;
    queues::enqueue(pages, station.slot(), main)?;
    Ok(main.id)
}

/// Ends a process from outside; false if it had ended. Its workers go when nodes
/// come upon them.
///
/// # Errors
/// If there is no such process.
pub fn cancel(pages: &mut impl Pages, id: ProcessId) -> Result<bool, Failure> {
    if get(pages, id)?.state.is_final() {
        return Ok(false);
    }
    end(pages, id, ProcessState::Cancelled)?;
    Ok(true)
}

/// A process.
///
/// # Errors
/// If it does not exist.
pub fn get(pages: &mut impl Pages, id: ProcessId) -> Result<Process, Failure> {
    find(pages, id)?.ok_or(Failure::Refused(Refusal::NoSuchProcess(id)))
}

/// A process that is loading: whoever writes its memory asks in the same transaction, for it
/// may have been ended meanwhile.
///
/// # Errors
/// If it does not exist or is not loading.
pub fn loading(pages: &mut impl Pages, id: ProcessId) -> Result<Process, Failure> {
    let process = get(pages, id)?;
    if process.state == ProcessState::Loading {
        Ok(process)
    } else {
        Err(Refusal::NotLoading(id).into())
    }
}

/// A process with its counts.
///
/// # Errors
/// If it does not exist.
pub fn info(pages: &mut impl Pages, id: ProcessId) -> Result<ProcessInfo, Failure> {
    let process = get(pages, id)?;
    let mut work = Work::default();
    for slot in output::slots(pages, id)? {
        let Work {
            printed_bytes,
            steps,
        } = output::work(pages, id, slot)?;
        work.printed_bytes += printed_bytes;
        work.steps += steps;
    }
    // When an ended process is being reaped, its result goes before its record does.
    let result_bytes = match blobs::length(pages, process.result) {
        Err(Failure::Refused(_)) if process.state.is_final() => 0,
        length => length?,
    };
    let alive = Tally::cell(id).get(pages)?.alive;
    Ok(ProcessInfo {
        process,
        region: id.region(),
        workers: if process.state.is_final() { 0 } else { alive },
        progress: progress_cell(id).get(pages)?,
        result_bytes,
        work,
    })
}

/// All processes, oldest first.
///
/// # Errors
/// Only [`Stop`].
pub fn list(pages: &mut impl Pages) -> Result<Vec<ProcessId>, Stop> {
    let entries = TABLE.entries(pages)?;
    Ok(entries.into_iter().map(Entry::id).map(ProcessId).collect())
}

/// The newest process of a name.
///
/// # Errors
/// Only [`Stop`].
pub fn by_name(pages: &mut impl Pages, name: &Name) -> Result<Option<ProcessId>, Stop> {
    match names::lookup(pages, Kind::Process, name)? {
        Some(Object::Process(id)) => Ok(Some(id)),
        _ => Ok(None),
    }
}

/// The arguments of a process.
///
/// # Errors
/// If it does not exist.
pub fn arguments(pages: &mut impl Pages, id: ProcessId) -> Result<Vec<Vec<u8>>, Failure> {
    let blob = get(pages, id)?.arguments;
    if blob == BlobId(0) {
        return Ok(Vec::new());
    }
    let mut bytes = alloc::vec![0; ARGUMENTS_BYTES_MAX];
    let length = blobs::read(pages, blob, 0, &mut bytes)?;
    let mut rest = &bytes[..length];
    let mut arguments = Vec::new();
    while let Some((length, after)) = rest.split_at_checked(u32::SIZE) {
        let (argument, after) = after.split_at(u32::load(length) as usize);
        arguments.push(argument.to_vec());
        rest = after;
    }
    Ok(arguments)
}

/// An input of a process.
///
/// # Errors
/// If there is no such process or input.
pub fn input(pages: &mut impl Pages, id: ProcessId, index: u32) -> Result<Input, Failure> {
    let count = get(pages, id)?.input_count;
    if index >= count {
        return Err(Refusal::NoSuchItem { index, count }.into());
    }
    Ok(input_cell(id, index).get(pages)?)
}

/// The report of the fault that ended a process; empty if none did.
///
/// # Errors
/// If there is no such process.
pub fn fault_report(pages: &mut impl Pages, id: ProcessId) -> Result<String, Failure> {
    get(pages, id)?;
    let page = region::process_page(id, ProcessPage::Fault);
    let length = Cell::<u32>::first(page).get(pages)? as usize;
    let bytes = &pages.read(page)?[u32::SIZE..u32::SIZE + length];
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

/// Makes a loading process that no name leads to.
pub(crate) fn make(
    pages: &mut impl Pages,
    station: Station,
    name: &Name,
    module: ModuleId,
    arguments: &[&[u8]],
) -> Result<ProcessId, Failure> {
    modules::acquire(pages, module)?;
    let id = ProcessId(TABLE.allocate(pages)?);
    let process = Process {
        id,
        state: ProcessState::Loading,
        name: *name,
        module,
        main: WorkerId(0),
        arguments: write_arguments(pages, station.slot(), arguments)?,
        result: blobs::create(pages, RESULT_BYTES_MAX)?,
        input_count: 0,
    };
    cell(id).set(pages, process)?;
    Ok(id)
}

/// Has a loading process run, with its inputs sealed; the caller places its workers.
pub(crate) fn run(
    pages: &mut impl Pages,
    process: &Process,
    main: WorkerId,
) -> Result<(), Failure> {
    for index in 0..process.input_count {
        let input = input_cell(process.id, index).get(pages)?;
        blobs::seal(pages, input.blob)?;
    }
    let state = ProcessState::Running;
    let running = Process {
        state,
        main,
        ..*process
    };
    Ok(cell(process.id).set(pages, running)?)
}

/// The process, if it exists.
pub(crate) fn find(pages: &mut impl Pages, id: ProcessId) -> Result<Option<Process>, Stop> {
    if id == ProcessId(0) {
        return Ok(None);
    }
    // The record alone tells: reading the table would tie every step to the coming
    // and going of all processes.
    let process = cell(id).get(pages)?;
    Ok(Some(process).filter(|process| process.id == id))
}

/// Replaces the record of a process that is being reaped.
pub(crate) fn set(pages: &mut impl Pages, process: &Process) -> Result<(), Stop> {
    assert!(process.state.is_final(), "only what has ended is reaped");
    cell(process.id).set(pages, *process)
}

/// Ends a process that has not ended.
pub(crate) fn end(pages: &mut impl Pages, id: ProcessId, state: ProcessState) -> Result<(), Stop> {
    assert!(state.is_final(), "an end is final");
    let before = cell(id).get(pages)?;
    assert!(
        before.id == id && !before.state.is_final(),
        "a process ends once"
    );
    cell(id).set(pages, Process { state, ..before })?;
    TABLE.close(pages, id.0)
}

/// Writes down what went wrong, cut to [`FAULT_BYTES_MAX`].
pub(crate) fn set_fault_report(
    pages: &mut impl Pages,
    id: ProcessId,
    report: &str,
) -> Result<(), Stop> {
    let bytes = &report.as_bytes()[..report.len().min(FAULT_BYTES_MAX)];
    let length = u32::try_from(bytes.len()).expect("fits on a page");
    let page = pages.write(region::process_page(id, ProcessPage::Fault))?;
    length.store(&mut page[..u32::SIZE]);
    page[u32::SIZE..u32::SIZE + bytes.len()].copy_from_slice(bytes);
    Ok(())
}

/// Counts workers that came; the tally after that.
pub(crate) fn add_workers(
    pages: &mut impl Pages,
    id: ProcessId,
    count: usize,
) -> Result<(), Failure> {
    let cell = Tally::cell(id);
    let mut tally = cell.get(pages)?;
    let alive = (tally.alive as usize).saturating_add(count);
    if alive > WORKERS_PER_PROCESS_MAX as usize {
        return Err(Refusal::TooManyWorkers.into());
    }
    tally.alive = u32::try_from(alive).expect("compared above");
    Ok(cell.set(pages, tally)?)
}

pub(crate) fn progress_cell(id: ProcessId) -> Cell<ProgressCount> {
    Cell::first(region::process_page(id, ProcessPage::Progress))
}

fn write_arguments(
    pages: &mut impl Pages,
    slot: Slot,
    arguments: &[&[u8]],
) -> Result<BlobId, Failure> {
    if arguments.is_empty() {
        return Ok(BlobId(0));
    }
    let length = arguments
        .iter()
        .map(|argument| u32::SIZE + argument.len())
        .sum();
    if length > ARGUMENTS_BYTES_MAX {
        return Err(Refusal::ArgumentsTooLong { length }.into());
    }
    let mut bytes = Vec::with_capacity(length);
    for argument in arguments {
        let length = u32::try_from(argument.len()).expect("checked above");
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(argument);
    }
    let blob = blobs::create(pages, length as u64)?;
    blobs::write(pages, slot, blob, 0, &bytes)?;
    blobs::seal(pages, blob)?;
    Ok(blob)
}

fn cell(id: ProcessId) -> Cell<Process> {
    Cell::first(region::process_page(id, ProcessPage::Record))
}

fn input_cell(id: ProcessId, index: u32) -> Cell<Input> {
    let page = region::process_page(id, ProcessPage::Inputs);
    Cell::at(page, index as usize * Input::SIZE)
}
