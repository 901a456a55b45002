//! Links over loopback sockets, in the open.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use linux::{HELLO_SIZE, LinuxClock, LinuxEntropy, Network, NetworkConfig, PROTOCOL_VERSION};
use platform::{Clock, ClusterId, Event, Events, JoinerId, Links, LostWhy, Refusal, Wait};
use seal::Key;
use types::{Duration, NodeId};

use crate::common::{HERE, config, epochs, has, hello, open, page, pair, say, until};

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

/// It could follow something that was lost, and look as if that had never been said.
#[test]
fn what_is_sent_before_a_loss_is_told_never_comes_later() {
    let (mut one, mut two) = pair();
    one.send(NodeId(2), &say(1, 1));
    one.flush();
    one.disconnect(NodeId(2));
    let heard = two.next_event(Wait::Until(
        LinuxClock.now() + Duration::from_millis(10_000),
    ));
    assert_eq!(heard, Some(Event::Message(say(1, 1))));
    two.send(NodeId(1), &say(2, 8));
    until(&mut [&mut two], |seen| {
        let is_told = |event: &Event| matches!(event, Event::LinkLost { .. });
        seen[0].iter().any(is_told)
    });
    two.send(NodeId(1), &say(2, 9));
    one.connect(NodeId(2), &two.address());
    let seen = until(&mut [&mut one, &mut two], |seen| seen[0].len() == 2);
    assert_eq!(
        seen[0],
        [Event::LinkUp(NodeId(2)), Event::Message(say(2, 9))]
    );
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
fn what_a_process_says_before_it_knows_that_it_is_a_member_harms_nothing() {
    let (mut leader, mut process) = (open(1), open(0));
    let there = process.call(&leader.address());
    // It asks more than once, the last time while the answer is under way.
    process.send_joiner(there, &say(0, 0));
    process.send_joiner(there, &say(0, 1));
    let seen = until(&mut [&mut leader, &mut process], |seen| !seen[0].is_empty());
    let Event::Joiner { joiner, .. } = seen[0][0] else {
        panic!("expected a joiner, found {seen:?}");
    };
    leader.bind(joiner, NodeId(2));
    process.send_joiner(there, &say(0, 2));
    process.become_node(NodeId(2));
    process.bind(there, NodeId(1));
    process.send(NodeId(1), &say(2, 2));
    let seen = until(&mut [&mut leader, &mut process], |seen| seen[0].len() == 2);
    assert_eq!(
        seen[0],
        [Event::LinkUp(NodeId(2)), Event::Message(say(2, 2))]
    );
    assert_eq!(leader.counters().intruders(), 0);
}

#[test]
fn calls_leave_from_where_the_node_listens() {
    let here: SocketAddr = "127.0.0.7:0".parse().unwrap();
    let mut node = Network::open(NetworkConfig {
        listen: here,
        ..config(2, None)
    })
    .unwrap();
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = door.local_addr().unwrap().to_string();
    let _ = node.call(&address);
    let (_, caller) = door.accept().unwrap();
    assert_eq!(caller.ip(), here.ip());
    node.connect(NodeId(1), &address);
    let (_, caller) = door.accept().unwrap();
    assert_eq!(caller.ip(), here.ip());
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

#[test]
fn only_what_is_safe_is_listened_on() {
    let anywhere: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let key = Key::generate(&mut LinuxEntropy);
    let cases = [
        (
            NetworkConfig {
                listen: anywhere,
                ..config(1, None)
            },
            "expected a loopback address, found 0.0.0.0:0: without the cluster's key links are \
             not encrypted",
        ),
        (
            NetworkConfig {
                listen: anywhere,
                ..config(1, Some(key.clone()))
            },
            "expected the address by which peers reach this node, found 0.0.0.0:0",
        ),
        (
            NetworkConfig {
                tools: Some(anywhere),
                ..config(1, Some(key))
            },
            "expected a loopback address for tools, found 0.0.0.0:0: they show no key",
        ),
    ];
    for (config, expected) in cases {
        assert_eq!(Network::open(config).unwrap_err().to_string(), expected);
    }
}
