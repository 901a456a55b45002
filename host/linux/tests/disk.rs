//! The disk on a real file system, alone and under a store.
#![expect(clippy::tests_outside_test_module, reason = "the whole file is a test")]
use linux::{FrozenDisk, LinuxDisk};
use platform::{ClusterId, Disk, DiskError, SegmentNumber, SyncToken};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use store::{Identity, Part, Store};
use types::{Epoch, Interval, NodeId, PAGE_SIZE, PageId, Stamp, StoreId, Version};
use wire::PageVersion;

/// A directory that goes when the test ends.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("plurix-disk-{}-{test}", std::process::id()));
        assert!(!path.exists(), "{} is left over", path.display());
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A disk, and where its wakes come.
fn open(directory: &Path) -> (LinuxDisk, mpsc::Receiver<()>) {
    let (sender, receiver) = mpsc::channel();
    let wake = Arc::new(move || sender.send(()).unwrap_or(()));
    (LinuxDisk::open(directory, wake).unwrap(), receiver)
}

#[test]
fn what_is_queued_is_read_and_a_sync_wakes() {
    let directory = Directory::new("queue");
    let (mut disk, woken) = open(&directory.0);
    let segment = SegmentNumber(3);
    disk.create(segment).unwrap();
    let mut expected = vec![];
    for chunk in 0..200u8 {
        disk.append(segment, vec![chunk; 1 + usize::from(chunk) * 7])
            .unwrap();
        expected.resize(expected.len() + 1 + usize::from(chunk) * 7, chunk);
        for start in [0, expected.len() / 2, expected.len() - 1] {
            let mut found = vec![0xEE; expected.len() - start];
            disk.read(segment, start as u64, &mut found).unwrap();
            assert_eq!(found, expected[start..], "chunk {chunk} from {start}");
        }
    }
    disk.sync(SyncToken(9)).unwrap();
    woken.recv().unwrap();
    assert_eq!(disk.poll_completions(), Ok(Some(SyncToken(9))));
    assert_eq!(disk.poll_completions(), Ok(None));
    assert_eq!(disk.length(segment), Ok(expected.len() as u64));
    let mut past = [0; 2];
    let end = expected.len() as u64 - 1;
    assert_eq!(
        disk.read(segment, end, &mut past),
        Err(DiskError::PastEnd(segment))
    );
    drop(disk);
    assert_eq!(
        fs::read(directory.0.join("00000003.segment")).unwrap(),
        expected
    );
}

#[test]
fn files_are_found_cut_and_deleted() {
    let directory = Directory::new("files");
    let (mut disk, _) = open(&directory.0);
    for number in [1, 2, 5] {
        disk.create(SegmentNumber(number)).unwrap();
        disk.append(SegmentNumber(number), vec![7; 100]).unwrap();
    }
    disk.delete(SegmentNumber(2)).unwrap();
    disk.truncate(SegmentNumber(5), 60).unwrap();
    disk.append(SegmentNumber(5), vec![8; 10]).unwrap();
    drop(disk);
    let (mut disk, _) = open(&directory.0);
    assert_eq!(
        disk.segments().unwrap(),
        [SegmentNumber(1), SegmentNumber(5)]
    );
    let mut bytes = [0; 70];
    disk.read(SegmentNumber(5), 0, &mut bytes).unwrap();
    assert_eq!(bytes[..60], [7; 60]);
    assert_eq!(bytes[60..], [8; 10]);
    let missing = SegmentNumber(2);
    assert_eq!(disk.length(missing), Err(DiskError::NotFound(missing)));
}

/// Names, lengths, times and bytes of all that is in a directory.
fn all_of(directory: &Path) -> Vec<(PathBuf, std::time::SystemTime, Vec<u8>)> {
    let entries = fs::read_dir(directory).unwrap();
    let mut all: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let written = fs::metadata(&path).unwrap().modified().unwrap();
            let bytes = fs::read(&path).unwrap();
            (path, written, bytes)
        })
        .collect();
    all.sort();
    all
}

#[test]
fn a_frozen_disk_takes_everything_and_changes_nothing() {
    let directory = Directory::new("frozen");
    let (mut disk, _) = open(&directory.0);
    for number in [1, 2] {
        disk.create(SegmentNumber(number)).unwrap();
        disk.append(SegmentNumber(number), vec![7; 100]).unwrap();
    }
    assert_eq!(
        FrozenDisk::open(&directory.0).unwrap_err(),
        DiskError::InUse
    );
    drop(disk);
    let before = all_of(&directory.0);
    let mut frozen = FrozenDisk::open(&directory.0).unwrap();
    let [first, second, third] = [1, 2, 3].map(SegmentNumber);
    frozen.append(first, vec![8; 20]).unwrap();
    frozen.truncate(first, 110).unwrap();
    frozen.append(first, vec![9; 10]).unwrap();
    frozen.truncate(second, 50).unwrap();
    frozen.append(second, vec![8; 10]).unwrap();
    frozen.create(third).unwrap();
    frozen.append(third, vec![1, 2, 3]).unwrap();
    let mut read = |segment, offset, length| {
        let mut bytes = vec![0; length];
        frozen.read(segment, offset, &mut bytes).map(|()| bytes)
    };
    let expected = [vec![7; 5], vec![8; 10], vec![9; 10]].concat();
    assert_eq!(read(first, 95, 25), Ok(expected));
    assert_eq!(read(first, 105, 15), Ok([[8; 5], [9; 5], [9; 5]].concat()));
    assert_eq!(read(first, 10, 5), Ok(vec![7; 5]));
    assert_eq!(read(second, 45, 15), Ok([[7; 5], [8; 5], [8; 5]].concat()));
    assert_eq!(read(second, 45, 16), Err(DiskError::PastEnd(second)));
    assert_eq!(read(third, 1, 2), Ok(vec![2, 3]));
    assert_eq!(frozen.length(first), Ok(120));
    frozen.delete(first).unwrap();
    assert_eq!(frozen.segments().unwrap(), [second, third]);
    frozen.sync(SyncToken(4)).unwrap();
    assert_eq!(frozen.poll_completions(), Ok(Some(SyncToken(4))));
    // Others may look, too, but nobody writes meanwhile.
    drop(FrozenDisk::open(&directory.0).unwrap());
    let writer = LinuxDisk::open(&directory.0, Arc::new(|| ()));
    assert_eq!(writer.unwrap_err(), DiskError::InUse);
    drop(frozen);
    assert!(all_of(&directory.0) == before);
}

