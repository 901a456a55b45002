//! One property of the store at a time.
use crate::common::{FIRST, FRAME, HEAD, US, content, filled, known_durable, page, part, view};
use platform::{ClusterId, Disk, DiskError, DiskOperation};
use store::{
    ControlLog, DamagedPart, Identity, MemoryDisk, OpenError, ReadError, Store, SyncMode, Tail,
};
use types::{Cut, Epoch, Fallback, NodeId, Prng, StoreId, Version, View};
use wire::{Image, PageVersion};

#[test]
fn an_unknown_page_is_absent_and_a_known_one_is_read_before_any_sync() {
    let mut store = Store::open(MemoryDisk::new(), US).unwrap();
    assert_eq!(store.read(page(1)).unwrap(), None);
    store.put_frame(page(1), &content(4, 1, 9)).unwrap();
    assert_eq!(store.read(page(1)).unwrap(), Some(content(4, 1, 9)));
    assert_eq!(store.inventory(), [page(1).extent()]);
}

#[test]
fn a_page_of_zeroes_takes_only_a_head() {
    let mut store = Store::open(MemoryDisk::new(), US).unwrap();
    let before = store.stats().bytes_written;
    store.put_frame(page(1), &content(1, 1, 0)).unwrap();
    store
        .put_frame(
            page(2),
            &PageVersion {
                image: Image::ZERO,
                ..content(1, 1, 0)
            },
        )
        .unwrap();
    assert_eq!(store.stats().bytes_written - before, 2 * HEAD as u64);
    assert_eq!(store.read(page(1)).unwrap().unwrap().image, Image::ZERO);
}

#[test]
fn parts_that_end_during_a_sync_share_the_next() {
    let mut disk = MemoryDisk::new();
    disk.set_sync_mode(SyncMode::Held);
    let mut store = Store::open(disk, US).unwrap();
    store.end_part(part(1, 1), 0).unwrap();
    assert_eq!(store.poll().unwrap(), []);
    for node in 2..9 {
        store.end_part(part(node, 1), 0).unwrap();
        assert_eq!(store.poll().unwrap(), []);
    }
    assert!(store.disk_mut().complete_sync());
    assert_eq!(store.poll().unwrap(), [part(1, 1)]);
    assert!(store.disk_mut().complete_sync());
    assert_eq!(store.poll().unwrap().len(), 7);
    assert_eq!(store.stats().syncs, 2);
}

#[test]
fn a_fallback_uncovers_the_stable_version() {
    let mut store = Store::open(MemoryDisk::new(), US).unwrap();
    for (version, epoch) in [(1, 1), (2, 2), (3, 5), (4, 6)] {
        store
            .put_frame(page(1), &content(version, epoch, 1))
            .unwrap();
    }
    store.put_frame(page(9), &content(1, 6, 1)).unwrap();
    store.set_stable(Epoch(4), 1000).unwrap();
    store.apply_view(&view(&[(4, 10)])).unwrap();
    assert_eq!(store.read(page(1)).unwrap(), Some(content(2, 2, 1)));
    assert_eq!(store.read(page(9)).unwrap(), None);
    // A late frame of before the fallback changes nothing, a new one counts.
    store.put_frame(page(9), &content(1, 7, 2)).unwrap();
    assert_eq!(store.read(page(9)).unwrap(), None);
    store.put_frame(page(9), &content(1, 10, 3)).unwrap();
    assert_eq!(store.read(page(9)).unwrap(), Some(content(1, 10, 3)));
}

