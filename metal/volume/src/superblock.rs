//! The superblock: that there is a volume, and where its parts lie.
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::device::{self, BlockDevice, SECTOR, SECTOR_SIZE, index};
use crate::error::OpenError;
use crate::record::ENTRY_BYTES;

pub(crate) const MAGIC: [u8; 16] = *b"plurix volume\0\0\0";
pub(crate) const VERSION: u32 = 1;

/// Sectors before the logs: whatever another system would have at the start of a device
/// lies there, so a device on which they are zero is blank.
pub(crate) const RESERVED_SECTORS: u64 = 256;
/// Where the two copies are.
pub(crate) const COPIES: [u64; 2] = [0, 128];
/// Bytes of the superblock; the last four are the checksum.
const SIZE: usize = 64;
/// In each log, beside what two checkpoints of the fullest volume take.
const LOG_ROOM_SECTORS: u64 = 512;
/// Parts of the volume begin at multiples of 4 KiB.
const ALIGNMENT_SECTORS: u64 = 8;
const BLOCK_BYTES_MIN: u32 = 4 << 10;
const BLOCK_BYTES_MAX: u32 = 64 << 20;
/// A smaller volume cannot even clean.
const BLOCKS_MIN: u32 = 8;
/// More of them would make checkpoints long.
const BLOCKS_WANTED: u64 = 1 << 18;

/// Name of a volume, so that records of one that was on the device before are none of its.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeId(pub u64);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Superblock {
    pub(crate) id: VolumeId,
    pub(crate) block_bytes: u32,
    pub(crate) blocks: u32,
    pub(crate) log_sectors: u64,
}

impl Superblock {
    /// Of a new volume that fills the device.
    pub(crate) fn new(id: VolumeId, sectors: u64, block_bytes: u32) -> Result<Self, OpenError> {
        let sizes = BLOCK_BYTES_MIN..=BLOCK_BYTES_MAX;
        assert!(
            block_bytes.is_power_of_two() && sizes.contains(&block_bytes),
            "blocks of {block_bytes} bytes"
        );
        let of = |blocks| Self {
            id,
            block_bytes,
            blocks,
            log_sectors: log_sectors(blocks),
        };
        let least = of(BLOCKS_MIN).end();
        if sectors < least {
            let (expected, found) = (least, sectors);
            return Err(OpenError::TooSmall { expected, found });
        }
        let most = sectors / (u64::from(block_bytes) / SECTOR);
        let mut blocks = u32::try_from(most).unwrap_or(u32::MAX);
        while of(blocks).end() > sectors {
            blocks -= 1;
        }
        Ok(of(blocks))
    }

    pub(crate) fn block_sectors(&self) -> u64 {
        u64::from(self.block_bytes) / SECTOR
    }

    /// Where the log of this number, 0 or 1, begins.
    pub(crate) fn log_start(&self, log: usize) -> u64 {
        RESERVED_SECTORS + self.log_sectors * log as u64
    }

    pub(crate) fn block_start(&self, block: u32) -> u64 {
        self.log_start(2) + u64::from(block) * self.block_sectors()
    }

    /// Where the volume ends.
    fn end(&self) -> u64 {
        self.block_start(self.blocks)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(self.block_bytes.to_le_bytes());
        bytes.extend(u64::from(self.blocks).to_le_bytes());
        bytes.extend(self.id.0.to_le_bytes());
        bytes.extend(self.log_sectors.to_le_bytes());
        bytes.resize(SIZE - 4, 0);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes.resize(SECTOR_SIZE, 0);
        bytes
    }

