//! What a run has shown.
use std::fmt;

use dtm::Counters;

/// A run in which nothing was wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Digest of everything that happened; equal seeds give equal digests.
    pub digest: u64,
    /// What the seed meant.
    pub scenario: String,
    /// Events.
    pub events: u64,
    /// Attempts of transactions.
    pub attempts: u64,
    /// Transactions that committed, also those that were undone later.
    pub commits: u64,
    /// Of these: undone by a fallback.
    pub undone: u64,
    /// Views, the first one included.
    pub views: u64,
    /// Nodes that left for good.
    pub left: u64,
    /// What went wrong.
    pub faults: Faults,
    /// What the fallbacks took, against what they had to take.
    pub recovery: Recovery,
    /// Most conflicts that one transaction lost.
    pub losses_max: u64,
    /// What all nodes together have done: shows which paths were taken.
    pub counters: Counters,
    /// The last events.
    pub last_events: Vec<String>,
}

/// What went wrong, and how often.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    /// Nodes that crashed.
    pub crashes: u64,
    /// Nodes that stood still for a while.
    pub pauses: u64,
    /// Lines that carried nothing for a while in one direction.
    pub holds: u64,
    /// Links that broke and came up again.
    pub resets: u64,
    /// Disks that took long for a while.
    pub slow_disks: u64,
    /// Nodes that were given up although they lived.
    pub given_up: u64,
    /// Commits of such nodes that nothing came of.
    pub commits_in_vain: u64,
}

impl Faults {
    /// Adds what went wrong in another run.
    pub fn add(&mut self, other: &Self) {
        self.crashes += other.crashes;
        self.pauses += other.pauses;
        self.holds += other.holds;
        self.resets += other.resets;
        self.slow_disks += other.slow_disks;
        self.given_up += other.given_up;
        self.commits_in_vain += other.commits_in_vain;
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            crashes,
            pauses,
            holds,
            resets,
            slow_disks,
            given_up,
            commits_in_vain,
        } = self;
        write!(
            f,
            "{crashes} crashes, {pauses} pauses, {holds} lines held up, {resets} links broken, \
             {slow_disks} slow disks; {given_up} nodes were given up although they lived, and \
             committed {commits_in_vain} times in vain"
        )
    }
}

/// What fallbacks have taken from survivors, against what depended on lost work. Single
/// crashes and others together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Recovery {
    /// Fallbacks.
    pub fallbacks: u64,
    /// Survivors, summed over the fallbacks.
    pub survivors: u64,
    /// Survivors that had to go back.
    pub needed: u64,
    /// Survivors that went back.
    pub reset: u64,
    /// Transactions of dead nodes that were lost.
    pub lost: u64,
    /// Transactions of survivors that had to be undone.
    pub undone_min: u64,
    /// Transactions of survivors that were undone.
    pub undone: u64,
}

impl Recovery {
    /// Judges every fallback of a history.
    pub(crate) fn of(history: &oracle::History, survivors: u64) -> Self {
        let mut sum = Self {
            survivors,
            ..Self::default()
        };
        for period in history.periods() {
            let timeline = oracle::Timeline::new(history, period);
            let Some(judgement) = oracle::recovery::judge(&timeline) else {
                continue;
            };
            sum.fallbacks += 1;
            sum.needed += judgement.needed.len() as u64;
            sum.reset += judgement.reset.len() as u64;
            sum.lost += judgement.lost as u64;
            sum.undone_min += judgement.undone_min as u64;
            sum.undone += judgement.undone as u64;
        }
        sum
    }

    /// Adds what another run has shown.
    pub fn add(&mut self, other: &Self) {
        self.fallbacks += other.fallbacks;
        self.survivors += other.survivors;
        self.needed += other.needed;
        self.reset += other.reset;
        self.lost += other.lost;
        self.undone_min += other.undone_min;
        self.undone += other.undone;
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            fallbacks,
            survivors,
            needed,
            reset,
            lost,
            undone_min,
            undone,
        } = self;
        write!(
            f,
            "{fallbacks} fallbacks lost {lost} transactions of the dead; of {survivors} survivors \
             {needed} depended on them and {reset} went back; {undone_min} transactions of theirs \
             had to be undone and {undone} were"
        )
    }
}

/// A promise that was broken, and how to see it again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The command that shows it again.
    pub command: String,
    /// What was violated.
    pub property: Property,
    /// By what.
    pub detail: String,
    /// What had happened to the history by then, if something else was noticed first.
    pub history: Option<Box<oracle::Violation>>,
    /// What the seed meant.
    pub scenario: String,
    /// The last events before it was noticed.
    pub last_events: Vec<String>,
}

/// What can be violated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Property {
    /// A promise about the history of transactions.
    History(oracle::Property),
    /// A program saw values that no correct sequence of transactions leaves behind,
    /// or bytes that nobody wrote.
    Application,
    /// Two nodes of a view believe to own a page, or one to be alone with it who is not.
    Coherence,
    /// The cluster healed, but what was committed did not become stable.
    Settling,
    /// A node broke the contract with its surroundings.
    Contract,
    /// A node found its own invariant broken.
    Assertion,
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::History(property) => write!(f, "{property:?}"),
            other => write!(f, "{other:?}"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.detail)?;
        match &self.history {
            None => Ok(()),
            Some(violation) => write!(f, "\n    and {:?}: {violation}", violation.property()),
        }
    }
}

impl std::error::Error for Failure {}