#[test]
fn a_node_loses_only_what_it_committed_after_its_cut() {
    let of = |node, sub, fill| {
        let mut content = content(1, 9, fill);
        content.stamp.node = NodeId(node);
        content.stamp.interval.sub = sub;
        content
    };
    let kept = [(page(1), of(1, 0, 1)), (page(3), of(2, 1, 3))];
    let mut store = Store::open(MemoryDisk::new(), US).unwrap();
    for (page, content) in &kept {
        store.put_frame(*page, content).unwrap();
    }
    store.put_frame(page(2), &of(1, 1, 2)).unwrap();
    let cut = Cut {
        node: NodeId(1),
        last: kept[0].1.stamp.interval,
    };
    let fallback = Fallback {
        stable: Epoch(8),
        cuts: vec![cut],
        first_epoch: Epoch(12),
    };
    let view = View {
        fallbacks: vec![fallback],
        ..view(&[(8, 12)])
    };
    store.apply_view(&view).unwrap();
    let check = |store: &mut Store<MemoryDisk>| {
        for (page, content) in &kept {
            assert_eq!(store.read(*page).unwrap().as_ref(), Some(content));
        }
        assert_eq!(store.read(page(2)).unwrap(), None);
    };
    check(&mut store);
    store.end_part(part(1, 12), 0).unwrap();
    while store.poll().unwrap().is_empty() {}
    let disk = store.into_disk().crash(Tail::Lost);
    check(&mut Store::open(disk, US).unwrap());
}

#[test]
fn a_disk_that_was_away_learns_all_decisions_before_it_serves() {
    let mut store = Store::open(MemoryDisk::new(), US).unwrap();
    store.put_frame(page(1), &content(1, 3, 1)).unwrap();
    store.put_frame(page(2), &content(1, 12, 1)).unwrap();
    store.apply_view(&view(&[(2, 10), (11, 20)])).unwrap();
    assert_eq!(store.inventory(), []);
}

#[test]
fn stable_epochs_are_listed_with_what_they_cost() {
    let mut store = Store::open(MemoryDisk::new(), US).unwrap();
    let expected = [(1, 1000, 1), (3, 2000, 2)];
    let list = |store: &Store<MemoryDisk>| {
        let list = store.snapshots().map(|s| (s.epoch.0, s.wall_ms, s.pages));
        list.collect::<Vec<_>>()
    };
    for epoch in [(1, 1), (3, 2)] {
        for index in 1..=epoch.1 {
            store
                .put_frame(page(index), &content(epoch.0, epoch.0, 1))
                .unwrap();
        }
        store
            .set_stable(Epoch(epoch.0), u64::from(epoch.1) * 1000)
            .unwrap();
    }
    assert_eq!(list(&store), expected);
    store.end_part(part(1, 3), 0).unwrap();
    store.poll().unwrap();
    assert_eq!(store.poll().unwrap(), [part(1, 3)]);
    let reopened = Store::open(store.into_disk().crash(Tail::Lost), US).unwrap();
    assert_eq!(list(&reopened), expected);
    assert_eq!(reopened.stable(), Epoch(3));
}

#[test]
fn opening_sealed_segments_reads_footers_only() {
    // What may not have reached the device would be read.
    let disk = known_durable(filled(2000, 1 << 20), 1 << 20);
    let mut store = Store::open_with(disk, US, 1 << 20).unwrap();
    let disk = store.disk_mut();
    let (reads, bytes_read) = (disk.reads(), disk.bytes_read());
    // Header, trailer and footer of seven; the eighth is scanned.
    assert_eq!(store.stats().segments, 8);
    assert!(reads <= 7 * 3 + 3, "{reads} reads");
    assert!(bytes_read < 1_200_000, "{bytes_read} bytes read");
    store.set_stable(Epoch(1), 0).unwrap();
    assert_eq!(store.stats().pages, 2000);
}

#[test]
fn a_torn_tail_is_cut_and_the_log_goes_on() {
    for lost in 1..2 * FRAME {
        let mut store = Store::open(filled(2, 1 << 20), US).unwrap();
        store.put_frame(page(0), &content(2, 2, 77)).unwrap();
        store.put_frame(page(1), &content(2, 2, 78)).unwrap();
        store.read(page(0)).unwrap();
        let mut disk = store.into_disk();
        let length = disk.length(FIRST).unwrap();
        disk.truncate(FIRST, length - lost as u64).unwrap();

        let mut store = Store::open(disk, US).unwrap();
        let first = if lost <= FRAME {
            content(2, 2, 77)
        } else {
            content(1, 1, 1)
        };
        assert_eq!(
            store.read(page(0)).unwrap(),
            Some(first),
            "{lost} bytes lost"
        );
        assert_eq!(
            store.read(page(1)).unwrap(),
            Some(content(1, 1, 2)),
            "{lost} bytes lost"
        );
        store.put_frame(page(1), &content(2, 2, 79)).unwrap();
        store.end_part(part(1, 2), 0).unwrap();
        while store.poll().unwrap().is_empty() {}
        let mut store = Store::open(store.into_disk().crash(Tail::Lost), US).unwrap();
        assert_eq!(
            store.read(page(1)).unwrap(),
            Some(content(2, 2, 79)),
            "{lost} bytes lost"
        );
    }
}

