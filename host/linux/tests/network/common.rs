//! Nodes as far as their network, and what they see.
use std::net::SocketAddr;

use linux::{HELLO_SIZE, LinuxClock, Network, NetworkConfig};
use platform::{Clock, ClusterId, Event, Events, Links, Wait};
use seal::Key;
use types::{Duration, Epoch, NodeId, PageId, Seq, Stamp, Version, ViewNumber};
use wire::{Envelope, Message, PageVersion};

pub(crate) const HERE: ClusterId = ClusterId(0xC1);

pub(crate) fn config(me: u32, key: Option<Key>) -> NetworkConfig {
    let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
    NetworkConfig {
        cluster: HERE,
        key,
        me: NodeId(me),
        listen: free,
        tools: Some(free),
        silence: Duration::from_millis(2_000),
        spin: Duration::ZERO,
    }
}

pub(crate) fn open(me: u32) -> Network {
    Network::open(config(me, None)).unwrap()
}

pub(crate) fn open_with(me: u32, key: &Key) -> Network {
    Network::open(config(me, Some(key.clone()))).unwrap()
}

/// Two nodes whose link is up.
pub(crate) fn pair() -> (Network, Network) {
    linked(open(1), open(2))
}

/// The nodes 1 and 2 with their link up.
pub(crate) fn linked(mut one: Network, mut two: Network) -> (Network, Network) {
    one.connect(NodeId(2), &two.address());
    two.connect(NodeId(1), &one.address());
    until(&mut [&mut one, &mut two], |seen| {
        seen[0].len() == 1 && seen[1].len() == 1
    });
    (one, two)
}

/// Runs the nodes until what they have seen satisfies the test; then returns it.
pub(crate) fn until(
    nodes: &mut [&mut Network],
    is_enough: impl Fn(&[Vec<Event>]) -> bool,
) -> Vec<Vec<Event>> {
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

pub(crate) fn say(from: u32, epoch: u64) -> Envelope {
    let message = Message::Heartbeat;
    Envelope {
        from: NodeId(from),
        view: ViewNumber(1),
        epoch: Epoch(epoch),
        message,
    }
}

pub(crate) fn page(from: u32, epoch: u64) -> Envelope {
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

pub(crate) fn epochs(seen: &[Event]) -> Vec<u64> {
    let epoch = |event: &Event| match event {
        Event::Message(envelope) => Some(envelope.epoch.0),
        _ => None,
    };
    seen.iter().filter_map(epoch).collect()
}

pub(crate) fn has(seen: &[Event], event: &Event) -> bool {
    seen.contains(event)
}

/// Bytes of a hello that calls node `target`.
pub(crate) fn hello(version: u32, cluster: ClusterId, sender: u32, target: u32) -> Vec<u8> {
    let mut bytes = b"plurix\r\n".to_vec();
    bytes.extend(version.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(cluster.0.to_le_bytes());
    bytes.extend(sender.to_le_bytes());
    bytes.extend(target.to_le_bytes());
    assert_eq!(bytes.len(), HELLO_SIZE);
    bytes
}
