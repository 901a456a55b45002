//! One crash in a cluster that shares some pages: who goes back.
#![expect(clippy::tests_outside_test_module, reason = "the whole file is tests")]
use sim::{Cluster, Outcome};
use types::Duration;

fn cluster(group: u32, percent: u64) -> Cluster {
    Cluster {
        nodes: 20,
        group,
        percent,
        every: Duration::from_millis(1),
    }
}

fn runs(cluster: &Cluster) -> Vec<Outcome> {
    (0..4).map(|seed| cluster.run(seed).unwrap()).collect()
}

#[test]
fn the_same_seed_gives_the_same_outcome() {
    let cluster = cluster(20, 10);
    assert_eq!(cluster.run(3).unwrap(), cluster.run(3).unwrap());
}

#[test]
fn only_dependants_go_back() {
    let outcomes = runs(&cluster(20, 10));
    for outcome in &outcomes {
        assert_eq!(outcome.decided.nodes, outcome.needed, "{outcome:?}");
        assert_eq!(outcome.decided.undone, outcome.undone_min, "{outcome:?}");
        assert_eq!(outcome.global.nodes, outcome.survivors, "{outcome:?}");
    }
    let went_back = |outcome: &Outcome| outcome.decided.nodes > 0;
    assert!(outcomes.iter().any(went_back));
    let stayed = |outcome: &Outcome| outcome.decided.nodes < outcome.survivors;
    assert!(outcomes.iter().any(stayed));
}

#[test]
fn a_crash_stays_in_its_group() {
    for outcome in runs(&cluster(5, 50)) {
        assert!((1..=4).contains(&outcome.decided.nodes), "{outcome:?}");
        assert!(outcome.decided.work < outcome.global.work, "{outcome:?}");
    }
}

#[test]
fn more_nodes_than_the_product_takes() {
    let cluster = Cluster {
        nodes: 150,
        ..cluster(150, 1)
    };
    let outcome = cluster.run(0).unwrap();
    assert_eq!(outcome.messages.inventories, 149 * 148);
}