#[test]
fn a_directory_has_one_user_at_a_time() {
    let directory = Directory::new("lock");
    let (disk, _) = open(&directory.0);
    let second = LinuxDisk::open(&directory.0, Arc::new(|| ()));
    assert_eq!(second.unwrap_err(), DiskError::InUse);
    drop(disk);
    drop(open(&directory.0));
}

#[test]
fn a_failure_is_reported_once_and_poisons() {
    let directory = Directory::new("poison");
    let (mut disk, woken) = open(&directory.0);
    disk.create(SegmentNumber(1)).unwrap();
    disk.sync(SyncToken(1)).unwrap();
    woken.recv().unwrap();
    assert_eq!(disk.poll_completions(), Ok(Some(SyncToken(1))));
    fs::remove_file(directory.0.join("00000001.segment")).unwrap();
    disk.delete(SegmentNumber(1)).unwrap();
    woken.recv().unwrap();
    let Err(DiskError::Io { code, .. }) = disk.poll_completions() else {
        panic!("a file that is gone cannot be deleted");
    };
    assert_eq!(code, libc::ENOENT);
    assert_eq!(disk.poll_completions(), Err(DiskError::Poisoned));
    assert_eq!(disk.create(SegmentNumber(2)), Err(DiskError::Poisoned));
    assert_eq!(disk.sync(SyncToken(2)), Err(DiskError::Poisoned));
}

#[test]
fn a_store_finds_its_pages_after_a_restart() {
    let directory = Directory::new("store");
    let us = Identity {
        cluster: ClusterId(1),
        store: StoreId(2),
    };
    let stamp = Stamp {
        node: NodeId(1),
        interval: Interval {
            epoch: Epoch(1),
            sub: 0,
        },
    };
    let content = |fill| PageVersion {
        version: Version(1),
        stamp,
        image: wire::Image::of(&[fill; PAGE_SIZE]),
    };
    let (disk, woken) = open(&directory.0);
    let mut store = Store::open_with(disk, us, 1 << 20).unwrap();
    for index in 0..1000 {
        let fill = u8::try_from(index % 200).unwrap() + 1;
        store
            .receive_frame(NodeId(1), PageId::new(300, index), &content(fill))
            .unwrap();
    }
    let part = Part {
        node: NodeId(1),
        epoch: Epoch(1),
    };
    store.end_part(part, 1000).unwrap();
    assert_eq!(store.poll().unwrap(), []);
    woken.recv().unwrap();
    assert_eq!(store.poll().unwrap(), [part]);
    drop(store);

    let mut store = Store::open(open(&directory.0).0, us).unwrap();
    store.set_stable(Epoch(1), 0).unwrap();
    assert_eq!(store.stats().pages, 1000);
    for index in 0..1000 {
        let fill = u8::try_from(index % 200).unwrap() + 1;
        assert_eq!(
            store.read(PageId::new(300, index)).unwrap(),
            Some(content(fill))
        );
    }
}

/// Two disks may have the same file by links: what one cuts and writes is nothing to the other.
#[test]
fn a_file_that_another_disk_has_too_is_not_cut() {
    let (one, other) = (Directory::new("cut"), Directory::new("cut-other"));
    let segment = SegmentNumber(1);
    let (mut disk, woken) = open(&one.0);
    disk.create(segment).unwrap();
    disk.append(segment, vec![7; 100]).unwrap();
    disk.sync(SyncToken(1)).unwrap();
    woken.recv().unwrap();
    drop(disk);
    fs::create_dir(&other.0).unwrap();
    let name = "00000001.segment";
    fs::hard_link(one.0.join(name), other.0.join(name)).unwrap();
    let (mut disk, woken) = open(&one.0);
    disk.truncate(segment, 60).unwrap();
    disk.append(segment, vec![8; 10]).unwrap();
    disk.sync(SyncToken(2)).unwrap();
    woken.recv().unwrap();
    assert_eq!(disk.length(segment), Ok(70));
    drop(disk);
    assert_eq!(
        fs::read(one.0.join(name)).unwrap(),
        [[7; 60].as_slice(), &[8; 10]].concat()
    );
    assert_eq!(fs::read(other.0.join(name)).unwrap(), [7; 100]);
}
