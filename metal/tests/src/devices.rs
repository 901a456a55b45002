//! Disks and networks.
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use hal::clock::{now_ns, sleep_until_ns};
use hal::virtio::{self, Block, WriteCache};
use metal_platform::{BootDisk, MetalDisk};
use platform::{Disk, SegmentNumber, SyncToken};

use crate::Machine;

const SECTOR: usize = 512;
/// Longer than any device takes.
const PATIENCE_NS: u64 = 20_000_000_000;
const SEGMENT: SegmentNumber = SegmentNumber(3);
const MS: u64 = 1_000_000;

/// Waits for so many requests; what each has given, by its name.
fn answers(disk: &mut Block, count: usize) -> Vec<(u64, Vec<u8>)> {
    let deadline = now_ns() + PATIENCE_NS;
    let mut answers = Vec::new();
    while answers.len() < count {
        disk.listen();
        match disk.poll() {
            Some((token, result)) => {
                answers.push((token, result.expect("a disk that works")));
            }
            None => sleep_until_ns(now_ns() + 10 * MS),
        }
        let _ = virtio::take_lines();
        assert!(now_ns() < deadline, "{} of {count} answers", answers.len());
    }
    answers.sort();
    answers
}

/// Bytes that no other place has.
fn pattern(place: u64, bytes: usize) -> Vec<u8> {
    let words = (place << 32..).take(bytes / 8);
    words.flat_map(u64::to_le_bytes).collect()
}

/// Where no volume has its beginning.
fn free_sector(disk: &Block) -> u64 {
    disk.sectors() / 4 * 3
}

pub(crate) fn disk(machine: &mut Machine) {
    let disk = machine.disk.as_mut().expect("a disk");
    assert!(disk.sectors() > 1 << 16, "{} sectors", disk.sectors());
    let start = free_sector(disk);
    for (place, sectors) in [(1, 1), (2, 8), (3, 2_048)] {
        let bytes = pattern(place, sectors * SECTOR);
        disk.write(1, start + place, Arc::new(bytes.clone()));
        assert_eq!(answers(disk, 1), [(1, Vec::new())]);
        disk.flush(2);
        assert_eq!(answers(disk, 1).len(), 1);
        disk.read(3, start + place, bytes.len());
        assert!(
            answers(disk, 1) == [(3, bytes)],
            "what was written to {sectors} sectors"
        );
    }
}

pub(crate) fn disk_queue(machine: &mut Machine) {
    let disk = machine.disk.as_mut().expect("a disk");
    let start = free_sector(disk);
    let mut count = 0;
    for _ in 0..10 {
        let mut count_now = 0;
        while disk.has_room() {
            let sector = start + 10_000 + count_now;
            disk.write(
                count_now,
                sector,
                Arc::new(pattern(count + count_now, SECTOR)),
            );
            count_now += 1;
        }
        assert!(count_now > 4, "it takes some");
        assert_eq!(answers(disk, size(count_now)).len(), size(count_now));
        for token in 0..count_now {
            disk.read(token, start + 10_000 + token, SECTOR);
        }
        for (token, bytes) in answers(disk, size(count_now)) {
            assert_eq!(bytes, pattern(count + token, SECTOR), "each has its own");
        }
        count += count_now;
    }
}

/// Its register says what it was told, and it keeps what is written either way.
pub(crate) fn disk_cache(machine: &mut Machine) {
    let disk = machine.disk.as_mut().expect("a disk");
    let start = free_sector(disk) + 20_000;
    let (before, depth) = (disk.cache(), disk.depth());
    for (number, cache) in [WriteCache::Through, WriteCache::Back]
        .into_iter()
        .enumerate()
    {
        disk.set_cache(cache);
        assert_eq!(disk.cache(), cache);
        disk.set_depth(1 + number);
        let mut count = 0;
        while disk.has_room() {
            disk.write(count, start + count, Arc::new(pattern(count, SECTOR)));
            count += 1;
        }
        assert_eq!(size(count), 1 + number, "as many as it is to be given");
        let _ = answers(disk, size(count));
        disk.read(7, start, SECTOR);
        assert!(answers(disk, 1) == [(7, pattern(0, SECTOR))], "it is there");
    }
    disk.set_cache(before);
    disk.set_depth(depth);
}

