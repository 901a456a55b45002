//! Nodes as a bootable image: the machine is put together, and each of its processors runs the
//! loop of a node of its own.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]
extern crate alloc;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::sync::atomic::{AtomicUsize, Ordering};

use engine::{Engine, Limits};
use hal::boot::Boot;
use hal::kept::{self, Kept};
use hal::panic::{self, Then};
use hal::virtio::Devices;
use hal::{cores, cpu, print_line, say, virtio};
use metal_platform::{
    BootDisk, MetalClock, MetalDisk, MetalEntropy, MetalWorld, Network, NetworkConfig, Seat, Switch,
};
use node::{Config, FAILURE_TIMEOUT, JOIN_GRACE, LEASE, Node, Origin, Suffrage, Voter};
use platform::Clock;
use settings::{DiskPlace, EndWord, Settings};
use store::{ControlLog, Identity, Store};
use types::{Duration, StoreId};

/// Silence of another machine's system, after which its nodes are given up: frames of a machine
/// that is run by another one's programs may wait for those.
const SILENCE: Duration = Duration::from_millis(1_000);

hal::entry!(main);

fn main(boot: Boot) -> ! {
    say!("kernel entered");
    let shares = match prepare(&boot) {
        Ok(shares) => shares,
        Err(why) => fail(&why),
    };
    RUNNING.store(shares.len(), Ordering::Relaxed);
    let mut shares = shares.into_iter().map(|share| || run(share));
    let first = shares.next().expect("one node at least");
    let others = shares.map(|work| Box::new(work) as cores::Work).collect();
    if let Err(missing) = cores::start(others) {
        fail(&missing.to_string());
    }
    first();
    cores::sleep()
}

/// Runs a node until it is told to stop. The last that ends switches the machine off.
fn run(share: Share) {
    match make_node(share) {
        Ok(mut node) => say!("{}", node.run()),
        Err(why) => fail(&why),
    }
    if RUNNING.fetch_sub(1, Ordering::AcqRel) == 1 {
        cpu::power_off(0);
    }
}

/// The end of a machine of which a node cannot even begin.
fn fail(why: &str) -> ! {
    say!("{why}");
    cpu::power_off(1)
}

/// Nodes that run.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// What a node has of the machine.
struct Share {
    settings: Settings,
    devices: Devices,
    /// For its disks, if it is to have them in memory.
    kept: Option<Kept>,
    seat: Option<Seat>,
    switch: Arc<Switch>,
    memory_bytes: usize,
}

/// Reads what the machine is to be, and looks what there is.
fn prepare(boot: &Boot) -> Result<Vec<Share>, String> {
    let file = boot.modules.first().map_or(&[][..], |file| file);
    let file = core::str::from_utf8(file).map_err(|error| format!("the first file: {error}"))?;
    let nodes = Settings::read(&boot.command_line, file).map_err(|error| error.to_string())?;
    panic::set_then(match nodes[0].end {
        EndWord::Reset => Then::Reset,
        EndWord::Off => Then::PowerOff,
    });
    let devices = virtio::find(&boot.command_line);
    say!("drivers ready");
    let devices = devices
        .share(nodes.len())
        .map_err(|error| error.to_string())?;
    let kept_bytes = kept::available() / nodes.len();
    let kept = nodes.iter().zip(&devices).map(|(settings, devices)| {
        let is_wanted = settings.disk == DiskPlace::Memory || devices.blocks.is_empty();
        is_wanted.then(|| kept::take(kept_bytes)).flatten()
    });
    let kept = kept.collect::<Vec<_>>();
    kept::give_up();
    let (_, heap_bytes) = hal::heap_usage();
    let memory_bytes = heap_bytes / nodes.len();
    // Another number at each start.
    let mut entropy = MetalEntropy::new(&devices[0].randomness);
    let mut seat = Some(Seat::new(entropy.number().max(1)));
    let switch = Arc::new(Switch::new(nodes.iter().map(|node| node.link)));
    let shares = nodes.into_iter().zip(devices).zip(kept);
    Ok(shares
        .map(|((settings, devices), kept)| Share {
            settings,
            devices,
            kept,
            seat: seat.take(),
            switch: switch.clone(),
            memory_bytes,
        })
        .collect())
}

