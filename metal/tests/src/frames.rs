//! Frames that are not as they should be, and those that rules turn away.
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr};

use adapter::datagram::Frame;
use adapter::part;
use hal::clock::now_ns;
use hal::virtio;
use metal_platform::{DiskLines, MetalEntropy, MetalWorld, NetworkConfig, Switch};
use platform::{Board, ClusterId, Event, Events, Protocol, SocketEvent, SocketId, Sockets, Wait};
use types::{Duration, Instant};

use crate::Machine;

const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// An address beside it, that the driver of the network has given.
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);
const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
const LINK: u16 = 7000;
const OPEN: u16 = 5000;
const CLOSED: u16 = 5001;
/// As many as wait in the device until somebody looks.
const FRAMES: usize = 100;
const PATIENCE_NS: u64 = 20_000_000_000;
const MS: u64 = 1_000_000;

/// The checksum of the Internet: words whose sum with it is 0.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|word| match *word {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        _ => u32::from(word[0]) << 8,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("16 bits")
}

/// A packet to this machine, in a frame.
fn packet(own: [u8; 6], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 1, 0, 0, 64, protocol, 0, 0];
    packet.extend(STRANGER.octets());
    packet.extend(OWN.octets());
    let length = u16::try_from(packet.len() + payload.len()).expect("short");
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(payload);
    frame(own, 0x0800, &packet)
}

fn frame(own: [u8; 6], kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::from(own);
    frame.extend([2, 0, 0, 0, 0, 9]);
    frame.extend(kind.to_be_bytes());
    frame.extend(payload);
    frame
}

/// What machines say to each other, and what is like it.
fn good(own: [u8; 6]) -> Vec<Vec<u8>> {
    let mut call = vec![0x30, 0x39];
    call.extend(LINK.to_be_bytes());
    call.extend([
        0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0x20, 0, 0, 0, 0, 0, 2, 4, 5, 0xb4,
    ]);
    let mut datagram = vec![0x30, 0x39];
    datagram.extend(OPEN.to_be_bytes());
    datagram.extend([0, 12, 0, 0, 1, 2, 3, 4]);
    let mut question = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9];
    question.extend(STRANGER.octets());
    question.extend([0; 6]);
    question.extend(OWN.octets());
    let lease = [&[0, 67, 0, 68, 1, 8, 0, 0, 2, 1, 6, 0][..], &[0; 252]].concat();
    vec![
        packet(own, 6, &call),
        packet(own, 17, &datagram),
        packet(own, 17, &lease),
        packet(own, 1, &[8, 0, 0xf7, 0xfd, 0, 1, 0, 1]),
        frame(own, 0x0806, &question),
        frame(own, 0x86dd, &[0x60; 60]),
    ]
}

/// Numbers that look like any.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 16).expect("64 bits")
}

/// Sends frames that are cut off, or have bytes that do not belong there, to this very machine.
fn send_bad(network: &mut virtio::Network) {
    let own = network.address();
    let mut state = 0x5eed_u64;
    for mut bad in good(own).into_iter().cycle().take(FRAMES) {
        for _ in 0..=next(&mut state) % 4 {
            // Whom it is for stays.
            let at = 12 + next(&mut state) % (bad.len() - 12);
            bad[at] = next(&mut state).to_le_bytes()[0];
        }
        if next(&mut state).is_multiple_of(2) {
            bad.truncate(next(&mut state) % bad.len());
        }
        let deadline = now_ns() + PATIENCE_NS;
        while !network.has_room() {
            assert!(now_ns() < deadline, "the device takes no frame");
        }
        network.send(bad.len(), |space| space.copy_from_slice(&bad));
    }
    let deadline = now_ns() + PATIENCE_NS;
    while !network.has_frame() {
        assert!(now_ns() < deadline, "no frame has come back");
    }
}

/// The machine as a node would have it.
fn world(network: virtio::Network) -> MetalWorld {
    let link = SocketAddr::from(([127, 0, 0, 1], LINK));
    let mut entropy = MetalEntropy::new(b"frames");
    let config = NetworkConfig {
        cluster: ClusterId(1),
        key: None,
        link,
        tools: None,
        silence: Duration::from_millis(1_000),
        own: Some((OWN, 24)),
        gateway: None,
        memory_bytes: 16 << 20,
    };
    let switch = Arc::new(Switch::new([link]));
    let disks = DiskLines::default();
    let opened = metal_platform::Network::open(config, network, disks, switch, entropy.apart());
    MetalWorld::new(opened.expect("an address"), entropy, None, None)
}

/// The line of a port for datagrams.
fn open(world: &mut MetalWorld, port: u16) -> SocketId {
    let address = SocketAddr::from(([0, 0, 0, 0], port));
    let (listener, _) = world
        .listen(Protocol::Datagrams, address)
        .expect("nobody has the port");
    let deadline = now_ns() + PATIENCE_NS;
    while now_ns() < deadline {
        if let Some(Event::Socket(SocketEvent::Accepted {
            listener: found,
            socket,
            ..
        })) = world.next_event(Wait::No)
            && found == listener
        {
            world.want(socket, 1 << 16);
            return socket;
        }
    }
    panic!("the port has no line");
}

/// Whatever programs ask for, the machine keeps memory for itself.
fn refuses_more(world: &mut MetalWorld) {
    let mut ports = 6000..7000;
    let refused = ports.find_map(|port| {
        let address = SocketAddr::from(([0, 0, 0, 0], port));
        world.listen(Protocol::Stream, address).err()
    });
    let why = refused.expect("a thousand listeners are too many");
    assert!(why.contains("listeners and ports"), "{why}");
}

pub(crate) fn bad_and_unwanted(machine: &mut Machine) {
    let mut network = machine.network.take().expect("a network");
    send_bad(&mut network);
    let mut world = world(network);
    let settings = "address=10.0.0.7/24 deny=udp:5001".parse::<part::Network>();
    let settings = settings.expect("settings as they should be");
    let own = world.own_network().expect("every node has one");
    own.set(&settings).expect("they are taken");
    assert_eq!(own.ask(), settings);
    let lines = [OPEN, CLOSED].map(|port| open(&mut world, port));
    let deadline = now_ns() + PATIENCE_NS;
    let mut heard = 0;
    // It talks to itself, by its other address; a frame may be lost.
    while heard < 3 {
        assert!(now_ns() < deadline, "{heard} datagrams have come");
        for port in [CLOSED, OPEN] {
            let mut bytes = Vec::new();
            let peer = SocketAddr::from((OTHER, port));
            Frame::Datagram {
                peer,
                bytes: b"hello",
            }
            .encode(&mut bytes);
            world.write(lines[0], &bytes);
        }
        let until = Instant::from_nanos(now_ns() + 50 * MS);
        while let Some(event) = world.next_event(Wait::Until(until)) {
            if let Event::Socket(SocketEvent::Received { socket, bytes }) = event {
                assert_eq!(socket, lines[0], "a port that nobody may reach");
                let (frame, _) = Frame::decode(&bytes).expect("a frame").expect("all of it");
                heard += u32::from(matches!(
                    frame,
                    Frame::Datagram {
                        bytes: b"hello",
                        ..
                    }
                ));
            }
        }
    }
    refuses_more(&mut world);
}
