//! What voters keep and say, in forms that have bytes. The Raft library's own types
//! have none; each has a mirror here.
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::fmt;
use noraft::{ClusterConfig, LogEntries, LogEntry, LogIndex, LogPosition, Term};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use crate::state::{Command, ControlState};

/// The highest number of a leadership or of an entry.
const NUMBER_MAX: u64 = 1 << 62;

/// A control log, for as long as it lasts. One that begins anew has another id: it has
/// forgotten what the old one promised.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VoterId(pub u64);

/// A place in the replicated log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Position {
    /// Whose entry it is: number of the leadership.
    #[serde(deserialize_with = "number")]
    pub term: u64,
    /// Which entry, from 1.
    #[serde(deserialize_with = "number")]
    pub index: u64,
}

/// Who votes. While `next` is not empty, decisions need a majority of both.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Electorate {
    /// Those who vote.
    pub voters: BTreeSet<VoterId>,
    /// Those who will vote instead.
    pub next: BTreeSet<VoterId>,
    /// Those who get the log and do not vote (yet).
    pub listeners: BTreeSet<VoterId>,
}

/// An entry of the replicated log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Entry {
    /// A leadership begins.
    Term(#[serde(deserialize_with = "number")] u64),
    /// Who votes from here on.
    Electorate(Electorate),
    /// A decision.
    Command(Command),
}

/// Consecutive entries of the replicated log.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Entries {
    /// The entry before the first.
    pub after: Position,
    /// They.
    pub entries: Vec<Entry>,
}

/// A record of the control log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Record {
    /// The newest leadership known, and who has this voter's vote for it.
    Ballot(Ballot),
    /// Entries; those that stood in their place before, and all after, are void.
    Entries(Entries),
    /// Stands for all records before.
    Checkpoint(Box<Checkpoint>),
}

/// What a voter has promised.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Ballot {
    /// Number of the newest leadership that it knows.
    #[serde(deserialize_with = "number")]
    pub term: u64,
    /// Who has its vote.
    pub vote: Option<VoterId>,
}

/// All that a voter knows, in one.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Checkpoint {
    /// What it has promised.
    pub ballot: Ballot,
    /// The last entry that is part of `state`.
    pub at: Position,
    /// Who voted there.
    pub electorate: Electorate,
    /// The state there.
    pub state: ControlState,
    /// The entries after it.
    pub tail: Vec<Entry>,
}

/// What a voter says to another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Packet {
    /// Would you vote for me? Nobody's term changes by it.
    Canvass {
        /// Echoed in the answer.
        round: u64,
        /// Where my log ends.
        last: Position,
        /// Why I ask.
        cause: Cause,
    },
    /// I would.
    Support {
        /// From the question.
        round: u64,
        /// On what ground.
        ground: Ground,
        /// I have heard a leader since I was started, or been one.
        is_led: bool,
    },
    /// Vote for me.
    AskVote {
        /// The leadership that I want to begin.
        #[serde(deserialize_with = "number")]
        term: u64,
        /// Where my log ends.
        last: Position,
        /// On what ground.
        ground: Ground,
    },
    /// An answer to it.
    Vote {
        /// The newest leadership known.
        #[serde(deserialize_with = "number")]
        term: u64,
        /// You have it.
        is_granted: bool,
    },
    /// From the leader: append these; also the sign that it is alive.
    Append {
        /// Its leadership.
        #[serde(deserialize_with = "number")]
        term: u64,
        /// Entries up to here are decided.
        #[serde(deserialize_with = "number")]
        commit: u64,
        /// What to append.
        entries: Entries,
        /// The leader's clock, echoed in the answer.
        stamp_ns: u64,
    },
    /// An answer to it.
    Appended {
        /// The newest leadership known.
        #[serde(deserialize_with = "number")]
        term: u64,
        /// Where my log ends.
        last: Position,
        /// From what is answered.
        stamp_ns: u64,
    },
    /// To the leader, while the answer waits for the disk: I have heard you, and vote for no
    /// other for a while.
    Heard {
        /// Its leadership.
        #[serde(deserialize_with = "number")]
        term: u64,
        /// From what was heard.
        stamp_ns: u64,
    },
    /// From one that led until its own vote went: I lead no more, and what you have promised
    /// me is over.
    Resigned {
        /// Its leadership.
        #[serde(deserialize_with = "number")]
        term: u64,
    },
    /// From the leader to one that lacks entries that nobody keeps any more.
    Snapshot {
        /// The last entry that is part of `state`.
        at: Position,
        /// Who voted there.
        electorate: Electorate,
        /// The state there.
        state: Box<ControlState>,
    },
}

/// Why a voter asks whether others would vote for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Cause {
    /// It has heard no leader for a whole election timeout, or knows of none: the leader may
    /// be slow.
    Missed,
    /// It knows that the leader's process is dead, or that its machine is silent.
    Lost,
}

/// Why a vote harms no leader that may be in office.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Ground {
    /// The voter's promise to the last leader is over.
    Silence,
    /// The voter has been started and has heard no leader since. Counts only if all
    /// voters say so, or have nothing promised: then the last leader is one of them.
    Restart,
}

/// The bytes are none of this version, or records do not follow each other. The disk,
/// a peer or another version is to blame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordError;

/// The number of a leadership or of an entry. No higher one is ever given, so that those
/// that follow it fit, too, whoever has said it.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(deserializer)?;
    match number {
        0..=NUMBER_MAX => Ok(number),
        _ => Err(D::Error::custom("a number that is never given")),
    }
}