fn make_node(share: Share) -> Result<Node<MetalWorld, MetalDisk>, String> {
    let Share {
        settings,
        mut devices,
        kept,
        seat,
        switch,
        memory_bytes,
    } = share;
    if devices.randomness.is_empty() && cpu::random().is_none() && settings.key.is_some() {
        return Err("expected RDRAND or virtio-rng, found neither: keys could be guessed".into());
    }
    let mut entropy = MetalEntropy::new(&devices.randomness);
    let disks = open_disks(kept, &mut devices, &mut entropy)?;
    let identity = identity(&settings, &mut entropy);
    let store =
        Store::open(disks.store, identity).map_err(|error| format!("the store: {error}"))?;
    for damage in store.damage() {
        say!("the store: {damage}");
    }
    say!("the store is open, stable up to epoch {}", store.stable().0);
    let voter = open_voter(&settings, store.id(), disks.log, &mut entropy)?;
    let config = NetworkConfig {
        cluster: settings.cluster,
        key: settings.key.clone(),
        link: settings.link,
        tools: settings.tools,
        silence: SILENCE,
        own: settings.own,
        gateway: settings.gateway,
        memory_bytes,
    };
    let device = devices.networks.pop();
    let device = device.ok_or("expected a network (virtio-net), found none")?;
    let network = Network::open(config, device, disks.lines, switch, entropy.apart());
    let network = network.map_err(|error| error.to_string())?;
    say!("the doors are open");
    let engine = Engine::new().map_err(|error| error.to_string())?;
    if let Some(tools) = settings.tools {
        // For whoever has started the machine.
        let link = network.link_address();
        let tools = SocketAddr::new(link.ip(), tools);
        print_line(format_args!("plurix-node ready link={link} tools={tools}"));
    }
    let world = MetalWorld::new(network, entropy, settings.key, seat);
    let config = Config {
        name: settings.name,
        limits: Limits {
            memory_64k_max: settings.memory_mib.saturating_mul(16).min(1 << 16),
            ..Limits::default()
        },
        note: |line| say!("{line}"),
        ..Config::default()
    };
    let seed = settings.join.map(|address| address.to_string());
    Ok(Node::new(config, world, store, engine, voter, seed))
}

fn open_disks(
    kept: Option<Kept>,
    devices: &mut Devices,
    entropy: &mut MetalEntropy,
) -> Result<BootDisk, String> {
    let id = entropy.number();
    let disks = match (kept, devices.blocks.pop()) {
        (Some(kept), _) => BootDisk::in_memory(kept, id),
        (None, Some(block)) => BootDisk::on_device(block, id),
        (None, None) => return Err("expected a disk (virtio-blk), or more memory".into()),
    };
    disks.map_err(|error| format!("the disk: {error}"))
}

/// Opens the node's log of what was decided, which has an id of its own.
fn open_voter(
    settings: &Settings,
    store: StoreId,
    log: MetalDisk,
    entropy: &mut MetalEntropy,
) -> Result<Voter<MetalDisk>, String> {
    let damaged = |error: String| format!("the log of decisions: {error}");
    let log = ControlLog::open(log, identity(settings, entropy));
    let log = log.map_err(|error| damaged(error.to_string()))?;
    let control = control::Config {
        store,
        expected: settings.members,
        epoch_length: settings.epoch,
        epoch_min: settings.epoch_min,
        failure_timeout: FAILURE_TIMEOUT,
        lease: LEASE,
        join_grace: JOIN_GRACE,
        durability: settings.durability,
        ladder: None,
        // Said when it leads.
        wall_ms: 0,
    };
    let origin = match settings.found {
        true => Origin::Founds,
        false => Origin::Joins,
    };
    let suffrage = match settings.votes {
        true => Suffrage::Full,
        false => Suffrage::None,
    };
    let (seed, now) = (entropy.number(), MetalClock.now());
    Voter::new(control, suffrage, origin, log, seed, now).map_err(damaged)
}

fn identity(settings: &Settings, entropy: &mut MetalEntropy) -> Identity {
    Identity {
        cluster: settings.cluster,
        store: StoreId(entropy.number()),
    }
}
