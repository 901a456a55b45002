//! What the commit model promises in every state.
use stateright::{Model, Property};

use crate::commit::config::{Config, PAGES};
use crate::commit::state::{Copy, Fault, Mapping, Node, Page, Phase, State};

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
            views(state).all(|(page, current)| page.seen == current)
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
    let views = state.truth.iter().enumerate();
    let mut pages = views.flat_map(|(view, truth)| (0..PAGES).map(move |at| (view, at, truth[at])));
    pages.all(|(view, at, truth)| {
        let nodes = state.nodes.iter().filter(|node| node.view() == view);
        let pages: Vec<&Page> = nodes.map(|node| &node.pages[at]).collect();
        holds(&pages, truth.version)
    })
}

/// Mapped pages of transactions that are not marked, and the current version of each.
fn views(state: &State) -> impl Iterator<Item = (&Page, u8)> {
    let unmarked = |node: &&Node| !node.is_marked && node.phase != Phase::Done;
    let nodes = state.nodes.iter().filter(unmarked);
    let pages = nodes.flat_map(|node| node.pages.iter().zip(state.truth[node.view()]));
    let mapped = pages.filter(|(page, _)| page.mapping != Mapping::Absent);
    mapped.map(|(page, truth)| (page, truth.version))
}
