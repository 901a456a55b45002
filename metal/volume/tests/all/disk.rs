//! One property of the volume at a time.
use platform::{Disk, DiskError, DiskOperation, SegmentNumber, SyncToken};
use types::Prng;
use volume::{BlockDevice, Volume, VolumeId};

use crate::device::TestDevice;

const FIRST: SegmentNumber = SegmentNumber(1);
const SECOND: SegmentNumber = SegmentNumber(2);
const SECTORS: u64 = 64 << 11;

fn volume(sectors: u64) -> Volume<TestDevice> {
    let mut device = TestDevice::new(sectors, 1);
    Volume::format(&mut device, VolumeId(7)).unwrap();
    Volume::open(device).unwrap()
}

fn sync(volume: &mut Volume<TestDevice>, token: u64) {
    volume.sync(SyncToken(token)).unwrap();
    loop {
        match volume.poll_completions().unwrap() {
            Some(found) => return assert_eq!(found, SyncToken(token)),
            None => volume.device_mut().wait(),
        }
    }
}

fn read(volume: &mut Volume<TestDevice>, offset: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0xEE; length];
    volume.read(FIRST, offset, &mut bytes).unwrap();
    bytes
}

#[test]
fn what_is_queued_is_read() {
    let mut volume = volume(SECTORS);
    volume.create(FIRST).unwrap();
    let mut expected = vec![];
    for chunk in 0..200_u8 {
        let bytes = vec![chunk; 1 + usize::from(chunk) * 7];
        expected.extend(&bytes);
        volume.append(FIRST, bytes).unwrap();
        for start in [0, expected.len() / 2, expected.len() - 1] {
            let found = read(&mut volume, start as u64, expected.len() - start);
            assert!(found == expected[start..], "chunk {chunk} from {start}");
        }
        if chunk % 16 == 0 {
            volume.sync(SyncToken(chunk.into())).unwrap();
        }
    }
    let end = expected.len() as u64;
    assert_eq!(volume.length(FIRST), Ok(end));
    let past = volume.read(FIRST, end - 1, &mut [0; 2]);
    assert_eq!(past, Err(DiskError::PastEnd(FIRST)));
    let past = volume.read(FIRST, u64::MAX, &mut [0; 2]);
    assert_eq!(past, Err(DiskError::PastEnd(FIRST)));
    let missing = volume.append(SECOND, vec![1]);
    assert_eq!(missing, Err(DiskError::NotFound(SECOND)));
}

#[test]
fn syncs_complete_in_order_also_those_of_nothing() {
    let mut volume = volume(SECTORS);
    volume.create(FIRST).unwrap();
    for token in 0..9 {
        if token % 3 == 0 {
            volume.append(FIRST, vec![1; 3000]).unwrap();
        }
        volume.sync(SyncToken(token)).unwrap();
    }
    let mut found = vec![];
    while found.len() < 9 {
        found.extend(volume.poll_completions().unwrap().map(|token| token.0));
    }
    assert!(found.into_iter().eq(0..9));
    assert_eq!(volume.poll_completions(), Ok(None));
}

/// A sync of a short append: its sector, its record, one flush.
#[test]
fn a_sync_is_two_sectors_and_one_flush() {
    let mut volume = volume(SECTORS);
    volume.create(FIRST).unwrap();
    volume.append(FIRST, vec![1; 100]).unwrap();
    sync(&mut volume, 1);
    let device = volume.device_mut();
    let (flushes, sectors) = (device.flushes, device.sectors_written);
    volume.append(FIRST, vec![2; 100]).unwrap();
    sync(&mut volume, 2);
    let device = volume.device_mut();
    assert_eq!(device.flushes - flushes, 1);
    assert_eq!(device.sectors_written - sectors, 2);
    // Nothing has changed since.
    sync(&mut volume, 3);
    let device = volume.device_mut();
    assert_eq!(device.flushes - flushes, 1);
    assert_eq!(device.sectors_written - sectors, 2);
}

