//! A database that speaks Redis's protocol, in the memory that all nodes share.
//!
//! Arguments: where to listen (`127.0.0.1:6379`), and when answers leave: `stable` (when
//! nothing can undo them any more, the default) or `commit`. It runs until it is cancelled.
//!
//! `main` takes connections; each has a worker of its own, `serve`, which runs at the node
//! that has the connection. All logic is in `resp-core`.
#![no_std]

extern crate alloc;

use alloc::boxed::Box;
use alloc::string::String;
use core::cell::UnsafeCell;
use core::net::SocketAddr;

use resp_core::{Database, Here, Next, Session};
use sdk::{Connection, Event, Listener, PageAligned, Release, Static, Step, worker};

const ADDRESS: &str = "127.0.0.1:6379";
/// Connections that `main` takes in a step.
const ACCEPTED_PER_STEP: usize = 64;
const SOMEBODY_CONNECTED: Event = Event(1);

struct Service {
    listener: Listener,
    database: Database,
}

/// Set by the first step.
static SERVICE: Static<PageAligned<UnsafeCell<Option<Service>>>> =
    Static::new(PageAligned::new(UnsafeCell::new(None)));

/// A connection with its session. On a page of its own: its worker alone changes it.
struct Client {
    connection: Connection,
    session: Session,
}

worker! {
    /// Listens, and starts a worker for each connection.
    fn main(_argument: i64) -> Step {
        // SAFETY: a step has one thread, and this is its only reference.
        let service = unsafe { &mut *SERVICE.get() };
        let here = here();
        let Service { listener, database } = service.get_or_insert_with(|| open(here));
        if listener.is_lost() {
            *listener = listen();
        }
        for _ in 0..ACCEPTED_PER_STEP {
            let Some(connection) = listener.accept(event) else {
                return Step::Wait(SOMEBODY_CONNECTED);
            };
            database.client_came(here);
            let session = Session::default();
            let client = Box::new(PageAligned::new(Client { connection, session }));
            sdk::spawn("serve", Box::into_raw(client).expose_provenance() as i64);
        }
        Step::Again
    }
}

worker! {
    /// Serves one client.
    fn serve(client: i64) -> Step {
        let address: *mut PageAligned<Client> =
            core::ptr::with_exposed_provenance_mut(client as usize);
        // SAFETY: `main` made it for this worker alone, which frees it when it ends.
        let client = unsafe { &mut *address };
        // SAFETY: a step has one thread, and this is its only reference.
        let service = unsafe { &mut *SERVICE.get() }.as_mut();
        let Service { database, .. } = service.expect("main opens the service");
        let here = here();
        let mut connection = client.connection;
        match client.session.step(&mut connection, database, here) {
            Next::Again => Step::Again,
            Next::Wait => Step::Wait(event(connection)),
            Next::Close => {
                connection.close();
                database.client_went(here);
                // SAFETY: as above; nothing refers to it any more.
                drop(unsafe { Box::from_raw(address) });
                Step::Done(0)
            }
        }
    }
}

fn event(connection: Connection) -> Event {
    Event(connection.number())
}

fn here() -> Here {
    Here {
        now_ms: sdk::clock_ns() / 1_000_000,
        node: sdk::node(),
        nodes: sdk::node_count(),
    }
}

fn open(here: Here) -> Service {
    let listener = listen();
    let mut secret = [0; 16];
    sdk::random(&mut secret);
    Service {
        listener,
        database: Database::new(secret, here),
    }
}

/// Listens where the arguments say.
fn listen() -> Listener {
    let arguments = sdk::arguments();
    let address = arguments.first().map_or(ADDRESS, String::as_str);
    let release = match arguments.get(1).map(String::as_str) {
        None | Some("stable") => Some(Release::AtStable),
        Some("commit") => Some(Release::AtCommit),
        Some(_) => None,
    };
    let (Ok(SocketAddr::V4(_) | SocketAddr::V6(_)), Some(release)) = (address.parse(), release)
    else {
        sdk::err!(
            "resp: expected as arguments, if any: where to listen, ip:port ({ADDRESS} if not \
             given), and when answers leave, `stable` or `commit`; found: {}",
            arguments.join(" ")
        );
        sdk::exit(1)
    };
    Listener::bind(address, release, SOMEBODY_CONNECTED)
}
