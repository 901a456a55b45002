//! Bringing one program back as it was in an earlier epoch, piece by piece.
//!
//! A tool reads the past and says what it has found there. Whatever it says may be said again
//! if no answer came: to begin, with the same token, finds the same process; a piece that is
//! written is not written again; and to finish twice is to finish once. A node that dies may
//! take pieces with it: the tool goes on from the one that is said to be the next.
use alloc::string::String;
use alloc::vec::Vec;
use core::num::NonZeroU64;
use serde::{Deserialize, Serialize};
use wire::Image;

use crate::ProcessState;

/// One order of a tool that brings a program back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Revive {
    /// Make a process for it, which is loading. Another tool that brings a program of that
    /// name back has to give up. Answered by [`crate::Response::Reviving`].
    Begin {
        /// Name of the program.
        program: String,
        /// Number of its module.
        module: u32,
        /// Its arguments.
        arguments: Vec<Vec<u8>>,
        /// Names of its inputs, and their lengths in bytes.
        inputs: Vec<(String, u64)>,
    },
    /// Write a piece of what it had, if it is the next one. Answered by
    /// [`crate::Response::Filled`].
    Fill {
        /// The process.
        process: u32,
        /// Number of the piece; they are written one after the other, from 0 on.
        number: u64,
        /// The piece.
        piece: Piece,
    },
    /// Have the process live on in the place of the present one of its name, which is
    /// cancelled. Answered by [`crate::Response::Done`]; by [`crate::Response::Filled`], with
    /// nothing changed, if pieces are missing.
    Finish {
        /// The process.
        process: u32,
        /// How many pieces there were.
        pieces: u64,
        /// How it lives on.
        life: Life,
    },
    /// The process is not wanted any more; if it lives already it goes on. Answered by
    /// [`crate::Response::Done`].
    GiveUp {
        /// The process.
        process: u32,
    },
}

/// An order, and who gives it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reviving {
    /// A number that the tool has drawn for this one time.
    pub token: NonZeroU64,
    /// The order.
    pub order: Revive,
}

/// A part of what a process had. All that is in none is zeroes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Piece {
    /// Pages of its region: index and contents.
    Pages(Vec<(u32, Image)>),
    /// Bytes of an input.
    Input {
        /// Which, from 0 on.
        index: u32,
        /// Place of the first byte.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Bytes of its result.
    Result {
        /// Place of the first byte.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

/// How a process lives on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Life {
    /// Its state; not loading.
    pub state: ProcessState,
    /// Its first worker.
    pub main: u64,
    /// What that returned, if it has ended.
    pub main_value: i64,
    /// Units done.
    pub done: u64,
    /// Units in all, 0 if it does not say.
    pub total: u64,
    /// The fault's report, if it faulted.
    pub fault: String,
    /// Its workers that have not ended.
    pub workers: Vec<LivingWorker>,
}

/// A worker that has not ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LivingWorker {
    /// Its number.
    pub id: u64,
    /// The function that each of its steps calls.
    pub entry: String,
    /// The argument of that.
    pub argument: i64,
    /// What it waits for; `None`: it is ready.
    pub event: Option<i64>,
}
