//! What a device may hold that is no volume, or a damaged one.
use platform::{Disk, DiskError, SegmentNumber, SyncToken};
use types::Prng;
use volume::{BlockDevice, Found, OpenError, Volume, VolumeId};

use crate::device::TestDevice;
use crate::model::contents;

const SECTORS: u64 = 256 + 2 * 640 + 100;

fn format(device: &mut TestDevice) -> Result<(), OpenError> {
    Volume::format_with(device, VolumeId(7), 4096)
}

fn formatted() -> TestDevice {
    let mut device = TestDevice::new(SECTORS, 1);
    format(&mut device).unwrap();
    device
}

/// A volume with some files and some records.
fn filled() -> TestDevice {
    let mut volume = Volume::open(formatted()).unwrap();
    for number in 1..6 {
        let segment = SegmentNumber(number);
        volume.create(segment).unwrap();
        volume.append(segment, vec![9; 700]).unwrap();
        volume.sync(SyncToken(number.into())).unwrap();
        while volume.poll_completions().unwrap().is_none() {}
    }
    volume.into_device()
}

#[test]
fn a_blank_device_is_formatted_once() {
    let mut device = TestDevice::new(SECTORS, 1);
    assert_eq!(Volume::inspect(&mut device), Ok(Found::Blank));
    assert_eq!(Volume::open(device.clone()).unwrap_err(), OpenError::Blank);
    format(&mut device).unwrap();
    assert_eq!(Volume::inspect(&mut device), Ok(Found::Volume(VolumeId(7))));
    assert_eq!(format(&mut device), Err(OpenError::Formatted));
    let mut volume = Volume::open(device).unwrap();
    assert_eq!(volume.id(), VolumeId(7));
    assert_eq!(volume.segments(), Ok(vec![]));
}

