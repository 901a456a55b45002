//! A database that speaks Redis's protocol, for sessions that are transactions on a memory
//! which many nodes share.
//!
//! A [`Session`] is what is left of a client's talk from one step to the next; its
//! [`step`](Session::step) reads requests from a [`Stream`], executes them on the
//! [`Database`], and writes answers. There are no locks: whoever runs steps sees to it that
//! each happens as a whole or not at all. Time comes in as an argument. Redis 7.0 is the model
//! for every byte of the answers, as far as commands are there.
//!
//! ```text
//! session     parse, inline  bytes to requests      transaction  MULTI, WATCH
//!             output         answers to bytes
//! commands    strings, lists, hashes, sets, sorted, keys, times, server
//!             call           what they work with
//! database    table          keys on pages
//!             value          list, sorted, text, maps and sets of texts
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod call;
mod commands;
mod database;
mod failure;
mod glob;
mod inline;
mod list;
mod number;
mod output;
mod parse;
mod session;
mod sorted;
mod table;
#[cfg(test)]
mod testing;
mod text;
mod transaction;
mod value;

pub use database::{Database, Here};
pub use sdk::Stream;
pub use session::{Next, Session};
