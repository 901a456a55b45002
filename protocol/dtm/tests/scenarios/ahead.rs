//! Pages that come before they are needed: in order, from the stores alone, and at no cost to
//! anybody who works on them.
use dtm::{Access, AccessResult, PageState, TxnStatus};
use types::{Epoch, PageId};
use wire::Message;

use crate::cluster::{Cluster, view};

const COUNT: u32 = 40;

/// A cluster of 3 that has restarted, whose disks have these pages of one extent; its home.
fn restarted() -> (Cluster, u32, Vec<PageId>) {
    let mut cluster = Cluster::new(3);
    let first = cluster.linear(1, 0);
    let pages = (0..COUNT).map(|at| PageId::new(first.region.0, first.index.0 + at));
    let pages: Vec<PageId> = pages.collect();
    cluster.begin(2);
    for &page in &pages {
        cluster.write(2, page, value(page));
    }
    cluster.finish(2);
    let stable = cluster.make_stable();
    cluster.restart_all(&view(2, 3, stable.0, 60));
    (cluster, 1, pages)
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

#[test]
fn who_reads_in_order_waits_seldom() {
    let (mut cluster, _, pages) = restarted();
    cluster.begin(3);
    let waits = waits(&mut cluster, 3, &pages);
    assert!(waits <= 6, "{waits}");
    assert!(cluster.dtm(3).counters().pages_ahead > u64::from(COUNT) / 2);
    cluster.finish(3);
}

#[test]
fn who_jumps_gets_nothing_ahead() {
    let (mut cluster, _, mut pages) = restarted();
    pages.reverse();
    cluster.begin(3);
    assert_eq!(waits(&mut cluster, 3, &pages), COUNT as usize);
    assert_eq!(cluster.dtm(3).counters().pages_ahead, 0);
    cluster.finish(3);
}

/// Else a reader of everything would cost each writer his exclusiveness.
#[test]
fn what_somebody_works_on_stays_his() {
    let (mut cluster, _, pages) = restarted();
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
    let (mut cluster, home, pages) = restarted();
    let behind = |at| PageId::new(pages[0].region.0, pages[0].index.0 + COUNT + at);
    cluster.sent.clear();
    cluster.begin(3);
    for at in 0..COUNT {
        assert_eq!(cluster.read(3, behind(at)), 0);
    }
    cluster.finish(3);
    let is_ahead = |message: &&(u32, u32, Message)| {
        matches!(
            message.2,
            Message::GetShared {
                wish: wire::ReadWish::Ahead(_),
                ..
            }
        )
    };
    let asked = cluster.sent.iter().filter(is_ahead).count();
    assert!((1..8).contains(&asked), "{asked} asked of {home}");
    assert_eq!(cluster.dtm(3).counters().pages_ahead, 0);
}

/// What has come is no part of the transaction before it is used.
#[test]
fn a_page_that_came_ahead_is_lost_without_harm() {
    let (mut cluster, _, pages) = restarted();
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

/// The request that was made ahead serves the transaction that needs the page by now; if it
/// is refused, another one is made.
#[test]
fn who_needs_a_page_that_was_asked_for_ahead_gets_it() {
    for is_taken in [false, true] {
        let (mut cluster, home, pages) = restarted();
        let page = pages[3];
        if is_taken {
            cluster.put(2, page, value(page));
        }
        cluster.begin(3);
        waits(&mut cluster, 3, &pages[..1]);
        assert_eq!(
            cluster.access(3, pages[1], Access::Read),
            AccessResult::Wait
        );
        cluster.hold(home, 3);
        cluster.pump();
        cluster.release(home, 3);
        waits(&mut cluster, 3, &pages);
        cluster.finish(3);
    }
}

/// Whoever writes in order gets the pages to write them: nobody has to be asked again.
#[test]
fn who_writes_in_order_gets_pages_whole() {
    let (mut cluster, _, pages) = restarted();
    cluster.begin(3);
    for &page in &pages {
        cluster.write(3, page, 1);
    }
    cluster.sent.clear();
    cluster.finish(3);
    let is_upgrade =
        |message: &&(u32, u32, Message)| matches!(message.2, Message::GetExclusive { .. });
    assert_eq!(cluster.sent.iter().filter(is_upgrade).count(), 0);
    let _: Epoch = cluster.make_stable();
}

/// A fallback forgets what was on its way.
#[test]
fn a_new_view_forgets_what_was_asked_for_ahead() {
    let (mut cluster, home, pages) = restarted();
    cluster.begin(3);
    waits(&mut cluster, 3, &pages[..1]);
    assert_eq!(
        cluster.access(3, pages[1], Access::Read),
        AccessResult::Wait
    );
    cluster.hold(home, 3);
    cluster.pump();
    let stable = cluster.dtm(1).stable();
    cluster.enter_all(&view(3, 3, stable.0, 120));
    cluster.release(home, 3);
    cluster.pump();
    cluster.rollback(3);
    cluster.retry(3);
    waits(&mut cluster, 3, &pages);
    cluster.finish(3);
}
