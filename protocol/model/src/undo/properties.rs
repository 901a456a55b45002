//! What the undo model promises.
use stateright::Property;

use crate::undo::config::{Config, PAGES};
use crate::undo::state::{Done, Fault, Phase, State, small};

pub(crate) fn all() -> Vec<Property<Config>> {
    vec![
        Property::always("nothing kept depends on lost work", |_, state: &State| {
            let mut kept = state.history.iter().filter(|done| !done.is_undone());
            kept.all(|done| !uses_undone(state, done))
        }),
        Property::always("nothing stable is undone", |_, state: &State| {
            state.fault != Some(Fault::StableUndone)
        }),
        Property::always("every current version is somewhere", |_, state: &State| {
            let is_served = (0..PAGES).all(|page| state.is_served(page));
            state.fault != Some(Fault::Nowhere) && (is_served || state.phase != Phase::Working)
        }),
        Property::always("what is stable is stored", |_, state: &State| {
            (0..small(PAGES)).all(|page| {
                let version = state.current_stable(page);
                version.number == 0 || state.is_stored(&(page, version))
            })
        }),
        Property::always("only current versions are served", |_, state: &State| {
            let is_quiet = state.phase != Phase::Working;
            state.fault != Some(Fault::Served) && (is_quiet || state.copies_are_current())
        }),
        Property::always("only orphans fall back", |_, state: &State| {
            state.phase != Phase::Applying || only_orphans(state)
        }),
    ]
}

/// Whether it used a version whose writer is undone.
fn uses_undone(state: &State, done: &Done) -> bool {
    let mut writers = done.used.iter().filter(|(_, version)| version.number > 0);
    writers.any(|(_, version)| state.history[usize::from(version.writer) - 1].is_undone())
}

/// The first transaction that a survivor loses has itself used something undone.
fn only_orphans(state: &State) -> bool {
    state.alive().all(|node| {
        let of_node = |done: &&Done| {
            usize::from(done.stamp.node) == node && done.undone_after == Some(state.crashes)
        };
        let mut undone = state.history.iter().filter(of_node);
        undone.next().is_none_or(|first| uses_undone(state, first))
    })
}
