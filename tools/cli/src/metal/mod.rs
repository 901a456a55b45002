//! Nodes on bare metal: machines that QEMU makes, each a child process like any other node.
//!
//! A machine says on its serial port what other nodes say on their standard output. Its network
//! is QEMU's own: what comes to the node's ports of this machine is passed on, and what it calls
//! on the loopback is this machine.
mod archive;
mod forward;
mod image;
mod linux;
mod qemu;

use std::process::ExitStatus;

/// Memory of a machine for each of its nodes, in MiB, unless somebody says otherwise.
pub(crate) const MACHINE_MIB: u32 = 128;

/// What QEMU says last when a port that it is to pass on is somebody else's.
pub(crate) const LOST_PORT: &str = "Could not set up host forwarding rule";

/// The exit code of a machine that was ordered to switch itself off: the number that it gives its
/// device for this, twice, and one.
const SWITCHED_OFF: i32 = 2 * 4 + 1;

pub(crate) use forward::Forward;
pub(crate) use image::{Image, build};
pub(crate) use linux::{Linux, lone};
pub(crate) use qemu::{Core, DISK_MIB, Machine, Qemu, Screen, System};
pub(crate) use qemu::{concrete, has_disk, write_first_files};

/// Whether a machine's process ended so because the machine was ordered to switch itself off.
pub(crate) fn is_switched_off(status: ExitStatus) -> bool {
    status.code() == Some(SWITCHED_OFF)
}
