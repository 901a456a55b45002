//! Keys and values over HTTP, for sessions that are transactions on a memory which many nodes
//! share.
//!
//! A [`Session`] is what is left of a client's talk from one step to the next; its
//! [`step`](Session::step) reads requests from a [`Stream`], executes them on the [`Store`],
//! and writes answers. There are no locks: whoever runs steps sees to it that each happens as a
//! whole or not at all. It knows no clock, no host and no node; what a client may make it keep
//! in memory is bounded, see [`limits`].
//!
//! ```text
//! session     head, body         bytes to requests (httparse does the bytes of heads)
//!             answer, output     answers to bytes
//! service     what a request does
//!             target, condition  which key, and whether it is as the client thinks
//! store       names, values, versions
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod answer;
mod body;
mod condition;
mod head;
pub mod limits;
mod output;
mod refusal;
mod service;
mod session;
mod store;
mod target;

pub use sdk::Stream;
pub use session::{Next, Session};
pub use store::Store;
