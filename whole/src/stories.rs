//! Single stories: what happens of a few things that go wrong at known moments.
use types::{Duration, Prng};

use crate::fault::{Death, Fault, Who};
use crate::options::Options;
use crate::run::play;
use crate::scenario::Scenario;

/// A cluster of two to which these things happen, and nothing else.
fn two_nodes(seed: u64, faults: Vec<(Duration, Fault)>) -> crate::Report {
    let options = Options {
        nodes: Some(2),
        ..Options::default()
    };
    let mut prng = Prng::new(seed);
    let scenario = Scenario {
        faults,
        detour: None,
        ..Scenario::draw(&mut prng, &options)
    };
    let told = play(seed, &options, prng, scenario);
    told.unwrap_or_else(|failure| panic!("{failure}\n{}", failure.story.join("\n")))
}

/// Who leads doubts the votes of a member that has left its view, lest it count on answers from
/// before. One whose process has been started again votes in the new view: to doubt it would end
/// the lease of a leader of two, and bring about another view.
#[test]
fn a_store_that_has_been_started_again_is_not_doubted() {
    let kill = Fault::Kill {
        who: Who::Node(1),
        death: Death::Silent,
        away: Duration::from_millis(2_800),
    };
    let report = two_nodes(1, vec![(Duration::from_millis(1_500), kill)]);
    // The first one, the one with the node that is back, and the one after the loss of power.
    assert_eq!(report.views, 3, "{}", report.story.join("\n"));
}
