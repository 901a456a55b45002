//! Nodes on bare metal: machines that QEMU makes, each a child process like any other node.
//!
//! A machine says on its serial port what other nodes say on their standard output. Its network
//! is QEMU's own: what comes to the node's ports of this machine is passed on, and what it calls
//! on the loopback is this machine.
mod archive;
mod image;
mod linux;
mod qemu;

/// Memory of a machine for each of its nodes, in MiB, unless somebody says otherwise.
pub(crate) const MACHINE_MIB: u32 = 128;

pub(crate) use image::{Image, build};
pub(crate) use linux::{Linux, lone};
pub(crate) use qemu::{Core, DISK_MIB, Machine, Qemu, Screen, System};
pub(crate) use qemu::{concrete, has_disk, write_first_files};
