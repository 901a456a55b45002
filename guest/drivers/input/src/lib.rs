//! Drives a keyboard and a pointer: what is done with them goes to the program that came last.
//!
//! The fallback object holds which lights of the keyboard are on, and how many events nobody has
//! taken in time.
#![no_std]

extern crate alloc;

use adapter::input::InputEvent;
use alloc::vec::Vec;
use sdk::{Client, Driver, Io, Object};

/// A program that has so much to read is not given more.
const UNREAD_BYTES_MAX: usize = 32 << 10;

#[derive(Debug, Default)]
struct Input {
    lights: u8,
    dropped: u32,
}

impl Input {
    fn store(&self, object: Object) {
        let [d0, d1, d2, d3] = self.dropped.to_le_bytes();
        object.write(0, &[self.lights, d0, d1, d2, d3]);
    }
}

impl Driver for Input {
    const DEVICE: &'static str = "input";

    fn probe(object: Object) -> Self {
        let mut bytes = [0; 5];
        object.read(0, &mut bytes);
        let [lights, dropped @ ..] = bytes;
        Self {
            lights,
            dropped: u32::from_le_bytes(dropped),
        }
    }

    fn reinitialise(&mut self, io: &mut Io) {
        io.say().push(self.lights);
        io.restored();
    }

    fn on_input(&mut self, io: &mut Io, input: &mut Vec<u8>) {
        let (events, part) = input.as_chunks();
        for &event in events {
            let decoded = InputEvent::decode(event).expect("a keyboard says nothing else");
            let dropped = match (decoded, io.clients.last_mut()) {
                (InputEvent::Dropped(count), _) => count,
                (_, Some(client)) if client.answers.len() < UNREAD_BYTES_MAX => {
                    client.answers.extend(event);
                    0
                }
                _ => 1,
            };
            if dropped > 0 {
                self.dropped = self.dropped.saturating_add(dropped);
                self.store(io.object);
            }
        }
        *input = part.to_vec();
    }

    fn on_request(&mut self, io: &mut Io, client: &mut Client) {
        for lights in client.requests.drain(..) {
            self.lights = lights;
            self.store(io.object);
            io.say().push(lights);
        }
    }
}

sdk::driver!(Input, device = "input");
