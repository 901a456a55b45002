//! The same seed gives the same run; and seeds that have shown something once.
#![expect(clippy::tests_outside_test_module, reason = "the whole file is tests")]
use whole::{FaultKind, Options};

fn assert_well(seed: u64, options: &Options) {
    if let Err(failure) = whole::run(seed, options) {
        let command = &failure.command;
        panic!("{failure}\n{}\n{command}", failure.story.join("\n"));
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let options = Options::default();
    for seed in [3, 11, 14] {
        let (first, second) = (whole::run(seed, &options), whole::run(seed, &options));
        assert_eq!(first, second);
        assert!(first.is_ok_and(|report| report.answered > 0));
    }
    // Somebody has read the past, too, and found it as it was.
    assert!(whole::run(14, &options).is_ok_and(|report| report.confirmed > 20));
    let [one, other] = [3, 4].map(|seed| whole::run(seed, &options).map(|report| report.digest));
    assert_ne!(one, other);
}

/// A node whose lease had ended waited for the end of its lease again and again, and one
/// whose caller's transaction waited for a leader did not wait at all: both kept a processor
/// busy until there was a leader.
#[test]
fn who_may_not_commit_sleeps() {
    let options = Options {
        nodes: Some(2),
        faults: Some(FaultKind::Isolate),
        ..Options::default()
    };
    (0..5).for_each(|seed| assert_well(seed, &options));
}

/// A node without others looked for work at others' all the time.
#[test]
fn who_is_alone_sleeps() {
    let options = Options {
        nodes: Some(1),
        faults: Some(FaultKind::Pause),
        ..Options::default()
    };
    (0..3).for_each(|seed| assert_well(seed, &options));
}

/// A connection was accepted, broken by its caller and forgotten; then all of that was undone,
/// and the node looked in vain for the one who waited to be accepted again.
#[test]
fn who_has_gone_is_not_accepted_again() {
    let options = Options {
        types: true,
        ..Options::default()
    };
    assert_well(3017, &options);
}

/// A node that knew of no channel did not look at its doorbell: when the other one ran both
/// drivers, the leader's node never heard that it was to have the devices.
#[test]
fn who_has_no_channel_yet_hears_of_the_first() {
    let options = Options {
        nodes: Some(2),
        types: true,
        ..Options::default()
    };
    assert_well(45, &options);
}

/// What a process had asked before it was a member came late, and cost it its place.
#[test]
fn a_path_that_fails_again_and_again_costs_nobody_a_lease() {
    let options = Options {
        nodes: Some(3),
        faults: Some(FaultKind::Flap),
        ..Options::default()
    };
    (0..12).for_each(|seed| assert_well(seed, &options));
}

#[test]
fn every_kind_of_fault_is_survived() {
    for kind in FaultKind::ALL {
        let options = Options {
            faults: Some(kind),
            ..Options::default()
        };
        (100..102).for_each(|seed| assert_well(seed, &options));
    }
}
