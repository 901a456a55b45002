//! Links and requests over real loopback sockets, as a node sees them.
#![expect(
    clippy::tests_outside_test_module,
    reason = "an integration test is nothing but tests"
)]
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use linux::{HELLO_SIZE, LinuxClock, Network, NetworkConfig, PROTOCOL_VERSION};
use platform::{
    Clock, ClusterId, Event, Events, JoinerId, Links, LostWhy, Refusal, Requests, Wait,
};
use types::{Duration, Epoch, NodeId, PageId, Seq, Stamp, Version, ViewNumber};
use wire::{Envelope, Message, PageVersion};

const HERE: ClusterId = ClusterId(0xC1);

fn open(me: u32) -> Network {
    let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
    Network::open(NetworkConfig {
        cluster: HERE,
        me: NodeId(me),
        listen: free,
        tools: Some(free),
        spin: Duration::ZERO,
    })
    .unwrap()
}

/// Two nodes whose link is up.
fn pair() -> (Network, Network) {
    let (mut one, mut two) = (open(1), open(2));
    one.connect(NodeId(2), &two.address());
    two.connect(NodeId(1), &one.address());
    until(&mut [&mut one, &mut two], |seen| {
        seen[0].len() == 1 && seen[1].len() == 1
    });
    (one, two)
}

/// Runs the nodes until what they have seen satisfies the test; then returns it.
fn until(nodes: &mut [&mut Network], is_enough: impl Fn(&[Vec<Event>]) -> bool) -> Vec<Vec<Event>> {
    let mut seen = vec![Vec::new(); nodes.len()];
    let give_up = LinuxClock.now() + Duration::from_millis(30_000);
    while !is_enough(&seen) {
        for (node, seen) in nodes.iter_mut().zip(&mut seen) {
            let soon = LinuxClock.now() + Duration::from_millis(1);
            seen.extend(node.next_event(Wait::Until(soon)));
        }
        assert!(LinuxClock.now() < give_up, "still waiting with {seen:?}");
    }
    seen
}

fn say(from: u32, epoch: u64) -> Envelope {
    let message = Message::Heartbeat;
    Envelope {
        from: NodeId(from),
        view: ViewNumber(1),
        epoch: Epoch(epoch),
        message,
    }
}

fn page(from: u32, epoch: u64) -> Envelope {
    let image = wire::Image::of(&[7; types::PAGE_SIZE]);
    let content = PageVersion {
        version: Version(1),
        stamp: Stamp::ZERO,
        image,
    };
    let message = Message::Data {
        page: PageId::new(300, 1),
        seq: Seq(epoch),
        content,
        hold: wire::Hold::Shared,
    };
    Envelope {
        message,
        ..say(from, epoch)
    }
}

fn epochs(seen: &[Event]) -> Vec<u64> {
    let epoch = |event: &Event| match event {
        Event::Message(envelope) => Some(envelope.epoch.0),
        _ => None,
    };
    seen.iter().filter_map(epoch).collect()
}

fn has(seen: &[Event], event: &Event) -> bool {
    seen.contains(event)
}

