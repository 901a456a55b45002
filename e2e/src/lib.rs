//! What the tests of whole clusters share: the executable, a directory and a turn for
//! each test, commands and waits that end.
//!
//! Everything goes through the outside: the `plurix` command, or the connection that
//! tools use. A test has the machine to itself ([`Machine::new`] waits for its turn), so
//! that two cores are enough. Waits are for conditions and end at a deadline that only a
//! broken product meets.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod command;
mod machine;

pub use command::{Outcome, Started};
pub use machine::Machine;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// Nothing that a test waits for takes so long unless it is broken.
const DEADLINE: Duration = Duration::from_secs(60);
const POLL_TIME: Duration = Duration::from_millis(10);

/// The executable that is tested: beside the folder that the test itself was built in.
///
/// # Panics
/// If it has not been built.
#[must_use]
pub fn plurix() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a file");
    let folder = test.parent().and_then(|deps| deps.parent());
    let path = folder
        .expect("tests are built in a folder of the target folder")
        .join("plurix");
    assert!(
        path.is_file(),
        "{} is missing: `cargo build --release` makes it",
        path.display()
    );
    path
}

/// Where a test leaves something for people to look at: a file in `target/artefacts`.
///
/// # Panics
/// If that directory cannot be made.
#[must_use]
pub fn artefact(name: &str) -> PathBuf {
    let built = plurix();
    let target = built.ancestors().nth(2);
    let folder = target
        .expect("it was built in the target folder")
        .join("artefacts");
    std::fs::create_dir_all(&folder).expect("the target folder can be written to");
    folder.join(name)
}

/// An address of this machine where nobody listens yet.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there are free ports");
    listener.local_addr().expect("it is bound")
}

/// The same, of ports for datagrams.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn free_port() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("there are free ports");
    socket.local_addr().expect("it is bound")
}

/// Waits until there is something.
///
/// # Panics
/// If there is nothing for too long.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            Instant::now() < until,
            "waited {DEADLINE:?} in vain: {what}"
        );
        thread::sleep(POLL_TIME);
    }
}
