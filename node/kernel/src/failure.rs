//! Why an operation did not happen, and who is to blame.
use core::fmt;

use crate::channels::ChannelRefusal;
use crate::limits::{ARGUMENTS_BYTES_MAX, INPUTS_MAX, WORKERS_PER_PROCESS_MAX};
use crate::{BlobId, ModuleId, NAME_BYTES_MAX, ProcessId, Stop, TABLE_ENTRIES, WorkerId};

/// An operation failed. Either way nothing of its transaction may be committed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Run the transaction again.
    Stop(Stop),
    /// Running it again would not help.
    Refused(Refusal),
}

/// What the operation asks for cannot be done. The caller is to blame, or a limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Nobody has formatted this memory.
    NotFormatted,
    /// The memory was written by something else.
    ForeignMemory {
        /// What stands where the magic number should.
        found: u64,
    },
    /// The memory was written by a version with another layout.
    LayoutVersion {
        /// Its layout version.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// A name is empty or too long.
    NameLength {
        /// Its length in bytes.
        found: usize,
    },
    /// The directory has no room near the name's bucket.
    DirectoryFull,
    /// The table of modules or of processes is full.
    TableFull,
    /// The module does not exist, or no longer.
    NoSuchModule(ModuleId),
    /// The module's code is not complete yet.
    ModuleNotReady(ModuleId),
    /// Processes still use the module.
    ModuleInUse {
        /// How many.
        users: u32,
    },
    /// The process does not exist, or no longer.
    NoSuchProcess(ProcessId),
    /// The process has ended or has not begun.
    NotRunning(ProcessId),
    /// The process is done, and another has its name: its memory is not kept.
    Replaced(ProcessId),
    /// The process has begun already.
    NotLoading(ProcessId),
    /// The process is not being brought back, no longer, or by somebody else.
    NotReviving(ProcessId),
    /// A process that runs has workers, and no other has.
    NoLife(ProcessId),
    /// There has never been such a worker, or it is named twice.
    NoSuchWorker(WorkerId),
    /// The index of an argument or input is too large.
    NoSuchItem {
        /// The index asked for.
        index: u32,
        /// How many there are.
        count: u32,
    },
    /// Too many inputs for one process.
    TooManyInputs,
    /// The arguments of a process are too long.
    ArgumentsTooLong {
        /// Their length with framing.
        length: usize,
    },
    /// Too many workers for one process.
    TooManyWorkers,
    /// The blob does not exist, or no longer.
    NoSuchBlob(BlobId),
    /// The blob is sealed and cannot change any more.
    BlobSealed(BlobId),
    /// The blob is being freed.
    BlobFreed(BlobId),
    /// A write past the room that the blob has.
    BlobTooLong {
        /// Where the write would end.
        end: u64,
        /// Bytes that the blob can hold.
        capacity: u64,
    },
    /// No address range is left for blobs.
    BlobSpaceFull,
    /// A channel, device or service cannot be made or used like this.
    Channel(ChannelRefusal),
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<ChannelRefusal> for Refusal {
    fn from(refusal: ChannelRefusal) -> Self {
        Self::Channel(refusal)
    }
}

impl From<ChannelRefusal> for Failure {
    fn from(refusal: ChannelRefusal) -> Self {
        Self::Refused(refusal.into())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stop(stop) => stop.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFormatted => write!(f, "the memory is empty, expected a formatted one"),
            Self::ForeignMemory { found } => {
                write!(
                    f,
                    "the memory begins with {found:#018x}, which is not Plurix' magic number"
                )
            }
            Self::LayoutVersion { found, expected } => {
                write!(
                    f,
                    "the memory has layout version {found}, expected {expected}"
                )
            }
            Self::NameLength { found } => {
                write!(f, "a name of {found} bytes, expected 1 to {NAME_BYTES_MAX}")
            }
            Self::DirectoryFull => write!(f, "the directory of names is full"),
            Self::TableFull => write!(f, "the table is full: all {TABLE_ENTRIES} entries in use"),
            Self::NoSuchModule(id) => write!(f, "there is no module {id}"),
            Self::ModuleNotReady(id) => write!(f, "module {id} is still being deployed"),
            Self::ModuleInUse { users } => write!(f, "the module is used by {users} processes"),
            Self::NoSuchProcess(id) => write!(f, "there is no process {id}"),
            Self::NotRunning(id) => write!(f, "process {id} is not running"),
            Self::Replaced(id) => write!(
                f,
                "process {id} is done, and its memory gone since another has its name"
            ),
            Self::NotReviving(id) => write!(
                f,
                "process {id} is not being brought back: it was given up, or somebody else \
                 has begun to bring the same program back"
            ),
            Self::NoLife(id) => write!(
                f,
                "process {id} has workers and does not run, or has none and does"
            ),
            Self::NoSuchWorker(id) => write!(f, "there is no worker {id}, or two"),
            Self::NotLoading(id) => write!(f, "process {id} was started before"),
            Self::NoSuchItem { index, count } => write!(f, "item {index} of {count}"),
            Self::TooManyInputs => write!(f, "too many inputs, expected at most {INPUTS_MAX}"),
            Self::ArgumentsTooLong { length } => {
                write!(
                    f,
                    "arguments of {length} bytes, expected at most {ARGUMENTS_BYTES_MAX}"
                )
            }
            Self::TooManyWorkers => {
                write!(
                    f,
                    "too many workers, expected at most {WORKERS_PER_PROCESS_MAX}"
                )
            }
            Self::NoSuchBlob(id) => write!(f, "there is no blob {id}"),
            Self::BlobSealed(id) => write!(f, "blob {id} is sealed"),
            Self::BlobFreed(id) => write!(f, "blob {id} is being freed"),
            Self::BlobTooLong { end, capacity } => {
                write!(
                    f,
                    "a write up to byte {end} of a blob that can hold {capacity}"
                )
            }
            Self::BlobSpaceFull => f.write_str("no address range is left for blobs"),
            Self::Channel(refusal) => refusal.fmt(f),
        }
    }
}

impl core::error::Error for Failure {}
impl core::error::Error for Refusal {}