/// Bytes of a hello that calls node `target`.
fn hello(version: u32, cluster: ClusterId, sender: u32, target: u32) -> Vec<u8> {
    let mut bytes = b"plurix\r\n".to_vec();
    bytes.extend(version.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(cluster.0.to_le_bytes());
    bytes.extend(sender.to_le_bytes());
    bytes.extend(target.to_le_bytes());
    assert_eq!(bytes.len(), HELLO_SIZE);
    bytes
}

#[test]
fn messages_arrive_in_order_both_ways() {
    let (mut one, mut two) = pair();
    for epoch in 0..1000 {
        one.send(NodeId(2), &say(1, epoch));
        two.send(NodeId(1), &page(2, epoch));
    }
    let seen = until(&mut [&mut one, &mut two], |seen| {
        seen[0].len() == 1000 && seen[1].len() == 1000
    });
    let sent: Vec<u64> = (0..1000).collect();
    assert_eq!(epochs(&seen[0]), sent);
    assert_eq!(epochs(&seen[1]), sent);
    assert_eq!(one.counters().messages_received, 1000);
    assert!(one.counters().bytes_received > 1000 * 4096);
}

#[test]
fn what_is_sent_before_the_link_is_up_is_not_lost() {
    let (mut one, mut two) = (open(1), open(2));
    two.connect(NodeId(1), &one.address());
    two.send(NodeId(1), &say(2, 1));
    // The call arrives before the view that makes node 2 wanted: it is held.
    until(&mut [&mut two], |seen| seen[0].is_empty());
    assert_eq!(
        one.next_event(Wait::Until(LinuxClock.now() + Duration::from_millis(5))),
        None
    );
    one.connect(NodeId(2), &two.address());
    one.send(NodeId(2), &say(1, 2));
    let seen = until(&mut [&mut one, &mut two], |seen| {
        seen.iter().all(|seen| seen.len() == 2)
    });
    assert_eq!(
        seen[0],
        [Event::LinkUp(NodeId(2)), Event::Message(say(2, 1))]
    );
    assert_eq!(
        seen[1],
        [Event::LinkUp(NodeId(1)), Event::Message(say(1, 2))]
    );
}

#[test]
fn a_burst_shows_as_back_pressure_and_arrives_whole() {
    let (mut one, mut two) = pair();
    let count = 5_000;
    for epoch in 0..count {
        one.send(NodeId(2), &page(1, epoch));
    }
    one.flush();
    assert!(
        one.pending_bytes(NodeId(2)) > 1 << 20,
        "20 MB do not fit into socket buffers"
    );
    let seen = until(&mut [&mut one, &mut two], |seen| {
        seen[1].len() as u64 == count
    });
    assert_eq!(epochs(&seen[1]), (0..count).collect::<Vec<_>>());
    assert_eq!(one.pending_bytes(NodeId(2)), 0);
}

#[test]
fn a_dead_peer_is_noticed() {
    let (mut one, two) = pair();
    drop(two);
    let seen = until(&mut [&mut one], |seen| !seen[0].is_empty());
    assert_eq!(
        seen[0],
        [Event::LinkLost {
            node: NodeId(2),
            why: LostWhy::Closed
        }]
    );
}

#[test]
fn a_peer_that_dies_after_speaking_is_heard_first() {
    let (mut one, mut two) = pair();
    two.send(NodeId(1), &say(2, 5));
    two.disconnect(NodeId(1));
    let seen = until(&mut [&mut one], |seen| seen[0].len() == 2);
    assert_eq!(seen[0][0], Event::Message(say(2, 5)));
    assert_eq!(
        seen[0][1],
        Event::LinkLost {
            node: NodeId(2),
            why: LostWhy::Closed
        }
    );
}

#[test]
fn a_broken_link_comes_back_while_both_want_it() {
    let (mut one, mut two) = pair();
    one.disconnect(NodeId(2));
    let seen = until(&mut [&mut one, &mut two], |seen| !seen[1].is_empty());
    assert_eq!(
        seen[1],
        [Event::LinkLost {
            node: NodeId(1),
            why: LostWhy::Closed
        }]
    );
    one.connect(NodeId(2), &two.address());
    two.send(NodeId(1), &say(2, 8));
    let seen = until(&mut [&mut one, &mut two], |seen| {
        seen[0].len() == 2 && !seen[1].is_empty()
    });
    assert_eq!(
        seen[0],
        [Event::LinkUp(NodeId(2)), Event::Message(say(2, 8))]
    );
    assert_eq!(seen[1], [Event::LinkUp(NodeId(1))]);
}

#[test]
fn a_call_for_an_earlier_life_is_turned_away_for_good() {
    let mut three = open(3);
    let mut other = open(4);
    other.connect(NodeId(3), &three.address());
    three.connect(NodeId(2), &other.address());
    let refusal = Refusal::Target {
        expected: NodeId(4),
        found: NodeId(2),
    };
    let seen = until(&mut [&mut three, &mut other], |seen| {
        has(
            &seen[0],
            &Event::LinkLost {
                node: NodeId(2),
                why: LostWhy::Refused(refusal),
            },
        )
    });
    assert!(has(&seen[1], &Event::Refused(refusal)));
    assert_eq!(other.counters().refused, 1);
}

#[test]
fn a_process_joins_through_its_call() {
    let (mut leader, mut process) = (open(1), open(0));
    let there = process.call(&leader.address());
    process.send_joiner(there, &say(0, 0));
    let seen = until(&mut [&mut leader, &mut process], |seen| !seen[0].is_empty());
    let Event::Joiner { joiner, envelope } = &seen[0][0] else {
        panic!("expected a joiner, found {seen:?}");
    };
    assert_eq!(*envelope, say(0, 0));
    leader.bind(*joiner, NodeId(2));
    leader.connect(NodeId(2), &process.address());
    leader.send(NodeId(2), &say(1, 1));
    let mut nodes = [&mut leader, &mut process];
    let seen = until(&mut nodes, |seen| !seen[1].is_empty());
    assert_eq!(
        seen[1],
        [Event::Joiner {
            joiner: there,
            envelope: say(1, 1)
        }]
    );
    process.become_node(NodeId(2));
    process.bind(there, NodeId(1));
    process.connect(NodeId(1), &leader.address());
    process.send(NodeId(1), &say(2, 2));
    let seen = until(&mut [&mut leader, &mut process], |seen| !seen[0].is_empty());
    assert_eq!(seen[0], [Event::Message(say(2, 2))]);
}

#[test]
fn two_joiners_may_learn_of_each_other_in_any_order() {
    let (mut two, mut three) = (open(0), open(0));
    three.become_node(NodeId(3));
    three.connect(NodeId(2), &two.address());
    three.send(NodeId(2), &say(3, 1));
    let _ = two.next_event(Wait::Until(LinuxClock.now() + Duration::from_millis(5)));
    two.become_node(NodeId(2));
    two.connect(NodeId(3), &three.address());
    let seen = until(&mut [&mut two, &mut three], |seen| seen[0].len() == 2);
    assert_eq!(
        seen[0],
        [Event::LinkUp(NodeId(3)), Event::Message(say(3, 1))]
    );
}

#[test]
fn a_call_that_nobody_answers_is_reported() {
    let mut process = open(0);
    let gone = open(9).address();
    let joiner = process.call(&gone);
    let seen = until(&mut [&mut process], |seen| !seen[0].is_empty());
    assert_eq!(
        seen[0],
        [Event::JoinerLost {
            joiner,
            why: LostWhy::Unreachable
        }]
    );
    let elsewhere = process.call("192.0.2.1:7");
    let seen = until(&mut [&mut process], |seen| !seen[0].is_empty());
    assert_eq!(
        seen[0],
        [Event::JoinerLost {
            joiner: elsewhere,
            why: LostWhy::Unreachable
        }]
    );
}

#[test]
fn another_version_or_cluster_or_protocol_stays_outside() {
    let other = ClusterId(0xC2);
    let expected = PROTOCOL_VERSION;
    let found = expected + 1;
    let cases = [
        (
            hello(found, HERE, 0, 0),
            Refusal::Version { expected, found },
        ),
        (
            hello(expected, other, 0, 0),
            Refusal::Cluster {
                expected: HERE,
                found: other,
            },
        ),
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
            Refusal::NoNode,
        ),
    ];
    for (bytes, refusal) in cases {
        let mut node = open(1);
        let mut socket = TcpStream::connect(node.link_address()).unwrap();
        socket.write_all(&bytes).unwrap();
        let seen = until(&mut [&mut node], |seen| !seen[0].is_empty());
        assert_eq!(seen[0], [Event::Refused(refusal)]);
        assert_eq!(node.counters().refused, 1);
        let mut answer = Vec::new();
        // Unread bytes make the close a reset: an error here is as good as an end.
        let _ = socket.read_to_end(&mut answer);
        assert!(
            answer.is_empty() || answer[12] == 2,
            "turned away: {answer:?}"
        );
    }
}

