//! A client's session: what is left from one step to the next, and the step.

use alloc::vec::Vec;
use core::mem;

use sdk::{Lost, Received, Stream};

use crate::call::{Call, is};
use crate::commands::{self, Executor};
use crate::database::{Database, Here};
use crate::failure::Failure;
use crate::output::Output;
use crate::parse::{Parsed, Parser, Request, Violation};
use crate::transaction::{Transaction, Watched};
use crate::value::Trash;

/// Input that a step reads at most, and answers that it makes on its stack.
const INPUT_BYTES: usize = 16 << 10;
const OUTPUT_BYTES: usize = 16 << 10;
/// The longest request.
const REQUEST_BYTES_MAX: usize = 16 << 20;
/// Entries and elements looked at after which a step ends.
const WORK_PER_STEP: usize = 20_000;

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

/// A client's session. As long as requests come whole and their answers find room, a step
/// does not change it.
#[derive(Default, Debug)]
pub struct Session {
    state: State,
    /// Input that was not a whole request, or not its turn.
    input: Vec<u8>,
    /// How far the first request in it was parsed.
    parser: Parser,
    /// Whether there may be whole requests in it.
    is_held_up: bool,
    /// Answers, and how many bytes of them are written.
    output: Vec<u8>,
    written: usize,
    transaction: Option<Transaction>,
    watched: Watched,
    trash: Trash,
}

impl Session {
    /// A step: writes, reads, executes, writes. Its work is bounded, and so is what it leaves
    /// in memory: as long as answers are not taken nothing is read.
    pub fn step(&mut self, stream: &mut impl Stream, database: &mut Database, here: Here) -> Next {
        self.trash.drop_some();
        self.write_rest(stream);
        if self.state == State::Lost {
            (self.input, self.output) = (Vec::new(), Vec::new());
        }
        if self.output.is_empty() && self.state == State::Open {
            let mut buffer = [0; OUTPUT_BYTES];
            let mut output = Output::new(&mut buffer);
            let next = self.serve(stream, database, here, &mut output);
            self.write(stream, &output);
            if next == Next::Again && self.output.is_empty() && self.state == State::Open {
                return Next::Again;
            }
        }
        match (self.state, self.trash.is_empty()) {
            (_, false) => Next::Again,
            (State::Open, true) => Next::Wait,
            (State::Ending, true) if !self.output.is_empty() => Next::Wait,
            (State::Ending | State::Lost, true) => Next::Close,
        }
    }

    /// Reads and executes until there is nothing to read, or it is enough for a step.
    fn serve(
        &mut self,
        stream: &mut impl Stream,
        database: &mut Database,
        here: Here,
        output: &mut Output<'_>,
    ) -> Next {
        let mut trash = Trash::default();
        let mut call = Call {
            database,
            trash: &mut trash,
            output,
            here,
            work: 0,
        };
        let mut buffer = [0; INPUT_BYTES];
        let mut room = INPUT_BYTES;
        let next = loop {
            if self.is_held_up {
                self.take(&[], &mut call);
            }
            if self.is_held_up || room == 0 {
                break Next::Again;
            }
            if self.state != State::Open {
                break Next::Wait;
            }
            match stream.read(&mut buffer[..room]) {
                Received::Bytes(count) => {
                    room -= count;
                    self.take(&buffer[..count], &mut call);
                }
                Received::Nothing => break Next::Wait,
                Received::End => self.state = State::Ending,
                Received::Lost => self.state = State::Lost,
            }
        };
        self.trash.add(trash);
        next
    }

    /// Executes the whole requests in what is left and what has come; keeps the rest.
    fn take(&mut self, bytes: &[u8], call: &mut Call<'_, '_>) {
        if self.input.is_empty() {
            let done = self.execute_all(bytes, call);
            if done < bytes.len() && self.state == State::Open {
                append(&mut self.input, &bytes[done..]);
            }
        } else {
            let mut input = mem::take(&mut self.input);
            append(&mut input, bytes);
            let done = self.execute_all(&input, call);
            if done < input.len() && self.state == State::Open {
                input.drain(..done);
                self.input = input;
            }
        }
        if self.input.len() > REQUEST_BYTES_MAX && !self.is_held_up {
            self.input = Vec::new();
            self.refuse(Violation::RequestTooLong, call.output);
        }
    }