#[test]
fn a_flipped_bit_in_a_page_is_named_and_only_that_page_refused() {
    let mut disk = filled(3, 1 << 20);
    let at = HEAD + FRAME;
    disk.flip_bit(FIRST, at + HEAD + 1000, 3);
    let mut store = Store::open(disk, US).unwrap();
    let damage: Vec<_> = store.damage().copied().collect();
    assert_eq!(damage.len(), 1);
    assert_eq!((damage[0].segment, damage[0].offset as usize), (FIRST, at));
    assert_eq!(damage[0].page, Some((page(1), Version(1))));
    assert_eq!(damage[0].part, DamagedPart::Payload);
    assert_eq!(store.read(page(1)), Err(ReadError::Damaged(damage[0])));
    assert_eq!(store.read(page(0)).unwrap(), Some(content(1, 1, 1)));
    assert_eq!(store.read(page(2)).unwrap(), Some(content(1, 1, 3)));
    let text = damage[0].to_string();
    assert!(
        text.starts_with("segment 00000001 is damaged at offset 0x1080: "),
        "{text}"
    );
    assert!(text.ends_with("(page 300:0x1, version 1)"), "{text}");
}

#[test]
fn a_flipped_bit_in_what_was_durable_is_found_when_the_page_is_read() {
    let mut disk = known_durable(filled(3, 1 << 20), 1 << 20);
    disk.flip_bit(FIRST, HEAD + FRAME + HEAD + 1000, 3);
    let mut store = Store::open(disk, US).unwrap();
    assert_eq!(store.damage().count(), 0);
    assert!(matches!(store.read(page(1)), Err(ReadError::Damaged(_))));
    assert_eq!(store.read(page(2)).unwrap(), Some(content(1, 1, 3)));
}

#[test]
fn a_flipped_bit_in_a_sealed_segment_is_found_when_the_page_is_read() {
    let mut disk = known_durable(filled(40, 100_000), 100_000);
    disk.flip_bit(FIRST, HEAD + FRAME + 30, 0);
    disk.flip_bit(FIRST, HEAD + 2 * FRAME + 3000, 0);
    let mut store = Store::open_with(disk, US, 100_000).unwrap();
    for (index, part) in [(1, DamagedPart::Head), (2, DamagedPart::Payload)] {
        let Err(ReadError::Damaged(damage)) = store.read(page(index)) else {
            panic!("page {index} is damaged");
        };
        assert_eq!(
            (damage.part, damage.page),
            (part, Some((page(index), Version(1))))
        );
    }
    assert_eq!(store.read(page(3)).unwrap(), Some(content(1, 1, 4)));
}

#[test]
fn a_damaged_footer_costs_a_scan_and_no_page() {
    let mut disk = known_durable(filled(40, 100_000), 100_000);
    let length = usize::try_from(disk.length(FIRST).unwrap()).unwrap();
    disk.flip_bit(FIRST, length - HEAD - 100, 0);
    let mut store = Store::open_with(disk, US, 100_000).unwrap();
    assert_eq!(
        store.damage().map(|damage| damage.page).collect::<Vec<_>>(),
        [None]
    );
    for index in 0..40 {
        assert!(store.read(page(index)).unwrap().is_some(), "page {index}");
    }
}

/// Every byte of a log of which all but the last sync is followed by records that say
/// so: no damage ever goes unnoticed.
#[test]
fn a_damaged_head_that_was_durable_makes_the_store_useless_and_says_where() {
    let mut store = Store::open(filled(3, 1 << 20), US).unwrap();
    store.end_part(part(1, 2), 0).unwrap();
    while store.poll().unwrap().is_empty() {}
    store.end_part(part(1, 3), 0).unwrap();
    while store.poll().unwrap().is_empty() {}
    let disk = store.into_disk().crash(Tail::Lost);
    for offset in (0..HEAD).chain(HEAD + FRAME..HEAD + FRAME + HEAD) {
        let mut disk = disk.clone();
        disk.flip_bit(FIRST, offset, 5);
        let Err(OpenError::Damaged(damage)) = Store::open(disk, US) else {
            panic!("byte {offset} is damaged");
        };
        let record = if offset < HEAD { 0 } else { HEAD + FRAME };
        assert_eq!((damage.segment, damage.offset as usize), (FIRST, record));
    }
}

