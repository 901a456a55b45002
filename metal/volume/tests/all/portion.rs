//! Two volumes on one device.
use platform::{Disk, SegmentNumber, SyncToken};
use volume::{BlockDevice, Found, Portion, Volume, VolumeId, divide};

use crate::device::TestDevice;

const SECTORS: u64 = 256 + 2 * 640 + 500;
const FILE: SegmentNumber = SegmentNumber(1);

fn volumes(portions: [Portion<TestDevice>; 2]) -> [Volume<Portion<TestDevice>>; 2] {
    portions.map(|portion| Volume::open(portion).unwrap())
}

#[test]
fn two_volumes_share_a_device_and_neither_sees_the_other() {
    let device = TestDevice::new(2 * SECTORS + 77, 1);
    let mut portions = divide(device, SECTORS);
    assert_eq!(portions[0].sectors(), SECTORS);
    assert_eq!(portions[1].sectors(), SECTORS + 77);
    for (id, portion) in (1..).zip(&mut portions) {
        assert_eq!(Volume::inspect(portion), Ok(Found::Blank));
        Volume::format_with(portion, VolumeId(id), 4096).unwrap();
    }
    let mut volumes = volumes(portions);
    volumes.iter_mut().for_each(|one| one.create(FILE).unwrap());
    // Requests of both are on their way at any time; each hears of its own syncs, in order.
    let mut found = [vec![], vec![]];
    for token in 0..100_u8 {
        for (fill, volume) in (0..).zip(&mut volumes) {
            volume.append(FILE, vec![token ^ fill; 700]).unwrap();
            volume.sync(SyncToken(token.into())).unwrap();
        }
        let (number, volume) = (usize::from(token % 2), &mut volumes[usize::from(token % 2)]);
        found[number].extend(volume.poll_completions().unwrap());
    }
    for (volume, found) in volumes.iter_mut().zip(&mut found) {
        while found.len() < 100 {
            found.extend(volume.poll_completions().unwrap());
        }
        assert!(found.iter().map(|token| token.0).eq(0..100));
    }
    let mut volumes = self::volumes(volumes.map(Volume::into_device));
    for (fill, volume) in (0..).zip(&mut volumes) {
        assert_eq!(volume.id(), VolumeId(u64::from(fill) + 1));
        let mut bytes = vec![0; 70_000];
        volume.read(FILE, 0, &mut bytes).unwrap();
        for (token, bytes) in (0_u8..).zip(bytes.chunks(700)) {
            assert!(bytes.iter().all(|&byte| byte == token ^ fill));
        }
    }
}
