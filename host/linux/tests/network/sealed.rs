//! Links under the key of the cluster, and those who would like to be on them.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use linux::{LinuxClock, LinuxEntropy};
use platform::{Clock, Event, Events, Links, LostWhy, Refusal, Wait};
use seal::Key;
use types::{Duration, NodeId};

use crate::common::{epochs, has, linked, open, open_with, page, say, until};

fn new_key() -> Key {
    Key::generate(&mut LinuxEntropy)
}

/// Somebody on the way between who dials and who is dialled.
#[derive(Clone)]
struct Between {
    address: SocketAddr,
    tap: Arc<Mutex<Tap>>,
}

#[derive(Default)]
struct Tap {
    /// What the dialer has said so far, over all connections.
    heard: Vec<u8>,
    /// Changes the next bytes of the dialer that are at least so many at a time.
    spoils: Option<usize>,
}

impl Between {
    fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let tap = Arc::new(Mutex::new(Tap::default()));
        let this = Self { address, tap };
        let tap = this.tap.clone();
        thread::spawn(move || {
            for dialer in listener.incoming().map_while(Result::ok) {
                let door = TcpStream::connect(target).unwrap();
                let (back, dialers) = (door.try_clone().unwrap(), dialer.try_clone().unwrap());
                let tap = tap.clone();
                thread::spawn(move || copy(&back, &dialers, |_| {}));
                thread::spawn(move || copy(&dialer, &door, |bytes| tap.lock().unwrap().on(bytes)));
            }
        });
        this
    }

    fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Tap {
    fn on(&mut self, bytes: &mut [u8]) {
        if self.spoils.take_if(|least| bytes.len() >= *least).is_some() {
            bytes[bytes.len() / 2] ^= 1;
        }
        self.heard.extend_from_slice(bytes);
    }
}

/// Until either end is gone.
fn copy(mut from: &TcpStream, mut to: &TcpStream, mut on: impl FnMut(&mut [u8])) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        on(&mut bytes[..count]);
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    // Whoever is still there learns it.
    let _ = to.shutdown(std::net::Shutdown::Both);
    let _ = from.shutdown(std::net::Shutdown::Both);
}

/// The bytes of the pages that the tests send, as far as they are alike.
const PAGE_PIECE: [u8; 64] = [7; 64];

fn contains_page(bytes: &[u8]) -> bool {
    bytes
        .windows(PAGE_PIECE.len())
        .any(|piece| piece == PAGE_PIECE)
}

#[test]
fn messages_arrive_in_order_both_ways_and_nobody_reads_them() {
    let key = new_key();
    for is_sealed in [true, false] {
        let open = |me| {
            if is_sealed {
                open_with(me, &key)
            } else {
                open(me)
            }
        };
        let (mut one, mut two) = (open(1), open(2));
        let between = Between::start(one.link_address());
        one.connect(NodeId(2), &two.address());
        two.connect(NodeId(1), &between.address());
        for epoch in 0..1000 {
            one.send(NodeId(2), &say(1, epoch));
            two.send(NodeId(1), &page(2, epoch));
        }
        // The first event is that the link is up.
        let seen = until(&mut [&mut one, &mut two], |seen| {
            seen[0].len() == 1001 && seen[1].len() == 1001
        });
        let sent: Vec<u64> = (0..1000).collect();
        assert_eq!(epochs(&seen[0]), sent);
        assert_eq!(epochs(&seen[1]), sent);
        let heard = between.tap.lock().unwrap().heard.clone();
        assert!(heard.len() > 1000 * types::PAGE_SIZE);
        assert_eq!(contains_page(&heard), !is_sealed);
    }
}

#[test]
fn without_the_same_key_nobody_is_let_in() {
    let key = new_key();
    let cases = [
        (open_with(1, &key), open_with(2, &new_key())),
        (open_with(1, &key), open(2)),
        (open(1), open_with(2, &key)),
    ];
    for (mut one, mut two) in cases {
        one.connect(NodeId(2), &two.address());
        two.connect(NodeId(1), &one.address());
        let joiner = two.call(&one.address());
        let seen = until(&mut [&mut one, &mut two], |seen| {
            seen[0].len() == 2 && seen[1].len() == 2
        });
        let why = LostWhy::Refused(Refusal::Key);
        let node = NodeId(1);
        assert_eq!(
            seen[0],
            [Event::Refused(Refusal::Key), Event::Refused(Refusal::Key)]
        );
        assert!(has(&seen[1], &Event::LinkLost { node, why }), "{seen:?}");
        assert!(
            has(&seen[1], &Event::JoinerLost { joiner, why }),
            "{seen:?}"
        );
        assert_eq!(one.counters().refused, 2);
    }
}

