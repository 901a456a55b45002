//! A node as a bootable image: the machine is put together, and the node's loop runs in it.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]
extern crate alloc;

use alloc::format;
use alloc::string::{String, ToString};
use core::net::SocketAddr;

use engine::{Engine, Limits};
use hal::boot::Boot;
use hal::panic::{self, Then};
use hal::virtio::Devices;
use hal::{cpu, print_line, say, virtio};
use metal_platform::{
    BootDisk, DiskPlace, EndWord, MetalClock, MetalDisk, MetalEntropy, MetalWorld, Network,
    NetworkConfig, Settings,
};
use node::{Config, FatalReason, Node, Origin, Suffrage, Voter};
use platform::{Clock, Entropy};
use store::{ControlLog, Identity, Store};
use types::{Duration, StoreId};

/// Silence after which a member is given up.
const FAILURE_TIMEOUT: Duration = Duration::from_millis(2_000);
/// Silence for which a member keeps what it has.
const LEASE: Duration = Duration::from_millis(150);
/// Silence of another machine's system, after which its nodes are given up: frames of a machine
/// that is run by another one's programs may wait for those.
const SILENCE: Duration = Duration::from_millis(1_000);
/// How long a leader that restarts a cluster waits for disks it could do without.
const JOIN_GRACE: Duration = Duration::from_millis(5_000);

hal::entry!(main);

fn main(boot: Boot) -> ! {
    say!("kernel entered");
    match run(&boot) {
        Ok(reason) => {
            say!("{reason}");
            cpu::power_off(0)
        }
        Err(why) => {
            say!("{why}");
            cpu::power_off(1)
        }
    }
}

/// Runs the node until it is told to stop.
fn run(boot: &Boot) -> Result<FatalReason, String> {
    let file = boot.modules.first().map_or(&[][..], |file| file);
    let file = core::str::from_utf8(file).map_err(|error| format!("the first file: {error}"))?;
    let settings = Settings::read(&boot.command_line, file).map_err(|error| error.to_string())?;
    panic::set_then(match settings.end {
        EndWord::Reset => Then::Reset,
        EndWord::Off => Then::PowerOff,
    });
    let devices = virtio::find(&boot.command_line);
    say!("drivers ready");
    let mut node = make_node(settings, devices)?;
    Ok(node.run())
}

fn make_node(
    settings: Settings,
    mut devices: Devices,
) -> Result<Node<MetalWorld, MetalDisk>, String> {
    let mut entropy = MetalEntropy::new(&devices.randomness);
    let mut random = || {
        let mut bytes = [0; 8];
        entropy.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    };
    let disks = match (settings.disk, devices.blocks.pop()) {
        (DiskPlace::Device, Some(block)) => BootDisk::on_device(block, random())
            .map_err(|error| format!("open the disk: {error}"))?,
        _ => BootDisk::in_memory(),
    };
    let identity = Identity {
        cluster: settings.cluster,
        store: StoreId(random()),
    };
    let store =
        Store::open(disks.store, identity).map_err(|error| format!("the store: {error}"))?;
    for damage in store.damage() {
        say!("the store: {damage}");
    }
    let identity = Identity {
        cluster: settings.cluster,
        store: StoreId(random()),
    };
    let log = ControlLog::open(disks.log, identity);
    let log = log.map_err(|error| format!("the log of decisions: {error}"))?;
    let control = control::Config {
        store: store.id(),
        expected: settings.members,
        epoch_length: settings.epoch,
        failure_timeout: FAILURE_TIMEOUT,
        lease: LEASE,
        join_grace: JOIN_GRACE,
        durability: settings.durability,
        ladder: None,
        wall_ms: 0,
    };
    let origin = match settings.found {
        true => Origin::Founds,
        false => Origin::Joins,
    };
    let seed = random();
    let voter = Voter::new(control, Suffrage::Full, origin, log, seed, MetalClock.now())
        .map_err(|error| format!("the log of decisions: {error}"))?;
    let network = devices
        .networks
        .pop()
        .ok_or("expected a network (virtio-net), found none")?;
    let own = settings.own.ok_or("expected `own=IP/BITS`, found none")?;
    let (link, tools, key) = (settings.link, settings.tools, settings.key.clone());
    let config = NetworkConfig {
        cluster: settings.cluster,
        key: settings.key.clone(),
        link: settings.link,
        tools: settings.tools,
        silence: SILENCE,
        own,
        gateway: settings.gateway,
    };
    let network = Network::open(config, network, disks.lines, entropy.clone())
        .map_err(|error| error.to_string())?;
    let config = Config {
        name: settings.name,
        limits: Limits {
            memory_64k_max: settings.memory_mib.saturating_mul(16).min(1 << 16),
            ..Limits::default()
        },
        failure_timeout: FAILURE_TIMEOUT,
        lease: LEASE,
        note: |line| say!("{line}"),
        ..Config::default()
    };
    let engine = Engine::new().map_err(|error| error.to_string())?;
    if let Some(tools) = tools {
        // For whoever has started the machine.
        let tools = SocketAddr::new(link.ip(), tools);
        print_line(format_args!("plurix-node ready link={link} tools={tools}"));
    }
    let world = MetalWorld::new(network, entropy, key);
    let seed = settings.join.map(|address| address.to_string());
    Ok(Node::new(config, world, store, engine, voter, seed))
}
