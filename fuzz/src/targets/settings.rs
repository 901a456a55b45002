//! The words of a machine: its command line, and behind a zero its first file. Whoever boots a
//! machine writes them, and what is wrong with them is to be said, not to be met later.
use std::collections::BTreeSet;

use seal::{Key, Token};
use settings::Settings;
use types::limits::MEMBERS_MAX;

use crate::Target;
use crate::targets::token::Same;

pub(crate) const TARGET: Target = Target {
    name: "settings",
    seeds,
    check,
};

fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let (command_line, file) = text.split_once('\0').unwrap_or((text, ""));
    let nodes = match Settings::read(command_line, file) {
        Ok(nodes) => nodes,
        Err(error) => return assert!(!error.to_string().is_empty(), "it says why"),
    };
    let lines = file.lines().filter(|line| !line.trim().is_empty());
    assert_eq!(nodes.len(), lines.count().max(1), "a node for each line");
    let links = nodes.iter().map(|node| node.link).collect::<BTreeSet<_>>();
    let names = nodes.iter().map(|node| &node.name).collect::<BTreeSet<_>>();
    assert_eq!((links.len(), names.len()), (nodes.len(), nodes.len()));
    for node in &nodes {
        assert_ne!(node.link.port(), 0, "peers reach it");
        assert!((1..=MEMBERS_MAX).contains(&node.members));
        if let Some(tools) = node.tools {
            // Tools have no key.
            assert!(node.link.ip().is_loopback());
            assert!(tools != 0 && tools != node.link.port());
        }
        if let Some((own, bits)) = node.own {
            assert!(
                bits <= 32 && !own.is_multicast(),
                "an address of one machine"
            );
        }
        assert!(node.epoch.as_nanos() > 0 && node.epoch_min.as_nanos() > 0);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let token = Token {
        cluster: platform::ClusterId(7),
        key: Key::generate(&mut Same(0xA5)),
    };
    let first = format!(
        "virtio_mmio.device=512@0xfeb00e00:12 end=off\0token={token} found name=one \
         link=127.0.0.1:7000 tools=7001 own=10.0.2.15/24 gateway=10.0.2.2 members=3\n\
         token={token} name=two link=127.0.0.1:7002 join=127.0.0.1:7000 vote=no epoch=50 \
         epoch-min=2 memory=64 durability=disk disk=memory\n"
    );
    let alone = "cluster=1 found link=127.0.0.1:7000 durability=memory disk=device end=reset";
    let others = "cluster=ff\0\n\nlink=[::1]:1 name=a\n\nlink=[::1]:2 name=b vote=yes\n";
    [&first, alone, others]
        .map(|text| text.as_bytes().to_vec())
        .into()
}
