//! A checker that has never caught anything proves nothing: each planted fault of the
//! memory is found within a few seeds, and by the checker that it is meant for.
#![expect(clippy::tests_outside_test_module, reason = "the whole file is tests")]
use oracle::Property::{EpochCuts, Fallback, Opacity, Progress, Recovery, SingleWriter};
use sim::Property::{Application, Assertion, Coherence, Contract, History};
use sim::{Options, Plant, Property, Watch};

const SEEDS_MAX: u64 = 60;

/// Runs seeds until the fault is noticed in one of the expected ways; in other seeds
/// something else may notice it first.
fn assert_caught(plant: Plant, watch: Watch, expected: &[Property]) {
    let options = Options {
        plant: Some(plant),
        watch,
        events_max: 30_000,
        ..Options::default()
    };
    let mut failures = (0..SEEDS_MAX).filter_map(|seed| sim::run(seed, &options).err());
    let is_caught = failures.any(|failure| expected.contains(&failure.property));
    assert!(is_caught, "{plant} is not noticed in {SEEDS_MAX} seeds");
}

#[test]
fn skipped_ack_is_seen_in_the_page_states() {
    assert_caught(Plant::SkippedAck, Watch::Everything, &[Coherence]);
}

#[test]
fn skipped_ack_is_seen_in_the_history() {
    let options = Options {
        plant: Some(Plant::SkippedAck),
        watch: Watch::History,
        ..Options::default()
    };
    let mut failures = (0..SEEDS_MAX).filter_map(|seed| sim::run(seed, &options).err());
    let is_caught = failures.any(|failure| {
        let violation = failure.history.map(|violation| violation.property());
        [Some(SingleWriter), Some(Opacity)].contains(&violation)
    });
    assert!(
        is_caught,
        "the oracle does not notice it in {SEEDS_MAX} seeds"
    );
}

#[test]
fn epoch_missing_on_an_answer_breaks_the_cuts() {
    assert_caught(Plant::AckEpoch, Watch::Everything, &[History(EpochCuts)]);
}

#[test]
fn data_mapped_for_a_doomed_transaction_breaks_opacity() {
    assert_caught(
        Plant::DoomedMapping,
        Watch::Everything,
        &[History(Opacity), Application],
    );
}

#[test]
fn ownership_lost_in_a_refused_transition_is_asserted() {
    assert_caught(Plant::LostOwner, Watch::Everything, &[Assertion]);
}

#[test]
fn without_ageing_a_long_transaction_starves() {
    assert_caught(Plant::NoAgeing, Watch::Everything, &[History(Progress)]);
}

#[test]
fn homes_that_do_not_wait_for_inventories_lose_the_stable_state() {
    assert_caught(Plant::BlindHome, Watch::Everything, &[History(Fallback)]);
}

#[test]
fn stores_that_keep_the_undone_bring_it_back() {
    assert_caught(Plant::UndoneStore, Watch::Everything, &[History(Fallback)]);
}

#[test]
fn stability_before_the_stores_have_it_is_asserted() {
    assert_caught(Plant::EarlyStable, Watch::Everything, &[Assertion]);
}

#[test]
fn a_fallback_behind_the_stable_epoch_breaks_the_promise() {
    assert_caught(
        Plant::ForgottenStable,
        Watch::Everything,
        &[History(Fallback)],
    );
}

#[test]
fn survivors_that_keep_quiet_about_their_dependencies_keep_orphans() {
    assert_caught(
        Plant::ForgottenEdges,
        Watch::Everything,
        &[History(Recovery)],
    );
}

#[test]
fn versions_that_only_their_producers_have_are_lost_without_offers() {
    assert_caught(
        Plant::WithheldOffers,
        Watch::Everything,
        &[History(Fallback), History(SingleWriter)],
    );
}

#[test]
fn homes_that_do_not_know_the_holders_give_out_old_versions() {
    assert_caught(
        Plant::ForgottenHolders,
        Watch::Everything,
        &[
            Coherence,
            Assertion,
            History(SingleWriter),
            History(Opacity),
        ],
    );
}

#[test]
fn whoever_has_missed_a_decision_must_hear_of_it_with_the_next() {
    assert_caught(
        Plant::ForgottenDecisions,
        Watch::Everything,
        &[
            History(Fallback),
            History(SingleWriter),
            Assertion,
            Coherence,
        ],
    );
}

#[test]
fn who_goes_on_with_what_it_had_after_it_was_given_up_breaks_the_page_states() {
    assert_caught(
        Plant::ReadmittedSleeper,
        Watch::Everything,
        &[Coherence, Assertion],
    );
}

#[test]
fn commits_of_a_member_that_was_given_up_must_not_count() {
    assert_caught(
        Plant::UncutSleeper,
        Watch::Everything,
        &[History(Fallback), History(SingleWriter)],
    );
}

#[test]
fn a_loss_of_which_nobody_hears_stops_the_cluster() {
    assert_caught(Plant::HiddenLoss, Watch::Everything, &[History(Progress)]);
}

#[test]
fn who_talks_on_after_a_loss_passes_off_a_part_as_the_whole() {
    assert_caught(
        Plant::UnheardGap,
        Watch::Everything,
        &[Contract, History(Fallback)],
    );
}

#[test]
fn parts_that_keep_quiet_about_their_dependencies_keep_orphans() {
    assert_caught(Plant::LooseParts, Watch::Everything, &[History(Recovery)]);
}

#[test]
fn what_was_called_safe_too_early_is_taken_back() {
    assert_caught(Plant::EarlySafe, Watch::Everything, &[Contract]);
}
