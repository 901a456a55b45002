//! Channels, whose other ends are held by the test.
//!
//! Bytes travel in pieces of any length, at any time between steps: that is drawn, too.

use std::collections::{BTreeMap, VecDeque};

use abi::MODULE;
use abi::channel::{END, LOST};
use wasmi::{Caller, Error, Linker};

use crate::calls::{read, text, write};
use crate::{Host, Program};

type Guest<'a> = Caller<'a, Host>;

/// What a program can write before the other end has read.
const ROOM_BYTES: usize = 4096;
/// Bytes that travel at a time.
const PIECE_BYTES_MAX: u64 = 3000;

/// The other end of a connection, for the test.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Client(i64);

/// What has become of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientState {
    /// Both ends are there.
    Open,
    /// The program has closed it.
    Closed,
}

/// All channels of a program.
#[derive(Default, Debug)]
pub(crate) struct Channels {
    all: BTreeMap<i64, Channel>,
    made: i64,
}

#[derive(Debug)]
enum Channel {
    Listener {
        address: String,
        event: i64,
        waiting: VecDeque<i64>,
    },
    Connection(Connection),
}

#[derive(Default, Debug)]
struct Connection {
    event: i64,
    /// Sent by the test, and what of it the program can read.
    sent: VecDeque<u8>,
    delivered: VecDeque<u8>,
    is_ended: bool,
    is_lost: bool,
    /// Written by the program, and what of it the test has got.
    written: VecDeque<u8>,
    received: Vec<u8>,
    is_reading: bool,
    /// The program could not write all it wanted to.
    wants_room: bool,
    is_closed: bool,
}

impl Connection {
    /// Moves a piece of at most so many bytes, if there is any to move; whether the program
    /// is to be told.
    fn travel(&mut self, bytes_max: usize) -> Option<bool> {
        let inward = self.sent.len().min(bytes_max);
        let outward = if self.is_reading {
            self.written.len().min(bytes_max)
        } else {
            0
        };
        if inward + outward == 0 {
            return None;
        }
        self.delivered.extend(self.sent.drain(..inward));
        self.received.extend(self.written.drain(..outward));
        let has_room = outward > 0 && std::mem::take(&mut self.wants_room);
        Some(inward > 0 || has_room)
    }
}

impl Channels {
    fn add(&mut self, channel: Channel) -> i64 {
        self.made += 1;
        // Far from the small numbers that programs choose for events.
        let number = self.made + (1 << 40);
        self.all.insert(number, channel);
        number
    }

    fn connection(&mut self, number: i64) -> Option<&mut Connection> {
        match self.all.get_mut(&number) {
            Some(Channel::Connection(connection)) => Some(connection),
            _ => None,
        }
    }
}

impl Host {
    /// Lets bytes travel on some connection; whether there were any.
    pub(crate) fn travel(&mut self) -> bool {
        let numbers: Vec<i64> = self.channels.all.keys().copied().collect();
        let bytes_max = 1 + self.below(PIECE_BYTES_MAX) as usize;
        let first = self.below(numbers.len().max(1) as u64) as usize;
        for number in numbers[first..].iter().chain(&numbers[..first]) {
            let Some(connection) = self.channels.connection(*number) else {
                continue;
            };
            if let Some(is_told) = connection.travel(bytes_max) {
                let event = connection.event;
                if is_told {
                    self.signal(event);
                }
                return true;
            }
        }
        false
    }
}

impl Program {
    /// Connects to the program, which must be listening at the address.
    ///
    /// # Panics
    /// If nobody listens there.
    pub fn connect(&mut self, at: &str) -> Client {
        let host = self.store.data_mut();
        let listeners = host
            .channels
            .all
            .iter()
            .filter_map(|(number, channel)| match channel {
                Channel::Listener { address, event, .. } if address == at => {
                    Some((*number, *event))
                }
                _ => None,
            });
        let (listener, event) = { listeners }
            .next()
            .expect("somebody listens at the address");
        let client = host.channels.add(Channel::Connection(Connection {
            event,
            is_reading: true,
            ..Connection::default()
        }));
        if let Some(Channel::Listener { waiting, .. }) = host.channels.all.get_mut(&listener) {
            waiting.push_back(client);
        }
        host.signal(event);
        Client(client)
    }

    fn client(&mut self, client: Client) -> &mut Connection {
        let channels = &mut self.store.data_mut().channels;
        channels
            .connection(client.0)
            .expect("the test has connected it")
    }

