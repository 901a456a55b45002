//! Drives a part of a machine that is set and asked as a whole.
//!
//! The fallback object holds what the part was told to be, as text behind its length. It is
//! written before the part is told, so whoever fails meanwhile tells it again; a part that refuses
//! it is told what was there before.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;

use adapter::part::{Answer, Command, LINE_BYTES_MAX, Settings, take_line};
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use sdk::{Client, Connection, Driver, Io, Object, Timer};

/// Bytes of the length.
const HEAD_BYTES: usize = 2;

/// The driver of a part.
#[derive(Debug)]
pub struct Keeper<S> {
    /// What the part was told to be, if somebody wished anything.
    order: Option<S>,
    /// What it is like, by its last word.
    found: Option<S>,
    /// One wish at a time is with the part.
    wish: Option<Wish<S>>,
    look: Option<Timer>,
}

/// What the part has not answered.
#[derive(Debug)]
struct Wish<S> {
    /// Whose it is; `None`: the driver's own.
    client: Option<Connection>,
    /// What the part was told to be before.
    before: Option<S>,
}

impl<S: Settings> Driver for Keeper<S> {
    const DEVICE: &'static str = S::DEVICE;

    fn probe(object: Object) -> Self {
        Self {
            order: load(object),
            found: None,
            wish: None,
            look: None,
        }
    }

    fn reinitialise(&mut self, io: &mut Io) {
        self.order_command().encode(io.say());
    }

    fn on_input(&mut self, io: &mut Io, input: &mut Vec<u8>) {
        while let Some(line) = take_line(input).expect("a part says lines") {
            let answer: Answer<S> = line.parse().expect("a part says nothing else");
            match &answer {
                Answer::Is(found) => self.accept(io, found),
                Answer::Cannot(why) => self.go_back(io, why),
            }
            if let Some(Wish { client, .. }) = self.wish.take() {
                let client = io
                    .clients
                    .iter_mut()
                    .find(|one| Some(one.session()) == client);
                if let Some(client) = client {
                    answer.encode(&mut client.answers);
                }
            }
        }
    }

    fn on_request(&mut self, io: &mut Io, client: &mut Client) {
        while self.wish.is_none() {
            let line = match take_line(&mut client.requests) {
                Ok(Some(line)) => line,
                Ok(None) => return,
                Err(adapter::Malformed) => return client.end(),
            };
            match line.parse::<Command<S>>() {
                Ok(command) => self.begin(io, command, Some(client.session())),
                Err(unclear) => {
                    Answer::<S>::Cannot(unclear.to_string()).encode(&mut client.answers);
                }
            }
        }
    }

    fn on_room(&mut self, io: &mut Io) {
        let Some(pause_ns) = S::LOOK_EVERY_NS else {
            return;
        };
        let look = *self.look.get_or_insert_with(|| io.every(pause_ns));
        if look.take().is_some() && io.is_restored() && self.wish.is_none() {
            self.begin(io, Command::Ask, None);
        }
    }
}

impl<S: Settings> Keeper<S> {
    /// What a part of which nothing is known is told.
    fn order_command(&self) -> Command<S> {
        self.order.clone().map_or(Command::Ask, Command::Set)
    }

    fn begin(&mut self, io: &mut Io, command: Command<S>, client: Option<Connection>) {
        let before = self.order.clone();
        self.wish = Some(Wish { client, before });
        let command = match command {
            Command::Set(wished) => {
                let found = self.found.as_ref().expect("asked before anybody is heard");
                let order = wished.order(found);
                self.remember(io.object, Some(order.clone()));
                Command::Set(order)
            }
            Command::Ask => Command::Ask,
        };
        command.encode(io.say());
    }

    /// The part has said what it is like.
    fn accept(&mut self, io: &mut Io, found: &S) {
        if let Some(order) = &self.order {
            assert!(
                order.is_met_by(found),
                "the {} is `{found}`, its fallback object says `{order}`",
                S::DEVICE
            );
        }
        let order = S::keep(self.order.clone(), found);
        self.remember(io.object, order);
        self.found = Some(found.clone());
        io.restored();
    }

    /// The part cannot be what it was told to be: so it is to be what it was before.
    fn go_back(&mut self, io: &mut Io, why: &str) {
        let wish = self.wish.as_ref().filter(|wish| wish.before != self.order);
        let before = wish.map(|wish| wish.before.clone());
        let Some(before) = before else {
            panic!(
                "the {} cannot be as its fallback object says: {why}",
                S::DEVICE
            );
        };
        self.remember(io.object, before);
        if !io.is_restored() {
            self.order_command().encode(io.say());
        }
    }

    fn remember(&mut self, object: Object, order: Option<S>) {
        if self.order != order {
            let text = order.as_ref().map(S::to_string).unwrap_or_default();
            let length = u16::try_from(text.len()).expect("shorter than a line");
            let mut bytes = Vec::from(length.to_le_bytes());
            bytes.extend(text.bytes());
            object.write(0, &bytes);
            self.order = order;
        }
    }
}

/// What the object says, if it says anything.
fn load<S: Settings>(object: Object) -> Option<S> {
    let mut bytes = vec![0; HEAD_BYTES + LINE_BYTES_MAX];
    let count = object.read(0, &mut bytes);
    let (length, rest) = bytes[..count].split_first_chunk::<HEAD_BYTES>()?;
    let text = rest.get(..u16::from_le_bytes(*length).into())?;
    let text = String::from_utf8_lossy(text);
    (!text.is_empty()).then(|| text.parse().expect("drivers write nothing else"))
}

/// Makes a module the driver of a part.
#[macro_export]
macro_rules! drive {
    ($settings:ty, device = $device:literal) => {
        sdk::driver!($crate::Keeper<$settings>, device = $device);
    };
}