fn size(count: u64) -> usize {
    usize::try_from(count).expect("64 bits")
}

fn open(machine: &mut Machine) -> MetalDisk {
    let disk = machine
        .disk
        .take()
        .expect("a disk that no other test has taken");
    BootDisk::on_device(disk, 77).expect("a volume").store
}

/// What the segment holds.
fn contents() -> Vec<u8> {
    (0..50).flat_map(|place| pattern(place, 40_000)).collect()
}

fn assert_contents(volume: &mut MetalDisk) {
    let mut bytes = vec![0; contents().len()];
    volume.read(SEGMENT, 0, &mut bytes).expect("it is there");
    assert!(bytes == contents(), "what was appended");
}

pub(crate) fn volume(machine: &mut Machine) {
    let mut volume = open(machine);
    for segment in volume.segments().expect("they can be listed") {
        volume.delete(segment).expect("it is there");
    }
    volume.create(SEGMENT).expect("there is none");
    for (number, bytes) in (1..).zip(contents().chunks(40_000)) {
        volume
            .append(SEGMENT, bytes.to_vec())
            .expect("there is room");
        volume.sync(SyncToken(number)).expect("it can be synced");
    }
    let deadline = now_ns() + PATIENCE_NS;
    let mut synced = SyncToken(0);
    while synced < SyncToken(50) {
        if let Some(token) = volume.poll_completions().expect("a disk that works") {
            assert!(token > synced, "in order");
            synced = token;
        }
        assert!(now_ns() < deadline, "{synced:?} of 50");
    }
    assert_contents(&mut volume);
}

/// In a machine that was started after the one with the test above.
pub(crate) fn volume_again(machine: &mut Machine) {
    let mut volume = open(machine);
    assert_eq!(volume.segments().expect("they can be listed"), [SEGMENT]);
    assert_eq!(volume.length(SEGMENT), Ok(contents().len() as u64));
    assert_contents(&mut volume);
}

/// A frame for everybody, of a kind that is for experiments.
fn frame(own: [u8; 6], number: u64, bytes: usize) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(own);
    frame.extend([0x88, 0xb5]);
    frame.extend(number.to_be_bytes());
    let [low, ..] = number.to_le_bytes();
    frame.resize(bytes, low);
    frame
}

pub(crate) fn network(machine: &mut Machine) {
    let network = machine.network.as_mut().expect("a network");
    assert!(network.wakes(), "its line is known");
    let own = network.address();
    let (mut tries, mut woken, mut slept_through) = (0, 0, 0);
    for (number, bytes) in (0..300).zip([60, 61, 600, 1_513, 1_514].into_iter().cycle()) {
        let sent = frame(own, number, bytes);
        loop {
            assert!(network.has_room(), "one frame is on its way at most");
            network.send(sent.len(), |space| space.copy_from_slice(&sent));
            tries += 1;
            // Frames may be lost, but not all of them.
            assert!(tries < 1_000, "{tries} tries for {number} frames");
            let until = now_ns() + 500 * MS;
            let mut has_come = false;
            while now_ns() < until && !has_come {
                network.listen();
                has_come = network.receive(|frame| frame == sent).unwrap_or(false);
                if !has_come && !network.has_frame() {
                    sleep_until_ns(until);
                    woken += u32::from(virtio::take_lines() != 0);
                    slept_through += u32::from(now_ns() >= until);
                }
            }
            if has_come {
                break;
            }
        }
    }
    assert!(woken > 0, "no frame has woken the processor");
    assert!(
        slept_through * 10 < woken,
        "{slept_through} frames have not woken the processor, {woken} have"
    );
    // With nothing to do nothing wakes it.
    network.listen();
    let _ = virtio::take_lines();
    let until = now_ns() + 20 * MS;
    while now_ns() < until {
        sleep_until_ns(until);
    }
    assert!(
        virtio::take_lines() == 0,
        "a device that has nothing to say"
    );
}
