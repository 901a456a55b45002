//! Scrubbing: what is kept is read again, a little at a time, so that damage is found while
//! other stores still have good copies; and what is damaged is mended with one.
use alloc::vec::Vec;
use platform::{Disk, DiskError};
use types::{Epoch, PageId, Stamp, Version};
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

/// A version that the store keeps, and whose bytes are damaged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Broken {
    /// The page.
    pub page: PageId,
    /// Which version.
    pub version: Version,
    /// Who produced it.
    pub stamp: Stamp,
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
    /// Has the next [`Store::scrub_step`] begin a round.
    pub fn scrub_anew(&mut self) {
        self.scrub_from = None;
    }

    /// Versions that were found to be damaged since the last call, whoever wanted to read
    /// them, and that are still kept. Right after opening: those that opening has found.
    pub fn take_broken(&mut self) -> Vec<Broken> {
        let untold = core::mem::take(&mut self.untold).into_iter();
        let broken = untold.filter_map(|at| {
            let (page, version) = self.damage.get(&at)?.page?;
            let stamp = self.index.at_place(page, version, at)?.stamp;
            Some(Broken {
                page,
                version,
                stamp,
            })
        });
        broken.collect()
    }

    /// Whether this version is still kept, and still damaged as far as is known.
    pub fn is_broken(&self, broken: &Broken) -> bool {
        let Broken {
            page,
            version,
            stamp,
        } = *broken;
        let kept = self.index.with_stamp(page, version, stamp);
        kept.is_some_and(|entry| self.damage.contains_key(&entry.position))
    }

    /// The oldest stable version of the page that is newer than this one.
    ///
    /// # Errors
    /// If the disk failed, or that version is damaged.
    pub fn read_next(
        &mut self,
        page: PageId,
        version: Version,
    ) -> Result<Option<PageVersion>, ReadError> {
        match self.next_stable(page, version) {
            Some(entry) => self.read_entry(entry).map(Some),
            None => Ok(None),
        }
    }

    /// The epochs that are kept (those that are retained, and the newest stable one) in which
    /// the page had this version, ascending.
    pub fn epochs_of(&self, broken: &Broken) -> Vec<Epoch> {
        let next = self.next_stable(broken.page, broken.version);
        let until = next.map_or(Epoch(u64::MAX), |next| next.stamp.epoch());
        let mut kept = self.kept_epochs();
        kept.retain(|epoch| (broken.stamp.epoch()..until).contains(epoch));
        kept
    }

    /// The epochs that are kept: those that are retained, and the newest stable one. Ascending.
    pub fn kept_epochs(&self) -> Vec<Epoch> {
        let retained = self.retained().filter(|epoch| *epoch < self.stable());
        retained.chain([self.stable()]).collect()
    }

    fn next_stable(&self, page: PageId, version: Version) -> Option<Entry> {
        let stable = self.stable();
        let newer = self.index.versions(page);
        let newer = newer.filter(|one| one.version > version && one.stamp.epoch() <= stable);
        newer.min_by_key(|one| one.version)
    }

    /// Reads and checks the next versions, so many at most, in the order of pages; after the
    /// last it begins anew. What is written meanwhile may be left to the next round.
    ///
    /// # Errors
    /// If the disk failed.
    pub fn scrub_step(&mut self, versions_max: usize) -> Result<Scrubbed, DiskError> {
        self.log.check()?;
        self.log.forget_ahead();
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
                Err(ReadError::Damaged(damage)) => scrubbed.damage.push(damage),
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
        let Some(old) = self.index.with_stamp(page, version, stamp) else {
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
        self.damage.remove(&old.position);
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