#[test]
fn a_missing_end_of_an_earlier_segment_is_noticed() {
    let mut store = Store::open_with(filled(60, 100_000), US, 100_000).unwrap();
    store.end_part(part(1, 2), 0).unwrap();
    while store.poll().unwrap().is_empty() {}
    store.end_part(part(1, 3), 0).unwrap();
    while store.poll().unwrap().is_empty() {}
    let mut disk = store.into_disk().crash(Tail::Lost);
    disk.truncate(FIRST, (HEAD + 3 * FRAME) as u64).unwrap();
    let Err(OpenError::Damaged(damage)) = Store::open_with(disk, US, 100_000) else {
        panic!("the end of the first segment is missing");
    };
    assert_eq!((damage.segment, damage.part), (FIRST, DamagedPart::Length));
}

#[test]
fn other_versions_and_other_clusters_are_refused_in_clear_words() {
    let foreign = Identity {
        cluster: ClusterId(8),
        ..US
    };
    let error = Store::open(filled(1, 1 << 20), foreign).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("belongs to cluster 0000000000000007, not to 0000000000000008"),
        "{text}"
    );

    // The version of the format, with the head's checksum to match.
    let mut disk = filled(1, 1 << 20);
    disk.flip_bit(FIRST, 24, 0);
    assert!(matches!(
        Store::open(disk.clone(), US),
        Err(OpenError::Damaged(_)) | Ok(_)
    ));
    let mut head = [0; HEAD];
    disk.read(FIRST, 0, &mut head).unwrap();
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&head[..20]);
    hasher.update(&head[24..]);
    let old = u32::from_le_bytes(head[20..24].try_into().unwrap());
    let flips = (hasher.finalize() ^ old).to_le_bytes();
    for (byte, flip) in flips.iter().enumerate() {
        for bit in (0..8).filter(|bit| flip & 1 << bit != 0) {
            disk.flip_bit(FIRST, 20 + byte, bit);
        }
    }
    let error = Store::open(disk, US).unwrap_err();
    assert_eq!(error, OpenError::FormatVersion { found: 4 });
}

#[test]
fn a_disk_keeps_its_own_id() {
    let other = Identity {
        store: StoreId(1),
        ..US
    };
    assert_eq!(
        Store::open(filled(1, 1 << 20), other).unwrap().id(),
        US.store
    );
}

#[test]
fn after_a_failed_write_nothing_is_acknowledged_any_more() {
    let mut store = Store::open(MemoryDisk::new(), US).unwrap();
    store.end_part(part(1, 1), 0).unwrap();
    store.disk_mut().fail_after(1);
    assert_eq!(store.poll(), Err(DiskError::Poisoned));
    let first = DiskError::Io {
        operation: DiskOperation::Sync,
        code: 0,
    };
    assert_eq!(store.poll(), Err(first));
    assert_eq!(store.poll(), Err(DiskError::Poisoned));
}

#[test]
fn whoever_hears_only_that_the_disk_has_failed_can_ask_why() {
    let mut store = Store::open(MemoryDisk::new(), US).unwrap();
    assert_eq!(store.failure(), None);
    store.end_part(part(1, 1), 0).unwrap();
    store.disk_mut().fill_after(1);
    let failed = (0..3).find_map(|_| store.poll().err());
    assert!(failed.is_some(), "there is no room for a part");
    // It is said once: by the error, or when it is asked for.
    let why = failed.filter(|error| *error != DiskError::Poisoned);
    assert_eq!(why.or_else(|| store.failure()), Some(DiskError::NoSpace));
    assert_eq!(store.failure(), None);
}

