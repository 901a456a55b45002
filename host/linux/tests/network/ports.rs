//! Ports for datagrams: each is a frame on the port's line, and what nobody wants is counted.
use std::net::{SocketAddr, UdpSocket};

use adapter::datagram::Frame;
use linux::{LinuxClock, Network};
use platform::{Clock, Event, Events, ListenerId, Protocol, SocketEvent, SocketId, Sockets, Wait};
use types::Duration;

use crate::common::open;

struct Opened {
    node: Network,
    listener: ListenerId,
    line: SocketId,
    address: SocketAddr,
    peer: UdpSocket,
}

fn opened() -> Opened {
    let mut node = open(1);
    let free = "127.0.0.1:0".parse().unwrap();
    let (listener, address) = node.listen(Protocol::Datagrams, free).unwrap();
    let line = accepted(&mut node);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let patience = std::time::Duration::from_secs(20);
    peer.set_read_timeout(Some(patience)).unwrap();
    Opened {
        node,
        listener,
        line,
        address,
        peer,
    }
}

/// The next thing that happens to the port.
fn next(node: &mut Network) -> SocketEvent {
    let give_up = LinuxClock.now() + Duration::from_millis(20_000);
    match node.next_event(Wait::Until(give_up)) {
        Some(Event::Socket(event)) => event,
        event => panic!("expected something of a port, found {event:?}"),
    }
}

fn accepted(node: &mut Network) -> SocketId {
    match next(node) {
        SocketEvent::Accepted { socket, .. } => socket,
        event => panic!("expected a line, found {event:?}"),
    }
}

fn received(node: &mut Network) -> Vec<u8> {
    match next(node) {
        SocketEvent::Received { bytes, .. } => bytes,
        event => panic!("expected a datagram, found {event:?}"),
    }
}

fn datagram(peer: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    Frame::Datagram { peer, bytes }.encode(&mut frame);
    frame
}

#[test]
fn datagrams_come_and_go_as_frames() {
    let Opened {
        mut node,
        line,
        address,
        peer,
        ..
    } = opened();
    node.want(line, 1000);
    peer.send_to(b"hello", address).unwrap();
    let from = peer.local_addr().unwrap();
    assert_eq!(received(&mut node), datagram(from, b"hello"));
    // In two pieces: the first is no datagram yet.
    let frame = datagram(from, b"and back");
    node.write(line, &frame[..9]);
    node.write(line, &frame[9..]);
    let written = SocketEvent::Written {
        socket: line,
        bytes: frame.len(),
    };
    assert_eq!(next(&mut node), written);
    let mut buffer = [0; 100];
    assert_eq!(peer.recv(&mut buffer).unwrap(), 8);
    assert_eq!(&buffer[..8], b"and back");
}

#[test]
fn what_nobody_wants_is_dropped_and_counted() {
    let Opened {
        mut node,
        line,
        address,
        peer,
        ..
    } = opened();
    for _ in 0..5 {
        peer.send_to(b"unwanted", address).unwrap();
    }
    // On this machine a datagram is there when it was sent.
    assert_eq!(node.next_event(Wait::No), None);
    node.want(line, 1000);
    peer.send_to(b"wanted", address).unwrap();
    let mut expected = Vec::new();
    Frame::Dropped(5).encode(&mut expected);
    expected.extend(datagram(peer.local_addr().unwrap(), b"wanted"));
    assert_eq!(received(&mut node), expected);
}

#[test]
fn a_line_that_ends_is_followed_by_another_until_the_port_is_closed() {
    let Opened {
        mut node,
        listener,
        line,
        address,
        peer,
    } = opened();
    node.want(line, 1000);
    // That is no frame.
    node.write(line, &[77]);
    assert_eq!(next(&mut node), SocketEvent::Gone { socket: line });
    let second = accepted(&mut node);
    assert_ne!(second, line);
    node.want(second, 1000);
    peer.send_to(b"hello", address).unwrap();
    let from = peer.local_addr().unwrap();
    assert_eq!(received(&mut node), datagram(from, b"hello"));
    node.unlisten(listener);
    node.finish(second);
    assert_eq!(next(&mut node), SocketEvent::Gone { socket: second });
    assert_eq!(node.next_event(Wait::No), None);
    // The address is free again.
    UdpSocket::bind(address).unwrap();
}
