//! What the drivers of displays, keyboards and lines of text do for programs: the messages of
//! their sessions, and the programs' ends of these.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod client;
pub mod display;
pub mod input;
mod lookout;

pub use client::Session;
pub use lookout::Lookout;