#[test]
fn the_control_log_gives_back_what_was_durable() {
    for keep in [0, 1, 5] {
        let (mut log, records) = ControlLog::open(MemoryDisk::new(), US).unwrap();
        assert!(records.is_empty());
        for record in 0..keep {
            log.append(&[record; 100]).unwrap();
        }
        while keep > 0 && log.poll().unwrap() < usize::from(keep) {}
        log.append(b"not synced").unwrap();
        let (_, records) = ControlLog::open(log.into_disk().crash(Tail::Lost), US).unwrap();
        let expected: Vec<_> = (0..keep).map(|record| vec![record; 100]).collect();
        assert_eq!(records, expected);
    }
}

/// Crashes the control log at every write, around checkpoints too: the records are
/// always the checkpoint or all before it, then those after it, up to at least the
/// last durable one.
#[test]
fn the_control_log_survives_a_crash_at_every_write() {
    let mut failing = 0;
    while control_run(failing) {
        failing += 1;
    }
    assert!(failing > 20);
}

fn control_run(failing: u64) -> bool {
    let mut disk = MemoryDisk::new();
    disk.fail_after(failing);
    let Ok((mut log, _)) = ControlLog::open(disk, US) else {
        return true;
    };
    let mut durable = 0;
    let mut write = |number: u8| -> Result<(), DiskError> {
        if number.is_multiple_of(4) {
            log.checkpoint(&[number])
        } else {
            log.append(&[number])
        }?;
        durable += log.poll()?;
        if number.is_multiple_of(3) {
            durable += log.poll()?;
        }
        Ok(())
    };
    let failed = (1..=14).any(|number| write(number).is_err());
    let disk = log.into_disk();
    for seed in 0..20 {
        let mut prng = Prng::new(seed ^ failing << 32);
        let left = disk.crash(if seed == 0 {
            Tail::Lost
        } else {
            Tail::Torn(&mut prng)
        });
        let (mut log, records) = ControlLog::open(left, US).unwrap();
        check_control(&records, durable);
        let last = records.last().map_or(0, |record| record[0]);
        log.append(&[last + 1]).unwrap();
        while log.poll().unwrap() == 0 {}
        let (_, again) = ControlLog::open(log.into_disk().crash(Tail::Lost), US).unwrap();
        check_control(&again, usize::from(last) + 1);
    }
    failed
}

fn check_control(records: &[Vec<u8>], durable: usize) {
    let numbers: Vec<u8> = records.iter().map(|record| record[0]).collect();
    let last = numbers.last().copied().unwrap_or(0);
    assert!(
        usize::from(last) >= durable,
        "{numbers:?} lack one of {durable} durable records"
    );
    let first = numbers.first().copied().unwrap_or(1);
    assert!(
        first == 1 || first.is_multiple_of(4),
        "{numbers:?} begin with no checkpoint"
    );
    assert!(
        numbers
            .iter()
            .copied()
            .eq(first..first + u8::try_from(numbers.len()).unwrap())
    );
}

/// Another store gives what this one lacks; what is not stable here may still be undone.
#[test]
fn a_stable_version_that_comes_late_is_kept_under_one_that_is_not_stable() {
    let mut store = Store::open(MemoryDisk::new(), US).unwrap();
    store.put_frame(page(1), &content(2, 9, 2)).unwrap();
    store.set_stable(Epoch(5), 0).unwrap();
    assert_eq!(store.kept_versions(page(1).extent()), []);
    store.put_frame(page(1), &content(1, 4, 1)).unwrap();
    store.end_copies(NodeId(7), page(1).extent());
    while store.take_stored_copies().is_empty() {
        assert_eq!(store.poll().unwrap(), []);
    }
    assert_eq!(store.read(page(1)).unwrap(), Some(content(2, 9, 2)));
    store.apply_view(&view(&[(6, 100)])).unwrap();
    store.set_stable(Epoch(6), 0).unwrap();
    assert_eq!(store.read(page(1)).unwrap(), Some(content(1, 4, 1)));
    assert_eq!(store.read_stable(page(1)).unwrap(), Some(content(1, 4, 1)));
    let stamp = content(1, 4, 1).stamp;
    assert_eq!(
        store.kept_versions(page(1).extent()),
        [(page(1), Version(1), stamp)]
    );
}
