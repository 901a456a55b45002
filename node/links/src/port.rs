//! A program's port for datagrams: one line at a time, on which every datagram is a frame.
//!
//! Nobody can be told to send fewer datagrams. So all that come are taken from the machine; what
//! the program has no room for is dropped, and counted on the line. Whoever has a port asks the
//! machine for what has come, and gives it what is to go: here is what that means for the line.
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::mem;
use core::net::SocketAddr;

use adapter::Malformed;
use adapter::datagram::{Frame, HEAD_BYTES};
use platform::{Event, ListenerId, SocketEvent, SocketId};

/// Bytes of the frame that counts what was dropped.
const DROPPED_BYTES: usize = 1 + size_of::<u32>();

/// A port, without the machine's own part of it.
#[derive(Debug)]
pub struct Port {
    listener: ListenerId,
    address: SocketAddr,
    /// The program wants another line when this one is over.
    is_open: bool,
    line: SocketId,
    /// Bytes that may still go over it.
    credit: usize,
    /// Not counted there yet.
    dropped: u32,
    /// The beginning of a frame.
    part: Vec<u8>,
    /// What the machine has not taken.
    unsent: VecDeque<(SocketAddr, Vec<u8>)>,
}

/// What becomes of a port whose line is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AfterLine {
    /// It has another line.
    Another,
    /// The program wants none: the port is to be given back.
    Nothing,
}

impl Port {
    /// A port that is bound to this address. Its first line is told.
    pub fn new(
        listener: ListenerId,
        address: SocketAddr,
        line: SocketId,
        events: &mut VecDeque<Event>,
    ) -> Self {
        let port = Self {
            listener,
            address,
            is_open: true,
            line,
            credit: 0,
            dropped: 0,
            part: Vec::new(),
            unsent: VecDeque::new(),
        };
        port.tell_line(events);
        port
    }

    /// The line that it has now.
    #[must_use]
    pub fn line(&self) -> SocketId {
        self.line
    }

    /// The program wants no other line; it keeps the one that it has.
    pub fn close(&mut self) {
        self.is_open = false;
    }

    /// So many bytes more may go over the line.
    pub fn want(&mut self, bytes: usize) {
        self.credit += bytes;
    }

