//! The table of channels. Each slot has a part of it, so that nodes which make channels do not
//! meet; whoever stands at a slot makes channels there, whoever's they become later.
use types::PAGE_SIZE;

use super::{Channel, ChannelRefusal, Kind};
use crate::cell::{Cell, Value, record};
use crate::region::{self, CHANNELS_PER_SLOT};
use crate::{ChannelId, Failure, Pages, Slot, Stop};

/// Bytes for each record.
const RECORD_BYTES: usize = 64;
#[expect(clippy::cast_possible_truncation, reason = "records of a page are few")]
const RECORDS_PER_PAGE: u32 = (PAGE_SIZE / RECORD_BYTES) as u32;

const _: () = assert!(Channel::SIZE <= RECORD_BYTES);

record! {
    struct Header {
        /// The place that was freed last, plus 1; it knows the one before. So what is used anew
        /// is what has been used: a ring's pages stay where they are.
        free: u32,
        /// Places that were ever used.
        used: u32,
    }
}

impl ChannelId {
    /// Where it is.
    pub(super) fn place(self) -> u32 {
        u32::try_from(self.0 & 0xFFFF_FFFF).expect("32 bits are left")
    }

    pub(super) fn new(place: u32, generation: u32) -> Self {
        Self(u64::from(generation) << 32 | u64::from(place))
    }
}

/// Makes a channel like this.
pub(super) fn create(
    pages: &mut impl Pages,
    slot: Slot,
    channel: Channel,
) -> Result<ChannelId, Failure> {
    let header = header(slot).get(pages)?;
    if header.used == 0 {
        directory().update(pages, |slots| *slots |= 1 << slot.index())?;
    }
    let index = match header.free.checked_sub(1) {
        Some(index) => index,
        None if header.used < CHANNELS_PER_SLOT => header.used,
        None => return Err(ChannelRefusal::TooManyChannels.into()),
    };
    let place = slot.index() * CHANNELS_PER_SLOT + index;
    let found = record(place).get(pages)?;
    assert!(
        found.kind == Kind::Free,
        "the place of a new channel is free"
    );
    let generation = found.generation + 1;
    let made = Channel {
        generation,
        ..channel
    };
    record(place).set(pages, made)?;
    let next = Header {
        free: found.next_free(),
        used: header.used.max(index + 1),
    };
    self::header(slot).set(pages, next)?;
    Ok(ChannelId::new(place, generation))
}

impl Channel {
    /// Of a free place: the next one, plus 1.
    fn next_free(&self) -> u32 {
        u32::try_from(self.socket).expect("stored from a place")
    }
}

/// The channel, if it has not been freed.
pub(super) fn find(pages: &mut impl Pages, id: ChannelId) -> Result<Option<Channel>, Stop> {
    if id.place() >= region::SLOTS * CHANNELS_PER_SLOT {
        return Ok(None);
    }
    let found = record(id.place()).get(pages)?;
    let is_it = found.kind != Kind::Free && ChannelId::new(id.place(), found.generation) == id;
    Ok(is_it.then_some(found))
}

/// The channel at a place.
pub(super) fn at(pages: &mut impl Pages, place: u32) -> Result<Option<(ChannelId, Channel)>, Stop> {
    let found = record(place).get(pages)?;
    let id = ChannelId::new(place, found.generation);
    Ok((found.kind != Kind::Free).then_some((id, found)))
}

/// Changes a channel's record.
pub(super) fn update(
    pages: &mut impl Pages,
    id: ChannelId,
    change: impl FnOnce(&mut Channel),
) -> Result<Channel, Stop> {
    record(id.place()).update(pages, change)
}

/// Frees a channel's place.
pub(super) fn free(pages: &mut impl Pages, id: ChannelId) -> Result<(), Stop> {
    let slot = Slot::new((id.place() / CHANNELS_PER_SLOT) as usize).expect("a place is a slot's");
    let next = header(slot).get(pages)?.free;
    record(id.place()).update(pages, |channel| {
        (channel.kind, channel.socket) = (Kind::Free, next.into());
    })?;
    let free = id.place() % CHANNELS_PER_SLOT + 1;
    header(slot).update(pages, |header| header.free = free)?;
    Ok(())
}

/// The first place from this one on that a channel may be at, if there is one.
pub(super) fn next_place(pages: &mut impl Pages, from: u32) -> Result<Option<u32>, Stop> {
    let slots = directory().get(pages)?;
    for slot in Slot::all().filter(|slot| slots >> slot.index() & 1 == 1) {
        let first = slot.index() * CHANNELS_PER_SLOT;
        let end = first + header(slot).get(pages)?.used;
        if from < end {
            return Ok(Some(from.max(first)));
        }
    }
    Ok(None)
}

fn directory() -> Cell<u64> {
    Cell::first(region::channel_directory())
}

fn header(slot: Slot) -> Cell<Header> {
    Cell::first(region::channel_header(slot))
}

fn record(place: u32) -> Cell<Channel> {
    let page = region::channel_records(place / RECORDS_PER_PAGE);
    Cell::at(page, (place % RECORDS_PER_PAGE) as usize * RECORD_BYTES)
}
