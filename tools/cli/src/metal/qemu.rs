//! How a machine is made: the command line of QEMU.
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::data::write_secret;
use crate::error::Error;
use crate::metal::{Forward, Image, Linux};

use super::forward::Protocol;
use super::linux::APPEND;

const PROGRAM: &str = "qemu-system-x86_64";
/// The machine's address in its own network, and this machine's.
pub(super) const OWN: &str = "10.0.2.15";
pub(super) const GATEWAY: &str = "10.0.2.2";
/// What networks' own addresses begin with.
const NETWORKS: &str = "52:54:00:70:78:";
const FIRST_DISK: &str = "disk.img";
/// The first file system of a Linux.
const FIRST_FILES: &str = "initramfs";
/// Processors of a machine without a bus: it has eight places for devices, and each processor has
/// a network and a disk for itself.
const SMALL_CORES_MAX: usize = 3;
/// A new machine's disk, in MiB, unless somebody says otherwise. The file grows as it is
/// written to.
pub(crate) const DISK_MIB: u32 = 8 << 10;

/// Whether people look at the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Screen {
    /// It has no screen: the smallest machine there is, which starts at once.
    None,
    /// A window, with keyboard and mouse.
    Window,
    /// A screen that nobody sees, but who asks QEMU for a picture.
    Hidden,
}

/// What machines run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum System {
    /// Nodes on bare metal.
    Image(Image),
    /// Linux, with a first file system that is in the machine's directory.
    Linux(Linux),
}

/// What all machines of a cluster have in common.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Qemu {
    pub(crate) system: System,
    pub(crate) memory_mib: u32,
    pub(crate) screen: Screen,
    /// Of a new disk; 0: there is none.
    pub(crate) disk_mib: u32,
    /// Whether they have a line of text, for people at a terminal.
    pub(crate) has_line: bool,
    pub(crate) accelerator: &'static str,
}

/// One machine.
#[derive(Clone, Debug)]
pub(crate) struct Machine<'a> {
    /// Where its disks and its words are.
    pub(crate) directory: &'a Path,
    /// Where tools reach its first node.
    pub(crate) tools: SocketAddr,
    /// Where others reach programs of its first node.
    pub(crate) programs: Vec<Forward>,
    /// Its nodes, one for each of its processors.
    pub(crate) cores: Vec<Core>,
}

/// A node that has a processor of a machine for itself.
#[derive(Clone, Debug)]
pub(crate) struct Core {
    /// Where peers reach it: an address of this machine.
    pub(crate) link: SocketAddr,
    /// What it is told beyond where it is.
    pub(crate) words: String,
}

impl Qemu {
    /// Machines with this system.
    ///
    /// # Errors
    /// If there is no QEMU on this machine.
    pub(crate) fn new(system: System, memory_mib: u32, screen: Screen) -> Result<Self, Error> {
        let found = Command::new(PROGRAM).arg("--version").output();
        if found.is_err() {
            return Err(
                Error::user(format!("expected {PROGRAM} on this machine, found none"))
                    .hint("on Debian: apt-get install qemu-system-x86"),
            );
        }
        Ok(Self {
            system,
            memory_mib,
            screen,
            disk_mib: DISK_MIB,
            has_line: false,
            accelerator: accelerator(),
        })
    }

