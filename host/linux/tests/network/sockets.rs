//! Sockets of programs: a node at one end, a plain client at the other.
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;

use linux::{LinuxClock, Network, SocketLimits};
use platform::SocketEvent::{Accepted, Ended, Gone, Received, Written};
use platform::{
    Clock, Event, Events, Links, ListenerId, Protocol, SocketEvent, SocketId, Sockets, Wait,
};
use rustix::net::sockopt::set_socket_linger;
use types::{Duration, NodeId};

use crate::common::{epochs, open, pair, say};

const MIB: usize = 1 << 20;

/// Bytes whose order shows.
fn pattern(length: usize) -> Vec<u8> {
    (0..=250).cycle().take(length).collect()
}

fn listen(node: &mut Network) -> (ListenerId, SocketAddr) {
    let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let (listener, address) = node.listen(Protocol::Stream, free).unwrap();
    assert_ne!(address.port(), 0);
    (listener, address)
}

/// A node that somebody has connected to.
fn connected() -> (Network, TcpStream, SocketId) {
    let mut node = open(1);
    let (_, address) = listen(&mut node);
    let (client, socket) = connect(&mut node, address);
    (node, client, socket)
}

fn connect(node: &mut Network, address: SocketAddr) -> (TcpStream, SocketId) {
    let client = TcpStream::connect(address).unwrap();
    match next(node) {
        Accepted { socket, peer, .. } => {
            assert_eq!(peer, client.local_addr().unwrap());
            (client, socket)
        }
        event => panic!("expected somebody who connects, found {event:?}"),
    }
}

/// The next thing that happens to a socket.
fn next(node: &mut Network) -> SocketEvent {
    let give_up = LinuxClock.now() + Duration::from_millis(20_000);
    match node.next_event(Wait::Until(give_up)) {
        Some(Event::Socket(event)) => event,
        event => panic!("expected something of a socket, found {event:?}"),
    }
}

fn assert_quiet(node: &mut Network) {
    for _ in 0..3 {
        assert_eq!(node.next_event(Wait::No), None);
    }
}

/// Receives exactly so much.
fn receive(node: &mut Network, length: usize) -> Vec<u8> {
    let mut received = Vec::new();
    while received.len() < length {
        match next(node) {
            Received { bytes, .. } => received.extend(bytes),
            event => panic!("expected bytes, found {event:?}"),
        }
    }
    assert_eq!(received.len(), length, "no more than is wanted");
    received
}

/// Waits until so much has been written.
fn written(node: &mut Network, length: usize) {
    let mut written = 0;
    while written < length {
        match next(node) {
            Written { bytes, .. } if bytes > 0 => written += bytes,
            event => panic!("expected that something is written, found {event:?}"),
        }
    }
    assert_eq!(written, length);
}

/// Writes until the system takes no more.
fn fill(client: &mut TcpStream) -> usize {
    client.set_nonblocking(true).unwrap();
    let mut total = 0;
    loop {
        match client.write(&[7; 64 << 10]) {
            Ok(count) => total += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return total,
            Err(error) => panic!("write: {error}"),
        }
        assert!(total < 1024 * MIB, "nobody stops the writer");
    }
}

/// As a process that breaks the connection.
fn reset(client: TcpStream) {
    set_socket_linger(&client, Some(std::time::Duration::ZERO)).unwrap();
    drop(client);
}

fn limit(node: &mut Network, ending_ms: u64, stuck_ms: u64) {
    node.limit_sockets(SocketLimits {
        ending_time: Duration::from_millis(ending_ms),
        stuck_time: Duration::from_millis(stuck_ms),
        ..SocketLimits::default()
    });
}

#[test]
fn what_is_said_comes_back() {
    let (mut node, mut client, socket) = connected();
    node.want(socket, 1000);
    for said in [&b"first"[..], b"and second"] {
        client.write_all(said).unwrap();
        let heard = receive(&mut node, said.len());
        node.write(socket, &heard);
        written(&mut node, said.len());
        let mut back = vec![0; said.len()];
        client.read_exact(&mut back).unwrap();
        assert_eq!(back, said);
    }
}

#[test]
fn no_more_is_read_than_is_wanted() {
    let (mut node, mut client, socket) = connected();
    let sent = pattern(MIB);
    let writer = {
        let sent = sent.clone();
        thread::spawn(move || {
            client.write_all(&sent).unwrap();
            client
        })
    };
    assert_quiet(&mut node);
    let mut received = Vec::new();
    for wanted in [1, 1000, 65_536, 65_537, 200_000] {
        node.want(socket, wanted);
        received.extend(receive(&mut node, wanted));
        assert_quiet(&mut node);
    }
    // In two parts, the second before the first has come.
    node.want(socket, 10);
    node.want(socket, MIB);
    received.extend(receive(&mut node, MIB - received.len()));
    assert_eq!(received, sent);
    drop(writer.join().unwrap());
    assert_eq!(next(&mut node), Ended { socket });
}