#[test]
fn what_another_system_has_written_is_refused_in_clear_words() {
    // A partition table, and file systems that leave the first sector alone.
    for sector in [0, 1, 2, 16, 64, 128, 255] {
        let mut device = TestDevice::new(SECTORS, 1);
        let mut bytes = [0; 512];
        bytes[446] = 0x80;
        device.put(sector, &bytes);
        let found = [0; 16];
        let expected = OpenError::Foreign { sector, found };
        assert_eq!(Volume::inspect(&mut device), Err(expected));
        assert_eq!(format(&mut device), Err(expected));
        assert_eq!(Volume::open(device).unwrap_err(), expected);
    }
    let mut device = TestDevice::new(SECTORS, 1);
    device.put(0, b"XFSB\0\0\x10\0");
    let text = Volume::open(device).unwrap_err().to_string();
    assert!(
        text.contains(r#"expected "plurix volume\x00\x00\x00""#),
        "{text}"
    );
    assert!(text.contains(r#"found "XFSB\x00\x00\x10\x00"#), "{text}");
}

#[test]
fn an_erased_device_is_blank_whatever_was_on_it() {
    let mut foreign = TestDevice::new(SECTORS, 1);
    foreign.put(3, &[5; 512]);
    for mut device in [foreign, filled()] {
        volume::erase(&mut device).unwrap();
        assert_eq!(Volume::inspect(&mut device), Ok(Found::Blank));
        format(&mut device).unwrap();
        // It may be looked at without being given away.
        let mut volume = Volume::open(&mut device).unwrap();
        assert_eq!(volume.segments(), Ok(vec![]));
    }
}

#[test]
fn a_device_that_is_too_small_is_refused() {
    for sectors in [0, 1, 255, 256, 1300] {
        let mut device = TestDevice::new(sectors, 1);
        let Err(OpenError::TooSmall { expected, found }) = format(&mut device) else {
            panic!("{sectors} sectors are too few");
        };
        assert!(found == sectors && expected > sectors);
    }
    let whole = filled();
    let mut less = TestDevice::new(SECTORS - 60, 1);
    let mut sectors = whole.written();
    sectors.retain(|&at| at < less.sectors());
    for sector in sectors {
        less.put(sector, &whole.sector(sector));
    }
    let refused = Volume::open(less).unwrap_err();
    assert!(matches!(refused, OpenError::TooSmall { .. }), "{refused}");
}

#[test]
fn a_crash_while_formatting_leaves_a_blank_device_or_a_volume() {
    let mut outcomes = [0; 2];
    for seed in 0..400 {
        let mut prng = Prng::new(seed);
        let mut device = TestDevice::new(SECTORS, seed);
        device.fail_after(prng.below(9));
        let _ = format(&mut device);
        let mut device = device.crash(&mut prng);
        match Volume::inspect(&mut device).unwrap() {
            Found::Blank => {
                outcomes[0] += 1;
                format(&mut device).unwrap();
            }
            Found::Volume(_) => outcomes[1] += 1,
        }
        let mut volume = Volume::open(device).unwrap();
        assert_eq!(volume.segments(), Ok(vec![]));
    }
    assert!(outcomes.iter().all(|&count| count > 20), "{outcomes:?}");
}

#[test]
fn either_superblock_is_enough_and_one_is_needed() {
    for copy in [0, 128] {
        let mut device = filled();
        device.put(copy, &[0xAA; 512]);
        assert_eq!(
            contents(&mut Volume::open(device.clone()).unwrap()).len(),
            5
        );
        let mut bytes = device.sector(128 - copy);
        bytes[40] ^= 1;
        device.put(128 - copy, &bytes);
        let refused = Volume::open(device).unwrap_err();
        assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
    }
}

#[test]
fn another_version_is_refused() {
    let mut device = filled();
    let mut bytes = device.sector(0);
    bytes[16] = 2;
    let checksum = crc32(&bytes[..60]);
    bytes[60..64].copy_from_slice(&checksum.to_le_bytes());
    device.put(0, &bytes);
    let refused = Volume::open(device).unwrap_err();
    assert_eq!(refused, OpenError::Version { found: 2 });
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = sum >> 1 ^ if sum & 1 == 1 { 0xEDB8_8320 } else { 0 };
        }
    }
    !sum
}

/// Whatever sector of the logs is lost: either the volume is refused, or it was the last
/// record, which might as well be of a sync that a crash has cut short.
#[test]
fn a_damaged_log_is_noticed() {
    let whole = filled();
    let expected = contents(&mut Volume::open(whole.clone()).unwrap());
    let mut refused = 0;
    let mut logs = whole.written();
    logs.retain(|&sector| whole.sector(sector).starts_with(b"PXVR"));
    for sector in logs {
        let mut device = whole.clone();
        let mut bytes = device.sector(sector);
        bytes[20] ^= 4;
        device.put(sector, &bytes);
        match Volume::open(device) {
            Ok(mut volume) => {
                let found = contents(&mut volume);
                assert!(found.len() >= 4, "sector {sector}");
                assert!(
                    found
                        .iter()
                        .all(|(segment, bytes)| expected[segment] == *bytes)
                );
            }
            Err(OpenError::Damaged { .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    // The checkpoint, and every record but the last.
    assert_eq!(refused, 5);
}

/// Empty files beyond what a checkpoint has room for, and a checkpoint that none can follow.
#[test]
fn records_that_no_volume_has_written_are_refused() {
    let record = |generation: u64, files: u32| {
        let mut bytes = [7, generation, 0].map(u64::to_le_bytes).concat();
        bytes.extend((files * 32).to_le_bytes());
        bytes.extend(files.to_le_bytes());
        for number in 0..files {
            bytes.extend(number.to_le_bytes());
            bytes.extend(1_u32.to_le_bytes());
            bytes.extend([0; 24]);
        }
        [b"PXVR", &crc32(&bytes).to_le_bytes()[..], &bytes].concat()
    };
    let blocks = formatted().sector(0)[24..32].try_into().unwrap();
    let blocks = u32::try_from(u64::from_le_bytes(blocks)).unwrap();
    for (generation, files, is_refused) in [
        (9, blocks, false),
        (9, blocks + 1, true),
        (u64::MAX, 1, true),
    ] {
        let mut device = formatted();
        device.put(256, &record(generation, files));
        let opened = Volume::open(device).map(|mut volume| volume.segments().unwrap().len());
        match opened {
            Ok(found) => assert!(!is_refused && found == files as usize),
            Err(error) => assert!(is_refused && matches!(error, OpenError::Damaged { .. })),
        }
    }
}

/// Any bytes anywhere, under a checksum that is right or not: an error, or a volume.
#[test]
fn no_contents_make_it_panic() {
    let whole = filled();
    let written: Vec<u64> = whole.written();
    for seed in 0..3000 {
        let mut prng = Prng::new(seed);
        let mut device = whole.clone();
        for _ in 0..=prng.below(3) {
            let at = usize::try_from(prng.below(written.len() as u64)).unwrap();
            let mut bytes = device.sector(written[at]);
            let byte = usize::try_from(prng.below(120)).unwrap();
            bytes[byte] = prng.next_u64().to_le_bytes()[0];
            if bytes.starts_with(b"plurix") && prng.chance(3, 4) {
                let checksum = crc32(&bytes[..60]);
                bytes[60..64].copy_from_slice(&checksum.to_le_bytes());
            }
            if bytes.starts_with(b"PXVR") && prng.chance(3, 4) {
                let length = u32::from_le_bytes(bytes[32..36].try_into().unwrap());
                let end = 512.min(40_usize.saturating_add(length as usize));
                let checksum = crc32(&bytes[8..end]);
                bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
            }
            device.put(written[at], &bytes);
        }
        if let Ok(mut volume) = Volume::open(device) {
            for segment in volume.segments().unwrap() {
                let appended = volume.append(segment, vec![1; 10]);
                assert!([Ok(()), Err(DiskError::Poisoned)].contains(&appended));
            }
        }
    }
}
