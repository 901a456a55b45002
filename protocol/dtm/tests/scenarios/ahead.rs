//! Pages that come before they are needed: in order, from the stores alone, and at no cost to
//! anybody who works on them.
use dtm::{Access, AccessResult, PageState, TxnStatus, Why};
use types::PageId;
use wire::{Message, ReadWish};

use crate::cluster::{Cluster, view};

const COUNT: u32 = 40;
/// The home of the pages.
const HOME: u32 = 1;

/// A cluster of 3 that has restarted, whose disks have these pages of one extent.
fn restarted() -> (Cluster, Vec<PageId>) {
    let mut cluster = Cluster::new(3);
    let first = cluster.linear(HOME, 0);
    let pages = (0..COUNT).map(|at| PageId::new(first.region.0, first.index.0 + at));
    let pages: Vec<PageId> = pages.collect();
    cluster.begin(2);
    for &page in &pages {
        cluster.write(2, page, value(page));
    }
    cluster.finish(2);
    let stable = cluster.make_stable();
    cluster.restart_all(&view(2, 3, stable.0, 60));
    cluster.sent.clear();
    (cluster, pages)
}

fn value(page: PageId) -> u64 {
    u64::from(page.index.0) + 1000
}

/// How often the transaction of `id` had to wait while it read these pages.
fn waits(cluster: &mut Cluster, id: u32, pages: &[PageId]) -> usize {
    let mut waits = 0;
    for &page in pages {
        while cluster.access(id, page, Access::Read) == AccessResult::Wait {
            waits += 1;
            cluster.pump();
        }
        assert_eq!(cluster.node(id).memory.value(page), value(page));
    }
    waits
}

/// Has 3 begin to read, and ask for pages 1 to 5, of which 2 to 5 are asked for ahead; what the
/// home answers is held up.
fn ask_ahead(cluster: &mut Cluster, pages: &[PageId]) {
    cluster.begin(3);
    waits(cluster, 3, &pages[..1]);
    cluster.hold(HOME, 3);
    assert_eq!(
        cluster.access(3, pages[1], Access::Read),
        AccessResult::Wait
    );
    cluster.pump();
}

/// Requests for this page that were made ahead, and that were not.
fn asked_for(cluster: &Cluster, page: PageId) -> (usize, usize) {
    let wishes = cluster
        .sent
        .iter()
        .filter_map(|(.., message)| match message {
            Message::GetShared { page: of, wish, .. } if *of == page => Some(wish),
            _ => None,
        });
    let (ahead, plain): (Vec<&ReadWish>, Vec<&ReadWish>) =
        wishes.partition(|wish| matches!(wish, ReadWish::Ahead(_)));
    (ahead.len(), plain.len())
}

/// A home reads ahead from itself, too.
#[test]
fn who_reads_in_order_waits_seldom() {
    for reader in [HOME, 3] {
        let (mut cluster, pages) = restarted();
        cluster.begin(reader);
        let waits = waits(&mut cluster, reader, &pages);
        assert!(waits <= 6, "{waits}");
        let ahead = cluster.dtm(reader).counters().pages_ahead;
        assert!(ahead > u64::from(COUNT) / 2, "{ahead}");
        cluster.finish(reader);
    }
}

#[test]
fn who_jumps_gets_nothing_ahead() {
    let (mut cluster, mut pages) = restarted();
    pages.reverse();
    cluster.begin(3);
    assert_eq!(waits(&mut cluster, 3, &pages), COUNT as usize);
    assert_eq!(cluster.dtm(3).counters().pages_ahead, 0);
    cluster.finish(3);
}

/// Else a reader of everything would cost each writer his exclusiveness.
#[test]
fn what_somebody_works_on_stays_his() {
    let (mut cluster, pages) = restarted();
    cluster.begin(2);
    for &page in &pages[4..] {
        cluster.write(2, page, value(page));
    }
    cluster.finish(2);
    cluster.begin(3);
    waits(&mut cluster, 3, &pages[..4]);
    cluster.finish(3);
    assert!(
        pages[4..]
            .iter()
            .all(|&page| cluster.state(2, page) == PageState::Modified)
    );
    // And a reader who does want them gets them.
    cluster.begin(3);
    waits(&mut cluster, 3, &pages[4..]);
    cluster.finish(3);
}

