//! Runs models to their end and says what was found; the list of all runs.
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;

use stateright::{Checker, HasDiscoveries, Model};

use crate::live::{self, Live};
use crate::{commit, epoch, undo};

/// Runs with more states are cut off, so that they fit into a small machine's memory.
pub const STATES_MAX: usize = 40_000_000;
/// The property that [`live`] checks.
pub const FAIR: &str = "every fair run ends";

/// What a run has found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Different states.
    pub states: usize,
    /// Steps between them, those to known states included.
    pub steps: usize,
    /// States on the longest of the shortest ways.
    pub depth: usize,
    /// Whether the run went to its end: all states, or a property that does not hold.
    pub is_complete: bool,
    /// Properties that hold in all states seen.
    pub held: Vec<&'static str>,
    /// Properties that do not, with the steps to the first state that shows it.
    pub broken: BTreeMap<&'static str, Vec<String>>,
}

impl Report {
    /// All was seen, and nothing was found.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.is_complete && self.broken.is_empty()
    }
}

/// Checks every property of the model in every reachable state, on one core.
pub fn safety<M>(model: M) -> Report
where
    M: Model + Send + Sync + 'static,
    M::State: Hash + Clone + Debug + PartialEq + Send + Sync,
    M::Action: Debug + Clone + PartialEq + Send + Sync,
{
    let properties: Vec<&str> = model
        .properties()
        .iter()
        .map(|property| property.name)
        .collect();
    let steps_max = 10 * STATES_MAX;
    let builder = model.checker().finish_when(HasDiscoveries::AnyFailures);
    let checker = builder.target_state_count(steps_max).spawn_bfs().join();
    let found = checker.discoveries().into_iter();
    let broken: BTreeMap<&str, Vec<String>> = found
        .map(|(name, path)| {
            let actions = path.into_actions().into_iter();
            (name, actions.map(|action| format!("{action:?}")).collect())
        })
        .collect();
    let mut held = properties;
    held.retain(|name| !broken.contains_key(name));
    Report {
        states: checker.unique_state_count(),
        steps: checker.state_count(),
        depth: checker.max_depth(),
        is_complete: checker.state_count() < steps_max,
        held,
        broken,
    }
}

/// Checks that every weakly fair run ends, from every reachable state.
pub fn progress<M: Live>(model: &M) -> Report {
    let progress = live::check(model, STATES_MAX);
    let mut broken = BTreeMap::new();
    let mut held = Vec::new();
    if progress.holds() {
        held.push(FAIR);
    } else {
        let counts = format!(
            "{} states without a way to the end, {} in which a fair run can stay",
            progress.hopeless, progress.trapped
        );
        broken.insert(FAIR, vec![counts]);
    }
    Report {
        states: progress.states,
        steps: progress.steps,
        depth: progress.depth,
        is_complete: progress.is_complete,
        held,
        broken,
    }
}

/// Which runs are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Set {
    /// Those of the tests: configurations and planted bugs.
    Small,
    /// These and those that take minutes.
    Large,
}

/// What is asked of a configuration.
#[derive(Clone, Copy, Debug)]
enum Subject {
    Safety(commit::config::Config),
    Progress(commit::config::Config),
    Undo(undo::config::Config),
}

/// One run, and what it must find.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    model: &'static str,
    subject: Subject,
    breaks: Option<&'static str>,
}

impl Run {
    /// Model, configuration, and planted bug if there is one.
    #[must_use]
    pub fn name(&self) -> String {
        let Self { model, subject, .. } = self;
        match subject {
            Subject::Safety(config) => format!("{model} {}{}", config.name, with(config.plant)),
            Subject::Progress(config) => {
                format!("{model} progress {}{}", config.name, with(config.plant))
            }
            Subject::Undo(config) => format!("{model} {}{}", config.name, with(config.plant)),
        }
    }

    /// Runs it.
    #[must_use]
    pub fn check(&self) -> Report {
        match self.subject {
            Subject::Safety(config) => safety(config),
            Subject::Progress(config) => progress(&config),
            Subject::Undo(config) => safety(config),
        }
    }

    /// Whether everything holds; or the planted bug was found, as what it breaks.
    #[must_use]
    pub fn is_expected(&self, report: &Report) -> bool {
        match self.breaks {
            None => report.holds(),
            Some(property) => report.is_complete && report.broken.contains_key(property),
        }
    }

    /// Whether it contains a bug on purpose.
    #[must_use]
    pub fn is_planted(&self) -> bool {
        self.breaks.is_some()
    }
}

fn with(plant: Option<impl Debug>) -> String {
    plant.map_or(String::new(), |plant| format!(", with {plant:?}"))
}

/// All runs of a set.
pub fn runs(set: Set) -> impl Iterator<Item = Run> {
    let mut runs = Vec::new();
    let mut add = |model, subject, breaks| {
        runs.push(Run {
            model,
            subject,
            breaks,
        });
    };
    for &config in commit::SMALL {
        add("commit", Subject::Safety(config), None);
        add("commit", Subject::Progress(config), None);
    }
    for &(config, property) in commit::PLANTS {
        let subject = match property {
            FAIR => Subject::Progress(config),
            _ => Subject::Safety(config),
        };
        add("commit", subject, Some(property));
    }
    for &config in epoch::SMALL {
        add("epoch", Subject::Safety(config), None);
    }
    for &(config, property) in epoch::PLANTS {
        add("epoch", Subject::Safety(config), Some(property));
    }
    for &config in undo::SMALL {
        add("undo", Subject::Undo(config), None);
    }
    for &(config, property) in undo::PLANTS {
        add("undo", Subject::Undo(config), Some(property));
    }
    if set == Set::Large {
        for &config in commit::LARGE {
            add("commit", Subject::Safety(config), None);
        }
        for &config in commit::LIVE {
            add("commit", Subject::Progress(config), None);
        }
        for &config in epoch::LARGE {
            add("epoch", Subject::Safety(config), None);
        }
        for &config in undo::LARGE {
            add("undo", Subject::Undo(config), None);
        }
    }
    runs.into_iter()
}
