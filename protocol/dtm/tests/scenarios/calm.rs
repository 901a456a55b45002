//! Linear memory that stays mapped counts as read, until that hurts.
use dtm::{Access, AccessResult, TxnStatus, Why};

use crate::cluster::{Cluster, config};

fn abort_by_calm_page(cluster: &mut Cluster, page: types::PageId, value: u64) {
    cluster.get(1, page);
    cluster.begin(1);
    cluster.put(2, page, value);
    assert_eq!(cluster.status(1), TxnStatus::Marked(Why::Conflict));
    cluster.rollback(1);
}

#[test]
fn a_page_becomes_contended_by_needless_aborts_and_calm_by_rest() {
    let mut cluster = Cluster::new(2);
    let page = cluster.linear(1, 0);
    for value in 1..=u64::from(config().contended_after) {
        assert!(!cluster.dtm(1).page(page).is_contended);
        abort_by_calm_page(&mut cluster, page, value);
    }
    assert!(cluster.dtm(1).page(page).is_contended);
    cluster.get(1, page);
    cluster.begin(1); // Not mapped now, so nothing is lost with it.
    assert!(!cluster.node(1).memory.is_mapped(page));
    cluster.put(2, page, 77);
    assert_eq!(cluster.status(1), TxnStatus::Running);
    assert_eq!(cluster.read(1, page), 77);
    cluster.put(2, page, 78); // Now it was read.
    assert_eq!(cluster.status(1), TxnStatus::Marked(Why::Conflict));
    cluster.rollback(1);
    for _ in 0..config().calm_after_epochs {
        assert!(cluster.dtm(1).page(page).is_contended);
        cluster.advance_epoch();
        cluster.pump();
    }
    assert!(!cluster.dtm(1).page(page).is_contended);
    abort_by_calm_page(&mut cluster, page, 79);
}

#[test]
fn a_contended_page_is_mapped_from_the_cache_without_a_message() {
    let mut cluster = Cluster::new(2);
    let page = cluster.linear(1, 0);
    (1..=2).for_each(|value| abort_by_calm_page(&mut cluster, page, value));
    cluster.put(1, page, 5);
    cluster.pump();
    let sent = cluster.sent.len();
    cluster.begin(1);
    assert_eq!(cluster.access(1, page, Access::Write), AccessResult::Ready);
    cluster.rollback(1);
    cluster.put(1, page, 6);
    assert_eq!(cluster.sent.len(), sent);
    assert_eq!(cluster.get(2, page), 6); // Also served from where it is kept.
}
