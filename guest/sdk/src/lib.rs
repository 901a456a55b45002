//! What a Plurix module in Rust is written with.
//!
//! A program is a module, its memory, and *workers*: exported functions that run again
//! and again, one short *step* at a time, on any node of the cluster. All nodes share
//! the module's memory, and **a step is a transaction on it**: it happens as a whole or
//! not at all, as if no other step ran meanwhile. A step that loses a conflict is undone,
//! with everything it did here, and runs again. So there are no locks, and:
//!
//! - `static`s may be changed freely, see [`Static`];
//! - a step keeps nothing on its stack for the next one: what must last goes into
//!   memory, and [`Step`] says when to go on;
//! - output, signals, new workers and results of a step take effect when it commits;
//! - two steps conflict when they touch the same *page* (4096 bytes) and one changes it.
//!   Data that different nodes write belongs on different pages: [`PageAligned`],
//!   [`PerNode`], [`Counter`] and [`WorkList`] see to that, and the allocator gives every
//!   node pages of its own; what is written once and read by all is made in [`share`].
//!
//! ```text
//! use sdk::{Step, out, worker};
//!
//! worker! {
//!     /// The first worker.
//!     fn main(_argument: i64) -> Step {
//!         out!("hello from node {} of {}", sdk::node(), sdk::node_count());
//!         Step::Done(0)
//!     }
//! }
//! ```
//!
//! `docs/abi.md` describes the calls themselves, for other languages.
#![no_std]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(target_arch = "wasm32")]
mod allocator;
mod channel;
mod driver;
mod file;
#[cfg(any(target_arch = "wasm32", test))]
mod heap;
mod host;
mod log;
#[cfg(target_arch = "wasm32")]
mod panic;
mod port;
mod raw;
mod service;
mod shared;
mod step;
mod work;

#[cfg(target_arch = "wasm32")]
pub use allocator::share;
pub use channel::{Connection, Listener, Lost, Received, Release, Stream, Timer};
pub use driver::{Client, Device, Driver, Io, Object, Running};
pub use file::File;
pub use host::{
    Input, arguments, clock_ns, exit, input, inputs, node, node_count, progress, random,
    result_write, signal, spawn, worker,
};
pub use log::{Level, log};
pub use port::Port;
pub use service::Service;
pub use shared::{Counter, NODES_MAX, PAGE_BYTES, PageAligned, PerNode, Static};
pub use step::{Event, Step};
pub use work::WorkList;

#[doc(hidden)]
pub use alloc::format;
#[doc(hidden)]
pub use driver::{bytes, same_text};
