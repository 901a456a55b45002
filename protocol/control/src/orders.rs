//! Snapshots that people want taken, or given up.
use alloc::string::String;
use types::{Epoch, Instant};

use crate::leader::Leader;
use crate::snapshots::SnapshotRefused;
use crate::state::Command;

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
