//! Scrubbing: what is kept is read again, a little at a time, so that damage is found while
//! other stores still have good copies; and what is damaged is mended with one.
use alloc::vec::Vec;
use platform::{Disk, DiskError};
use types::{PageId, Version};
use wire::PageVersion;

use crate::error::{Damage, ReadError};
use crate::index::Entry;
use crate::record::Meta;
use crate::store::Store;

/// What a piece of scrubbing has found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scrubbed {
    /// Versions that were read.
    pub versions: usize,
    /// Those that are damaged, each with its page and version, also if that was known.
    pub damage: Vec<Damage>,
    /// Whether everything has been read once since the last time that this was so.
    pub is_round: bool,
}

/// Whether a version that was to be mended was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replaced {
    /// It is written. [`Store::is_durable`] says when that has reached the device.
    Written,
    /// The store keeps no such version of the page any more.
    NotKept,
}

impl<D: Disk> Store<D> {
    /// Reads and checks the next versions, so many at most, in the order of pages; after the
    /// last it begins anew. What is written meanwhile may be left to the next round.
    ///
    /// # Errors
    /// If the disk failed.
    pub fn scrub_step(&mut self, versions_max: usize) -> Result<Scrubbed, DiskError> {
        self.log.check()?;
        let mut scrubbed = Scrubbed::default();
        let from = self.scrub_from.take();
        let entries = self.index.entries_after(from, versions_max);
        scrubbed.is_round = entries.len() < versions_max;
        if !scrubbed.is_round {
            let last = entries.last();
            self.scrub_from = last.map(|last| (last.page, last.version));
        }
        scrubbed.versions = entries.len();
        for entry in entries {
            match self.read_entry(entry) {
                Ok(_) => {}
                Err(ReadError::Damaged(damage)) => {
                    self.note_damage(damage);
                    scrubbed.damage.push(damage);
                }
                Err(ReadError::Disk(error)) => return Err(error),
                Err(ReadError::NotRetained { .. }) => unreachable!("a version is asked for"),
            }
        }
        Ok(scrubbed)
    }

    /// Writes a version that the store keeps again, because what it has of it is damaged.
    ///
    /// # Errors
    /// If the disk failed.
    pub fn replace(&mut self, page: PageId, content: &PageVersion) -> Result<Replaced, DiskError> {
        let PageVersion {
            version,
            stamp,
            ref image,
        } = *content;
        self.log.check()?;
        let kept = self.index.with_stamp(page, stamp);
        let Some(old) = kept.filter(|kept| kept.version == version) else {
            return Ok(Replaced::NotKept);
        };
        let frame = Meta::Frame {
            page,
            version,
            stamp,
            base: 0,
        };
        let payload = image.encoded();
        let position = self.log.append(frame, payload)?;
        let length = u16::try_from(payload.len()).expect("a page at most");
        let new = Entry {
            position,
            length,
            base: 0,
            ..old
        };
        self.moved(&old, new);
        // A base may be needed no more.
        let (mut freed, retained) = (alloc::vec![old], self.history.retained());
        self.index.release_bases(0, retained, &mut freed);
        self.free(&freed[1..]);
        self.sync_wanted = self.log.end();
        self.seal_if_full()?;
        Ok(Replaced::Written)
    }
}

/// A version, by its page and number: where scrubbing goes on.
pub(crate) type Place = (PageId, Version);
