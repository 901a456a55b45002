//! A process that has run out of descriptors. Alone in its binary: the limit is the process's.
#![expect(
    clippy::tests_outside_test_module,
    reason = "an integration test is nothing but tests"
)]
use std::fs::File;
use std::net::{SocketAddr, TcpStream};

use linux::process::{open_files_max, raise_open_files};
use linux::{LinuxClock, Network, NetworkConfig};
use platform::{Clock, ClusterId, Event, Events, Protocol, SocketEvent, Sockets, Wait};
use types::{Duration, NodeId};

#[test]
fn callers_wait_until_there_is_a_descriptor() {
    let before = open_files_max();
    lower_open_files(64);
    assert_eq!(open_files_max(), 64);
    raise_open_files();
    assert!(open_files_max() >= before);
    lower_open_files(64);

    let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let mut node = Network::open(NetworkConfig {
        cluster: ClusterId(1),
        key: None,
        me: NodeId(1),
        listen: free,
        tools: None,
        silence: Duration::from_millis(2_000),
        spin: Duration::ZERO,
    })
    .unwrap();
    let (_, address) = node.listen(Protocol::Stream, free).unwrap();
    let _client = TcpStream::connect(address).unwrap();
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    let soon = LinuxClock.now() + Duration::from_millis(300);
    assert_eq!(node.next_event(Wait::Until(soon)), None);
    drop(files);
    let give_up = LinuxClock.now() + Duration::from_millis(20_000);
    let event = node.next_event(Wait::Until(give_up));
    let is_accepted = matches!(event, Some(Event::Socket(SocketEvent::Accepted { .. })));
    assert!(is_accepted, "found {event:?}");
}

fn lower_open_files(count: u64) {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both pointers are to a live value.
    let codes = unsafe {
        let read = libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = count;
        [read, libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit)]
    };
    assert_eq!(codes, [0, 0]);
}
