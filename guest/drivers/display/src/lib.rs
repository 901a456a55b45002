//! Drives a display.
//!
//! The fallback object holds the mode, the cursor, the palette, and behind these the picture. What
//! programs draw goes there, and from there to the adapter: so of what was drawn over before it
//! could leave only the last is sent.
#![no_std]

extern crate alloc;

mod object;
mod picture;

use adapter::display::{Command, Mode, Palette, Reading};
use alloc::vec::Vec;
use sdk::{Client, Driver, Io, Object};
use services::display::{Answer, Request};

use crate::object::State;
use crate::picture::Picture;

#[derive(Debug)]
struct Display {
    state: State,
    picture: Picture,
    /// The adapter was asked what it is like.
    is_asked: bool,
}

/// The question whose answer tells what the adapter is like.
const TOKEN: u32 = 1;

impl Driver for Display {
    const DEVICE: &'static str = "display";

    fn probe(object: Object) -> Self {
        let state = State::load(object);
        Self {
            picture: Picture::new(state.mode),
            state,
            is_asked: false,
        }
    }

    fn reinitialise(&mut self, io: &mut Io) {
        self.is_asked = false;
        self.set_up(io);
        self.picture.all_changed();
    }

    fn on_input(&mut self, io: &mut Io, input: &mut Vec<u8>) {
        while let Some(bytes) = input.first_chunk() {
            let reading = Reading::decode(bytes).expect("a display says nothing else");
            input.drain(..Reading::BYTES);
            if !io.is_restored() {
                let expected = Reading {
                    token: TOKEN,
                    mode: self.state.mode,
                    cursor: self.state.cursor,
                    checksum: self.picture.checksum(io.object, &self.state.palette),
                };
                assert!(
                    reading == expected,
                    "the display is {reading:?}, its fallback object {expected:?}"
                );
                io.restored();
            }
        }
    }

    fn on_request(&mut self, io: &mut Io, client: &mut Client) {
        let requests = core::mem::take(&mut client.requests);
        let mut rest = requests.as_slice();
        loop {
            match Request::decode(rest) {
                Ok(Some((request, length))) => {
                    rest = &rest[length..];
                    if let Some(answer) = self.serve(io, request) {
                        answer.encode(&mut client.answers);
                    }
                }
                Ok(None) => {
                    client.requests = rest.to_vec();
                    return;
                }
                Err(adapter::Malformed) => {
                    Answer::Malformed.encode(&mut client.answers);
                    return client.end();
                }
            }
        }
    }

    fn on_room(&mut self, io: &mut Io) {
        let is_restored = io.is_restored();
        while io.has_room() {
            let Some((offset, bytes)) = self.picture.take_changed(io.object) else {
                break;
            };
            // The adapter was cleared.
            if is_restored || bytes.iter().any(|byte| *byte != 0) {
                let write = Command::Write {
                    meant: self.state.mode,
                    offset,
                    bytes: &bytes,
                };
                write.encode(io.say());
            }
        }
        if !is_restored && !self.is_asked && !self.picture.has_changed() {
            self.is_asked = true;
            Command::Read(TOKEN).encode(io.say());
        }
    }
}

impl Display {
    /// Says all of the state but the picture.
    fn set_up(&self, io: &mut Io) {
        Command::Clear.encode(io.say());
        Command::SetMode(self.state.mode).encode(io.say());
        for (index, colour) in (0..=255).zip(self.state.palette.0) {
            Command::SetColour(index, colour).encode(io.say());
        }
        Command::SetCursor(self.state.cursor).encode(io.say());
    }

    fn serve(&mut self, io: &mut Io, request: Request<'_>) -> Option<Answer> {
        match request {
            Request::SetMode(mode) => {
                self.set_mode(io, mode);
                return Some(Answer::Mode(mode));
            }
            Request::Ask => return Some(Answer::Mode(self.state.mode)),
            Request::SetColour(index, colour) => {
                self.state.palette.0[usize::from(index)] = colour;
                self.state.store(io.object);
                Command::SetColour(index, colour).encode(io.say());
            }
            Request::SetCursor(mut cursor) => {
                let last = Mode::Text.geometry();
                cursor.column = cursor.column.min(last.width as u8 - 1);
                cursor.row = cursor.row.min(last.height as u8 - 1);
                self.state.cursor = cursor;
                self.state.store(io.object);
                Command::SetCursor(cursor).encode(io.say());
            }
            Request::Draw { mode, .. } | Request::Fill { mode, .. } if mode != self.state.mode => {
                return Some(Answer::OtherMode(self.state.mode));
            }
            Request::Draw { area, bytes, .. } => self.picture.draw(io.object, area, bytes),
            Request::Fill { area, value, .. } => self.picture.fill(io.object, area, value),
        }
        None
    }

    fn set_mode(&mut self, io: &mut Io, mode: Mode) {
        self.state.mode = mode;
        self.state.palette = Palette::default();
        self.state.cursor.is_visible = false;
        self.state.store(io.object);
        self.picture = Picture::new(mode);
        self.picture.clear(io.object);
        self.set_up(io);
    }
}

sdk::driver!(Display, device = "display");
