//! Bugs put into what lies around the nodes are noticed, and as what they are.
//!
//! It runs its tests itself: a node that finds one of its invariants broken, as some do here,
//! leaves a thread for ever in the middle of its panic, and the usual harness waits at its end
//! until no thread is.
use whole::{Options, Plant, Property};

/// A bug must show within so many seeds.
const SEEDS_MAX: u64 = 5;

fn assert_caught(plant: Plant, expected: &[Property]) {
    let options = Options {
        plant: Some(plant),
        ..Options::default()
    };
    let mut failures = (0..SEEDS_MAX).filter_map(|seed| whole::run(seed, &options).err());
    let is_caught = failures.any(|failure| expected.contains(&failure.property));
    assert!(is_caught, "{plant} is not noticed in {SEEDS_MAX} seeds");
}

fn a_store_that_acknowledges_before_the_sync_loses_what_clients_were_told() {
    // Or the store notices first that it lacks what was durable, and is refused.
    assert_caught(Plant::LyingStore, &[Property::History, Property::Life]);
}

fn a_voter_that_speaks_before_its_record_is_synced_takes_decisions_back() {
    assert_caught(
        Plant::LyingLog,
        &[Property::Stability, Property::OneDecision],
    );
}

fn a_lease_on_a_slow_clock_outlives_its_end() {
    assert_caught(Plant::SlowClock, &[Property::Lease, Property::OneLeader]);
}

/// What nobody has any more is served to nobody: whoever needs it is told, and nothing wrong.
fn what_all_disks_have_lost_is_noticed_and_not_served() {
    let options = Options {
        plant: Some(Plant::RotEverywhere),
        ..Options::default()
    };
    let runs = (0..SEEDS_MAX).map(|seed| whole::run(seed, &options));
    let failures: Vec<Property> = runs
        .filter_map(Result::err)
        .map(|failure| failure.property)
        .collect();
    let is_expected = |property: &Property| {
        let expected = [Property::Repair, Property::Life, Property::Progress];
        expected.contains(property)
    };
    assert!(!failures.is_empty(), "it is noticed");
    assert!(failures.iter().all(is_expected), "{failures:?}");
}

macro_rules! tests {
    ($($test:ident),* $(,)?) => { [$((stringify!($test), $test as fn())),*] };
}

/// Runs those whose names have one of the arguments in them; all without any.
#[expect(clippy::print_stdout, reason = "it is its own harness")]
fn main() {
    let tests = tests![
        a_store_that_acknowledges_before_the_sync_loses_what_clients_were_told,
        a_voter_that_speaks_before_its_record_is_synced_takes_decisions_back,
        a_lease_on_a_slow_clock_outlives_its_end,
        what_all_disks_have_lost_is_noticed_and_not_served,
    ];
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let names = || arguments.iter().filter(|one| !one.starts_with('-'));
    let is_meant = |test: &str| names().count() == 0 || names().any(|name| test.contains(name));
    for (name, test) in tests {
        if arguments.iter().any(|one| one == "--list") {
            println!("{name}: test");
        } else if is_meant(name) {
            test();
            println!("test {name} ... ok");
        }
    }
}
