//! What a run has shown.
use std::collections::BTreeMap;
use std::fmt;

use types::Duration;

use crate::FaultKind;

/// What is promised.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Property {
    /// No node stops by an assertion.
    Assertion,
    /// What clients are told has an order.
    History,
    /// One view of each number.
    OneDecision,
    /// What was called stable stays.
    Stability,
    /// One leader at a time.
    OneLeader,
    /// Who was given up commits nothing.
    Lease,
    /// Nodes end for good reasons only.
    Life,
    /// Nodes that have nothing to do sleep.
    Rest,
    /// What a disk has lost is mended with what others have.
    Repair,
    /// Without faults the cluster works again.
    Progress,
    /// What was so in an epoch stays so.
    Past,
    /// What callers from outside were told stays true.
    Outside,
    /// Devices are told nothing wrong, and show what they should.
    Device,
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Assertion => "an assertion",
            Self::History => "what clients were told",
            Self::OneDecision => "one view of each number",
            Self::Stability => "what was called stable stays",
            Self::OneLeader => "one leader at a time",
            Self::Lease => "who was given up commits nothing",
            Self::Life => "nodes end for good reasons only",
            Self::Rest => "nodes that have nothing to do sleep",
            Self::Repair => "what a disk has lost is mended",
            Self::Progress => "without faults the cluster works again",
            Self::Past => "what was so in an epoch stays so",
            Self::Outside => "what was said to the outside stays true",
            Self::Device => "displays show what was typed",
        })
    }
}

/// What has happened in a run.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Faults, by kind.
    pub faults: BTreeMap<FaultKind, u64>,
    /// Processes that have ended by themselves.
    pub ended: u64,
    /// Programs that were ended.
    pub programs_ended: u64,
    /// Answers to callers from outside.
    pub passed: u64,
    /// Keys that were pressed.
    pub typed: u64,
    /// Those that were seen on a display.
    pub echoed: u64,
    /// Keys that change the mode of the display.
    pub switched: u64,
    /// Times that a device was found to be another node's.
    pub moved: u64,
}

impl Counts {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        for (&kind, count) in &other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        self.ended += other.ended;
        self.programs_ended += other.programs_ended;
        self.passed += other.passed;
        self.typed += other.typed;
        self.echoed += other.echoed;
        self.switched += other.switched;
        self.moved += other.moved;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faults:")?;
        for (kind, count) in &self.faults {
            write!(f, " {count} {kind},")?;
        }
        write!(f, " {} nodes ended by themselves, ", self.ended)?;
        write!(f, "{} programs were ended, ", self.programs_ended)?;
        write!(f, "{} answers to the outside, ", self.passed)?;
        write!(f, "{} keys typed, {} seen, ", self.typed, self.echoed)?;
        write!(f, "{} to switch, ", self.switched)?;
        write!(f, "{} devices moved", self.moved)
    }
}

/// A run in which everything was as promised.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Equal for equal runs.
    pub digest: u64,
    /// What the seed means.
    pub scenario: String,
    /// What was due, in all.
    pub items: u64,
    /// How long it took in its own time.
    pub lasted: Duration,
    /// Operations of clients that were answered.
    pub answered: u64,
    /// Those that were not.
    pub unanswered: u64,
    /// Views.
    pub views: u64,
    /// Answers about the past that said what was known before.
    pub confirmed: u64,
    /// From the end of the last fault until all was well.
    pub healed_in: Duration,
    /// The same after the loss of power.
    pub restarted_in: Duration,
    /// What has happened.
    pub counts: Counts,
    /// The story, if it was to be told.
    pub story: Vec<String>,
}

/// A run in which a promise was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// How to repeat it.
    pub command: String,
    /// What the seed means.
    pub scenario: String,
    /// Which promise.
    pub property: Property,
    /// How it shows.
    pub detail: String,
    /// The end of the story.
    pub story: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.detail)
    }
}
