//! A client's session: what is left from one step to the next, and the step.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;

use sdk::{Lost, Received, Stream};

use crate::answer::{Manner, Persistence};
use crate::body::{Body, no_room};
use crate::head::{self, Action, Framing, Head};
use crate::limits::SMALL_BYTES;
use crate::output::Output;
use crate::refusal::Refusal;
use crate::service;
use crate::store::Store;

/// Input that is read at once, and that a step reads at most.
const INPUT_BYTES: usize = 16 << 10;
const INPUT_PER_STEP: usize = 128 << 10;
/// Answers that a step makes on its stack.
const OUTPUT_BYTES: usize = 16 << 10;

/// How a session goes on after a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// There is more to do.
    Again,
    /// There is nothing to do before something happens to the connection.
    Wait,
    /// It has ended: the connection is to be closed.
    Close,
}

/// Whether a session takes more requests.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
enum State {
    #[default]
    Open,
    /// It ends as soon as its answers are written.
    Ending,
    /// Nobody reads its answers.
    Lost,
}

/// A request whose content has not come whole.
#[derive(Debug)]
struct Upload {
    head: Head,
    body: Body,
}

/// A client's session. As long as requests come whole and their answers find room, a step
/// does not change it.
#[derive(Default, Debug)]
pub struct Session {
    state: State,
    /// Input that was not a whole head or line, or not its turn.
    input: Vec<u8>,
    upload: Option<Box<Upload>>,
    /// Whether there may be whole requests in the input.
    is_held_up: bool,
    /// Answers, and how many bytes of them are written.
    output: Vec<u8>,
    written: usize,
    /// Whether it may keep much.
    has_place: bool,
}

impl Session {
    /// A step: writes, reads, executes, writes. Its work is bounded, and so is what it leaves
    /// in memory: as long as answers are not taken nothing is read.
    pub fn step(&mut self, stream: &mut impl Stream, store: &mut Store) -> Next {
        self.write_rest(stream);
        let mut next = Next::Wait;
        if self.output.is_empty() && self.state == State::Open {
            let mut buffer = [0; OUTPUT_BYTES];
            let mut output = Output::new(&mut buffer);
            next = self.serve(stream, store, &mut output);
            self.write(stream, &output, store);
        }
        if self.state != State::Open && !(self.input.is_empty() && self.upload.is_none()) {
            (self.input, self.upload) = (Vec::new(), None);
        }
        if self.state == State::Lost {
            self.output = Vec::new();
        }
        if self.has_place && self.upload.is_none() && self.output.len() <= SMALL_BYTES {
            self.has_place = false;
            store.give_place();
        }
        match self.state {
            State::Open if self.output.is_empty() => next,
            State::Open => Next::Wait,
            State::Ending if !self.output.is_empty() => Next::Wait,
            State::Ending | State::Lost => Next::Close,
        }
    }

    /// Reads and executes until there is nothing to read, or it is enough for a step.
    fn serve(
        &mut self,
        stream: &mut impl Stream,
        store: &mut Store,
        output: &mut Output<'_>,
    ) -> Next {
        let mut buffer = [0; INPUT_BYTES];
        let mut room = INPUT_PER_STEP;
        loop {
            if self.is_held_up {
                self.take(&[], store, output);
            }
            if self.is_held_up || room == 0 {
                return Next::Again;
            }
            if self.state != State::Open {
                return Next::Wait;
            }
            match stream.read(&mut buffer[..room.min(INPUT_BYTES)]) {
                Received::Bytes(count) => {
                    room -= count;
                    self.take(&buffer[..count], store, output);
                }
                Received::Nothing => return Next::Wait,
                Received::End => self.state = State::Ending,
                Received::Lost => self.state = State::Lost,
            }
        }
    }

    /// Executes the whole requests in what is left and what has come; keeps the rest.
    fn take(&mut self, bytes: &[u8], store: &mut Store, output: &mut Output<'_>) {
        if self.input.is_empty() {
            let done = self.execute_all(bytes, store, output);
            if done < bytes.len() && self.state == State::Open {
                append(&mut self.input, &bytes[done..]);
            }
        } else {
            let mut input = mem::take(&mut self.input);
            append(&mut input, bytes);
            let done = self.execute_all(&input, store, output);
            if done < input.len() && self.state == State::Open {
                input.drain(..done);
                self.input = input;
            }
        }
    }

