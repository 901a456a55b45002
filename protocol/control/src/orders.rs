//! Snapshots that people want taken, given up, or gone back to.
use alloc::string::String;
use types::{Epoch, Instant};

use crate::leader::Leader;
use crate::snapshots::SnapshotRefused;
use crate::state::Command;

/// Why the memory does not go back to a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RestoreRefused {
    /// No view is in force yet.
    NotRunning,
    /// The epoch is not kept.
    Unknown,
    /// Members leave, fail or join, or stores have not got all their copies yet: some might
    /// not have what the memory was like.
    Unsettled,
}

/// What is to be kept no more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Forgotten {
    /// An epoch, with all its names.
    Epoch(Epoch),
    /// A name.
    Name(String),
}

impl Leader {
    /// The memory as it is now, or a moment later, is to be kept under a name. It is as soon
    /// as [`crate::Snapshots::named`] knows the name.
    ///
    /// # Errors
    /// If the name cannot be given.
    pub fn snapshot(&mut self, now: Instant, name: &str) -> Result<(), SnapshotRefused> {
        if !self.is_running() {
            return Err(SnapshotRefused::NotRunning);
        }
        self.state().snapshots().check_name(name)?;
        let is_same = |order: &Command| match order {
            Command::Snapshot { name: ordered, .. } => ordered == name,
            _ => false,
        };
        if self.orders.iter().any(is_same) {
            return Err(SnapshotRefused::Taken(None));
        }
        let (name, epoch) = (name.into(), self.epoch());
        self.orders.push_back(Command::Snapshot { name, epoch });
        self.act(now);
        Ok(())
    }

    /// The memory is to go back to an epoch that is kept. It has as soon as there is a later
    /// view than now whose last fallback is to that.
    ///
    /// # Errors
    /// If it cannot now.
    pub fn restore(&mut self, now: Instant, epoch: Epoch) -> Result<(), RestoreRefused> {
        if !self.is_running() {
            return Err(RestoreRefused::NotRunning);
        }
        if self.state().snapshots().epochs().all(|kept| kept != epoch) {
            return Err(RestoreRefused::Unknown);
        }
        if !self.is_settled() {
            return Err(RestoreRefused::Unsettled);
        }
        self.orders.push_back(Command::Restore { epoch });
        self.act(now);
        Ok(())
    }

    /// Whether a restore that was ordered has still to be decided.
    #[must_use]
    pub fn is_restoring(&self) -> bool {
        let is_it = |order: &Command| matches!(order, Command::Restore { .. });
        self.orders.iter().chain(self.deciding()).any(is_it)
    }

    /// The next thing that somebody has ordered; what cannot be done any more is dropped.
    pub(crate) fn next_order(&mut self) -> Option<Command> {
        let is_settled = self.is_settled();
        while let Some(order) = self.orders.pop_front() {
            if is_settled || !matches!(order, Command::Restore { .. }) {
                return Some(order);
            }
        }
        None
    }

    /// Whether each store has everything that it should have, and members are as they were.
    fn is_settled(&self) -> bool {
        let is_quiet = self.view().is_some_and(|view| view.leaving.is_empty());
        is_quiet && self.roll.failed().is_empty() && self.state().is_replicated()
    }

    /// A snapshot or a name is given up.
    ///
    /// # Errors
    /// If there is none such.
    pub fn forget(&mut self, now: Instant, what: Forgotten) -> Result<(), SnapshotRefused> {
        if !self.is_running() {
            return Err(SnapshotRefused::NotRunning);
        }
        let snapshots = self.state().snapshots();
        let order = match what {
            Forgotten::Epoch(epoch) if snapshots.epochs().any(|kept| kept == epoch) => {
                Command::Forget { epoch }
            }
            Forgotten::Name(name) if snapshots.named(&name).is_some() => {
                Command::ForgetName { name }
            }
            Forgotten::Epoch(_) | Forgotten::Name(_) => return Err(SnapshotRefused::Unknown),
        };
        self.orders.push_back(order);
        self.act(now);
        Ok(())
    }
}