    /// Executes requests until the input or the step's measure is used up; returns how much
    /// of the input is done with.
    fn execute_all(&mut self, bytes: &[u8], call: &mut Call<'_, '_>) -> usize {
        let mut done = 0;
        let mut parser = self.parser;
        let mut is_held_up = false;
        while done < bytes.len() && self.state == State::Open {
            if call.output.is_full() || call.work > WORK_PER_STEP {
                is_held_up = true;
                break;
            }
            match parser.parse(&bytes[done..]) {
                Ok(Parsed::Part) => break,
                Ok(Parsed::Whole(request, length)) => {
                    done += length;
                    parser = Parser::default();
                    self.execute(&request, call);
                }
                Err(violation) => self.refuse(violation, call.output),
            }
        }
        // What stays the same is not written: then sessions change no page of their own.
        if self.parser != parser {
            self.parser = parser;
        }
        if self.is_held_up != is_held_up {
            self.is_held_up = is_held_up;
        }
        done
    }

    fn refuse(&mut self, violation: Violation, output: &mut Output<'_>) {
        output.error(&violation.text());
        self.state = State::Ending;
    }

    fn execute(&mut self, request: &Request<'_>, call: &mut Call<'_, '_>) {
        request.with_arguments(|arguments| {
            if arguments.is_empty() {
                return;
            }
            let done = match commands::find(arguments) {
                Ok(command) => self.execute_command(command.executor, arguments, call),
                Err(failure) => Err(self.reject(arguments[0], failure)),
            };
            if let Err(failure) = done {
                call.output.error(&failure.text());
            }
        });
    }

    /// What is answered to a command that cannot be executed: it spoils a transaction.
    fn reject(&mut self, name: &[u8], failure: Failure) -> Failure {
        if is(name, "exec") {
            self.transaction = None;
            self.watched = Watched::default();
            return failure.of_exec();
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.spoil();
        }
        failure
    }

    fn execute_command(
        &mut self,
        executor: Executor,
        arguments: &[&[u8]],
        call: &mut Call<'_, '_>,
    ) -> Result<(), Failure> {
        use commands::Session::{Discard, Exec, Multi, Quit, Unwatch, Watch};

        let command = match (executor, &mut self.transaction) {
            (Executor::Database(_) | Executor::Session(Unwatch), Some(transaction)) => {
                transaction.add(arguments)?;
                call.output.simple("QUEUED");
                return Ok(());
            }
            (Executor::Database(handler), None) => return handler(call, arguments),
            (Executor::Session(command), _) => command,
        };
        match (command, self.transaction.take()) {
            (Quit, _) => {
                call.output.ok();
                self.state = State::Ending;
            }
            (Exec, Some(transaction)) => {
                let watched = mem::take(&mut self.watched);
                transaction.execute(&watched, call)?;
            }
            (Exec, None) => return Err(Failure::Text("ERR EXEC without MULTI")),
            (Discard, Some(_)) => {
                self.watched = Watched::default();
                call.output.ok();
            }
            (Discard, None) => return Err(Failure::Text("ERR DISCARD without MULTI")),
            (Multi, None) => {
                self.transaction = Some(Transaction::default());
                call.output.ok();
            }
            (Watch, None) => {
                self.watched.add(&arguments[1..], call)?;
                call.output.ok();
            }
            (Unwatch, None) => {
                self.watched = Watched::default();
                call.output.ok();
            }
            (Multi | Watch | Unwatch, open) => {
                self.transaction = open;
                return Err(Failure::Text(match command {
                    Multi => "ERR MULTI calls can not be nested",
                    _ => "ERR WATCH inside MULTI is not allowed",
                }));
            }
        }
        Ok(())
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

    /// Writes answers; keeps what there is no room for.
    fn write(&mut self, stream: &mut impl Stream, output: &Output<'_>) {
        if output.is_too_long() {
            // As Redis does when its limit of output is exceeded.
            self.state = State::Lost;
            return;
        }
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
            if taken < part.len() {
                append(&mut self.output, &part[taken..]);
            }
        }
    }
}

/// Adds bytes to what is kept. Room is made in few sizes, so that what one session has given
/// back fits the next.
fn append(kept: &mut Vec<u8>, bytes: &[u8]) {
    let needed = kept.len() + bytes.len();
    if needed > kept.capacity() {
        kept.reserve_exact(needed.next_power_of_two() - kept.len());
    }
    kept.extend_from_slice(bytes);
}
