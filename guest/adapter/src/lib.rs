//! What the virtual devices of a node and their drivers say to each other: bytes on a line.
//!
//! A *display* is an adapter with a memory and a mode, as those of PCs have them
//! ([`display`]). *Input* is what a keyboard and a pointer say ([`input`]). A *console* says and
//! hears plain text. A *port* sends and gets datagrams ([`datagram`]). *Parts* of a machine are
//! set and asked as a whole ([`part`]).
//!
//! Both sides use this crate: the devices in the node, the drivers in their modules.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod datagram;
pub mod display;
pub mod input;
pub mod part;

/// The device of [`display`].
pub const DISPLAY: &str = "display";
/// The device of [`input`].
pub const INPUT: &str = "input";
/// The device that is a line of text.
pub const CONSOLE: &str = "console";
/// The part of a machine that is its [`part::Network`].
pub const NETWORK: &str = "network";
/// The part that is its [`part::Disk`].
pub const DISK: &str = "disk";
/// The part that is its [`part::Clock`].
pub const CLOCK: &str = "clock";
/// The part that is its [`part::Power`].
pub const POWER: &str = "power";

/// The device that is the node itself: it is told what tools ask, and answers, each as a frame of
/// the admin language: the length, four bytes, little-endian, then the body. One question is
/// answered after the other. The node that leads has it.
pub const SYSTEM: &str = "system";
/// Bytes of a question's body at most.
pub const QUESTION_BYTES_MAX: usize = 256 << 10;

/// Bytes that nobody says who speaks this language.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

impl core::fmt::Display for Malformed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("bytes that are no command of the device")
    }
}

impl core::error::Error for Malformed {}

/// Takes so many bytes off the front, if there are.
pub fn take_array<const LENGTH: usize>(rest: &mut &[u8]) -> Option<[u8; LENGTH]> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*bytes)
}