#[test]
fn a_cut_file_goes_on_at_its_new_end() {
    let mut volume = volume(SECTORS);
    volume.create(FIRST).unwrap();
    volume.append(FIRST, vec![7; 200_100]).unwrap();
    for (token, length) in [200_000, 131_072, 131_000, 700, 512, 3, 0]
        .into_iter()
        .enumerate()
    {
        volume.truncate(FIRST, length).unwrap();
        assert_eq!(volume.length(FIRST), Ok(length));
        let device = volume.into_device().crash(&mut Prng::new(length));
        volume = Volume::open(device).unwrap();
        assert_eq!(volume.length(FIRST), Ok(length));
        volume.append(FIRST, vec![8; 10]).unwrap();
        sync(&mut volume, token as u64);
        let length = usize::try_from(length).unwrap();
        let expected = [vec![7; length], vec![8; 10]].concat();
        assert!(read(&mut volume, 0, length + 10) == expected, "{length}");
    }
}

#[test]
fn deleted_blocks_are_used_again_and_a_full_device_says_so() {
    let mut volume = volume(8 << 11);
    let bytes = 1 << 20;
    for number in 1..40 {
        let segment = SegmentNumber(number);
        volume.create(segment).unwrap();
        volume.append(segment, vec![1; bytes]).unwrap();
        volume.append(segment, vec![2; bytes]).unwrap();
        // Nobody syncs: the volume does when it runs out of blocks.
        volume.delete(segment).unwrap();
    }
    volume.create(FIRST).unwrap();
    let mut left = volume.capacity_bytes();
    while left >= bytes as u64 {
        volume.append(FIRST, vec![3; bytes]).unwrap();
        left -= bytes as u64;
    }
    let too_much = volume.append(FIRST, vec![3; bytes]);
    assert_eq!(too_much, Err(DiskError::Poisoned));
    assert_eq!(volume.poll_completions(), Err(DiskError::NoSpace));
    assert_eq!(volume.poll_completions(), Err(DiskError::Poisoned));
    assert_eq!(volume.create(SECOND), Err(DiskError::Poisoned));
}

#[test]
fn files_without_bytes_fill_a_device_too() {
    let mut device = TestDevice::new(256 + 2 * 640 + 80, 1);
    Volume::format_with(&mut device, VolumeId(7), 4096).unwrap();
    let mut volume = Volume::open(device).unwrap();
    let mut number = 0;
    while volume.create(SegmentNumber(number)).is_ok() {
        number += 1;
    }
    assert_eq!(u64::from(number), volume.capacity_bytes() / 4096);
    assert_eq!(volume.poll_completions(), Err(DiskError::NoSpace));
}

#[test]
fn a_failed_read_does_not_poison() {
    let mut volume = volume(SECTORS);
    volume.create(FIRST).unwrap();
    volume.append(FIRST, vec![1; 5000]).unwrap();
    sync(&mut volume, 1);
    let device = volume.device_mut();
    let first = device.written().into_iter().rev().nth(9).unwrap();
    assert_eq!(device.sector(first), [1; 512]);
    device.make_unreadable(Some(first));
    let failed = volume.read(FIRST, 0, &mut [0; 100]);
    let (operation, code) = (DiskOperation::Read, 6);
    assert_eq!(failed, Err(DiskError::Io { operation, code }));
    assert_eq!(read(&mut volume, 512, 100), [1; 100]);
    volume.append(FIRST, vec![2; 10]).unwrap();
    sync(&mut volume, 2);
}

#[test]
fn a_failure_is_reported_once_and_poisons() {
    let mut volume = volume(SECTORS);
    volume.create(FIRST).unwrap();
    sync(&mut volume, 1);
    volume.device_mut().fail_after(0);
    volume.append(FIRST, vec![1; 100]).unwrap();
    volume.sync(SyncToken(2)).unwrap();
    let failure = loop {
        match volume.poll_completions() {
            Ok(found) => assert_eq!(found, None),
            Err(error) => break error,
        }
    };
    let (operation, code) = (DiskOperation::Append, 5);
    let sync_failed = DiskError::Io {
        operation: DiskOperation::Sync,
        code,
    };
    assert!([DiskError::Io { operation, code }, sync_failed].contains(&failure));
    assert_eq!(volume.poll_completions(), Err(DiskError::Poisoned));
    assert_eq!(volume.read(FIRST, 0, &mut [0; 1]), Err(DiskError::Poisoned));
    assert_eq!(volume.delete(FIRST), Err(DiskError::Poisoned));
    assert_eq!(volume.truncate(FIRST, 0), Err(DiskError::Poisoned));
}
