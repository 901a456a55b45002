//! What the commit model promises in every state.
use stateright::{Model, Property};

use crate::commit::config::{Config, PAGES};
use crate::commit::state::{Copy, Fault, Mapping, Page, Phase, State};

pub(crate) fn all() -> Vec<Property<Config>> {
    vec![
        Property::always("one owner at most", |_, state: &State| {
            every_page(state, |pages, _| {
                pages.iter().filter(|page| page.copy.is_owner()).count() <= 1
            })
        }),
        Property::always("modified excludes every other copy", |_, state: &State| {
            every_page(state, |pages, _| {
                let copies = pages.iter().filter(|page| page.copy != Copy::Invalid);
                let is_modified = pages.iter().any(|page| page.copy == Copy::Modified);
                !is_modified || copies.count() == 1
            })
        }),
        Property::always("every copy is current", |_, state: &State| {
            every_page(state, |pages, current| {
                let mut copies = pages.iter().filter(|page| page.copy != Copy::Invalid);
                copies.all(|page| page.version == current)
            })
        }),
        Property::always("an unmarked view is current", |_, state: &State| {
            views(state, false).all(|(page, at)| page.seen == state.truth[at].version)
        }),
        Property::always("a marked view is of one time", |_, state: &State| {
            let marked = state.nodes.iter().filter(|node| node.is_marked);
            marked.into_iter().all(|node| {
                let mut pages = node.pages.iter().zip(node.at_mark);
                pages.all(|(page, then)| page.mapping == Mapping::Absent || page.seen == then)
            })
        }),
        Property::always("commits are serialisable", |_, state: &State| {
            state.fault != Some(Fault::Serialisability)
        }),
        Property::always("epochs are prefixes", |_, state: &State| {
            state.fault != Some(Fault::Epochs)
        }),
        Property::always("the oldest aged is never marked", |_, state: &State| {
            state.fault != Some(Fault::OldestMarked)
        }),
        Property::always("directories are right", |_, state: &State| {
            state.fault != Some(Fault::Directory)
        }),
        Property::always("nothing is stuck", |config: &Config, state: &State| {
            let mut actions = Vec::new();
            config.actions(state, &mut actions);
            state.fault.is_some() || state.is_over() || !actions.is_empty()
        }),
        // Of stateright's kind: only of runs that end.
        Property::eventually("all commit, if the run ends", |_, state: &State| {
            state.fault.is_some() || state.is_committed()
        }),
    ]
}

fn every_page(state: &State, holds: impl Fn(&[&Page], u8) -> bool) -> bool {
    (0..PAGES).all(|at| {
        let pages: Vec<&Page> = state.nodes.iter().map(|node| &node.pages[at]).collect();
        holds(&pages, state.truth[at].version)
    })
}

/// Mapped pages of transactions that are marked or not.
fn views(state: &State, is_marked: bool) -> impl Iterator<Item = (&Page, usize)> {
    let nodes = state.nodes.iter();
    let nodes = nodes.filter(move |node| node.is_marked == is_marked && node.phase != Phase::Done);
    let pages = nodes.flat_map(|node| node.pages.iter().zip(0..));
    pages.filter(|(page, _)| page.mapping != Mapping::Absent)
}
