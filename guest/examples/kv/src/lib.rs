//! Keys and values over HTTP, in the memory that all nodes share.
//!
//! Arguments: where to listen (`127.0.0.1:8080`), when answers leave: `stable` (when nothing
//! can undo them any more, the default) or `commit`, and for how many MiB of keys and values it
//! is. It runs until it is cancelled.
//!
//! `main` takes connections; each has a worker of its own, `serve`, which runs at the node
//! that has the connection. All logic is in `kv-core`.
#![no_std]

extern crate alloc;

use alloc::boxed::Box;
use alloc::string::String;
use core::cell::UnsafeCell;
use core::net::SocketAddr;

use kv_core::{Next, Session, Store};
use sdk::{Connection, Event, Listener, PageAligned, Release, Static, Step, worker};

const ADDRESS: &str = "127.0.0.1:8080";
/// Keys and values for which there is room, unless the arguments say so.
const CAPACITY_MIB: usize = 256;
/// What a module's memory can have at most.
const CAPACITY_MIB_MAX: usize = 3 << 10;
/// Connections that `main` takes in a step.
const ACCEPTED_PER_STEP: usize = 64;
/// Connections at the same time.
const CLIENTS_MAX: usize = 2048;
const TOO_MANY_CLIENTS: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 61\r\n\
Content-Type: text/plain\r\nRetry-After: 1\r\nConnection: close\r\n\r\n\
expected at most 2048 connections; found more: try again soon";
const SOMEBODY_CONNECTED: Event = Event(1);

struct Service {
    listener: Listener,
    store: Store,
    clients: PageAligned<usize>,
}

/// Set by the first step.
static SERVICE: Static<PageAligned<UnsafeCell<Option<Service>>>> =
    Static::new(PageAligned::new(UnsafeCell::new(None)));

/// A connection with its session. On a page of its own: its worker alone changes it.
struct Client {
    connection: Connection,
    session: Session,
}

struct Arguments {
    address: String,
    release: Release,
    capacity_mib: usize,
}

worker! {
    /// Listens, and starts a worker for each connection.
    fn main(_argument: i64) -> Step {
        // SAFETY: a step has one thread, and this is its only reference.
        let service = unsafe { &mut *SERVICE.get() };
        let service = service.get_or_insert_with(open);
        if service.listener.is_lost() {
            service.listener = listen(&arguments());
        }
        for _ in 0..ACCEPTED_PER_STEP {
            let Some(connection) = service.listener.accept(event) else {
                return Step::Wait(SOMEBODY_CONNECTED);
            };
            if *service.clients >= CLIENTS_MAX {
                // If it does not want to know, it is gone anyway.
                let _ = connection.write(TOO_MANY_CLIENTS);
                connection.close();
                continue;
            }
            *service.clients += 1;
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
        let service = service.expect("main opens the service");
        let mut connection = client.connection;
        match client.session.step(&mut connection, &mut service.store) {
            Next::Again => Step::Again,
            Next::Wait => Step::Wait(event(connection)),
            Next::Close => {
                connection.close();
                *service.clients -= 1;
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

fn open() -> Service {
    let arguments = arguments();
    Service {
        listener: listen(&arguments),
        store: Store::new(arguments.capacity_mib << 20),
        clients: PageAligned::default(),
    }
}

fn listen(arguments: &Arguments) -> Listener {
    Listener::bind(&arguments.address, arguments.release, SOMEBODY_CONNECTED)
}

/// What the arguments say. If that is nothing that there is the program ends.
fn arguments() -> Arguments {
    let arguments = sdk::arguments();
    let mut given = arguments.iter().map(String::as_str);
    let address = given.next().unwrap_or(ADDRESS);
    let release = match given.next() {
        None | Some("stable") => Some(Release::AtStable),
        Some("commit") => Some(Release::AtCommit),
        Some(_) => None,
    };
    let capacity_mib = given
        .next()
        .map_or(Some(CAPACITY_MIB), |text| text.parse().ok())
        .filter(|mib| (1..=CAPACITY_MIB_MAX).contains(mib));
    if let (Ok(SocketAddr::V4(_) | SocketAddr::V6(_)), Some(release), Some(capacity_mib), None) =
        (address.parse(), release, capacity_mib, given.next())
    {
        return Arguments {
            address: address.into(),
            release,
            capacity_mib,
        };
    }
    sdk::err!(
        "kv: expected as arguments, if any: where to listen, ip:port ({ADDRESS} if not given), \
         when answers leave, `stable` or `commit`, and MiB for keys and values, 1 to \
         {CAPACITY_MIB_MAX} ({CAPACITY_MIB} if not given); found: {}",
        arguments.join(" ")
    );
    sdk::exit(1)
}
