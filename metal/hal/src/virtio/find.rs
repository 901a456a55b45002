//! Which devices there are.
use alloc::vec::Vec;
use core::fmt;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, Ordering};

use virtio_drivers::device::rng::VirtIORng;
use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};
use virtio_drivers::transport::pci::bus::{Command, ConfigurationAccess, DeviceFunction, PciRoot};
use virtio_drivers::transport::pci::{PciTransport, virtio_device_type};
use virtio_drivers::transport::{DeviceType, Transport as _};
use x86_64::instructions::port::Port;

use super::memory::OneToOne;
use super::{Block, Line, Network, Transport};
use crate::apic::{self, Trigger};
use crate::{paging, say};

const PCI_ADDRESS: u16 = 0xcf8;
const PCI_DATA: u16 = 0xcfc;
const PCI_INTERRUPT: u8 = 0x3c;
const OPTION: &str = "virtio_mmio.device=";
const MMIO_SIZE: usize = 512;

/// The devices of the machine, in the order in which they were found.
#[derive(Debug, Default)]
pub struct Devices {
    /// Networks.
    pub networks: Vec<Network>,
    /// Disks.
    pub blocks: Vec<Block>,
    /// Random bytes from whoever runs the machine.
    pub randomness: Vec<u8>,
}

/// Fewer devices than there are nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MissingDevices {
    what: &'static str,
    expected: usize,
    found: usize,
}

impl fmt::Display for MissingDevices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, expected, found) = (self.what, self.expected, self.found);
        write!(
            f,
            "expected {expected} {what}, one for each node, found {found}"
        )
    }
}

impl core::error::Error for MissingDevices {}

/// Whether devices were looked for: each has one driver.
static IS_FOUND: AtomicBool = AtomicBool::new(false);

/// Looks for devices, once.
#[must_use]
pub fn find(command_line: &str) -> Devices {
    let was_found = IS_FOUND.swap(true, Ordering::Relaxed);
    assert!(!was_found, "devices are looked for once");
    let mut devices = Devices::default();
    let mut seen = Vec::new();
    for option in command_line.split_ascii_whitespace() {
        if let Some(place) = option.strip_prefix(OPTION) {
            match named(place, &mut seen) {
                Some((transport, line)) => devices.add(transport, line),
                None => say!("expected {OPTION}512@ADDRESS:LINE, found {option}"),
            }
        }
    }
    if command_line.contains(OPTION) {
        return devices;
    }
    let mut root = PciRoot::new(ConfigurationPorts);
    let found: Vec<_> = root.enumerate_bus(0).collect();
    for (function, info) in found {
        if virtio_device_type(&info).is_none() {
            continue;
        }
        let enabled = Command::IO_SPACE | Command::MEMORY_SPACE | Command::BUS_MASTER;
        root.set_command(function, enabled);
        let [number, ..] = ConfigurationPorts
            .read_word(function, PCI_INTERRUPT)
            .to_le_bytes();
        let line = (number > 0 && number < apic::LINES).then_some(Line {
            number,
            trigger: Trigger::Level,
        });
        match PciTransport::new::<OneToOne, _>(&mut root, function) {
            Ok(transport) => devices.add(Transport::from(transport), line),
            Err(error) => say!("the device at {function}: {error}"),
        }
    }
    devices
}

/// A setting of the first device of this vendor (in the low half) and kind.
pub(crate) fn setting(identity: u32, register: u8) -> Option<u32> {
    let functions = (0..32).map(|device| DeviceFunction {
        bus: 0,
        device,
        function: 0,
    });
    let mut found = functions.filter(|&at| ConfigurationPorts.read_word(at, 0) == identity);
    found
        .next()
        .map(|at| ConfigurationPorts.read_word(at, register))
}

