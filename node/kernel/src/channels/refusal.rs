//! Why a channel, device or service cannot be made or used.
use core::fmt;

use super::device::OBJECT_BYTES_MAX;
use super::file::FILE_NAME_BYTES_MAX;
use super::label::LABEL_BYTES_MAX;
use super::service::SERVICES_MAX;
use crate::region::{CHANNELS_PER_SLOT, DEVICES_MAX};

/// Why a channel, device or service cannot be made or used. The program is to blame, or a limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChannelRefusal {
    /// The slot has as many channels as it can have.
    TooManyChannels,
    /// The name of a device or service is none.
    Label {
        /// Its length in bytes.
        found: usize,
    },
    /// The name of a file is none.
    FileName,
    /// There are as many devices as there can be.
    TooManyDevices,
    /// There are as many services as there can be.
    TooManyServices,
    /// A fallback object would become too long.
    ObjectTooLong {
        /// Where the write would end.
        end: u64,
    },
}

impl fmt::Display for ChannelRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyChannels => {
                write!(f, "too many channels, expected at most {CHANNELS_PER_SLOT}")
            }
            Self::Label { found } => write!(
                f,
                "the name of a device or service has {found} bytes, \
                 expected 1 to {LABEL_BYTES_MAX} and no zero"
            ),
            Self::FileName => write!(
                f,
                "not the name of a file, expected 1 to {FILE_NAME_BYTES_MAX} letters, digits, \
                 dots, hyphens and underscores, no dot first"
            ),
            Self::TooManyDevices => {
                write!(f, "too many devices, expected at most {DEVICES_MAX}")
            }
            Self::TooManyServices => {
                write!(f, "too many services, expected at most {SERVICES_MAX}")
            }
            Self::ObjectTooLong { end } => write!(
                f,
                "a fallback object of {end} bytes, expected at most {OBJECT_BYTES_MAX}"
            ),
        }
    }
}

impl core::error::Error for ChannelRefusal {}
