//! The node's store at the service of all members.
use alloc::string::ToString;

use platform::Disk;
use store::Part;
use wire::{Envelope, Message};

use crate::core::Core;
use crate::{FatalReason, Platform};

impl<P: Platform, D: Disk> Core<P, D> {
    /// A frame to keep, the end of a part, or a question of a home.
    pub(crate) fn on_store_message(&mut self, envelope: Envelope) {
        let from = envelope.from;
        match envelope.message {
            Message::StoreFrame { page, content } => {
                if let Err(error) = self.store.put_frame(page, &content) {
                    self.store_failed(&error);
                }
            }
            Message::PartEnd { epoch, frames } => {
                let part = Part { node: from, epoch };
                if let Err(error) = self.store.end_part(part, frames) {
                    self.store_failed(&error);
                }
            }
            Message::StoreRead { page } => match self.store.read(page) {
                Ok(content) => self.say(from, Message::StoreData { page, content }),
                Err(error) => self.store_failed(&error),
            },
            other => unreachable!("{other:?} is not for the store"),
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
        self.on_control_log();
    }

    /// A disk that has failed once is not asked again: the node leaves, and the
    /// cluster goes on with the copies of the others.
    pub(crate) fn store_failed(&mut self, error: &impl ToString) {
        let reason = FatalReason::StoreFailed(error.to_string());
        self.fatal = self.fatal.take().or(Some(reason));
    }
}
