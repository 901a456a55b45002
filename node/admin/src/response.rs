//! The closed list of answers.
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};
use types::Durability;
use wire::PastFound;

use crate::Cursor;

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Response {
    /// How the cluster is.
    Status(Status),
    /// The module is known.
    Deployed {
        /// Its number.
        module: u32,
    },
    /// The program runs.
    Started {
        /// Its process.
        process: u32,
    },
    /// The function has returned and its effects are stable.
    Returned {
        /// Its results, as text.
        values: Vec<String>,
        /// What it wrote with `result_write`.
        reply: Vec<u8>,
        /// What it printed.
        output: Vec<u8>,
    },
    /// News of a process.
    Watched(Watched),
    /// Part of a result.
    Bytes {
        /// The bytes; fewer than asked for at the end.
        bytes: Vec<u8>,
        /// Length of the whole.
        total: u64,
    },
    /// The processes, oldest first.
    Processes(Vec<ProcessInfo>),
    /// The channels, at most [`CHANNELS_MAX`].
    Channels(Vec<ChannelInfo>),
    /// The devices that ever had a driver.
    Devices(Vec<DeviceInfo>),
    /// What a display shows.
    Seen(Picture),
    /// So many bytes were typed; there is no room for more now.
    Typed {
        /// How many.
        count: u32,
    },
    /// What was written to a line of text, as far as that is kept.
    Text {
        /// Position of the first byte.
        from: u64,
        /// The bytes.
        bytes: Vec<u8>,
        /// Where to go on.
        next: u64,
    },
    /// The snapshots, oldest first; the last one is the newest stable epoch.
    Snapshots(Vec<SnapshotInfo>),
    /// The snapshot is taken.
    Snapshot {
        /// Its epoch.
        epoch: u64,
    },
    /// What all stores together know of an epoch; `None`: it is not kept, or no more.
    Past(Option<PastFound>),
    /// How far the members are with scrubbing; none if this node was not asked to have it done.
    Scrubbed(Vec<NodeScrub>),
    /// It is done.
    Done,
    /// It could not be done; nothing has changed.
    Failed(Failure),
    /// The program is being brought back.
    Reviving {
        /// As this process, which is loading.
        process: u32,
    },
    /// So much of it is written, for all that is known now: no promise.
    Filled {
        /// Number of the piece that is to be written next.
        next: u64,
    },
}

/// How the cluster is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// Number of the view.
    pub view: u64,
    /// The current epoch.
    pub epoch: u64,
    /// The newest epoch that cannot be lost.
    pub stable: u64,
    /// Snapshots taken since the leader started.
    pub snapshots: u64,
    /// Since the leader started.
    pub uptime_ms: u64,
    /// From the leader's start to its first commit.
    pub start_us: u64,
    /// The node that leads; 0 if that is not the one that answers. What is not filled in
    /// then, only the leader knows.
    pub leader: u32,
    /// Who takes part in decisions.
    pub voters: Vec<VoterInfo>,
    /// The members, oldest first.
    pub nodes: Vec<NodeInfo>,
    /// The last failure that the leader has seen.
    pub last_failure: Option<Fallen>,
    /// What makes work safe: then answers leave.
    pub durability: Durability,
    /// Everything stable has as many copies as it should have; else they are being made.
    pub is_replicated: bool,
    /// Figures of nodes that are gone are part of these sums.
    pub transactions: u64,
    /// Aborted transactions; each ran again.
    pub aborts: u64,
    /// Bytes that all stores have appended.
    pub bytes_stored: u64,
    /// Longest pause of any node for a snapshot.
    pub pause_us_max: u64,
}

/// A voter.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VoterInfo {
    /// Name of its process.
    pub name: String,
    /// The leader hears of it.
    pub is_there: bool,
}

