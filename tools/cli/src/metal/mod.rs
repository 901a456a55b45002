//! Nodes on bare metal: machines that QEMU makes, each a child process like any other node.
//!
//! A machine says on its serial port what other nodes say on their standard output. Its network
//! is QEMU's own: what comes to the node's ports of this machine is passed on, and what it calls
//! on the loopback is this machine.
mod image;
mod qemu;

/// Memory of a machine for each of its nodes, in MiB, unless somebody says otherwise.
pub(crate) const MACHINE_MIB: u32 = 128;

pub(crate) use image::{Image, build};
pub(crate) use qemu::{Core, DISK_MIB, Machine, Qemu, Screen, concrete, has_disk};