    /// The superblock in this sector; `None` if there is none.
    fn decode(sector: &[u8], sectors: u64) -> Option<Result<Self, OpenError>> {
        let u32_at = |at| u32::from_le_bytes(*field(sector, at));
        let u64_at = |at| u64::from_le_bytes(*field(sector, at));
        if sector[..16] != MAGIC || u32_at(60) != crc32fast::hash(&sector[..SIZE - 4]) {
            return None;
        }
        let found = u32_at(16);
        if found != VERSION {
            return Some(Err(OpenError::Version { found }));
        }
        let cannot_be = |field, found| Some(Err(OpenError::Superblock { field, found }));
        let (block_bytes, blocks, log_sectors) = (u32_at(20), u64_at(24), u64_at(40));
        let sizes = BLOCK_BYTES_MIN..=BLOCK_BYTES_MAX;
        if !block_bytes.is_power_of_two() || !sizes.contains(&block_bytes) {
            return cannot_be("block size", block_bytes.into());
        }
        let Some(count) = u32::try_from(blocks).ok().filter(|&count| count > 0) else {
            return cannot_be("number of blocks", blocks);
        };
        if log_sectors != self::log_sectors(count) {
            return cannot_be("length of logs", log_sectors);
        }
        let superblock = Self {
            id: VolumeId(u64_at(32)),
            block_bytes,
            blocks: count,
            log_sectors,
        };
        if superblock.end() > sectors {
            let (expected, found) = (superblock.end(), sectors);
            return Some(Err(OpenError::TooSmall { expected, found }));
        }
        Some(Ok(superblock))
    }
}

/// The size of blocks for a device.
pub(crate) fn fitting_block_bytes(sectors: u64) -> u32 {
    let bytes = sectors.saturating_mul(SECTOR);
    if bytes < 1 << 30 {
        return 64 << 10;
    }
    let wanted = (bytes / BLOCKS_WANTED).next_power_of_two();
    let wanted = wanted.clamp(1 << 20, BLOCK_BYTES_MAX.into());
    u32::try_from(wanted).expect("no more than the largest")
}

/// Two checkpoints of a volume in which every block is a file of its own, and more.
fn log_sectors(blocks: u32) -> u64 {
    let checkpoint = u64::from(blocks) * ENTRY_BYTES as u64 + SECTOR;
    (2 * checkpoint.div_ceil(SECTOR) + LOG_ROOM_SECTORS).next_multiple_of(ALIGNMENT_SECTORS)
}

/// Reads the superblock.
pub(crate) fn read<B: BlockDevice>(device: &mut B) -> Result<Superblock, OpenError> {
    let (expected, found) = (RESERVED_SECTORS, device.sectors());
    if found < expected {
        return Err(OpenError::TooSmall { expected, found });
    }
    let mut bytes = vec![0; index(RESERVED_SECTORS * SECTOR)];
    device.read(0, &mut bytes).map_err(OpenError::read)?;
    let (sectors, _) = bytes.as_chunks::<SECTOR_SIZE>();
    let decoded = COPIES.map(|copy| Superblock::decode(&sectors[index(copy)], found));
    if let Some(superblock) = decoded.into_iter().flatten().next() {
        return superblock;
    }
    let first = bytes.iter().position(|&byte| byte != 0);
    let Some(first) = first.filter(|_| !is_begun(&bytes)) else {
        return Err(OpenError::Blank);
    };
    let sector = (first / SECTOR_SIZE) as u64;
    let found = *field(&bytes, 0);
    if found == MAGIC || sectors[index(COPIES[1])][..16] == MAGIC {
        let expected = "a superblock whose checksum is right";
        return Err(OpenError::Damaged { expected, sector });
    }
    Err(OpenError::Foreign { sector, found })
}

/// Makes a device blank, whatever was on it.
///
/// # Errors
/// If the device is too small, or fails.
pub fn erase<B: BlockDevice>(device: &mut B) -> Result<(), OpenError> {
    let (expected, found) = (RESERVED_SECTORS, device.sectors());
    if found < expected {
        return Err(OpenError::TooSmall { expected, found });
    }
    let blank = vec![0; index(RESERVED_SECTORS * SECTOR)];
    device::write(device, 0, &blank).map_err(OpenError::written)
}

/// Whether a crash has cut formatting short: there is nothing but the beginning of the first
/// superblock.
fn is_begun(bytes: &[u8]) -> bool {
    let (superblock, rest) = bytes.split_at(SIZE);
    let mut magic = superblock.iter().zip(MAGIC);
    superblock[0] == MAGIC[0]
        && magic.all(|(&byte, expected)| byte == 0 || byte == expected)
        && rest.iter().all(|&byte| byte == 0)
}

fn field<const SIZE: usize>(bytes: &[u8], at: usize) -> &[u8; SIZE] {
    let field = bytes[at..].first_chunk();
    field.expect("fields lie inside of the superblock")
}

impl fmt::Display for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{:x}", self.0)
    }
}