/// A raw socket that has been let in as a joiner.
fn joined(node: &mut Network) -> TcpStream {
    let mut socket = TcpStream::connect(node.link_address()).unwrap();
    socket
        .write_all(&hello(PROTOCOL_VERSION, HERE, 0, 0))
        .unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut answer: Vec<u8> = Vec::new();
    while answer.len() < HELLO_SIZE {
        let soon = LinuxClock.now() + Duration::from_millis(1);
        assert_eq!(node.next_event(Wait::Until(soon)), None);
        let mut bytes = [0; HELLO_SIZE];
        let count = socket.read(&mut bytes).unwrap_or(0);
        answer.extend(&bytes[..count]);
    }
    assert_eq!(answer[12], 1, "welcome");
    socket.set_nonblocking(false).unwrap();
    socket
}

#[test]
fn malformed_bytes_close_the_connection_and_nothing_else() {
    let (mut one, mut two) = pair();
    let mut socket = joined(&mut one);
    let mut bytes = Vec::new();
    wire::encode(&say(0, 1), &mut bytes);
    let whole = bytes.clone();
    *bytes.last_mut().unwrap() ^= 1;
    socket.write_all(&whole).unwrap();
    socket.write_all(&bytes).unwrap();
    let seen = until(&mut [&mut one], |seen| seen[0].len() == 2);
    assert!(matches!(&seen[0][0], Event::Joiner { envelope, .. } if *envelope == say(0, 1)));
    let lost = &seen[0][1];
    assert!(
        matches!(
            lost,
            Event::JoinerLost {
                why: LostWhy::Malformed(_),
                ..
            }
        ),
        "{lost:?}"
    );
    assert_eq!(one.counters().malformed, 1);
    two.send(NodeId(1), &say(2, 3));
    let seen = until(&mut [&mut one, &mut two], |seen| !seen[0].is_empty());
    assert_eq!(seen[0], [Event::Message(say(2, 3))]);
}

#[test]
fn nobody_speaks_in_the_name_of_another() {
    let (mut one, mut two) = pair();
    two.send(NodeId(1), &say(7, 1));
    let seen = until(&mut [&mut one, &mut two], |seen| !seen[0].is_empty());
    let why = LostWhy::WrongSender(NodeId(7));
    assert_eq!(
        seen[0],
        [Event::LinkLost {
            node: NodeId(2),
            why
        }]
    );
}