    fn tell(&mut self, client: Client) {
        let event = self.client(client).event;
        self.store.data_mut().signal(event);
    }

    /// Sends bytes to the program. They travel while it runs.
    pub fn send(&mut self, client: Client, bytes: &[u8]) {
        self.client(client).sent.extend(bytes);
    }

    /// What the client has got since it was last asked.
    pub fn received(&mut self, client: Client) -> Vec<u8> {
        std::mem::take(&mut self.client(client).received)
    }

    /// The client reads nothing from now on.
    pub fn stop_reading(&mut self, client: Client) {
        self.client(client).is_reading = false;
    }

    /// The client reads again.
    pub fn resume_reading(&mut self, client: Client) {
        self.client(client).is_reading = true;
    }

    /// The client sends no more.
    pub fn end(&mut self, client: Client) {
        self.client(client).is_ended = true;
        self.tell(client);
    }

    /// The connection breaks.
    pub fn break_off(&mut self, client: Client) {
        let connection = self.client(client);
        connection.is_lost = true;
        connection.sent.clear();
        self.tell(client);
    }

    /// What has become of the connection.
    pub fn client_state(&mut self, client: Client) -> ClientState {
        match self.client(client).is_closed {
            true => ClientState::Closed,
            false => ClientState::Open,
        }
    }
}

pub(crate) fn define(linker: &mut Linker<Host>) -> Result<(), Error> {
    linker.func_wrap(
        MODULE,
        "listen",
        |mut guest: Guest<'_>, address, length, _release: i32, event: i64| {
            let address = text(&guest, address, length)?;
            let listener = Channel::Listener {
                address,
                event,
                waiting: VecDeque::new(),
            };
            Ok::<i64, Error>(guest.data_mut().channels.add(listener))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "channel_event",
        |mut guest: Guest<'_>, channel: i64, new: i64| match channel_of(&mut guest, channel)? {
            Channel::Listener { event, .. } => {
                *event = new;
                Ok(())
            }
            Channel::Connection(connection) => {
                connection.event = new;
                Ok(())
            }
        },
    )?;
    linker.func_wrap(
        MODULE,
        "channel_read",
        |mut guest: Guest<'_>, channel: i64, buffer: i32, length: i32| {
            let length = length as u32 as usize;
            let bytes: Vec<u8> = match channel_of(&mut guest, channel)? {
                Channel::Listener { .. } if length < size_of::<i64>() => return Ok(0),
                Channel::Listener { waiting, .. } => match waiting.pop_front() {
                    Some(number) => number.to_le_bytes().into(),
                    None => return Ok(0),
                },
                Channel::Connection(connection) => {
                    let count = length.min(connection.delivered.len());
                    match (count, connection.is_lost, connection.is_ended) {
                        (0, true, _) => return Ok(LOST),
                        (0, _, true) if connection.sent.is_empty() => return Ok(END),
                        _ => connection.delivered.drain(..count).collect(),
                    }
                }
            };
            write(&mut guest, buffer, &bytes)?;
            Ok::<i32, Error>(bytes.len() as i32)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "channel_write",
        |mut guest: Guest<'_>, channel: i64, from: i32, length: i32| {
            let bytes = read(&guest, from, length)?;
            let Channel::Connection(connection) = channel_of(&mut guest, channel)? else {
                return Err(Error::new("a listener cannot be written to"));
            };
            if connection.is_lost {
                return Ok(LOST);
            }
            let taken = bytes.len().min(ROOM_BYTES - connection.written.len());
            connection.written.extend(&bytes[..taken]);
            connection.wants_room |= taken < bytes.len();
            Ok::<i32, Error>(taken as i32)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "channel_close",
        |mut guest: Guest<'_>, channel: i64| {
            if let Channel::Connection(connection) = channel_of(&mut guest, channel)? {
                connection.is_closed = true;
            } else {
                guest.data_mut().channels.all.remove(&channel);
            }
            Ok::<(), Error>(())
        },
    )?;
    Ok(())
}

/// A channel that the program has not closed.
fn channel_of<'a>(guest: &'a mut Guest<'_>, number: i64) -> Result<&'a mut Channel, Error> {
    match guest.data_mut().channels.all.get_mut(&number) {
        Some(Channel::Connection(connection)) if connection.is_closed => {
            Err(Error::new(format!("the channel {number} is closed")))
        }
        Some(channel) => Ok(channel),
        None => Err(Error::new(format!("there is no channel {number}"))),
    }
}
