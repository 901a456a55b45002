//! Which stable epochs are kept: those that have names, and those that the ladder keeps.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use types::Epoch;
use types::limits::SNAPSHOTS_MAX;

use crate::ladder::Ladder;

/// Names of snapshots at most, those included that wait for their epoch.
const NAMES_MAX: usize = 256;
/// Letters of a name at most.
const NAME_LENGTH_MAX: usize = 64;
/// Means the newest stable epoch wherever a snapshot is named.
pub const LATEST: &str = "latest";

/// An epoch that is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// When it became stable by the leader's clock, in milliseconds since 1970. Not before
    /// an earlier epoch did.
    pub wall_ms: u64,
    /// Its names; if there are none it is kept for as long as the ladder says.
    pub names: BTreeSet<String>,
}

/// Why a snapshot is not given its name, or not given up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SnapshotRefused {
    /// No view is in force yet.
    NotRunning,
    /// It is no name.
    NoName,
    /// The name is given; to this epoch, if that is stable.
    Taken(Option<Epoch>),
    /// There are as many names as there may be.
    TooMany {
        /// So many.
        max: usize,
    },
    /// There is no such snapshot.
    Unknown,
}

/// What is kept.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Snapshots {
    kept: BTreeMap<Epoch, Snapshot>,
    /// Names for the first epoch to become stable that is not before this one.
    awaited: BTreeMap<String, Epoch>,
    ladder: Ladder,
    /// When the newest stable epoch became that.
    wall_ms: u64,
}