/// A member.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Its id.
    pub node: u32,
    /// Its name.
    pub name: String,
    /// It is about to leave for good.
    pub is_leaving: bool,
    /// Where peers reach it.
    pub address: String,
    /// Its disk.
    pub store: u64,
    /// Transactions committed.
    pub transactions: u64,
    /// Transactions aborted.
    pub aborts: u64,
    /// Steps of workers committed.
    pub steps: u64,
    /// Pages fetched from other nodes.
    pub pages_fetched: u64,
    /// Bytes that its store has appended.
    pub bytes_stored: u64,
    /// Of these, by cleaning.
    pub bytes_cleaned: u64,
    /// Bytes that the segments of its store take.
    pub bytes_on_disk: u64,
    /// Of these, bytes that are there for versions of pages that are kept.
    pub bytes_live: u64,
    /// Page frames that its store has appended, not counting those of cleaning.
    pub frames_stored: u64,
    /// Its longest pause for a snapshot.
    pub pause_us_max: u64,
    /// Connections that it has turned away or cut off: another key, version or cluster,
    /// or bytes that no node sends.
    pub intruders: u64,
    /// Messages that it has ignored: of an earlier view, of nobody it knows.
    pub messages_ignored: u64,
    /// Versions of pages that were found to be damaged in its store.
    pub versions_damaged: u64,
    /// Of these, those that were mended.
    pub versions_mended: u64,
    /// Those that it still keeps and that nobody has any more.
    pub versions_lost: u64,
}

/// How far a member is with reading everything in its store.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct NodeScrub {
    /// Its id.
    pub node: u32,
    /// Versions of pages that it has read.
    pub versions: u64,
    /// Versions that its store keeps.
    pub total: u64,
    /// Versions that were found to be damaged since it started.
    pub damaged: u64,
    /// Of these, those that were mended.
    pub mended: u64,
    /// Those that it still keeps and that nobody has any more.
    pub lost: u64,
    /// The first of these. When it is done, like the next.
    pub named: Vec<LostInfo>,
    /// Epochs that its store keeps, ascending: the newest stable one is the last.
    pub epochs: Vec<u64>,
    /// It has read everything, and knows of each damaged version what becomes of it.
    pub is_done: bool,
}

/// A version of a page that is damaged in every store that had it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct LostInfo {
    /// Region of the page.
    pub region: u32,
    /// Its index there.
    pub page: u32,
    /// The version.
    pub version: u64,
    /// The epoch in which it was written.
    pub epoch: u64,
    /// Epochs that are kept and in which the page has this version, ascending.
    pub needed_by: Vec<u64>,
}

/// A failure and the recovery from it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fallen {
    /// The node that is gone.
    pub node: u32,
    /// Its name.
    pub name: String,
    /// How it was noticed.
    pub noticed_by: String,
    /// The epoch to which the cluster went back.
    pub fallback_to: u64,
    /// Survivors that went back.
    pub nodes_reset: u32,
    /// From noticing to the first commit of a survivor; `None` while there is none.
    pub recovered_us: Option<u64>,
}

/// What a process does, or how it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ProcessState {
    /// Its memory is being filled.
    Loading,
    /// It has workers.
    Running,
    /// All workers are done; what the first one returned.
    Done(i64),
    /// It ended itself with this code.
    Exited(i32),
    /// A step failed.
    Faulted,
    /// It was told to end.
    Cancelled,
}

/// News of a process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Watched {
    /// Its state. When it is final, nothing follows this output.
    pub state: ProcessState,
    /// Units done.
    pub done: u64,
    /// Units in all, 0 if it does not say.
    pub total: u64,
    /// New output.
    pub output: Vec<OutputPiece>,
    /// Where to go on.
    pub cursors: Vec<Cursor>,
    /// Output that was overwritten before it was read.
    pub lost_bytes: u64,
    /// The fault's report, if it faulted.
    pub fault: String,
    /// Length of its result so far.
    pub result_bytes: u64,
}

/// A piece of output.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OutputPiece {
    /// Whether it is for standard error.
    pub is_error: bool,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A process as a list shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProcessInfo {
    /// Its number.
    pub process: u32,
    /// Its name.
    pub program: String,
    /// Its state.
    pub state: ProcessState,
    /// Workers that have not ended.
    pub workers: u32,
    /// Units done.
    pub done: u64,
    /// Units in all, 0 if it does not say.
    pub total: u64,
    /// Steps run.
    pub steps: u64,
    /// Length of its result so far.
    pub result_bytes: u64,
}

/// Channels in one answer at most.
pub const CHANNELS_MAX: usize = 1000;

