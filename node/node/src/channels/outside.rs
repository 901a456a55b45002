//! What is outside: sockets of the platform, and the devices of this node, behind the same
//! calls.
use alloc::string::String;
use core::net::SocketAddr;

use devices::machine::Machine;
use platform::{Disk, Hardware, ListenerId, Protocol, SocketId, Sockets};

use crate::Platform;
use crate::core::Core;

/// Sockets and devices.
pub(crate) trait Outside: Sockets {
    /// A driver listens for the device of this name.
    ///
    /// # Errors
    /// Why it cannot.
    fn attach(&mut self, device: &str) -> Result<ListenerId, String>;
}

/// Those of this node.
pub(crate) struct World<'a, P> {
    platform: &'a mut P,
    machine: &'a mut Machine,
}

impl<P: Platform, D: Disk> Core<P, D> {
    pub(super) fn outside(&mut self) -> World<'_, P> {
        World {
            platform: &mut self.platform,
            machine: &mut self.machine,
        }
    }
}

impl<P: Sockets + Hardware> Outside for World<'_, P> {
    fn attach(&mut self, device: &str) -> Result<ListenerId, String> {
        self.machine.listen(device, self.platform)
    }
}

impl<P: Hardware> World<'_, P> {
    /// A device may have lost its driver.
    fn look_at_drivers(&mut self) {
        self.machine.release_undriven(self.platform);
    }
}

impl<P: Sockets + Hardware> Sockets for World<'_, P> {
    fn listen(
        &mut self,
        protocol: Protocol,
        address: SocketAddr,
    ) -> Result<(ListenerId, SocketAddr), String> {
        self.platform.listen(protocol, address)
    }

    fn unlisten(&mut self, listener: ListenerId) {
        match Machine::is_place(listener) {
            true => {
                self.machine.unlisten(listener);
                self.look_at_drivers();
            }
            false => self.platform.unlisten(listener),
        }
    }

    fn want(&mut self, socket: SocketId, bytes: usize) {
        match Machine::is_line(socket) {
            true => self.machine.want(socket, bytes),
            false => self.platform.want(socket, bytes),
        }
    }

    fn write(&mut self, socket: SocketId, bytes: &[u8]) {
        match Machine::is_line(socket) {
            true => self.machine.write(socket, bytes, self.platform),
            false => self.platform.write(socket, bytes),
        }
    }

    fn finish(&mut self, socket: SocketId) {
        match Machine::is_line(socket) {
            // A device has no more to say to whoever wants no more of it.
            true => self.break_off(socket),
            false => self.platform.finish(socket),
        }
    }

    fn open_file(&mut self, name: &str) -> Result<SocketId, String> {
        self.platform.open_file(name)
    }

    fn write_at(&mut self, file: SocketId, place: u64, bytes: &[u8]) {
        self.platform.write_at(file, place, bytes);
    }

    fn break_off(&mut self, socket: SocketId) {
        match Machine::is_line(socket) {
            true => {
                self.machine.break_off(socket);
                self.look_at_drivers();
            }
            false => self.platform.break_off(socket),
        }
    }
}
