//! `plurix boot`: a cluster of machines with nothing but the image on them.
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{DataArg, SafetyArgs, up};
use crate::cluster::{Metal, Plan};
use crate::error::Error;
use crate::interrupt;
use crate::metal::{DISK_MIB, Forward, Image, MACHINE_MIB, Qemu, Screen, System};

const DISK_MIB_MIN: u32 = 64;
/// The shell last: it looks for the others.
const SHELL: [&str; 8] = [
    "display", "input", "console", "network", "disk", "clock", "power", "shell",
];

/// Start a cluster of machines on bare metal, made by QEMU; Ctrl-C stops it
///
/// Each machine boots the image and becomes a node; nodes on Linux may be among them. All state
/// is kept in the data directory, as with `plurix up`.
#[derive(Args, Debug)]
pub(crate) struct BootArgs {
    #[command(flatten)]
    data: DataArg,
    /// Machines
    #[arg(
        long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=64)
    )]
    nodes: u32,
    /// Nodes on Linux beside them, as processes of this machine
    #[arg(
        long, value_name = "LINUX", default_value_t = 0,
        value_parser = clap::value_parser!(u32).range(0..=63)
    )]
    mixed: u32,
    /// Processors of a machine, a node each; as many threads of a process on Linux
    #[arg(
        long, value_name = "K", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=8)
    )]
    cores: u32,
    /// Machines have a screen, a keyboard and a mouse, in a window
    #[arg(long)]
    display: bool,
    /// Machines have a second serial port, node-N/line of the data directory (a socket): the
    /// leader's is the console
    #[arg(long)]
    serial: bool,
    /// Run drivers for what machines have, and a shell for whoever sits at the leader's screen or
    /// line, as far as they do not run yet
    #[arg(long)]
    shell: bool,
    /// Machines have a screen, which is not shown: QEMU gives pictures of it
    #[arg(long, conflicts_with = "display", hide = true)]
    headless: bool,
    /// A port of this machine, on the loopback, that is passed on to the first machine, or to
    /// another one, to the same port or another, at its own address or another: there programs
    /// may listen. With `udp:` it is one for datagrams. May be given several times; the machines
    /// are the first nodes then
    #[arg(long, value_name = "[MACHINE:][udp:]PORT[-[IP:]INSIDE]")]
    forward: Vec<Forward>,
    /// The image; the one beside this command unless given
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Memory of a machine for each of its nodes, in MiB
    #[arg(
        long, value_name = "MIB", default_value_t = MACHINE_MIB,
        value_parser = clap::value_parser!(u32).range(32..=65_536)
    )]
    memory: u32,
    /// Size of a new machine's disk, in MiB; the file grows as it is written to. With 0 there is
    /// none: what the machine keeps is in its memory, which a reset leaves alone
    #[arg(long, value_name = "MIB", default_value_t = DISK_MIB, value_parser = disk_size)]
    disk: u32,
    #[command(flatten)]
    safety: SafetyArgs,
}

/// Of no disk, or of one on which a node can work.
fn disk_size(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(size) if size == 0 || size >= DISK_MIB_MIN => Ok(size),
        _ => Err(format!("expected 0, or {DISK_MIB_MIN} at least")),
    }
}

pub(crate) fn run(args: &BootArgs) -> Result<ExitCode, Error> {
    interrupt::watch()?;
    check_forward(args)?;
    let screen = match (args.display, args.headless) {
        (true, _) => Screen::Window,
        (false, true) => Screen::Hidden,
        (false, false) => Screen::None,
    };
    let image = Image::find(args.image.as_deref())?;
    let qemu = Qemu {
        disk_mib: args.disk,
        has_line: args.serial,
        ..Qemu::new(System::Image(image), args.memory * args.cores, screen)?
    };
    let plan = Plan {
        nodes: Some(args.nodes + args.mixed),
        epoch_ms: args.safety.epoch,
        epoch_min_ms: args.safety.epoch_min,
        durability: args.safety.durability,
        memory_mib: args.memory,
        cores: args.cores,
        metal: Some(Metal {
            nodes: args.nodes,
            qemu,
            programs: args.forward.clone(),
        }),
        ..Plan::new()?
    };
    let programs = if args.shell { &SHELL[..] } else { &[] };
    up::keep_running(&args.data.data, plan, programs)
}

/// A port is passed on to one machine, which there is.
fn check_forward(args: &BootArgs) -> Result<(), Error> {
    for (index, one) in args.forward.iter().enumerate() {
        let (machine, nodes) = (one.machine, args.nodes);
        if !(1..=nodes).contains(&machine) {
            let message = format!("--forward: expected a machine of 1 to {nodes}, found {machine}");
            return Err(Error::usage(message));
        }
        let mut others = args.forward[..index].iter();
        if others.any(|other| (other.protocol, other.address) == (one.protocol, one.address)) {
            let port = one.address.port();
            let message = format!("--forward: {}:{port} is passed on twice", one.protocol);
            return Err(Error::usage(message));
        }
    }
    Ok(())
}
