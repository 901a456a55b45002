//! The closed list of what a tool can ask.
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use wire::PastQuestion;

use crate::Reviving;

/// A question or order. Orders are transactions: done wholly or not at all.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Request {
    /// How is the cluster? Answered by [`crate::Response::Status`].
    Status,
    /// Make this module known under a name. Deploying the same bytes again changes
    /// nothing. Answered by [`crate::Response::Deployed`].
    Deploy {
        /// Its name, for [`Request::Run`].
        name: String,
        /// The module as its author made it.
        wasm: Vec<u8>,
    },
    /// Start a program. Answered by [`crate::Response::Started`].
    Run {
        /// Name of a deployed module.
        module: String,
        /// Name of the program, for [`Request::Call`]; the newest of a name counts.
        program: String,
        /// What the first worker's entry is called with: how many workers the operator
        /// wants, 0 if he does not care.
        workers: u32,
        /// Arguments.
        arguments: Vec<String>,
        /// Inputs.
        inputs: Vec<Blob>,
    },
    /// Call one exported function of a program as one transaction. Answered by
    /// [`crate::Response::Returned`].
    Call {
        /// Name or number of the program.
        program: String,
        /// The function.
        function: String,
        /// Its arguments, as text.
        arguments: Vec<String>,
        /// Inputs.
        inputs: Vec<Blob>,
        /// Discard the memory effects.
        is_query: bool,
    },
    /// What has a process put out since, how far is it? Answered at once by
    /// [`crate::Response::Watched`].
    Watch {
        /// The process.
        process: u32,
        /// Where the tool's copy of the output ends, per slot; missing ones at 0.
        cursors: Vec<Cursor>,
    },
    /// Part of a process' result. Answered by [`crate::Response::Bytes`].
    ReadResult {
        /// The process.
        process: u32,
        /// First byte.
        offset: u64,
        /// Bytes at most.
        length: u32,
    },
    /// End a process. Answered by [`crate::Response::Done`].
    Cancel {
        /// The process.
        process: u32,
    },
    /// Which processes are there? Answered by [`crate::Response::Processes`].
    Processes,
    /// What joins programs with the outside? Answered by [`crate::Response::Channels`].
    Channels,
    /// Which devices are there, and who drives them? Answered by
    /// [`crate::Response::Devices`].
    Devices,
    /// What does the display of this node show? Answered at once by
    /// [`crate::Response::Seen`].
    Look {
        /// What the last answer said, to hear what has changed since; 0 to hear all.
        since: u64,
    },
    /// Somebody uses the keyboard or pointer of this node. Answered at once by
    /// [`crate::Response::Done`].
    Feel {
        /// What he does, in order, as keyboards and pointers say it (`adapter::input`).
        events: Vec<[u8; 8]>,
    },
    /// Somebody types at this node's line of text. Answered at once by
    /// [`crate::Response::Typed`].
    Type {
        /// What he types.
        bytes: Vec<u8>,
    },
    /// What was written to this node's line of text? Answered at once by
    /// [`crate::Response::Text`].
    ReadText {
        /// The first byte that is wanted.
        from: u64,
    },
    /// Which snapshots are there? Only the leader knows. Answered by
    /// [`crate::Response::Snapshots`].
    Snapshots,
    /// Keep the memory as it is now, or a moment later, under a name. Only the leader can.
    /// Answered by [`crate::Response::Snapshot`] when that is done.
    Snapshot {
        /// The name.
        name: String,
    },
    /// Give up a name, or an epoch with all its names. Only the leader can. Answered by
    /// [`crate::Response::Done`].
    Forget {
        /// The name, or the number of the epoch.
        snapshot: String,
    },
    /// The whole memory goes back to a snapshot. What was committed later is undone, and later
    /// snapshots are gone. Only the leader can. Answered by [`crate::Response::Done`] when
    /// that is so.
    Restore {
        /// The name, or the number of the epoch.
        snapshot: String,
        /// Even if later snapshots with names are gone then.
        discards_named: bool,
    },
    /// What was the memory like in an epoch that is kept? Answered by
    /// [`crate::Response::Past`] when all stores have been asked.
    Past {
        /// The epoch.
        epoch: u64,
        /// The question.
        question: PastQuestion,
    },
    /// Stop the whole cluster when everything committed so far is stable. Answered by
    /// [`crate::Response::Done`].
    Down,
    /// Have these nodes leave the cluster for good, in order. Only the leader can.
    /// Answered by [`crate::Response::Done`] when they have begun to; whoever wants to know
    /// when they have left looks at the status.
    Drain {
        /// Ids of members.
        nodes: Vec<u32>,
    },
    /// Read everything in all members' stores again now, and mend what is damaged. If that
    /// is under way, it goes on. Answered by [`crate::Response::Done`] when it has begun.
    Scrub,
    /// How far is what this node was asked to have scrubbed? Answered by
    /// [`crate::Response::Scrubbed`].
    ScrubProgress,
    /// One program goes back to what it was in an earlier epoch, all others go on: one order
    /// of several.
    Revive(Reviving),
}

/// Bytes with a name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Blob {
    /// The name, usually of a file.
    pub name: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A position in the output of one slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cursor {
    /// The slot.
    pub slot: u32,
    /// The position, opaque.
    pub position: u64,
}
