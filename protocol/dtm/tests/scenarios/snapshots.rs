//! What reaches the stores is what each epoch's last commits wrote.
use dtm::{Config, PageState, TxnStatus};
use types::{Epoch, NodeId, PAGE_SIZE, PageBytes, PageId, placement};
use wire::{Message, PageVersion};

use crate::cluster::{Cluster, config};
use crate::memory::page_of;

fn bytes_of(content: &PageVersion) -> PageBytes {
    let mut bytes = [0; PAGE_SIZE];
    content.image.write_to(&mut bytes);
    bytes
}

/// What all stores of a page hold, as (epoch, value), ascending.
fn stored(cluster: &Cluster, page: PageId) -> Vec<(u64, u64)> {
    let stores = placement::stores(cluster.dtm(1).view().unwrap(), page.extent());
    let mut contents = stores.iter().map(|store| {
        let mut versions: Vec<(u64, u64)> = cluster
            .stored(store.0, page)
            .iter()
            .map(|content| {
                let value = u64::from_le_bytes(bytes_of(content)[..8].try_into().unwrap());
                (content.stamp.epoch().0, value)
            })
            .collect();
        versions.sort_unstable();
        versions
    });
    let first = contents.next().unwrap();
    assert!(
        contents.all(|other| other == first),
        "all stores of a page hold the same"
    );
    first
}

fn advance_and_store(cluster: &mut Cluster, ids: &[u32]) {
    cluster.advance_epoch();
    cluster.pump();
    ids.iter().for_each(|&id| cluster.snapshot(id));
    cluster.pump();
}

#[test]
fn a_part_has_the_last_version_of_each_page_once() {
    let mut cluster = Cluster::new(3);
    let (a, b) = (cluster.linear(1, 0), cluster.linear(2, 0));
    (1..=5).for_each(|value| cluster.put(1, a, value));
    cluster.put(1, b, 9);
    advance_and_store(&mut cluster, &[1]);
    assert_eq!(stored(&cluster, a), [(1, 5)]);
    assert_eq!(stored(&cluster, b), [(1, 9)]);
    assert_eq!(cluster.reported[&1], Epoch(1));
}

/// The epoch is closed, its page is written again before anybody has copied it.
#[test]
fn a_page_written_again_goes_to_the_stores_as_it_was() {
    let mut cluster = Cluster::new(3);
    let page = cluster.linear(2, 0);
    cluster.put(1, page, 1);
    cluster.advance_epoch();
    cluster.put(1, page, 2);
    cluster.put(1, page, 3);
    cluster.begin(1);
    cluster.write(1, page, 4); // Not committed: no part of any epoch.
    cluster.snapshot(1);
    cluster.pump();
    assert_eq!(stored(&cluster, page), [(1, 1)]);
    advance_and_store(&mut cluster, &[1]);
    assert_eq!(stored(&cluster, page), [(1, 1), (2, 3)]);
    cluster.finish(1);
    assert_eq!(cluster.get(2, page), 4);
}

/// The writer gives the page away before the epoch ends. If it did not keep what it
/// wrote, and the next holder dies without writing, the version would be nowhere.
#[test]
fn a_page_handed_over_is_stored_by_its_producer() {
    let mut cluster = Cluster::new(3);
    let page = cluster.linear(3, 0);
    cluster.put(1, page, 1);
    cluster.begin(2);
    cluster.write(2, page, 5);
    cluster.commit(2);
    cluster.until_committed(2);
    assert_eq!(cluster.dtm(1).counters().frames_captured, 1);
    cluster.put(1, page, 7); // It comes back in the same epoch: one last version.
    advance_and_store(&mut cluster, &[1, 2]);
    let mut versions = stored(&cluster, page);
    versions.sort_unstable();
    assert_eq!(versions, [(1, 5), (1, 7)]);
}

#[test]
fn reading_a_page_captures_nothing() {
    let mut cluster = Cluster::new(2);
    let page = cluster.linear(1, 0);
    cluster.put(1, page, 1);
    cluster.get(2, page);
    assert_eq!(cluster.dtm(1).counters().frames_captured, 0);
    advance_and_store(&mut cluster, &[1, 2]);
    assert_eq!(stored(&cluster, page), [(1, 1)]);
}

#[test]
fn epochs_are_reported_in_order_when_all_their_stores_have_them() {
    let mut cluster = Cluster::new(3);
    let page = cluster.linear(2, 0);
    let stores = placement::stores(cluster.dtm(1).view().unwrap(), page.extent());
    let slow = *stores.iter().find(|&&store| store != NodeId(1)).unwrap();
    cluster.put(1, page, 1);
    cluster.pump();
    cluster.hold(slow.0, 1);
    advance_and_store(&mut cluster, &[1]);
    advance_and_store(&mut cluster, &[1]);
    assert_eq!(cluster.reported.get(&1), None);
    cluster.release(slow.0, 1);
    cluster.pump();
    assert_eq!(cluster.reported[&1], Epoch(2));
    let ends = cluster
        .sent
        .iter()
        .filter(|(.., sent)| matches!(sent, Message::PartEnd { .. }));
    let frames = ends.map(|(_, _, sent)| match sent {
        Message::PartEnd { frames, .. } => *frames,
        _ => 0,
    });
    assert_eq!(frames.sum::<u32>(), 2);
}

#[test]
fn a_slice_of_the_work_is_as_small_as_asked() {
    let mut cluster = Cluster::new(1);
    let pages: Vec<PageId> = (0..5).map(|nth| cluster.linear(1, nth)).collect();
    cluster.begin(1);
    pages.iter().for_each(|&page| cluster.write(1, page, 1));
    cluster.finish(1);
    cluster.advance_epoch();
    let mut slices = vec![];
    loop {
        let before = cluster.dtm(1).counters().frames_captured;
        let is_more = cluster.snapshot_slice(1);
        slices.push(cluster.dtm(1).counters().frames_captured - before);
        if !is_more {
            break;
        }
    }
    assert_eq!(slices, [2, 2, 1]);
}

#[test]
fn commits_wait_for_stores_that_do_not_keep_up() {
    let mut cluster = Cluster::with_config(
        2,
        Config {
            frames_max: 2,
            ..config()
        },
    );
    let pages: Vec<PageId> = (0..2).map(|nth| cluster.linear(1, nth)).collect();
    pages.iter().for_each(|&page| cluster.put(1, page, 1));
    advance_and_store(&mut cluster, &[1]);
    cluster.begin(1);
    cluster.write(1, pages[0], 2);
    cluster.commit(1);
    assert_eq!(cluster.status(1), TxnStatus::Committing);
    assert_eq!(cluster.dtm(1).counters().commits_throttled, 1);
    assert_eq!(cluster.make_stable(), Epoch(2));
    assert!(cluster.is_committed(1));
    assert_eq!(cluster.state(1, pages[0]), PageState::Modified);
}

#[test]
fn frames_hold_the_bytes_that_were_committed() {
    let mut cluster = Cluster::new(1);
    let page = cluster.linear(1, 0);
    cluster.put(1, page, 3);
    advance_and_store(&mut cluster, &[1]);
    cluster.put(1, page, 4);
    let stored = cluster.stored(1, page);
    assert_eq!(stored.len(), 1);
    assert_eq!(bytes_of(&stored[0]), page_of(3));
}
