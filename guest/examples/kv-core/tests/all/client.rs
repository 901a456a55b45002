//! A client of a session, whose bytes come and go in pieces.
use std::collections::VecDeque;

use kv_core::{Next, Session, Store, Stream};
use sdk::{Lost, Received};

/// The end of a connection that the session does not have.
#[derive(Default, Debug)]
struct Wire {
    sent: VecDeque<Vec<u8>>,
    is_ended: bool,
    is_broken: bool,
    received: Vec<u8>,
    /// How many bytes may be written until the client takes some.
    room: usize,
}

impl Stream for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> Received {
        if self.is_broken {
            return Received::Lost;
        }
        let Some(piece) = self.sent.front_mut() else {
            return match self.is_ended {
                true => Received::End,
                false => Received::Nothing,
            };
        };
        let count = piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&piece[..count]);
        piece.drain(..count);
        if piece.is_empty() {
            self.sent.pop_front();
        }
        Received::Bytes(count)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, Lost> {
        if self.is_broken {
            return Err(Lost);
        }
        let count = bytes.len().min(self.room);
        self.room -= count;
        self.received.extend(&bytes[..count]);
        Ok(count)
    }
}

/// A client with its session.
pub(crate) struct Client {
    session: Session,
    wire: Wire,
    is_closed: bool,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self {
            session: Session::default(),
            wire: Wire {
                room: usize::MAX,
                ..Wire::default()
            },
            is_closed: false,
        }
    }

    /// The same, which reads only so much.
    pub(crate) fn with_room(room: usize) -> Self {
        let mut client = Self::new();
        client.wire.room = room;
        client
    }

    /// Sends a piece.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.wire.sent.push_back(bytes.to_vec());
        }
    }

    pub(crate) fn end(&mut self) {
        self.wire.is_ended = true;
    }

    pub(crate) fn break_off(&mut self) {
        self.wire.is_broken = true;
    }

    /// Takes so many bytes more.
    pub(crate) fn make_room(&mut self, room: usize) {
        self.wire.room = self.wire.room.saturating_add(room);
    }

    /// Runs steps until there is nothing to do.
    pub(crate) fn serve(&mut self, store: &mut Store) {
        while !self.is_closed {
            match self.session.step(&mut self.wire, store) {
                Next::Again => {}
                Next::Wait => break,
                Next::Close => self.is_closed = true,
            }
        }
    }

    /// Bytes that were sent and nobody has read.
    pub(crate) fn unread(&self) -> usize {
        self.wire.sent.iter().map(Vec::len).sum()
    }

    pub(crate) fn received(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.wire.received)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// What is answered, as text.
    pub(crate) fn ask(&mut self, store: &mut Store, request: &str) -> String {
        self.send(request.as_bytes());
        self.serve(store);
        String::from_utf8(self.received()).expect("text is answered")
    }
}

pub(crate) fn store() -> Store {
    Store::new(16 << 20)
}

/// A request with a host, and with content if there is any.
pub(crate) fn request(line: &str, headers: &str, content: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = format!("{line} HTTP/1.1\r\nHost: h\r\n{headers}").into_bytes();
    if let Some(content) = content {
        bytes.extend(format!("Content-Length: {}\r\n", content.len()).bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(content.unwrap_or_default());
    bytes
}

/// The status of the first answer.
pub(crate) fn status(answer: &[u8]) -> u16 {
    let digits = answer.get(9..12).expect("an answer has a status");
    let digits = std::str::from_utf8(digits).expect("a status is digits");
    digits.parse().expect("a status is a number")
}

/// Everything that is answered to these pieces, and whether the connection is then closed.
pub(crate) fn answers(pieces: &[&[u8]]) -> (Vec<u8>, bool) {
    let (mut store, mut client) = (store(), Client::new());
    for piece in pieces {
        client.send(piece);
        client.serve(&mut store);
    }
    (client.received(), client.is_closed())
}

/// Asserts that it does not matter in which pieces these bytes come, and returns what is
/// answered.
pub(crate) fn answers_however_split(bytes: &[u8]) -> (Vec<u8>, bool) {
    let expected = answers(&[bytes]);
    for split in 0..bytes.len() {
        let (first, second) = bytes.split_at(split);
        let found = answers(&[first, second]);
        assert!(
            found == expected,
            "split at {split} of {}: {} instead of {}",
            bytes.escape_ascii(),
            found.0.escape_ascii(),
            expected.0.escape_ascii(),
        );
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert!(answers(&single) == expected, "{}", bytes.escape_ascii());
    expected
}
