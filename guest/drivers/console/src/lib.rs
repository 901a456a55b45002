//! Drives a line of text: what is typed there goes to the program that came last, what programs
//! write goes there.
//!
//! The line has no state, so the fallback object is empty.
#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use sdk::{Client, Driver, Io, Object};

/// A program that has so much to read is not given more.
const UNREAD_BYTES_MAX: usize = 16 << 10;

#[derive(Debug)]
struct Console;

impl Driver for Console {
    const DEVICE: &'static str = "console";

    fn probe(_object: Object) -> Self {
        Self
    }

    fn reinitialise(&mut self, io: &mut Io) {
        io.restored();
    }

    fn on_input(&mut self, io: &mut Io, input: &mut Vec<u8>) {
        if let Some(client) = io.clients.last_mut() {
            let room = UNREAD_BYTES_MAX.saturating_sub(client.answers.len());
            client.answers.extend(input.drain(..input.len().min(room)));
        }
    }

    fn on_request(&mut self, io: &mut Io, client: &mut Client) {
        io.say().append(&mut client.requests);
    }
}

sdk::driver!(Console, device = "console");
