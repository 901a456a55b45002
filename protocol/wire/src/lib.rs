//! Messages between nodes, and their bytes.
//!
//! It decides nothing: which message means what is the business of `dtm`,
//! `control` and `store`. It trusts nothing: bytes from a peer are decoded or
//! refused, never believed.
//!
//! Start with [`Message`], the closed list of what can be said.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs, clippy::float_arithmetic)]
extern crate alloc;

mod codec;
mod image;
mod message;
mod past;
mod report;
mod subject;

pub use codec::{BODY_SIZE_MAX, DecodeError, HEADER_SIZE, decode, encode};
pub use image::{Image, NoImage};
pub use message::{
    Envelope, Held, HeldAs, Hold, IntervalEdges, Manifest, Message, Outcome, PageVersion,
    ReadRefusal, ReadWish, ReceivedPart, Testimony,
};
pub use past::{
    KeptAs, PAST_EXTENTS_MAX, PAST_PAGES_MAX, PastAnswer, PastFound, PastPage, PastQuestion,
};
pub use report::{LostVersion, NodeReport, ScrubReport};