impl Record {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("serialising to memory cannot fail")
    }

    /// The record that these bytes are.
    ///
    /// # Errors
    /// If they are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        postcard::from_bytes(bytes).map_err(|_| RecordError)
    }
}

impl Packet {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("serialising to memory cannot fail")
    }

    /// The packet that these bytes are.
    ///
    /// # Errors
    /// If they are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        postcard::from_bytes(bytes).map_err(|_| RecordError)
    }
}

impl Checkpoint {
    /// What each of its voters knows of a cluster that begins with this state.
    #[must_use]
    pub fn of(state: ControlState) -> Self {
        let electorate = Electorate {
            voters: state.electorate(),
            ..Electorate::default()
        };
        let (term, index) = (1, 1);
        let ballot = Ballot { term, vote: None };
        Self {
            ballot,
            at: Position { term, index },
            electorate,
            state,
            tail: Vec::new(),
        }
    }

    /// What these records, oldest first, add up to.
    ///
    /// # Errors
    /// If one does not follow from those before.
    pub fn replay(records: impl IntoIterator<Item = Record>) -> Result<Self, RecordError> {
        let mut all = Self::default();
        for record in records {
            match record {
                Record::Ballot(ballot) => all.ballot = ballot,
                Record::Checkpoint(checkpoint) => all = *checkpoint,
                Record::Entries(Entries { after, entries }) => {
                    let kept = after.index.checked_sub(all.at.index).ok_or(RecordError)?;
                    let kept = usize::try_from(kept).map_err(|_| RecordError)?;
                    if kept > all.tail.len() {
                        return Err(RecordError);
                    }
                    all.tail.truncate(kept);
                    all.tail.extend(entries);
                }
            }
        }
        Ok(all)
    }

    /// Where the log ends.
    #[must_use]
    pub fn end(&self) -> Position {
        let mut end = self.at;
        for entry in &self.tail {
            end.index += 1;
            if let Entry::Term(term) = entry {
                end.term = *term;
            }
        }
        end
    }

    /// What would be decided if a voter that knows this led next: all that it has.
    #[must_use]
    pub fn outcome(&self) -> ControlState {
        let mut state = self.state.clone();
        for entry in &self.tail {
            if let Entry::Command(command) = entry {
                state.apply(command);
            }
        }
        state
    }

    /// Whether nothing was ever recorded.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        *self == Self::default()
    }
}

impl From<LogPosition> for Position {
    fn from(position: LogPosition) -> Self {
        let (term, index) = (position.term.get(), position.index.get());
        Self { term, index }
    }
}

impl From<Position> for LogPosition {
    fn from(position: Position) -> Self {
        Self::new(Term::new(position.term), LogIndex::new(position.index))
    }
}

impl From<VoterId> for noraft::NodeId {
    fn from(voter: VoterId) -> Self {
        Self::new(voter.0)
    }
}

impl From<noraft::NodeId> for VoterId {
    fn from(node: noraft::NodeId) -> Self {
        Self(node.get())
    }
}

impl From<&ClusterConfig> for Electorate {
    fn from(config: &ClusterConfig) -> Self {
        let ids = |set: &BTreeSet<noraft::NodeId>| set.iter().map(|&id| id.into()).collect();
        Self {
            voters: ids(&config.voters),
            next: ids(&config.new_voters),
            listeners: ids(&config.non_voters),
        }
    }
}

impl From<&Electorate> for ClusterConfig {
    fn from(electorate: &Electorate) -> Self {
        let ids = |set: &BTreeSet<VoterId>| set.iter().map(|&id| id.into()).collect();
        Self {
            voters: ids(&electorate.voters),
            new_voters: ids(&electorate.next),
            non_voters: ids(&electorate.listeners),
        }
    }
}

impl From<&Entry> for LogEntry {
    fn from(entry: &Entry) -> Self {
        match entry {
            Entry::Term(term) => Self::Term(Term::new(*term)),
            Entry::Electorate(electorate) => Self::ClusterConfig(electorate.into()),
            Entry::Command(_) => Self::Command,
        }
    }
}

impl From<&Entries> for LogEntries {
    fn from(entries: &Entries) -> Self {
        Self::from_iter(
            entries.after.into(),
            entries.entries.iter().map(LogEntry::from),
        )
    }
}

impl fmt::Debug for VoterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "V{:x}", self.0)
    }
}

impl fmt::Display for VoterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a record of the control log is none of this version's")
    }
}

impl core::error::Error for RecordError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// Nothing can follow the last number that there is.
    #[test]
    fn numbers_that_are_never_given_are_refused() {
        let ballot = |term| Record::Ballot(Ballot { term, vote: None });
        let entries = |term, index| {
            Record::Entries(Entries {
                after: Position { term, index },
                entries: vec![Entry::Term(term)],
            })
        };
        let vote = |term| Packet::Vote {
            term,
            is_granted: true,
        };
        for good in [ballot(NUMBER_MAX), entries(NUMBER_MAX, NUMBER_MAX)] {
            assert_eq!(Record::decode(&good.encode()), Ok(good));
        }
        let beyond = NUMBER_MAX + 1;
        for bad in [ballot(u64::MAX), entries(beyond, 1), entries(1, beyond)] {
            assert_eq!(Record::decode(&bad.encode()), Err(RecordError));
        }
        assert_eq!(Packet::decode(&vote(beyond).encode()), Err(RecordError));
    }
}