#[test]
fn what_was_never_written_is_not_sent_ahead() {
    let (mut cluster, pages) = restarted();
    let behind = |at| PageId::new(pages[0].region.0, pages[0].index.0 + COUNT + at);
    cluster.begin(3);
    for at in 0..COUNT {
        assert_eq!(cluster.read(3, behind(at)), 0);
    }
    cluster.finish(3);
    let asked: usize = (0..COUNT).map(|at| asked_for(&cluster, behind(at)).0).sum();
    assert!((1..8).contains(&asked), "{asked}");
    assert_eq!(cluster.dtm(3).counters().pages_ahead, 0);
}

/// What has come is no part of the transaction before it is used.
#[test]
fn a_page_that_came_ahead_is_lost_without_harm() {
    let (mut cluster, pages) = restarted();
    cluster.begin_younger(3);
    waits(&mut cluster, 3, &pages[..2]);
    let unused = pages[4];
    assert_eq!(cluster.state(3, unused), PageState::Shared);
    cluster.put(2, unused, 7);
    assert_eq!(cluster.status(3), TxnStatus::Running);
    assert_eq!(cluster.state(3, unused), PageState::Invalid);
    assert_eq!(cluster.read(3, unused), 7);
    cluster.finish(3);
}

/// The request that was made ahead serves the transaction that needs the page by now.
#[test]
fn who_needs_a_page_that_was_asked_for_ahead_asks_no_more() {
    let (mut cluster, pages) = restarted();
    ask_ahead(&mut cluster, &pages);
    cluster.deliver(HOME, 3); // What it waits for.
    assert_eq!(
        cluster.access(3, pages[1], Access::Read),
        AccessResult::Ready
    );
    assert_eq!(
        cluster.access(3, pages[2], Access::Read),
        AccessResult::Wait
    );
    cluster.release(HOME, 3);
    cluster.pump();
    assert_eq!(cluster.node(3).memory.value(pages[2]), value(pages[2]));
    assert_eq!(asked_for(&cluster, pages[2]), (1, 0));
    cluster.finish(3);
}

/// It may be refused. Then another is made.
#[test]
fn who_needs_a_page_that_is_not_to_be_had_ahead_asks_again() {
    let (mut cluster, pages) = restarted();
    cluster.put(2, pages[2], 7);
    cluster.sent.clear();
    ask_ahead(&mut cluster, &pages);
    cluster.deliver(HOME, 3);
    assert_eq!(
        cluster.access(3, pages[2], Access::Read),
        AccessResult::Wait
    );
    cluster.release(HOME, 3);
    cluster.pump();
    assert_eq!(cluster.node(3).memory.value(pages[2]), 7);
    assert_eq!(asked_for(&cluster, pages[2]), (1, 1));
    cluster.finish(3);
}

/// Only who needs a damaged page misses it.
#[test]
fn a_damaged_page_that_was_asked_for_ahead_stops_nobody() {
    let (mut cluster, pages) = restarted();
    (1..=3).for_each(|store| cluster.damage(store, pages[3]));
    cluster.begin(3);
    waits(&mut cluster, 3, &pages[..3]);
    assert_eq!(asked_for(&cluster, pages[3]), (1, 0));
    cluster.finish(3);
    cluster.begin(3);
    assert_eq!(
        cluster.access(3, pages[3], Access::Read),
        AccessResult::Wait
    );
    cluster.pump();
    assert!(matches!(
        cluster.status(3),
        TxnStatus::Marked(Why::Lost(page, _)) if page == pages[3]
    ));
}

/// Whoever writes in order gets the pages to write them: nobody has to be asked again.
#[test]
fn who_writes_in_order_gets_pages_whole() {
    let (mut cluster, pages) = restarted();
    cluster.begin(3);
    for &page in &pages {
        cluster.write(3, page, 1);
    }
    cluster.sent.clear();
    cluster.finish(3);
    let is_upgrade =
        |message: &&(u32, u32, Message)| matches!(message.2, Message::GetExclusive { .. });
    assert_eq!(cluster.sent.iter().filter(is_upgrade).count(), 0);
}

/// A fallback forgets what was on its way.
#[test]
fn a_new_view_forgets_what_was_asked_for_ahead() {
    let (mut cluster, pages) = restarted();
    ask_ahead(&mut cluster, &pages);
    let stable = cluster.dtm(HOME).stable();
    cluster.enter_all(&view(3, 3, stable.0, 120));
    cluster.release(HOME, 3);
    cluster.pump();
    cluster.rollback(3);
    cluster.retry(3);
    waits(&mut cluster, 3, &pages);
    cluster.finish(3);
}
