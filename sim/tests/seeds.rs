//! Seeds: what one means never changes, and a few of them in every test run.
#![expect(clippy::tests_outside_test_module, reason = "the whole file is tests")]
use sim::{FaultKind, Options};

#[test]
fn the_same_seed_gives_the_same_trace() {
    let options = Options::default();
    for seed in 100..110 {
        let first = sim::run(seed, &options).unwrap();
        let second = sim::run(seed, &options).unwrap();
        assert_eq!(first, second);
    }
}

#[test]
fn different_seeds_give_different_traces() {
    let options = Options::default();
    let digest = |seed| sim::run(seed, &options).unwrap().digest;
    assert_ne!(digest(1), digest(2));
}

#[test]
fn a_few_seeds_hold_all_promises_and_have_seen_something() {
    let options = Options::default();
    let reports: Vec<_> = (0..30)
        .map(|seed| sim::run(seed, &options).unwrap())
        .collect();
    let sum = |of: fn(&sim::Report) -> u64| reports.iter().map(of).sum::<u64>();
    assert!(sum(|report| report.commits) > 1000);
    assert!(sum(|report| report.attempts) > sum(|report| report.commits));
    assert!(sum(|report| report.undone) > 0, "fallbacks undid nothing");
    assert!(
        sum(|report| report.views - 1) > 0,
        "no view was ever changed"
    );
    assert!(sum(|report| report.left) > 0, "nobody has left");
    assert!(sum(|report| report.counters.pages_given_away) > 0);
    assert!(sum(|report| report.counters.intervals_cut) > 0);
    assert!(sum(|report| report.counters.pages_undone) > 0);
    assert!(sum(|report| report.recovery.reset) > 0, "nobody went back");
    let mut faults = sim::Faults::default();
    for report in &reports {
        faults.add(&report.faults);
    }
    // Who is given up seldom has anything to do that needs nobody.
    let options = Options {
        faults: Some(FaultKind::Pause),
        ..options
    };
    for seed in 0..30 {
        faults.add(&sim::run(seed, &options).unwrap().faults);
    }
    let happened = [
        faults.crashes,
        faults.pauses,
        faults.holds,
        faults.resets,
        faults.slow_disks,
        faults.given_up,
        faults.commits_in_vain,
    ];
    assert!(!happened.contains(&0), "{faults}");
}

/// Exactly those go back that depend on what was lost, and exactly as far as they must:
/// the bound of recovery that keeps each node's program order.
#[test]
fn fallbacks_take_no_more_than_they_must() {
    let mut sum = sim::Recovery::default();
    for seed in 100..150 {
        sum.add(&sim::run(seed, &Options::default()).unwrap().recovery);
    }
    assert!(sum.fallbacks > 50 && sum.needed > 10, "{sum}");
    assert!(sum.reset < sum.survivors / 2, "{sum}");
    assert_eq!(sum.needed, sum.reset, "{sum}");
    assert_eq!(sum.undone_min, sum.undone, "{sum}");
}

#[test]
fn every_kind_of_fault_can_be_asked_for() {
    for kind in FaultKind::ALL {
        let options = Options {
            faults: Some(kind),
            ..Options::default()
        };
        for seed in 0..5 {
            let report = sim::run(seed, &options).unwrap();
            let is_asked_for = kind == FaultKind::Crash;
            assert_eq!(report.faults.crashes > 0, is_asked_for);
            let count = match kind {
                FaultKind::Crash => report.faults.crashes,
                FaultKind::Pause => report.faults.pauses,
                FaultKind::Hold => report.faults.holds,
                FaultKind::Reset => report.faults.resets,
                FaultKind::SlowDisk => report.faults.slow_disks,
            };
            assert!(count > 0, "{kind}: {}", report.faults);
        }
    }
}

#[test]
fn a_cluster_of_two_and_one_of_six() {
    for nodes in [2, 6] {
        let options = Options {
            nodes: Some(nodes),
            ..Options::default()
        };
        for seed in 0..5 {
            sim::run(seed, &options).unwrap();
        }
    }
}