    /// Executes requests until the input or the step's measure is used up; returns how much
    /// of the input is done with.
    fn execute_all(&mut self, bytes: &[u8], store: &mut Store, output: &mut Output<'_>) -> usize {
        let mut done = 0;
        let mut is_held_up = false;
        while done < bytes.len() && self.state == State::Open {
            if output.is_full() {
                is_held_up = true;
                break;
            }
            match self.advance(&bytes[done..], store, output) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(refusal) => {
                    refusal.write(Manner::LAST, output);
                    self.state = State::Ending;
                }
            }
        }
        // What stays the same is not written: then sessions change no page of their own.
        if self.is_held_up != is_held_up {
            self.is_held_up = is_held_up;
        }
        done
    }

    /// Goes on by a request, or a piece of one; returns how much of the input that took, which
    /// is nothing if more is needed.
    fn advance(
        &mut self,
        bytes: &[u8],
        store: &mut Store,
        output: &mut Output<'_>,
    ) -> Result<usize, Refusal> {
        if let Some(upload) = &mut self.upload {
            let is_large = upload.body.bytes().len() + bytes.len() > SMALL_BYTES;
            if is_large && !self.has_place {
                self.has_place = store.take_place();
                if !self.has_place {
                    return Err(no_room());
                }
            }
            let taken = upload.body.take(bytes)?;
            if upload.body.is_whole()
                && let Some(upload) = self.upload.take()
            {
                self.execute(&upload.head, upload.body.bytes(), store, output);
            }
            return Ok(taken);
        }
        // Empty lines between requests are left over by old clients.
        match bytes {
            [b'\r', b'\n', ..] => return Ok(2),
            [b'\n', ..] => return Ok(1),
            _ => {}
        }
        let Some((head, length)) = head::parse(bytes)? else {
            return Ok(0);
        };
        if head.awaits_leave {
            if let Action::Refuse(refusal) = head.action {
                // It keeps the content to itself.
                return Err(refusal);
            }
            output.text("HTTP/1.1 100 Continue\r\n\r\n");
        }
        if let Framing::Length(content) = head.framing
            && let Some(content) = bytes[length..].get(..content)
        {
            self.execute(&head, content, store, output);
            return Ok(length + content.len());
        }
        let body = Body::new(head.framing);
        self.upload = Some(Box::new(Upload { head, body }));
        Ok(length)
    }

    fn execute(&mut self, head: &Head, content: &[u8], store: &mut Store, output: &mut Output<'_>) {
        service::execute(head, content, store, output);
        if head.manner.persistence == Persistence::Close {
            self.state = State::Ending;
        }
    }

    /// Writes what was left to write.
    fn write_rest(&mut self, stream: &mut impl Stream) {
        if self.output.is_empty() {
            return;
        }
        match stream.write(&self.output[self.written..]) {
            Ok(taken) => self.written += taken,
            Err(Lost) => self.state = State::Lost,
        }
        if self.written == self.output.len() {
            (self.output, self.written) = (Vec::new(), 0);
        }
    }

    /// Writes answers; keeps what there is no room for. If that is much and too many do so
    /// already, nobody waits for this one.
    fn write(&mut self, stream: &mut impl Stream, output: &Output<'_>, store: &mut Store) {
        for part in output.parts() {
            let taken = match part {
                [] => continue,
                _ if !self.output.is_empty() => 0,
                part => match stream.write(part) {
                    Ok(taken) => taken,
                    Err(Lost) => {
                        self.state = State::Lost;
                        return;
                    }
                },
            };
            let left = &part[taken..];
            if self.output.len() + left.len() > SMALL_BYTES && !self.has_place {
                self.has_place = store.take_place();
                if !self.has_place {
                    self.state = State::Lost;
                    return;
                }
            }
            if !left.is_empty() {
                append(&mut self.output, left);
            }
        }
    }
}

/// Adds bytes to what is kept. Room is made in few sizes, so that what one session has given
/// back fits the next.
fn append(kept: &mut Vec<u8>, bytes: &[u8]) {
    let needed = kept.len() + bytes.len();
    if needed > kept.capacity() {
        let capacity = match needed {
            0..=SMALL_BYTES => needed.next_power_of_two(),
            _ => needed.next_multiple_of(SMALL_BYTES),
        };
        kept.reserve_exact(capacity - kept.len());
    }
    kept.extend_from_slice(bytes);
}
