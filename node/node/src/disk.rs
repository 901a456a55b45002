//! The node's store at the service of all members.
use alloc::format;
use alloc::string::ToString;

use platform::Disk;
use store::{Damage, Part, PartError, ReadError, RetainError};
use types::{Epoch, NodeId};
use wire::{Envelope, Message};

use crate::core::Core;
use crate::{FatalReason, Platform};

/// Versions read from the disk per call of the pump: each takes some microseconds.
const INHERITED_PER_PUMP: usize = 16;

impl<P: Platform, D: Disk> Core<P, D> {
    /// A frame to keep, the end of a part, or a question of a home.
    pub(crate) fn on_store_message(&mut self, envelope: Envelope) {
        let from = envelope.from;
        match envelope.message {
            Message::StoreFrame { page, ref content } => {
                match self.store.receive_frame(from, page, content) {
                    // What a node gives to its own store goes with it.
                    Ok(()) if from == self.dtm.me() => {}
                    Ok(()) => self.tell_memory(envelope),
                    Err(error) => self.store_failed(&error),
                }
            }
            Message::PartEnd { epoch, frames, .. } => {
                let part = Part { node: from, epoch };
                match self.store.end_part(part, frames) {
                    // Only now does the memory vouch for it.
                    Ok(()) => self.tell_memory(envelope),
                    // Its producer sends it again in the next view.
                    Err(error @ PartError::Incomplete { .. }) => {
                        (self.config.note)(&format!("epoch {epoch} of node {from}: {error}"));
                    }
                    Err(error) => self.store_failed(&error),
                }
            }
            Message::StoreRead { page } => match self.store.read(page) {
                Ok(stored) => {
                    // What this node has kept for the stores may be nowhere else.
                    let newest = stored.into_iter().chain(self.dtm.offer(page).cloned());
                    let content = newest.max_by_key(|content| content.version);
                    self.say(from, Message::StoreData { page, content });
                }
                Err(ReadError::Damaged(damage)) => self.on_damage(from, damage),
                Err(error) => self.store_failed(&error),
            },
            other => unreachable!("{other:?} is not for the store"),
        }
    }

    /// Gives the memory some of what the dead have left on this node's disk.
    pub(crate) fn inherit(&mut self) {
        for _ in 0..INHERITED_PER_PUMP {
            let Some((page, version, stamp)) = self.dtm.next_legacy() else {
                return;
            };
            let content = match self.store.read_version(page, version, stamp) {
                Ok(content) => content,
                Err(ReadError::Damaged(damage)) => {
                    (self.config.note)(&format!("the store: {damage}"));
                    None
                }
                Err(error) => return self.store_failed(&error),
            };
            self.dtm.inherit(page, content);
        }
    }

    /// Damage costs one copy of one version, not the node: another store has it.
    fn on_damage(&mut self, home: NodeId, damage: Damage) {
        (self.config.note)(&format!("the store: {damage}"));
        let (page, version) = damage.page.expect("it is known what was to be read");
        self.say(home, Message::StoreDamaged { page, version });
    }

    /// These epochs stay readable, and none else.
    pub(crate) fn retain(&mut self, epochs: &[Epoch]) {
        let retained = self.store.retain(&epochs.iter().copied().collect());
        match retained {
            Ok(()) => {}
            Err(RetainError::Disk(error)) => self.store_failed(&error),
            // No leader says so.
            Err(error @ RetainError::TooMany { .. }) => (self.config.note)(&format!("{error}")),
        }
    }

    /// Acknowledges the parts that have reached the disk.
    pub(crate) fn on_disk(&mut self) {
        match self.store.poll() {
            Ok(parts) => {
                for Part { node, epoch } in parts {
                    self.say(node, Message::PartStored { epoch });
                }
            }
            Err(error) => self.store_failed(&error),
        }
        self.acknowledge_copies();
        self.on_control_log();
    }

    /// A disk that has failed once is not asked again: the node leaves, and the
    /// cluster goes on with the copies of the others.
    pub(crate) fn store_failed(&mut self, error: &impl ToString) {
        let why = self.store.failure().or_else(|| self.voter.disk_failure());
        let why = why.map_or_else(|| error.to_string(), |first| first.to_string());
        let reason = FatalReason::StoreFailed(why);
        self.fatal = self.fatal.take().or(Some(reason));
    }
}