#[test]
fn who_is_not_read_is_stopped_by_its_own_system() {
    let (mut node, mut client, socket) = connected();
    let total = fill(&mut client);
    assert_quiet(&mut node);
    node.want(socket, total);
    receive(&mut node, total);
    client.write_all(b"on").unwrap();
    assert_quiet(&mut node);
    node.want(socket, 2);
    assert_eq!(receive(&mut node, 2), b"on");
}

#[test]
fn what_is_written_is_told_as_the_system_takes_it() {
    let (mut node, mut client, socket) = connected();
    let sent = pattern(32 * MIB);
    let mut told = 0;
    for part in sent.chunks(MIB) {
        node.write(socket, part);
    }
    // As much as goes while nobody reads.
    while let Some(event) = node.next_event(Wait::No) {
        let Event::Socket(Written { bytes, .. }) = event else {
            panic!("expected that something is written, found {event:?}");
        };
        told += bytes;
    }
    assert!(0 < told && told < sent.len(), "{told} bytes told");
    let reader = thread::spawn(move || {
        let mut read = vec![0; 32 * MIB];
        client.read_exact(&mut read).unwrap();
        read
    });
    written(&mut node, sent.len() - told);
    assert_eq!(reader.join().unwrap(), sent);
}

#[test]
fn small_writes_of_a_turn_go_together() {
    let (mut node, _client, socket) = connected();
    for _ in 0..100 {
        node.write(socket, b"small");
    }
    assert_eq!(next(&mut node), Written { socket, bytes: 500 });
}

#[test]
fn an_end_does_not_overtake_what_was_written_before_it() {
    let (mut node, mut client, socket) = connected();
    client.write_all(b"the last words").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_quiet(&mut node);
    node.want(socket, 9);
    assert_eq!(receive(&mut node, 9), b"the last ");
    assert_quiet(&mut node);
    node.want(socket, 100);
    assert_eq!(receive(&mut node, 5), b"words");
    assert_eq!(next(&mut node), Ended { socket });
    assert_quiet(&mut node);
    // It may still read.
    node.write(socket, b"heard");
    assert_eq!(next(&mut node), Written { socket, bytes: 5 });
    node.finish(socket);
    assert_eq!(next(&mut node), Gone { socket });
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, b"heard");
}

#[test]
fn an_end_is_told_even_if_nothing_is_wanted() {
    let (mut node, client, socket) = connected();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(next(&mut node), Ended { socket });

    let (mut node, mut client, socket) = connected();
    client.write_all(b"exactly").unwrap();
    node.want(socket, 7);
    receive(&mut node, 7);
    drop(client);
    assert_eq!(next(&mut node), Ended { socket });
}

#[test]
fn a_broken_connection_is_gone_whatever_is_unread() {
    let (mut node, client, socket) = connected();
    reset(client);
    assert_eq!(next(&mut node), Gone { socket });

    let (mut node, mut client, socket) = connected();
    client.write_all(b"nobody wants it").unwrap();
    assert_quiet(&mut node);
    reset(client);
    assert_eq!(next(&mut node), Gone { socket });
    // Its number does nothing any more.
    node.want(socket, 1);
    node.write(socket, b"late");
    node.finish(socket);
    node.break_off(socket);
    assert_quiet(&mut node);
}

#[test]
fn writing_to_who_has_left_breaks_the_connection() {
    let (mut node, client, socket) = connected();
    drop(client);
    assert_eq!(next(&mut node), Ended { socket });
    node.write(socket, b"is anybody there?");
    assert_eq!(next(&mut node), Written { socket, bytes: 17 });
    assert_eq!(next(&mut node), Gone { socket });
}

#[test]
fn a_slow_reader_gets_all_that_was_written_before_the_end() {
    let (mut node, mut client, socket) = connected();
    let sent = pattern(16 * MIB);
    node.write(socket, &sent);
    node.finish(socket);
    node.write(socket, b"nobody sees this");
    let reader = thread::spawn(move || {
        let mut read: Vec<u8> = Vec::new();
        let mut part = [0; 5000];
        loop {
            match client.read(&mut part).unwrap() {
                0 => return read,
                count => read.extend(&part[..count]),
            }
        }
    });
    written(&mut node, sent.len());
    assert_eq!(next(&mut node), Gone { socket });
    assert_eq!(reader.join().unwrap(), sent);
}

#[test]
fn who_does_not_end_in_time_is_left() {
    let (mut node, mut client, socket) = connected();
    limit(&mut node, 30, 20_000);
    node.want(socket, 5);
    node.write(socket, b"bye");
    node.finish(socket);
    written(&mut node, 3);
    // What comes now is for nobody, and does not stay unread.
    client.write_all(b"wait a moment").unwrap();
    assert_eq!(next(&mut node), Gone { socket });
    assert_quiet(&mut node);
    let mut heard = [0; 3];
    client.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"bye");
    assert_eq!(client.read(&mut heard).unwrap(), 0);
}

