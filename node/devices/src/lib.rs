//! Smart buffers: how a world that cannot be undone meets a memory that can.
//!
//! Each has two halves. One lies in the memory of the cluster: bytes that a program has still
//! to read, bytes that it has written, and positions. It goes back with everything else. The
//! other half is here, in a node's own memory: what came in and may have to be given again
//! ([`Intake`]), what is to go out and may still be undone ([`Outlet`]).
//!
//! Both halves count from the channel's beginning, so they find each other again after
//! whatever has happened: [`Intake::rewind`] and [`Outlet::rewind`] are told what the memory
//! says, and go on from there, or say that they cannot.
//!
//! Neither knows what a device is, or a transaction: only positions, and epochs that are safe by
//! and by. The devices of a node that has none of its own are in [`machine`].
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod intake;
pub mod machine;
mod outlet;

pub use intake::Intake;
pub use outlet::{Contradiction, Outlet, Rule};

/// The memory says something that this half cannot follow: it went back too far, or forth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfReach;

impl core::fmt::Display for OutOfReach {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the memory went back to a time that the buffer does not know any more")
    }
}

impl core::error::Error for OutOfReach {}