    /// Takes what the program has written: frames, whose ends may still come.
    ///
    /// # Errors
    /// If it is anything else; then the line is to be ended.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.part.extend(bytes);
        let part = mem::take(&mut self.part);
        let mut rest = part.as_slice();
        loop {
            match Frame::decode(rest)? {
                Some((Frame::Datagram { peer, bytes }, length)) => {
                    self.unsent.push_back((peer, bytes.to_vec()));
                    rest = &rest[length..];
                }
                // No program has anything else to say.
                Some((Frame::Dropped(_), _)) => return Err(Malformed),
                None => break,
            }
        }
        self.part = rest.to_vec();
        Ok(())
    }

    /// The next datagram that is to leave, and for whom.
    #[must_use]
    pub fn unsent(&self) -> Option<(SocketAddr, &[u8])> {
        let (peer, bytes) = self.unsent.front()?;
        Some((*peer, bytes))
    }

    /// It has left; or it was lost, as datagrams may be.
    pub fn has_left(&mut self, events: &mut VecDeque<Event>) {
        if let Some((_, bytes)) = self.unsent.pop_front() {
            events.push_back(Event::Socket(SocketEvent::Written {
                socket: self.line,
                bytes: HEAD_BYTES + bytes.len(),
            }));
        }
    }

    /// Takes a datagram that has come.
    ///
    /// # Panics
    /// If it is longer than datagrams are.
    pub fn hear(&mut self, peer: SocketAddr, bytes: &[u8], events: &mut VecDeque<Event>) {
        let needed = HEAD_BYTES + bytes.len() + DROPPED_BYTES;
        if self.credit < needed {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let mut frames = Vec::with_capacity(needed);
        if self.dropped > 0 {
            Frame::Dropped(mem::take(&mut self.dropped)).encode(&mut frames);
        }
        Frame::Datagram { peer, bytes }.encode(&mut frames);
        self.credit -= frames.len();
        events.push_back(Event::Socket(SocketEvent::Received {
            socket: self.line,
            bytes: frames,
        }));
    }

    /// The line is over; `next` is the number of another one, if the program wants one.
    pub fn end_line(&mut self, next: SocketId, events: &mut VecDeque<Event>) -> AfterLine {
        let socket = self.line;
        events.push_back(Event::Socket(SocketEvent::Gone { socket }));
        if !self.is_open {
            return AfterLine::Nothing;
        }
        (self.line, self.credit) = (next, 0);
        self.part.clear();
        self.unsent.clear();
        self.tell_line(events);
        AfterLine::Another
    }

    fn tell_line(&self, events: &mut VecDeque<Event>) {
        events.push_back(Event::Socket(SocketEvent::Accepted {
            listener: self.listener,
            socket: self.line,
            peer: self.address,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTENER: ListenerId = ListenerId(7);
    const ADDRESS: &str = "127.0.0.1:8125";
    const PEER: &str = "10.0.0.9:4000";

    fn open() -> (Port, VecDeque<Event>) {
        let mut events = VecDeque::new();
        let port = Port::new(LISTENER, ADDRESS.parse().unwrap(), SocketId(1), &mut events);
        (port, events)
    }

    fn line(number: u64) -> Event {
        Event::Socket(SocketEvent::Accepted {
            listener: LISTENER,
            socket: SocketId(number),
            peer: ADDRESS.parse().unwrap(),
        })
    }

    fn gone(number: u64) -> Event {
        let socket = SocketId(number);
        Event::Socket(SocketEvent::Gone { socket })
    }

    fn frames(bytes: &[u8]) -> Vec<Frame<'_>> {
        let (mut frames, mut rest) = (Vec::new(), bytes);
        while let Some((frame, length)) = Frame::decode(rest).unwrap() {
            frames.push(frame);
            rest = &rest[length..];
        }
        assert!(rest.is_empty(), "whole frames only");
        frames
    }

    #[test]
    fn what_has_no_room_is_counted_before_the_next_that_has() {
        let (mut port, mut events) = open();
        assert_eq!(events.pop_front(), Some(line(1)));
        let peer = PEER.parse().unwrap();
        port.hear(peer, b"lost", &mut events);
        port.hear(peer, b"lost, too", &mut events);
        assert!(events.is_empty());
        port.want(100);
        port.hear(peer, b"hello", &mut events);
        let Some(Event::Socket(SocketEvent::Received { socket, bytes })) = events.pop_front()
        else {
            panic!("it has room");
        };
        let hello = Frame::Datagram {
            peer,
            bytes: b"hello",
        };
        assert_eq!(socket, SocketId(1));
        assert_eq!(frames(&bytes), [Frame::Dropped(2), hello]);
        // Less room is left by what has gone over the line, not by more.
        port.hear(
            peer,
            &[0; 100 - 5 - HEAD_BYTES - 5 - HEAD_BYTES - 5],
            &mut events,
        );
        assert!(events.pop_front().is_some());
        port.hear(peer, b"", &mut events);
        assert!(events.is_empty());
    }

    #[test]
    fn what_is_written_in_pieces_leaves_in_whole_datagrams() {
        let (mut port, mut events) = open();
        events.clear();
        let peer: SocketAddr = PEER.parse().unwrap();
        let mut bytes = Vec::new();
        for text in [&b"one"[..], b"", b"three"] {
            Frame::Datagram { peer, bytes: text }.encode(&mut bytes);
        }
        for byte in bytes {
            port.write(&[byte]).unwrap();
        }
        for text in [&b"one"[..], b"", b"three"] {
            assert_eq!(port.unsent(), Some((peer, text)));
            port.has_left(&mut events);
            let written = SocketEvent::Written {
                socket: SocketId(1),
                bytes: HEAD_BYTES + text.len(),
            };
            assert_eq!(events.pop_front(), Some(Event::Socket(written)));
        }
        assert_eq!(port.unsent(), None);
        let mut count = Vec::new();
        Frame::Dropped(1).encode(&mut count);
        assert_eq!(port.write(&count), Err(Malformed));
    }

    #[test]
    fn another_line_follows_until_the_program_wants_none() {
        let (mut port, mut events) = open();
        events.clear();
        let peer = PEER.parse().unwrap();
        port.want(1000);
        let mut bytes = Vec::new();
        Frame::Datagram {
            peer,
            bytes: b"old",
        }
        .encode(&mut bytes);
        port.write(&bytes).unwrap();
        port.write(&bytes[..4]).unwrap();
        assert_eq!(port.end_line(SocketId(2), &mut events), AfterLine::Another);
        assert_eq!(Vec::from_iter(events.drain(..)), [gone(1), line(2)]);
        // Nothing of the old line is said on the new one.
        assert_eq!(port.unsent(), None);
        port.write(&bytes).unwrap();
        assert_eq!(port.unsent(), Some((peer, &b"old"[..])));
        port.hear(peer, b"no room", &mut events);
        assert!(events.is_empty());
        port.close();
        assert_eq!(port.end_line(SocketId(3), &mut events), AfterLine::Nothing);
        assert_eq!(Vec::from_iter(events.drain(..)), [gone(2)]);
    }
}
