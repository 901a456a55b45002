//! Reading versions back: a record is the frame that the index says it is, or damage.
use platform::Disk;
use types::{PAGE_SIZE, PageId, Stamp, Version};
use wire::{Image, NoImage, PageVersion};

use crate::error::{Damage, DamagedPart, ReadError};
use crate::index::Entry;
use crate::mask;
use crate::record::{HEAD_SIZE, Head, Meta, Position, payload_checksum};
use crate::store::Store;

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
        let found = self.index.with_stamp(page, stamp);
        match found.filter(|entry| entry.version == version) {
            Some(entry) => self.read_entry(entry).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn read_entry(&mut self, entry: Entry) -> Result<PageVersion, ReadError> {
        let Entry {
            version,
            stamp,
            position,
            length,
            ..
        } = entry;
        let mut record = [0; HEAD_SIZE + PAGE_SIZE];
        let size = HEAD_SIZE + usize::from(length);
        self.log.read(position, &mut record[..size])?;
        let (head, payload) = record[..size]
            .split_first_chunk_mut()
            .expect("a head was read");
        let image = check_frame(&entry, head, payload).map_err(ReadError::Damaged)?;
        Ok(PageVersion {
            version,
            stamp,
            image,
        })
    }
}

/// The image in the record, if that is the frame that the index says it is.
fn check_frame(entry: &Entry, head: &[u8; HEAD_SIZE], payload: &mut [u8]) -> Result<Image, Damage> {
    let Entry {
        page,
        version,
        stamp,
        position,
        ..
    } = *entry;
    let Position { segment, offset } = position;
    let named = |damage| Damage {
        page: Some((page, version)),
        ..damage
    };
    let head = Head::decode(head, position)
        .map_err(|fault| named(Damage::from_head(segment, offset, fault)))?;
    let damage = |part, expected, found| {
        Err(named(Damage {
            segment,
            offset,
            part,
            expected,
            found,
            page: None,
        }))
    };
    if head.meta
        != (Meta::Frame {
            page,
            version,
            stamp,
        })
    {
        return damage(DamagedPart::Place, offset, offset);
    }
    if head.payload_length as usize != payload.len() {
        let found = u32::try_from(payload.len()).expect("a page at most");
        return damage(DamagedPart::Length, head.payload_length, found);
    }
    let found = payload_checksum(payload);
    if found != head.payload_checksum {
        return damage(DamagedPart::Payload, head.payload_checksum, found);
    }
    mask::apply(head.mask, payload);
    Image::decode(payload).or_else(|NoImage { length }| {
        let found = u32::try_from(length).expect("a page at most");
        damage(DamagedPart::Image, 0, found)
    })
}
