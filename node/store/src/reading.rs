//! Reading versions back: a record is the frame that the index says it is, or damage.
use alloc::borrow::Cow;
use platform::{Disk, DiskError};
use types::{PAGE_SIZE, PageId, Stamp, Version};
use wire::{Image, NoImage, PageVersion};

use crate::delta;
use crate::error::{Damage, DamagedPart, ReadError};
use crate::index::{Entry, Index};
use crate::record::{HEAD_SIZE, Head, Meta, payload_checksum};
use crate::store::Store;

/// Room for the record of a version.
pub(crate) type Record = [u8; HEAD_SIZE + PAGE_SIZE];
/// Room in which there is nothing yet.
pub(crate) const RECORD: Record = [0; HEAD_SIZE + PAGE_SIZE];

impl<D: Disk> Store<D> {
    /// The newest stable version of the page.
    ///
    /// # Errors
    /// If the disk failed, or that version is damaged.
    pub fn read_stable(&mut self, page: PageId) -> Result<Option<PageVersion>, ReadError> {
        match self.index.settled(page) {
            Some(entry) => self.read_entry(entry).map(Some),
            None => Ok(None),
        }
    }

    /// The newest version of the page that no decision undid.
    ///
    /// # Errors
    /// If the disk failed, or that version is damaged.
    pub fn read(&mut self, page: PageId) -> Result<Option<PageVersion>, ReadError> {
        match self.index.newest(page) {
            Some(entry) => self.read_entry(entry).map(Some),
            None => Ok(None),
        }
    }

    /// This version of the page, if it is kept, stable or not.
    ///
    /// # Errors
    /// If the disk failed, or that version is damaged.
    pub fn read_version(
        &mut self,
        page: PageId,
        version: Version,
        stamp: Stamp,
    ) -> Result<Option<PageVersion>, ReadError> {
        match self.index.with_stamp(page, version, stamp) {
            Some(entry) => self.read_entry(entry).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn read_entry(&mut self, entry: Entry) -> Result<PageVersion, ReadError> {
        let read = self.read_whole(entry);
        if let Err(ReadError::Damaged(damage)) = read {
            self.note_damage(damage);
        }
        read
    }

    fn read_whole(&mut self, entry: Entry) -> Result<PageVersion, ReadError> {
        let mut image = self.read_image(&entry)?;
        if let Some(base) = entry.base() {
            image = delta::exclusive_or(&image, &self.read_base(&entry, base)?);
        }
        let Entry { version, stamp, .. } = entry;
        Ok(PageVersion {
            version,
            stamp,
            image,
        })
    }

    /// The base of a version. If it is damaged, what is said to be damaged is the version,
    /// for that is what is asked for.
    fn read_base(&mut self, entry: &Entry, base: Version) -> Result<Image, ReadError> {
        let damage = ReadError::Damaged(damage_of(entry, DamagedPart::Base, 0, 0));
        // It was stable when this version came. That may be forgotten.
        let base = self.index.version(entry.page, base);
        let base = base.filter(|base| base.base == 0).ok_or(damage)?;
        self.read_image(&base).map_err(|error| match error {
            ReadError::Disk(_) => error,
            ReadError::Damaged(_) | ReadError::NotRetained { .. } => damage,
        })
    }

    /// The image in the record of a version.
    fn read_image(&mut self, entry: &Entry) -> Result<Image, ReadError> {
        let mut record = RECORD;
        let (_, payload) = self.read_record(entry, &mut record)?;
        Image::decode(&payload).map_err(|NoImage { length }| {
            let found = u32::try_from(length).expect("a page at most");
            ReadError::Damaged(damage_of(entry, DamagedPart::Image, 0, found))
        })
    }

    /// The record of a version, whose checksums are right.
    pub(crate) fn read_record<'record>(
        &'record mut self,
        entry: &Entry,
        record: &'record mut Record,
    ) -> Result<(Meta, Cow<'record, [u8]>), ReadError> {
        let record = &mut record[..HEAD_SIZE + usize::from(entry.length)];
        match self.log.read(entry.position, record) {
            Ok(record) => check_frame(entry, record).map_err(ReadError::Damaged),
            // A place that cannot be read any more is as good as one that reads wrongly.
            Err(DiskError::Io { .. } | DiskError::NotFound(_) | DiskError::PastEnd(_)) => {
                let damage = damage_of(entry, DamagedPart::Unreadable, 0, 0);
                Err(ReadError::Damaged(damage))
            }
            Err(error) => Err(ReadError::Disk(error)),
        }
    }

    /// Remembers damage; whether it is news.
    pub(crate) fn note_damage(&mut self, damage: Damage) -> bool {
        let at = damage.position();
        let known = self.damage.get(&at);
        let is_new = known.is_none_or(|known| known.page.is_none());
        if is_new {
            self.damage.insert(at, damage);
            self.untold.push(at);
        }
        is_new
    }
}

/// Whether something that is needed is damaged.
pub(crate) fn matters(index: &Index, damage: &Damage) -> bool {
    let holds = |(page, version)| index.holds(page, version, damage.position());
    damage.page.is_none_or(holds)
}

fn damage_of(entry: &Entry, part: DamagedPart, expected: u32, found: u32) -> Damage {
    Damage::new(entry.position, part, (expected, found)).of(entry.page, entry.version)
}

/// What the record says, and its payload, if it is the frame that the index says it is.
fn check_frame<'record>(
    entry: &Entry,
    record: &'record [u8],
) -> Result<(Meta, Cow<'record, [u8]>), Damage> {
    let Entry {
        page,
        version,
        stamp,
        position,
        base,
        ..
    } = *entry;
    let (head, stored) = record.split_first_chunk().expect("a head was read");
    let head = Head::decode(head, position);
    let head = head.map_err(|fault| Damage::from_head(position, fault).of(page, version))?;
    let damage = |part, expected, found| Err(damage_of(entry, part, expected, found));
    let frame = Meta::Frame {
        page,
        version,
        stamp,
        base,
    };
    if head.meta != frame {
        return damage(DamagedPart::Place, position.offset, position.offset);
    }
    if head.payload_length as usize != stored.len() {
        let found = u32::try_from(stored.len()).expect("a page at most");
        return damage(DamagedPart::Length, head.payload_length, found);
    }
    match head.payload(stored) {
        Some(payload) => Ok((head.meta, payload)),
        None => {
            let found = payload_checksum(stored);
            damage(DamagedPart::Payload, head.payload_checksum, found)
        }
    }
}
