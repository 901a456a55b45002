//! Why a device is not a volume that can be used.
use core::fmt;

use platform::{DiskError, DiskOperation};

use crate::device::DeviceError;
use crate::superblock::{MAGIC, VERSION};

/// Why there is no volume.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// The device failed.
    Device {
        /// What it was doing.
        operation: DiskOperation,
        /// How.
        error: DeviceError,
    },
    /// Nothing is on the device; it is to be formatted.
    Blank,
    /// Something else is on it.
    Foreign {
        /// The first sector that is not zero.
        sector: u64,
        /// The bytes where a volume has its magic.
        found: [u8; 16],
    },
    /// There is a volume where one was to be made.
    Formatted,
    /// A version of the format that this program does not know.
    Version {
        /// Which.
        found: u32,
    },
    /// The device is too small.
    TooSmall {
        /// Sectors that there would have to be.
        expected: u64,
        /// Sectors that there are.
        found: u64,
    },
    /// A superblock whose checksum is right says what cannot be.
    Superblock {
        /// What of it.
        field: &'static str,
        /// The value.
        found: u64,
    },
    /// The device has lost or changed what a volume had written on it.
    Damaged {
        /// What should be there.
        expected: &'static str,
        /// Where.
        sector: u64,
    },
}

impl OpenError {
    pub(crate) fn read(error: DeviceError) -> Self {
        let operation = DiskOperation::Read;
        Self::Device { operation, error }
    }

    pub(crate) fn written(error: DeviceError) -> Self {
        let operation = DiskOperation::Open;
        Self::Device { operation, error }
    }
}

pub(crate) fn disk_error(operation: DiskOperation, error: DeviceError) -> DiskError {
    let code = error.code;
    DiskError::Io { operation, code }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device { operation, error } => {
                write!(
                    f,
                    "the device failed to {operation} (status {})",
                    error.code
                )
            }
            Self::Blank => write!(f, "the device is blank: it holds no volume yet"),
            Self::Foreign { sector, found } => write!(
                f,
                "the device holds something that is no volume: expected \"{}\" at its start, or \
                 128 KiB of zeroes; found \"{}\", and sector {sector} is not zero; give another \
                 device, or write zeroes over its first 128 KiB if nothing on it is needed",
                MAGIC.escape_ascii(),
                found.escape_ascii()
            ),
            Self::Formatted => write!(f, "the device holds a volume already; open it"),
            Self::Version { found } => write!(
                f,
                "the volume has format version {found}, expected {VERSION}; start the plurix that \
                 wrote it"
            ),
            Self::TooSmall { expected, found } => write!(
                f,
                "the device has {found} sectors of 512 bytes, expected {expected} at least"
            ),
            Self::Superblock { field, found } => {
                write!(
                    f,
                    "the volume's superblock says {field} {found}, which cannot be"
                )
            }
            Self::Damaged { expected, sector } => write!(
                f,
                "the volume is damaged: expected {expected} at sector {sector}; what it held is \
                 unknown, so nothing is served from it; write zeroes over its first 128 KiB to \
                 start with an empty one: the other stores have the data"
            ),
        }
    }
}

impl core::error::Error for OpenError {}
