//! Somebody who reads the past again and again, from any node: what was once so stays so,
//! whatever happens meanwhile and whoever is asked, until it is given up.
use std::collections::BTreeMap;

use admin::{Request, Response};
use kernel::ProcessId;
use types::{Duration, PageId};
use wire::{PAST_PAGES_MAX, PastFound, PastQuestion};

use crate::names::Pid;
use crate::report::Property;
use crate::tool::{Asker, Told};
use crate::world::World;

/// An answer that takes longer is not waited for: while nobody leads there is none.
const PATIENCE: Duration = Duration::from_millis(2_000);
/// Pages of each place that are looked at.
const PAGES: u32 = 40;

/// What is known of the past.
#[derive(Default, Debug)]
pub(crate) struct Historian {
    /// Epochs that are kept, as heard last.
    kept: Vec<u64>,
    /// What was found in each, by what was asked.
    known: BTreeMap<(u64, bool), PastFound>,
    asked: Option<Asked>,
    /// Answers that said what was known already.
    pub(crate) confirmed: u64,
}

/// What is being asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    Kept,
    /// For the contents of pages in an epoch, or which pages there were.
    Epoch(u64, bool),
}

impl Asked {
    fn question(is_contents: bool) -> PastQuestion {
        let memory = ProcessId(1).region();
        let first = PageId::new(memory.0, 0);
        if !is_contents {
            let extent = first.extent();
            return PastQuestion::Pages { extent };
        }
        // The superblock, counters, processes, and the memory of the only program.
        let pages = [1, 2, 5, memory.0].into_iter();
        let pages = pages.flat_map(|region| (0..PAGES).map(move |at| PageId::new(region, at)));
        PastQuestion::Contents {
            pages: pages.take(PAST_PAGES_MAX).collect(),
        }
    }
}

impl World {
    /// Asks the next question, if the last one is answered.
    pub(crate) fn read_past(&mut self) {
        let historian = &self.story.historian;
        let nodes = self.alive();
        if historian.asked.is_some() || nodes.is_empty() {
            return;
        }
        let kept = historian.kept.clone();
        if kept.is_empty() || self.prng.chance(1, 4) {
            if let Some((leader, _)) = self.leader() {
                self.ask_past(leader, Asked::Kept, &Request::Snapshots);
            }
            return;
        }
        let mut pick = |count: usize| {
            let drawn = self.prng.below(count as u64);
            usize::try_from(drawn).expect("below a count")
        };
        let (node, epoch) = (nodes[pick(nodes.len())], kept[pick(kept.len())]);
        let is_contents = pick(3) > 0;
        let request = Request::Past {
            epoch,
            question: Asked::question(is_contents),
        };
        self.ask_past(node, Asked::Epoch(epoch, is_contents), &request);
    }

    fn ask_past(&mut self, node: Pid, asked: Asked, request: &Request) {
        self.story.historian.asked = Some(asked);
        self.ask(Asker::Historian, node, request, PATIENCE);
    }

    pub(crate) fn on_historian_told(&mut self, told: Told) {
        let historian = &mut self.story.historian;
        let asked = historian.asked.take().expect("it has asked");
        let Told::Answer(response) = told else {
            return;
        };
        match (asked, *response) {
            (Asked::Kept, Response::Snapshots(all)) => {
                // If the memory goes back, the newest stable epoch stays that and means
                // another state; all others mean what they did or are gone.
                let before = &all[..all.len().saturating_sub(1)];
                let kept = before.iter().filter(|one| one.is_kept);
                historian.kept = kept.map(|one| one.epoch).collect();
            }
            (Asked::Epoch(epoch, is_contents), Response::Past(Some(found))) => {
                let key = (epoch, is_contents);
                match historian.known.get(&key) {
                    None => drop(historian.known.insert(key, found)),
                    Some(known) if *known == found => historian.confirmed += 1,
                    Some(known) => {
                        let detail = format!("epoch {epoch}: {known:?}, later {found:?}");
                        self.fail(Property::Past, detail);
                    }
                }
            }
            // It was given up, since somebody said what is kept; or it was not said everywhere
            // yet: then no node goes on with it later.
            (Asked::Epoch(epoch, _), Response::Past(None)) => {
                historian.kept.retain(|kept| *kept != epoch);
            }
            // Nobody leads, or the node has not heard of the epoch.
            (_, Response::Failed(_)) => {}
            (asked, other) => {
                let detail = format!("{asked:?} is answered by {other:?}");
                self.fail(Property::Past, detail);
            }
        }
    }
}
