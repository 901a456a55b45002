//! A volume on a device that has suffered: it gives files that can be appended to and are
//! found again, or is refused.
use std::collections::{BTreeMap, VecDeque};

use platform::{Disk, DiskError, SegmentNumber, SyncToken};
use volume::{
    BlockDevice, Completion, DeviceError, Request, RequestToken, SECTOR_SIZE, Volume, VolumeId,
};

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "volume",
    seeds: devices,
    check,
};

/// Of the smallest volume: eight blocks of 4 KiB.
const SECTORS: usize = LOG_START + 2 * LOG_SECTORS + 8 * 8;
const LOG_START: usize = 256;
const LOG_SECTORS: usize = 520;
/// Sectors that an input has: the superblock, the beginnings of the logs, the blocks.
const PARTS: [(usize, usize); 4] = [
    (0, 1),
    (LOG_START, 12),
    (LOG_START + LOG_SECTORS, 12),
    (LOG_START + 2 * LOG_SECTORS, 8 * 8),
];

type Files = BTreeMap<SegmentNumber, Vec<u8>>;

fn check(bytes: &[u8]) {
    let mut device = Memory::new();
    let mut rest = bytes;
    for (first, sectors) in PARTS {
        let (part, after) = rest.split_at(rest.len().min(sectors * SECTOR_SIZE));
        device.bytes[first * SECTOR_SIZE..][..part.len()].copy_from_slice(part);
        rest = after;
    }
    use_volume(device.clone());
    mend(&mut device.bytes);
    use_volume(device);
}

fn use_volume(device: Memory) {
    let mut volume = match Volume::open(device) {
        Ok(volume) => volume,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let mut files = contents(&mut volume);
    for (segment, bytes) in &mut files {
        match volume.append(*segment, b"more".to_vec()) {
            Ok(()) => bytes.extend(b"more"),
            // There is no block left.
            Err(error) => return assert_eq!(error, DiskError::Poisoned),
        }
    }
    sync(&mut volume);
    let mut again = Volume::open(volume.into_device()).expect("it was open before");
    assert_eq!(contents(&mut again), files);
}

fn sync(volume: &mut Volume<Memory>) {
    volume.sync(SyncToken(1)).expect("the device is well");
    while volume.poll_completions() == Ok(None) {}
}

fn contents(volume: &mut Volume<Memory>) -> Files {
    let segments = volume.segments().expect("the device is well");
    let mut file = |segment| {
        let length = volume.length(segment).expect("it is there");
        let mut bytes = vec![0; usize::try_from(length).expect("devices are small")];
        let read = volume.read(segment, 0, &mut bytes);
        read.expect("the device is well");
        (segment, bytes)
    };
    segments.into_iter().map(&mut file).collect()
}

/// Makes all checksums right (`docs/volume.md` has the bytes).
fn mend(bytes: &mut [u8]) {
    let sum = crc32fast::hash(&bytes[..60]);
    bytes[60..64].copy_from_slice(&sum.to_le_bytes());
    let logs = LOG_START..LOG_START + 2 * LOG_SECTORS;
    for sector in logs {
        let record = &mut bytes[sector * SECTOR_SIZE..];
        if !record.starts_with(b"PXVR") {
            continue;
        }
        let length = record[32..].first_chunk().expect("a sector is longer");
        let end = 40 + u32::from_le_bytes(*length) as usize;
        if let Some(checked) = record.get(8..end) {
            let sum = crc32fast::hash(checked);
            record[4..8].copy_from_slice(&sum.to_le_bytes());
        }
    }
}

/// Devices with some files, after each of some syncs.
fn devices() -> Vec<Vec<u8>> {
    let mut device = Memory::new();
    Volume::format_with(&mut device, VolumeId(7), 4096).expect("the device is blank");
    let mut devices = vec![device.clone()];
    let mut volume = Volume::open(device).expect("it was formatted");
    for number in 1..=6 {
        let segment = SegmentNumber(number);
        let done = volume.create(segment);
        done.and_then(|()| volume.append(segment, vec![1; 700 * number as usize]))
            .expect("there is room");
        if number == 3 {
            volume.delete(SegmentNumber(1)).expect("it is there");
            volume.truncate(SegmentNumber(2), 600).expect("it is there");
        }
        sync(&mut volume);
        devices.push(volume.device_mut().clone());
    }
    let parts = |device: Memory| {
        let part = |(first, sectors)| &device.bytes[first * SECTOR_SIZE..][..sectors * SECTOR_SIZE];
        PARTS.map(part).concat()
    };
    devices.into_iter().map(parts).collect()
}

/// A device that is always well, and done at once.
#[derive(Clone)]
struct Memory {
    bytes: Vec<u8>,
    completed: VecDeque<RequestToken>,
}

impl Memory {
    fn new() -> Self {
        Self {
            bytes: vec![0; SECTORS * SECTOR_SIZE],
            completed: VecDeque::new(),
        }
    }
}

impl BlockDevice for Memory {
    fn sectors(&self) -> u64 {
        SECTORS as u64
    }

    fn has_room(&self) -> bool {
        true
    }

    fn submit(&mut self, token: RequestToken, request: Request) {
        if let Request::Write { sector, bytes } = request {
            let at = usize::try_from(sector).expect("devices are small") * SECTOR_SIZE;
            self.bytes[at..][..bytes.len()].copy_from_slice(&bytes);
        }
        self.completed.push_back(token);
    }

    fn poll(&mut self) -> Option<Completion> {
        let token = self.completed.pop_front()?;
        let result = Ok(());
        Some(Completion { token, result })
    }

    fn read(&mut self, sector: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let at = usize::try_from(sector).expect("devices are small") * SECTOR_SIZE;
        buffer.copy_from_slice(&self.bytes[at..][..buffer.len()]);
        Ok(())
    }
}