/// What joins a program with the outside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChannelInfo {
    /// Its number.
    pub channel: u64,
    /// What it is.
    pub kind: ChannelKind,
    /// The process that it belongs to.
    pub process: u32,
    /// The node that has its socket.
    pub node: u32,
    /// Whether what is written leaves before it is safe.
    pub is_at_commit: bool,
    /// How it stands.
    pub state: ChannelState,
    /// Bytes that have come in.
    pub received: u64,
    /// Bytes that were written.
    pub written: u64,
    /// Of these, those that are sent for good.
    pub sent: u64,
}

/// What a channel is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ChannelKind {
    /// It listens at this address.
    Listener(String),
    /// A connection; its other end.
    Connection(String),
    /// A timer: nanoseconds from tick to tick, 0 if there is one only.
    Timer(u64),
    /// A port for datagrams at this address.
    Port(String),
    /// It drives the device of this name.
    Device(String),
    /// A line to the device of this name.
    Line(String),
    /// It serves under this label.
    Service(String),
    /// One end of a session with another program.
    Session,
    /// It appends to the file of this name.
    File(String),
}

/// How a channel stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ChannelState {
    /// Both ends are there.
    Open,
    /// The outside sends no more.
    Ended,
    /// It was broken, or its node has failed.
    Lost,
    /// The program has closed it; what it has written still goes out.
    Closed,
}

impl fmt::Display for ChannelState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Ended => "ended",
            Self::Lost => "lost",
            Self::Closed => "closed",
        })
    }
}

/// A device that has, or had, a driver.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// Its name.
    pub name: String,
    /// The node whose device it is now.
    pub node: u32,
    /// The process that drives it, or did so last.
    pub process: u32,
    /// How it stands.
    pub state: DeviceState,
    /// How often its driver has failed, lately.
    pub faults: u32,
    /// Bytes of its fallback object.
    pub object_bytes: u64,
    /// How its driver failed the last time; empty if it did not.
    pub report: String,
}

/// How a device stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum DeviceState {
    /// It has a driver that runs.
    Driven,
    /// Its driver has ended, or was ended by somebody: it waits for another one.
    Undriven,
    /// Its driver has failed again and again: it waits for another one.
    Offline,
}

impl fmt::Display for DeviceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Driven => "driven",
            Self::Undriven => "no driver",
            Self::Offline => "offline",
        })
    }
}

/// What a display shows, as far as it has changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Picture {
    /// What to ask with the next time.
    pub version: u64,
    /// Number of its mode (`adapter::display`).
    pub mode: u8,
    /// Whether the cursor is shown, its column and row.
    pub cursor: [u8; 3],
    /// 256 colours, three bytes each, if mode, cursor or colours have changed; else empty.
    pub palette: Vec<u8>,
    /// Parts of the memory that have changed, with the position of each.
    pub chunks: Vec<(u32, Vec<u8>)>,
    /// How often it was told something that was meant for another mode.
    pub misread: u64,
}

/// A snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SnapshotInfo {
    /// Its epoch.
    pub epoch: u64,
    /// When it became stable, in milliseconds since 1970.
    pub wall_ms: u64,
    /// Its names.
    pub names: Vec<String>,
    /// It stays when later epochs become stable.
    pub is_kept: bool,
}

/// Whose mistake it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FailureKind {
    /// The request makes no sense, or names what does not exist.
    BadRequest,
    /// The module was refused.
    Refused,
    /// The guest failed.
    Guest,
    /// The cluster cannot do it now.
    Unavailable,
    /// The node is about to end; another may do it. Nothing of it has happened.
    Ending,
    /// The node does not know whether it has happened or will.
    Unknown,
    /// The node cannot compile the module, and takes one that is compiled and signed with the
    /// cluster's key.
    NoCompiler,
}

/// Why it could not be done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// Whose mistake it was.
    pub kind: FailureKind,
    /// What was expected, what was found, what to do.
    pub message: String,
}

impl ProcessState {
    /// Whether it stays like this.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Loading | Self::Running)
    }
}

impl fmt::Display for ProcessState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loading => f.write_str("loading"),
            Self::Running => f.write_str("running"),
            Self::Done(value) => write!(f, "done ({value})"),
            Self::Exited(code) => write!(f, "exited ({code})"),
            Self::Faulted => f.write_str("faulted"),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}
