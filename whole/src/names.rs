//! What things are called.
use std::fmt;

/// A machine; it has disks, a clock and at most one process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct MachineId(pub(crate) usize);

/// A process: one life of a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Pid(pub(crate) usize);

/// A connection. Its ends know it by the same number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct LineId(pub(crate) u64);

/// An end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Side {
    /// Of the one who has called.
    Caller,
    /// Of the one who was called.
    Called,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Caller => Self::Called,
            Self::Called => Self::Caller,
        }
    }

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Caller => 0,
            Self::Called => 1,
        }
    }
}

impl MachineId {
    /// An address of the machine.
    pub(crate) fn address(self, port: u32) -> String {
        format!("10.0.0.{}:{port}", self.0 + 1)
    }

    /// The machine with this address.
    pub(crate) fn of_address(address: &str) -> Option<Self> {
        let host = address.strip_prefix("10.0.0.")?.split(':').next()?;
        let number: usize = host.parse().ok()?;
        Some(Self(number.checked_sub(1)?))
    }
}

impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node-{}", self.0 + 1)
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.0 + 1)
    }
}
