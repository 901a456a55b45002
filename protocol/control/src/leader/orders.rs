//! Snapshots that people want taken, given up, or gone back to.
use alloc::string::String;
use types::{Epoch, Instant};

use super::{Leader, Order};
use crate::snapshots::SnapshotRefused;
use crate::state::Command;

/// Why the memory does not go back to a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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

/// Names an order of this leader.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Ticket(pub(super) u64);

/// What has become of an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It has still to be decided.
    Pending,
    /// It is decided.
    Decided,
    /// When its turn came it could not be done any more. Nothing has happened.
    Dropped(RestoreRefused),
}

impl Leader {
    /// The memory as it is now, or a moment later, is to be kept under a name. When that is
    /// decided, [`crate::Snapshots::named`] knows the name as soon as the epoch is stable.
    ///
    /// # Errors
    /// If the name cannot be given.
    pub fn snapshot(&mut self, now: Instant, name: &str) -> Result<Ticket, SnapshotRefused> {
        if !self.is_running() {
            return Err(SnapshotRefused::NotRunning);
        }
        self.state().snapshots().check_name(name)?;
        let is_same = |order: &Order| match &order.command {
            Command::Snapshot { name: ordered, .. } => ordered == name,
            _ => false,
        };
        if self.undecided().any(is_same) {
            return Err(SnapshotRefused::Taken(None));
        }
        let (name, epoch) = (name.into(), self.epoch());
        Ok(self.order(now, Command::Snapshot { name, epoch }))
    }

    /// A snapshot or a name is given up.
    ///
    /// # Errors
    /// If there is none such.
    pub fn forget(&mut self, now: Instant, what: Forgotten) -> Result<Ticket, SnapshotRefused> {
        if !self.is_running() {
            return Err(SnapshotRefused::NotRunning);
        }
        let snapshots = self.state().snapshots();
        let command = match what {
            Forgotten::Epoch(epoch) if snapshots.epochs().any(|kept| kept == epoch) => {
                Command::Forget { epoch }
            }
            Forgotten::Name(name) if snapshots.named(&name).is_some() => {
                Command::ForgetName { name }
            }
            Forgotten::Epoch(_) | Forgotten::Name(_) => return Err(SnapshotRefused::Unknown),
        };
        Ok(self.order(now, command))
    }

    /// The memory is to go back to an epoch that is kept. Whoever wants the same before that is
    /// decided shares the order: to go back twice would undo what was done in between.
    ///
    /// # Errors
    /// If it cannot now.
    pub fn restore(&mut self, now: Instant, epoch: Epoch) -> Result<Ticket, RestoreRefused> {
        if !self.is_running() {
            return Err(RestoreRefused::NotRunning);
        }
        self.check_restore(epoch)?;
        let command = Command::Restore { epoch };
        let is_same = |order: &&Order| order.command == command;
        if let Some(same) = self.undecided().find(is_same) {
            return Ok(same.ticket);
        }
        Ok(self.order(now, command))
    }

    /// What has become of an order that this leader has taken.
    #[must_use]
    pub fn outcome(&self, ticket: Ticket) -> Outcome {
        if let Some(why) = self.dropped.get(&ticket) {
            Outcome::Dropped(*why)
        } else if self.undecided().any(|order| order.ticket == ticket) {
            Outcome::Pending
        } else {
            Outcome::Decided
        }
    }

    fn order(&mut self, now: Instant, command: Command) -> Ticket {
        let ticket = self.next_ticket;
        self.next_ticket = Ticket(ticket.0 + 1);
        self.orders.push_back(Order { ticket, command });
        self.act(now);
        ticket
    }

    /// The order that is being decided, and those that wait.
    fn undecided(&self) -> impl Iterator<Item = &Order> {
        self.carried_out.iter().chain(&self.orders)
    }

    /// Takes up the next order. What cannot be done any more is dropped.
    pub(super) fn next_order(&mut self) -> Option<Command> {
        while let Some(order) = self.orders.pop_front() {
            let checked = match order.command {
                Command::Restore { epoch } => self.check_restore(epoch),
                _ => Ok(()),
            };
            if let Err(why) = checked {
                self.dropped.insert(order.ticket, why);
                continue;
            }
            let command = order.command.clone();
            self.carried_out = Some(order);
            return Some(command);
        }
        None
    }

    /// Whether the memory can go back there now.
    fn check_restore(&self, epoch: Epoch) -> Result<(), RestoreRefused> {
        if self.state().snapshots().epochs().all(|kept| kept != epoch) {
            Err(RestoreRefused::Unknown)
        } else if !self.is_settled() {
            Err(RestoreRefused::Unsettled)
        } else {
            Ok(())
        }
    }

    /// Whether each store has everything that it should have, and members are as they were.
    fn is_settled(&self) -> bool {
        let is_quiet = self.view().is_some_and(|view| view.leaving.is_empty());
        is_quiet && self.roll.failed().is_empty() && self.state().is_replicated()
    }
}
