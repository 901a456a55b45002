//! The parts of the machine itself that are set and asked as a whole. Machines of nodes with a
//! system below them leave them to that.
use alloc::string::String;

use adapter::part;

/// A part of a machine.
pub trait Settable<S> {
    /// Brings it into this state.
    ///
    /// # Errors
    /// Why it cannot be brought there; then it is as it was.
    fn set(&mut self, settings: &S) -> Result<(), String>;

    /// What it is like now.
    fn ask(&mut self) -> S;

    /// Nobody drives it here any more. What belongs to the cluster, not to this machine, is taken
    /// from it.
    fn release(&mut self) {}
}

/// The parts that a machine has.
pub trait Board {
    /// Its network.
    fn own_network(&mut self) -> Option<&mut dyn Settable<part::Network>> {
        None
    }

    /// Its disk.
    fn own_disk(&mut self) -> Option<&mut dyn Settable<part::Disk>> {
        None
    }

    /// Its clock.
    fn own_clock(&mut self) -> Option<&mut dyn Settable<part::Clock>> {
        None
    }

    /// Its switch.
    fn own_power(&mut self) -> Option<&mut dyn Settable<part::Power>> {
        None
    }
}