impl Snapshots {
    /// The epochs that are kept, ascending.
    pub fn epochs(&self) -> impl Iterator<Item = Epoch> + '_ {
        self.kept.keys().copied()
    }

    /// What is kept, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (Epoch, &Snapshot)> {
        self.kept.iter().map(|(&epoch, snapshot)| (epoch, snapshot))
    }

    /// When the newest stable epoch became that, in milliseconds since 1970; 0 if none has.
    #[must_use]
    pub fn newest_ms(&self) -> u64 {
        self.wall_ms
    }

    /// How long epochs without a name are kept.
    #[must_use]
    pub fn ladder(&self) -> &Ladder {
        &self.ladder
    }

    /// The epoch of this name, `None` if there is none or it is not stable yet.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Epoch> {
        let mut kept = self.kept.iter();
        let found = kept.find(|(_, snapshot)| snapshot.names.contains(name));
        found.map(|(&epoch, _)| epoch)
    }

    /// Whether the name waits for its epoch.
    #[must_use]
    pub fn is_awaited(&self, name: &str) -> bool {
        self.awaited.contains_key(name)
    }

    /// Whether the name can be given.
    pub(crate) fn check_name(&self, name: &str) -> Result<(), SnapshotRefused> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_name = (1..=NAME_LENGTH_MAX).contains(&name.len())
            && name.bytes().all(is_letter)
            && !name.starts_with('-')
            && !name.bytes().all(|byte| byte.is_ascii_digit())
            && name != LATEST;
        let given = self.kept.values().map(|snapshot| snapshot.names.len());
        let max = NAMES_MAX;
        match self.named(name) {
            _ if !is_name => Err(SnapshotRefused::NoName),
            Some(epoch) => Err(SnapshotRefused::Taken(Some(epoch))),
            None if self.awaited.contains_key(name) => Err(SnapshotRefused::Taken(None)),
            None if given.sum::<usize>() + self.awaited.len() >= max => {
                Err(SnapshotRefused::TooMany { max })
            }
            None => Ok(()),
        }
    }

    /// The first epoch to become stable that is not before `epoch` gets the name.
    pub(crate) fn await_named(&mut self, name: &str, epoch: Epoch) {
        // The leader has looked; but another may have led meanwhile.
        if self.check_name(name).is_ok() {
            self.awaited.insert(name.into(), epoch);
        }
    }

    /// An epoch has become stable.
    pub(crate) fn on_stable(&mut self, epoch: Epoch, wall_ms: u64) {
        self.wall_ms = self.wall_ms.max(wall_ms);
        let due = self.awaited.extract_if(.., |_, from| *from <= epoch);
        let names: BTreeSet<String> = due.map(|(name, _)| name).collect();
        let before_ms = self.kept.values().next_back();
        let before_ms = before_ms.map(|snapshot| snapshot.wall_ms);
        if names.is_empty() && !self.ladder.wants(self.wall_ms, before_ms) {
            return;
        }
        let wall_ms = self.wall_ms;
        self.kept.insert(epoch, Snapshot { wall_ms, names });
        self.thin();
    }

    /// The newest stable epoch is kept for as long as the ladder keeps any.
    pub(crate) fn keep_newest(&mut self, epoch: Epoch) {
        let (wall_ms, names) = (self.wall_ms, BTreeSet::new());
        let newest = Snapshot { wall_ms, names };
        self.kept.entry(epoch).or_insert(newest);
    }

    /// The memory goes back to this epoch, which is kept: there are no later ones any more.
    /// Whoever waits for a name gets it for the memory as it is then.
    pub(crate) fn go_back(&mut self, epoch: Epoch) {
        self.kept.retain(|&kept, _| kept <= epoch);
    }

    /// The epoch is not kept any more, whatever its names.
    pub(crate) fn forget(&mut self, epoch: Epoch) {
        self.kept.remove(&epoch);
    }

    /// The name is not given any more.
    pub(crate) fn forget_name(&mut self, name: &str) {
        self.awaited.remove(name);
        if let Some(epoch) = self.named(name) {
            let snapshot = self.kept.get_mut(&epoch).expect("just found");
            snapshot.names.remove(name);
            self.thin();
        }
    }

    pub(crate) fn set_ladder(&mut self, ladder: Ladder) {
        self.ladder = ladder;
        self.thin();
    }

    /// Gives up what neither a name nor the ladder keeps.
    fn thin(&mut self) {
        let mut before_ms = None;
        let (ladder, now_ms) = (&self.ladder, self.wall_ms);
        self.kept.retain(|_, snapshot| {
            let wall_ms = snapshot.wall_ms;
            let is_kept = !snapshot.names.is_empty() || ladder.keeps(wall_ms, before_ms, now_ms);
            if is_kept {
                before_ms = Some(wall_ms);
            }
            is_kept
        });
        let unnamed = self.kept.iter().filter(|(_, one)| one.names.is_empty());
        let unnamed: Vec<Epoch> = unnamed.map(|(&epoch, _)| epoch).collect();
        let excess = self.kept.len().saturating_sub(SNAPSHOTS_MAX);
        for epoch in unnamed.into_iter().take(excess) {
            self.kept.remove(&epoch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(snapshots: &Snapshots) -> Vec<u64> {
        snapshots.epochs().map(|epoch| epoch.0).collect()
    }

    /// Epochs of a second each; epoch 1 becomes stable at second 1.
    fn run(snapshots: &mut Snapshots, epochs: core::ops::RangeInclusive<u64>) {
        for epoch in epochs {
            snapshots.on_stable(Epoch(epoch), epoch * 1000);
        }
    }

    fn with_ladder(text: &str) -> Snapshots {
        let mut snapshots = Snapshots::default();
        snapshots.set_ladder(text.parse().unwrap());
        snapshots
    }

    #[test]
    fn the_ladder_thins_out_what_grows_old() {
        let mut snapshots = with_ladder("1s:3s,10s:30s");
        run(&mut snapshots, 1..=40);
        // Of each ten seconds the first that there was, of the last three all.
        assert_eq!(kept(&snapshots), [10, 20, 30, 37, 38, 39, 40]);
        run(&mut snapshots, 41..=1000);
        assert_eq!(kept(&snapshots), [970, 980, 990, 997, 998, 999, 1000]);
    }

    #[test]
    fn a_name_keeps_its_epoch() {
        let mut snapshots = with_ladder("none");
        run(&mut snapshots, 1..=4);
        snapshots.await_named("before", Epoch(5));
        assert_eq!(snapshots.named("before"), None);
        // Several epochs may become stable at once.
        run(&mut snapshots, 7..=9);
        assert_eq!(snapshots.named("before"), Some(Epoch(7)));
        assert_eq!(kept(&snapshots), [7]);
        let taken = SnapshotRefused::Taken(Some(Epoch(7)));
        assert_eq!(snapshots.check_name("before"), Err(taken));
        snapshots.forget_name("before");
        assert_eq!(kept(&snapshots), [0_u64; 0]);
        assert_eq!(snapshots.check_name("before"), Ok(()));
    }

    #[test]
    fn an_epoch_may_be_given_up_with_its_names() {
        let mut snapshots = with_ladder("1s:30m");
        snapshots.await_named("a", Epoch(2));
        snapshots.await_named("b", Epoch(2));
        run(&mut snapshots, 1..=3);
        snapshots.forget(Epoch(2));
        assert_eq!(kept(&snapshots), [1, 3]);
        assert_eq!(snapshots.named("a"), None);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let snapshots = Snapshots::default();
        let long = "x".repeat(65);
        for name in ["", "17", "latest", "a b", "-x", "a/b", "ä", &long] {
            assert_eq!(
                snapshots.check_name(name),
                Err(SnapshotRefused::NoName),
                "{name}"
            );
        }
        for name in ["a", "before-upgrade_2.1", "2026-11-26"] {
            assert_eq!(snapshots.check_name(name), Ok(()));
        }
    }

    #[test]
    fn names_are_bounded_and_so_are_snapshots() {
        let mut snapshots = with_ladder("1s:3584s");
        for number in 0..300 {
            snapshots.await_named(&alloc::format!("n{number}"), Epoch(number));
        }
        let refused = SnapshotRefused::TooMany { max: 256 };
        assert_eq!(snapshots.check_name("more"), Err(refused));
        run(&mut snapshots, 1..=5000);
        assert!(snapshots.epochs().count() <= SNAPSHOTS_MAX);
        assert_eq!(snapshots.named("n255"), Some(Epoch(255)));
    }

    #[test]
    fn a_clock_that_goes_back_does_no_harm() {
        let mut snapshots = with_ladder("1s:3s");
        run(&mut snapshots, 1..=9);
        snapshots.on_stable(Epoch(10), 2_000);
        snapshots.on_stable(Epoch(11), 10_000);
        assert_eq!(kept(&snapshots), [7, 8, 9, 11]);
        assert_eq!(snapshots.newest_ms(), 10_000);
    }
}
