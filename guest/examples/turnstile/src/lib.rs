//! Numbers whoever passes: what tests of channels ask for.
//!
//! It listens at its first argument, an address and port; with `commit` as the second it
//! answers when a passage is committed, else when it is stable. Who connects sends 1, 2, 3 and
//! so on, each as 8 bytes, little-endian, and gets for each as many bytes again: how many have
//! passed so far, on all connections. A number that does not follow the one before has been
//! lost on the way, or came twice: that ends the program.
//!
//! Calls: `passed()` gives how many have passed.
#![no_std]

extern crate alloc;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use sdk::{
    Connection, Event, Listener, PageAligned, Received, Release, Static, Step, arguments, call,
    spawn, worker,
};

const NUMBER_BYTES: usize = size_of::<u64>();
/// Bytes read in a step at most.
const READ_BYTES: usize = 1024;
const SOMEBODY_CONNECTED: Event = Event(1);

static LISTENER: Static<Cell<Option<Listener>>> = Static::new(Cell::new(None));
static PASSED: Static<PageAligned<Cell<u64>>> = Static::new(PageAligned::new(Cell::new(0)));

struct Session {
    connection: Connection,
    /// The last number that came.
    last: Cell<u64>,
    /// The beginning of the next one.
    part: RefCell<Vec<u8>>,
    /// Answers that there was no room for.
    unwritten: RefCell<Vec<u8>>,
}

impl Session {
    fn new(connection: Connection) -> Self {
        Self {
            connection,
            last: Cell::new(0),
            part: RefCell::default(),
            unwritten: RefCell::default(),
        }
    }

    fn event(connection: Connection) -> Event {
        Event(connection.number())
    }

    /// Writes what is left to write; whether that was all. `None`: the connection is lost.
    fn write(&self) -> Option<bool> {
        let mut unwritten = self.unwritten.borrow_mut();
        let taken = self.connection.write(&unwritten).ok()?;
        unwritten.drain(..taken);
        Some(unwritten.is_empty())
    }

    fn take(&self, bytes: &[u8]) {
        let mut part = self.part.borrow_mut();
        part.extend_from_slice(bytes);
        let mut unwritten = self.unwritten.borrow_mut();
        let whole = part.len() / NUMBER_BYTES * NUMBER_BYTES;
        for number in part[..whole].chunks_exact(NUMBER_BYTES) {
            let number = u64::from_le_bytes(number.try_into().expect("8 bytes"));
            let expected = self.last.get() + 1;
            assert!(number == expected, "expected {expected}, found {number}");
            self.last.set(number);
            PASSED.set(PASSED.get() + 1);
            unwritten.extend(PASSED.get().to_le_bytes());
        }
        part.drain(..whole);
    }

    fn step(&self) -> Option<Step> {
        let wait = Some(Step::Wait(Self::event(self.connection)));
        if !self.unwritten.borrow().is_empty() && !self.write()? {
            return wait;
        }
        let mut buffer = [0; READ_BYTES];
        match self.connection.read(&mut buffer) {
            Received::Bytes(count) => {
                self.take(&buffer[..count]);
                self.write()?;
                Some(Step::Again)
            }
            Received::Nothing => wait,
            Received::End | Received::Lost => None,
        }
    }
}

worker! {
    fn main(_argument: i64) -> Step {
        let listener = LISTENER.get().filter(|one| !one.is_lost());
        let listener = listener.unwrap_or_else(|| {
            let arguments = arguments();
            let address = arguments.first().expect("an address to listen at");
            let release = match arguments.get(1).map(|text| text.as_str()) {
                Some("commit") => Release::AtCommit,
                _ => Release::AtStable,
            };
            let listener = Listener::bind(address, release, SOMEBODY_CONNECTED);
            LISTENER.set(Some(listener));
            listener
        });
        while let Some(connection) = listener.accept(Session::event) {
            let session = Box::into_raw(Box::new(Session::new(connection)));
            spawn("serve", session as usize as i64);
        }
        Step::Wait(SOMEBODY_CONNECTED)
    }
}

worker! {
    fn serve(session: i64) -> Step {
        let session = session as usize as *mut Session;
        // SAFETY: `main` made it for this worker alone, which frees it when it ends.
        let step = unsafe { &*session }.step();
        step.unwrap_or_else(|| {
            // SAFETY: as above; nothing refers to it any more.
            let session = unsafe { Box::from_raw(session) };
            session.connection.close();
            Step::Done(0)
        })
    }
}

call! {
    fn passed() -> i64 {
        PASSED.get() as i64
    }
}