#[test]
fn silent_callers_do_not_pile_up() {
    let (mut one, mut two) = pair();
    let callers: Vec<TcpStream> = (0..100)
        .map(|_| TcpStream::connect(one.link_address()).unwrap())
        .collect();
    // All are accepted, the oldest are sent away again, the link goes on.
    two.send(NodeId(1), &say(2, 3));
    let seen = until(&mut [&mut one, &mut two], |seen| !seen[0].is_empty());
    assert_eq!(seen[0], [Event::Message(say(2, 3))]);
    drop(callers);
}

#[test]
fn messages_to_gone_joiners_and_unwanted_peers_are_dropped() {
    let mut one = open(1);
    one.send(NodeId(2), &say(1, 1));
    one.send_joiner(JoinerId(99), &say(1, 1));
    assert_eq!(one.pending_bytes(NodeId(2)), 0);
    assert_eq!(one.next_event(Wait::No), None);
}

#[test]
fn a_message_to_oneself_comes_back() {
    let mut one = open(1);
    one.send(NodeId(1), &say(1, 4));
    assert_eq!(one.next_event(Wait::No), Some(Event::Message(say(1, 4))));
}

#[test]
fn a_waker_wakes() {
    let mut one = open(1);
    let waker = one.waker();
    std::thread::spawn(move || waker.wake()).join().unwrap();
    let seen = until(&mut [&mut one], |seen| !seen[0].is_empty());
    assert_eq!(seen[0], [Event::Woken]);
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(bytes.len()).unwrap().to_le_bytes().to_vec();
    frame.extend(bytes);
    frame
}

#[test]
fn tools_get_one_reply_per_request_in_order() {
    let mut node = open(1);
    let mut tool = TcpStream::connect(node.tool_address().unwrap()).unwrap();
    let large = vec![3; 3 << 20];
    let writer = {
        let mut tool = tool.try_clone().unwrap();
        let frames = [frame(b"first"), frame(&large), frame(b"")].concat();
        std::thread::spawn(move || tool.write_all(&frames).unwrap())
    };
    for expected in [b"first".to_vec(), large, Vec::new()] {
        let seen = until(&mut [&mut node], |seen| !seen[0].is_empty());
        let Event::Request { id, bytes } = &seen[0][0] else {
            panic!("expected a request, found {seen:?}");
        };
        assert_eq!(*bytes, expected);
        assert_eq!(
            node.next_event(Wait::No),
            None,
            "the next waits for the reply"
        );
        node.reply(*id, bytes[..bytes.len().min(4)].to_vec());
    }
    writer.join().unwrap();
    let mut replies = vec![0; 4 + 4 + 4 + 4 + 4];
    tool.read_exact(&mut replies).unwrap();
    assert_eq!(
        replies,
        [frame(b"firs"), frame(&[3; 4]), frame(b"")].concat()
    );
}

#[test]
fn a_tool_that_hangs_up_is_owed_nothing() {
    let mut node = open(1);
    let mut tool = TcpStream::connect(node.tool_address().unwrap()).unwrap();
    tool.write_all(&frame(b"question")).unwrap();
    let seen = until(&mut [&mut node], |seen| !seen[0].is_empty());
    let Event::Request { id, .. } = seen[0][0] else {
        panic!("expected a request, found {seen:?}");
    };
    drop(tool);
    let seen = until(&mut [&mut node], |seen| !seen[0].is_empty());
    assert_eq!(seen[0], [Event::RequestGone { id }]);
    node.reply(id, b"too late".to_vec());
    assert_eq!(node.next_event(Wait::No), None);
}

#[test]
fn an_oversized_request_is_cut_off() {
    let mut node = open(1);
    let mut tool = TcpStream::connect(node.tool_address().unwrap()).unwrap();
    tool.write_all(&[0xFF; 16]).unwrap();
    tool.set_nonblocking(true).unwrap();
    let soon = LinuxClock.now() + Duration::from_millis(30_000);
    while node.malformed_requests() == 0 && LinuxClock.now() < soon {
        let _ = node.next_event(Wait::Until(LinuxClock.now() + Duration::from_millis(1)));
    }
    assert_eq!(node.malformed_requests(), 1);
}

#[test]
fn only_loopback_is_listened_on() {
    let anywhere: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let config = NetworkConfig {
        cluster: HERE,
        me: NodeId(1),
        listen: anywhere,
        tools: None,
        spin: Duration::ZERO,
    };
    let error = Network::open(config).unwrap_err().to_string();
    assert_eq!(
        error,
        "expected a loopback address, found 0.0.0.0:0: links are not encrypted"
    );
}