#[test]
fn who_reads_nothing_is_left_in_the_end() {
    let (mut node, mut client, socket) = connected();
    limit(&mut node, 20_000, 30);
    node.write(socket, &vec![1; 64 * MIB]);
    node.finish(socket);
    let mut total = 0;
    loop {
        match next(&mut node) {
            Written { bytes, .. } => total += bytes,
            event => break assert_eq!(event, Gone { socket }),
        }
    }
    assert!(total < 64 * MIB, "{total} bytes written");
    let error = client.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_connection_broken_off_is_broken_at_the_other_end() {
    let (mut node, mut client, socket) = connected();
    node.write(socket, b"lost");
    node.break_off(socket);
    assert_eq!(next(&mut node), Gone { socket });
    assert_quiet(&mut node);
    let error = client.read(&mut [0; 10]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_busy_address_is_refused_with_its_name() {
    let (mut node, mut other) = (open(1), open(2));
    let (_, address) = listen(&mut node);
    let error = other.listen(Protocol::Stream, address).unwrap_err();
    let expected = format!("listen on {address}: Address already in use (os error 98)");
    assert_eq!(error, expected);
    let elsewhere: SocketAddr = "192.0.2.1:80".parse().unwrap();
    let error = other.listen(Protocol::Stream, elsewhere).unwrap_err();
    assert!(error.contains("192.0.2.1:80"), "{error}");
}

#[test]
fn connections_outlive_their_listener() {
    let mut node = open(1);
    let (listener, address) = listen(&mut node);
    let (mut client, socket) = connect(&mut node, address);
    node.unlisten(listener);
    assert_eq!(
        TcpStream::connect(address).unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
    client.write_all(b"still").unwrap();
    node.want(socket, 5);
    assert_eq!(receive(&mut node, 5), b"still");
}

#[test]
fn the_next_life_of_a_node_listens_at_once() {
    let mut node = open(1);
    let (_, address) = listen(&mut node);
    let (client, socket) = connect(&mut node, address);
    let (_open, _) = connect(&mut node, address);
    // Ended here first: the system remembers it for a while.
    node.finish(socket);
    drop(client);
    assert_eq!(next(&mut node), Gone { socket });
    drop(node);
    let mut node = open(1);
    assert_eq!(node.listen(Protocol::Stream, address).unwrap().1, address);
    connect(&mut node, address);
}

#[test]
fn beyond_the_limit_callers_wait_until_somebody_goes() {
    let mut node = open(1);
    node.limit_sockets(SocketLimits {
        sockets_max: 2,
        ..SocketLimits::default()
    });
    let (_, address) = listen(&mut node);
    let (_one, socket) = connect(&mut node, address);
    let (_two, _) = connect(&mut node, address);
    let _three = TcpStream::connect(address).unwrap();
    assert_quiet(&mut node);
    node.break_off(socket);
    assert_eq!(next(&mut node), Gone { socket });
    assert!(matches!(next(&mut node), Accepted { .. }));
}

#[test]
fn a_flood_of_connections_is_served() {
    linux::process::raise_open_files();
    let mut node = open(1);
    let (_, address) = listen(&mut node);
    let clients: Vec<TcpStream> = (0..500_u32)
        .map(|number| {
            let mut client = TcpStream::connect(address).unwrap();
            client.write_all(&number.to_le_bytes()).unwrap();
            client
        })
        .collect();
    let readers = thread::spawn(move || {
        for (number, mut client) in (0..500_u32).zip(clients) {
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).unwrap();
            assert_eq!(heard, number.to_le_bytes());
        }
    });
    let mut gone = 0;
    while gone < 500 {
        match next(&mut node) {
            Accepted { socket, .. } => node.want(socket, 4),
            Received { socket, bytes } => {
                node.write(socket, &bytes);
                node.finish(socket);
            }
            Written { bytes, .. } => assert_eq!(bytes, 4),
            Gone { .. } => gone += 1,
            event => panic!("expected an echo, found {event:?}"),
        }
    }
    readers.join().unwrap();
}

#[test]
fn links_work_beside_a_socket_that_is_never_silent() {
    let (mut one, mut two) = pair();
    let (_, address) = listen(&mut one);
    let writer = thread::spawn(move || {
        let mut client = TcpStream::connect(address).unwrap();
        // Until the node has seen enough.
        while client.write_all(&[7; 64 << 10]).is_ok() {}
    });
    let mut heard = Vec::new();
    let (mut read, mut socket) = (0, None);
    let give_up = LinuxClock.now() + Duration::from_millis(20_000);
    for epoch in 0..100 {
        two.send(NodeId(1), &say(2, epoch));
        two.flush();
        let _ = two.next_event(Wait::No);
        while heard.len() <= usize::try_from(epoch).unwrap() || read < MIB {
            let event = one.next_event(Wait::Until(give_up)).unwrap();
            match &event {
                Event::Socket(Accepted { socket: id, .. }) => {
                    socket = Some(*id);
                    one.want(*id, MIB);
                }
                Event::Socket(Received { socket, bytes }) => {
                    read += bytes.len();
                    one.want(*socket, bytes.len());
                }
                _ => heard.extend(epochs(std::slice::from_ref(&event))),
            }
        }
    }
    assert_eq!(heard, (0..100).collect::<Vec<u64>>());
    one.break_off(socket.unwrap());
    writer.join().unwrap();
}