#[test]
fn a_process_with_the_key_joins_through_its_call() {
    let key = new_key();
    let (mut leader, mut process) = (open_with(1, &key), open_with(0, &key));
    let there = process.call(&leader.address());
    process.send_joiner(there, &say(0, 4));
    let seen = until(&mut [&mut leader, &mut process], |seen| !seen[0].is_empty());
    assert!(
        matches!(&seen[0][0], Event::Joiner { envelope, .. } if *envelope == say(0, 4)),
        "{seen:?}"
    );
}

#[test]
fn a_change_on_the_way_ends_the_connection_and_is_counted() {
    let key = new_key();
    let (mut one, mut two) = (open_with(1, &key), open_with(2, &key));
    let between = Between::start(one.link_address());
    one.connect(NodeId(2), &two.address());
    two.connect(NodeId(1), &between.address());
    until(&mut [&mut one, &mut two], |seen| {
        seen[0].len() == 1 && seen[1].len() == 1
    });
    // More than any handshake.
    between.tap.lock().unwrap().spoils = Some(1000);
    two.send(NodeId(1), &page(2, 5));
    let node = NodeId(2);
    let why = LostWhy::Forged;
    let lost = Event::LinkLost { node, why };
    let seen = until(&mut [&mut one, &mut two], |seen| {
        has(&seen[0], &Event::LinkUp(node))
    });
    assert_eq!(seen[0], [lost, Event::LinkUp(node)]);
    assert_eq!(one.counters().forged, 1);
    two.send(NodeId(1), &page(2, 6));
    let seen = until(&mut [&mut one, &mut two], |seen| !seen[0].is_empty());
    assert_eq!(seen[0], [Event::Message(page(2, 6))]);
}

#[test]
fn what_was_recorded_changes_nothing_when_it_is_said_again() {
    let key = new_key();
    let (mut one, mut two) = (open_with(1, &key), open_with(2, &key));
    let between = Between::start(one.link_address());
    one.connect(NodeId(2), &two.address());
    two.connect(NodeId(1), &between.address());
    two.send(NodeId(1), &say(2, 5));
    until(&mut [&mut one, &mut two], |seen| seen[0].len() == 2);
    let heard = between.tap.lock().unwrap().heard.clone();
    let mut again = TcpStream::connect(one.link_address()).unwrap();
    again.write_all(&heard).unwrap();
    let give_up = LinuxClock.now() + Duration::from_millis(30_000);
    while one.counters().forged == 0 {
        let soon = LinuxClock.now() + Duration::from_millis(1);
        assert_eq!(one.next_event(Wait::Until(soon)), None);
        assert!(LinuxClock.now() < give_up);
    }
    // The link is what it was.
    two.send(NodeId(1), &say(2, 6));
    let seen = until(&mut [&mut one, &mut two], |seen| !seen[0].is_empty());
    assert_eq!(seen[0], [Event::Message(say(2, 6))]);
}

#[test]
fn noise_at_the_door_changes_nothing() {
    let key = new_key();
    let (mut one, mut two) = linked(open_with(1, &key), open_with(2, &key));
    let mut prng = types::Prng::new(7);
    for _ in 0..200 {
        let mut bytes = b"plurix\r\n\x03\0\0\0\x04\0\0\0".to_vec();
        for _ in 0..prng.below(200) {
            bytes.push(prng.next_u64().to_le_bytes()[0]);
        }
        // Now and then the opening is noise, too.
        if prng.below(2) == 0 {
            let at = prng.below(16);
            bytes[usize::try_from(at).unwrap()] ^= 1 << prng.below(8);
        }
        let mut caller = TcpStream::connect(one.link_address()).unwrap();
        // It may have been sent away already.
        let _ = caller.write_all(&bytes);
        drop(caller);
        while let Some(event) = one.next_event(Wait::No) {
            assert!(matches!(event, Event::Refused(_)), "{event:?}");
        }
    }
    two.send(NodeId(1), &say(2, 6));
    let seen = until(&mut [&mut one, &mut two], |seen| {
        has(&seen[0], &Event::Message(say(2, 6)))
    });
    assert_eq!(seen[1], []);
}