impl Devices {
    /// Shares for so many nodes: a network for each, and a disk unless there is none at all.
    /// Networks are in the order of their own addresses, disks in that in which they were found.
    ///
    /// # Errors
    /// If there are too few.
    pub fn share(mut self, nodes: usize) -> Result<Vec<Self>, MissingDevices> {
        let missing = |what, found| MissingDevices {
            what,
            expected: nodes,
            found,
        };
        if self.networks.len() < nodes {
            return Err(missing("networks (virtio-net)", self.networks.len()));
        }
        if !self.blocks.is_empty() && self.blocks.len() < nodes {
            return Err(missing("disks (virtio-blk)", self.blocks.len()));
        }
        self.networks.sort_by_key(Network::address);
        let mut blocks = self.blocks.into_iter();
        let networks = self.networks.into_iter().take(nodes);
        Ok(networks
            .map(|network| Self {
                networks: alloc::vec![network],
                blocks: blocks.next().into_iter().collect(),
                randomness: self.randomness.clone(),
            })
            .collect())
    }

    fn add(&mut self, transport: Transport, line: Option<Line>) {
        let kind = transport.device_type();
        let added = match kind {
            DeviceType::Network => {
                Network::open(transport, line).map(|network| self.networks.push(network))
            }
            DeviceType::Block => Block::open(transport, line).map(|block| self.blocks.push(block)),
            DeviceType::EntropySource => draw(transport).map(|bytes| self.randomness = bytes),
            _ => Ok(()),
        };
        if let Err(error) = added {
            say!("a device of kind {kind:?} is not used: {error}");
        }
    }
}

/// A seed's worth of randomness.
fn draw(transport: Transport) -> virtio_drivers::Result<Vec<u8>> {
    let mut source = VirtIORng::<OneToOne, _>::new(transport)?;
    let mut bytes = alloc::vec![0; 32];
    let count = source.request_entropy(&mut bytes)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// A device that the command line names, among others that were `seen`.
fn named(place: &str, seen: &mut Vec<usize>) -> Option<(Transport, Option<Line>)> {
    let (_, rest) = place.split_once('@')?;
    let (address, line) = rest.split_once(':')?;
    let line = line.split(':').next()?;
    let address = usize::from_str_radix(address.strip_prefix("0x")?, 16).ok()?;
    let number: u8 = line.parse().ok()?;
    let is_device = address.is_multiple_of(MMIO_SIZE) && paging::is_device(address);
    let header = NonNull::new(ptr::with_exposed_provenance_mut::<VirtIOHeader>(address))?;
    if !is_device || seen.contains(&address) {
        return None;
    }
    seen.push(address);
    // SAFETY: (1) it is no memory; (2) nobody else uses it: each is taken once, as just seen;
    // (3) its registers are mapped.
    let transport = unsafe { MmioTransport::new(header, MMIO_SIZE) }.ok()?;
    let line = (number < apic::LINES).then_some(Line {
        number,
        trigger: Trigger::Edge,
    });
    Some((Transport::from(transport), line))
}

/// The two ports by which PCI devices are set up.
struct ConfigurationPorts;

impl ConfigurationPorts {
    fn choose(function: DeviceFunction, register: u8) -> Port<u32> {
        let place = u32::from(function.bus) << 16
            | u32::from(function.device) << 11
            | u32::from(function.function) << 8
            | u32::from(register & 0xfc);
        // SAFETY: chooses what the other port is about.
        unsafe { Port::new(PCI_ADDRESS).write(1 << 31 | place) };
        Port::new(PCI_DATA)
    }
}

impl ConfigurationAccess for ConfigurationPorts {
    fn read_word(&self, function: DeviceFunction, register: u8) -> u32 {
        // SAFETY: reading a device's settings changes no memory.
        unsafe { Self::choose(function, register).read() }
    }

    fn write_word(&mut self, function: DeviceFunction, register: u8, value: u32) {
        // SAFETY: only the functions above and the crate of drivers write, to devices that
        // they own.
        unsafe { Self::choose(function, register).write(value) };
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Self
    }
}