    /// The command that starts a machine, which lives as long as its process.
    pub(crate) fn command(&self, machine: &Machine<'_>) -> Result<Command, Error> {
        let mut command = Command::new(PROGRAM);
        let cores = machine.cores.len();
        let (kind, bus) = match self.screen {
            // So the loader names the devices on the command line: there is no bus to look at.
            Screen::None if cores <= SMALL_CORES_MAX => ("microvm,acpi=off", "device"),
            _ => ("q35", "pci"),
        };
        // By this word of its command line a machine's process is known.
        let name = machine.directory.file_name().unwrap_or_default();
        command
            .arg("-name")
            .arg(name)
            .args(["-nodefaults", "-no-user-config", "-serial", "stdio"])
            .args(["-M", kind, "-accel", self.accelerator, "-cpu", "max"])
            .args(["-m", &self.memory_mib.to_string()])
            .args(["-smp", &cores.to_string()]);
        self.load(machine, &mut command)?;
        match self.screen {
            Screen::None => command.args(["-display", "none"]),
            Screen::Window => command.args(["-vga", "std"]),
            Screen::Hidden => command.args(["-vga", "std", "-display", "none"]),
        };
        if self.screen != Screen::None {
            let monitor = machine.directory.join("qmp");
            let monitor = format!("unix:{},server=on,wait=off", value(&monitor));
            command.args(["-qmp", &monitor]);
        }
        if self.has_line {
            let line = machine.directory.join("line");
            let line = format!("socket,id=line,path={},server=on,wait=off", value(&line));
            command
                .args(["-chardev", &line])
                .args(["-device", "isa-serial,chardev=line,index=1"]);
        }
        // By this a machine ends its process when it switches itself off.
        command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]);
        command.args(["-device", &format!("virtio-rng-{bus}")]);
        for (index, core) in machine.cores.iter().enumerate() {
            let number = index + 1;
            let mut ports = self.door(core.link);
            if index == 0 {
                ports += &self.door(machine.tools);
                for one in &machine.programs {
                    let ip = one
                        .ip
                        .map_or_else(|| self.own(one.address), |ip| ip.to_string());
                    ports += &forward(one.protocol, one.address, &ip, one.inside);
                }
            }
            // By their addresses nodes know which network is whose.
            let network = format!("netdev=net{number},mac={NETWORKS}{number:02x}");
            command
                .args(["-netdev", &format!("user,id=net{number}{ports}")])
                .args(["-device", &format!("virtio-net-{bus},{network}")]);
            if self.disk_mib == 0 {
                continue;
            }
            let disk = machine.directory.join(disk_name(number));
            make_disk(&disk, self.disk_mib)?;
            // What goes wrong is the node's to know: QEMU would stop the machine and wait.
            let errors = "werror=report,rerror=report";
            let file = value(&disk);
            let drive = format!("if=none,id=disk{number},format=raw,{errors},file={file}");
            command
                .args(["-drive", &drive])
                .args(["-device", &format!("virtio-blk-{bus},drive=disk{number}")]);
        }
        Ok(command)
    }

    /// What the loader puts into the machine's memory.
    fn load(&self, machine: &Machine<'_>, command: &mut Command) -> Result<(), Error> {
        let (kernel, file) = match &self.system {
            System::Image(image) => {
                let words = machine.directory.join("words");
                write_secret(&words, machine.words())?;
                (&image.0, words)
            }
            System::Linux(linux) => {
                // It starts the machine again after a failure, or when told to end it.
                command.args(["-append", APPEND, "-no-reboot"]);
                (&linux.kernel, machine.directory.join(FIRST_FILES))
            }
        };
        command.arg("-kernel").arg(kernel).arg("-initrd").arg(file);
        Ok(())
    }

    /// What comes to this address of this machine is passed on to the same port there.
    fn door(&self, address: SocketAddr) -> String {
        let ip = self.own(address);
        forward(Protocol::Tcp, address, &ip, address.port())
    }

    /// The machine's own address, if it is reached at that one of this machine.
    fn own(&self, address: SocketAddr) -> String {
        match &self.system {
            System::Image(_) => OWN.to_owned(),
            // It knows itself by the address by which others do.
            System::Linux(_) => address.ip().to_string(),
        }
    }
}

fn forward(protocol: Protocol, address: SocketAddr, ip: &str, inside: u16) -> String {
    format!(",hostfwd={protocol}:{address}-{ip}:{inside}")
}

impl Machine<'_> {
    /// What its nodes are to be, a line each.
    fn words(&self) -> String {
        let lines = self.cores.iter().enumerate().map(|(index, core)| {
            let tools = match index {
                0 => format!(" tools={}", self.tools.port()),
                _ => String::new(),
            };
            let (link, words) = (core.link, &core.words);
            format!("link={link}{tools} own={OWN}/24 gateway={GATEWAY} {words}\n")
        });
        lines.collect()
    }
}

/// Puts the first file system of a machine with Linux into its directory. There may be a token in
/// it.
pub(crate) fn write_first_files(directory: &Path, content: &[u8]) -> Result<(), Error> {
    write_secret(&directory.join(FIRST_FILES), content)
}

/// The file that is the disk of a node.
fn disk_name(number: usize) -> String {
    match number {
        1 => FIRST_DISK.to_owned(),
        number => format!("disk-{number}.img"),
    }
}

/// A path as the value of an option of QEMU's, which ends at a comma.
fn value(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// Whether there is a machine's disk in the directory: then the node is on bare metal.
pub(crate) fn has_disk(directory: &Path) -> bool {
    directory.join(FIRST_DISK).exists()
}

/// The address itself, or a free port of its machine for port 0.
pub(crate) fn concrete(address: SocketAddr) -> Result<SocketAddr, Error> {
    let found = TcpListener::bind(address).and_then(|listener| listener.local_addr());
    found.map_err(|error| Error::config(format!("listen at {address}: {error}")))
}

fn make_disk(path: &Path, mib: u32) -> Result<(), Error> {
    if path.exists() {
        return Ok(());
    }
    let made = File::create(path).and_then(|file| file.set_len(u64::from(mib) << 20));
    made.map_err(|error| {
        // Half a disk would be taken for one the next time.
        let _ = fs::remove_file(path);
        Error::config(format!("make the disk {}: {error}", path.display()))
    })
}

/// The processor's own help, where it is real: a processor that shows no flags of it has a
/// stand-in at best, which runs kernels an instruction at a time.
fn accelerator() -> &'static str {
    let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has_flag = flags
        .split_ascii_whitespace()
        .any(|flag| flag == "vmx" || flag == "svm");
    let may_use = File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_ok();
    let is_stand_in = PathBuf::from("/sys/module/kvm_pvm").exists();
    match has_flag && may_use && !is_stand_in {
        true => "kvm",
        false => "tcg",
    }
}
