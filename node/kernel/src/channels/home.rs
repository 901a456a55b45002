//! What homes do for the channels that they have. The numbers of bytes that are given count all
//! bytes since the channel was made.
use alloc::vec;
use alloc::vec::Vec;

use types::{NodeId, PageId};

use super::direction::{self, RING_BYTES, Ring};
use super::{Address, Channel, ChannelRefusal, Home, Kind, Schedule, device, doorbell, table};
use crate::cell::Value;
use crate::processes::{self, ProcessState};
use crate::{
    ChannelId, Failure, Pages, ProcessId, Refusal, Slot, Station, Stop, events, queues, region,
};

pub use super::doorbell::Rings;

/// Channels looked at in one transaction when all have to be.
const SCANNED: u32 = 256;

/// How far a channel is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    /// Bytes that were delivered.
    pub delivered: u64,
    /// Bytes that the program has written.
    pub written: u64,
    /// Of these, those that will never be needed again.
    pub sent: u64,
    /// Whether the program has heard that nothing more will come.
    pub is_ended: bool,
    /// Whether the program has closed it.
    pub is_closed: bool,
    /// Whether the program has heard that it is lost.
    pub is_lost: bool,
    /// Whether the program waits for room.
    pub is_blocked: bool,
}

/// What came of looking for channels of nodes that are there no more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Adopted {
    /// Those that were taken over.
    pub channels: Vec<ChannelId>,
    /// Where to go on; `None` if that was all.
    pub next: Option<u32>,
}

/// What was rung for this node. With nothing rung nothing is written.
///
/// # Errors
/// Only [`Stop`].
pub fn take_rings(pages: &mut impl Pages, me: NodeId) -> Result<Rings, Stop> {
    doorbell::take(pages, me)
}

/// The channel at a place, if there is one that this node has.
///
/// # Errors
/// Only [`Stop`].
pub fn at(
    pages: &mut impl Pages,
    me: NodeId,
    place: u32,
) -> Result<Option<(ChannelId, Channel)>, Stop> {
    let found = table::at(pages, place)?;
    Ok(found.filter(|(_, channel)| channel.home.0 == me))
}

/// The channel, if there is (still) one of this number.
///
/// # Errors
/// Only [`Stop`].
pub fn find(pages: &mut impl Pages, id: ChannelId) -> Result<Option<Channel>, Stop> {
    table::find(pages, id)
}

/// All channels that this node has.
///
/// # Errors
/// Only [`Stop`].
pub fn all(pages: &mut impl Pages, me: NodeId) -> Result<Vec<(ChannelId, Channel)>, Stop> {
    let mut all = Vec::new();
    let mut from = 0;
    while let Some(place) = table::next_place(pages, from)? {
        all.extend(at(pages, me, place)?);
        from = place + 1;
    }
    Ok(all)
}

/// Where a node's doorbell is: if it does not have the page, somebody may have rung.
#[must_use]
pub const fn doorbell(me: NodeId) -> PageId {
    region::doorbell(me)
}

/// The channels of all nodes, the first so many, with how far each is.
///
/// # Errors
/// Only [`Stop`].
pub fn of_everybody(
    pages: &mut impl Pages,
    count_max: usize,
) -> Result<Vec<(ChannelId, Channel, State)>, Stop> {
    let mut all = Vec::new();
    let mut from = 0;
    while all.len() < count_max
        && let Some(place) = table::next_place(pages, from)?
    {
        if let Some((id, channel)) = table::at(pages, place)? {
            all.push((id, channel, state(pages, id)?));
        }
        from = place + 1;
    }
    Ok(all)
}

/// How far a channel is.
///
/// # Errors
/// Only [`Stop`].
pub fn state(pages: &mut impl Pages, id: ChannelId) -> Result<State, Stop> {
    let inward = direction::inward(id.place()).get(pages)?;
    let outward = direction::outward(id.place()).get(pages)?;
    Ok(State {
        delivered: inward.span.end,
        written: outward.span.end,
        sent: inward.sent,
        is_ended: inward.is_ended == 1,
        is_closed: outward.is_closed == 1,
        is_lost: inward.is_lost == 1,
        is_blocked: outward.is_blocked == 1,
    })
}

/// Gives the program bytes that came, as many as there is room for; says how many. With
/// `is_end`, and all of them given, it hears that nothing more will come.
///
/// # Errors
/// Only [`Stop`].
pub fn deliver(
    pages: &mut impl Pages,
    station: Station,
    (id, channel): (ChannelId, &Channel),
    bytes: &[u8],
    is_end: bool,
) -> Result<usize, Stop> {
    let read = direction::outward(id.place()).get(pages)?.read;
    let inward = direction::inward(id.place());
    let mut ours = inward.get(pages)?;
    let count = Ring::inward(id.place()).append(pages, &mut ours.span, read, bytes)?;
    let ends = is_end && count == bytes.len() && ours.is_ended == 0;
    if count == 0 && !ends {
        return Ok(0);
    }
    ours.is_ended |= u8::from(ends);
    inward.set(pages, ours)?;
    wake(pages, station.slot(), channel)?;
    Ok(count)
}

/// Makes the channel of a connection that came where a channel listens, and tells the program.
/// `None` if there is no room for it now.
///
/// # Errors
/// Only [`Stop`].
pub fn connect(
    pages: &mut impl Pages,
    station: Station,
    (id, listener): (ChannelId, &Channel),
    socket: u64,
    peer: Address,
) -> Result<Option<(ChannelId, Channel)>, Stop> {
    let is_device = listener.kind == Kind::Device;
    if !has_room_for_another(pages, id)? || (is_device && !is_running(pages, listener.process)?) {
        return Ok(None);
    }
    let connection = Channel {
        kind: match is_device {
            true => Kind::Line,
            false => Kind::Connection,
        },
        socket,
        detail: match is_device {
            true => listener.detail,
            false => peer.0,
        },
        ..*listener
    };
    let made = table::create(pages, station.slot(), connection);
    let made = match made {
        Ok(made) => made,
        Err(Failure::Refused(Refusal::Channel(ChannelRefusal::TooManyChannels))) => {
            return Ok(None);
        }
        Err(Failure::Refused(refusal)) => unreachable!("making a channel is not {refusal}"),
        Err(Failure::Stop(stop)) => return Err(stop),
    };
    if is_device {
        device::set_line(pages, id, made)?;
    }
    tell_of(pages, station.slot(), (id, listener), made)?;
    Ok(Some((made, connection)))
}

/// Whether a listener's program can be told of another channel.
pub(super) fn has_room_for_another(pages: &mut impl Pages, id: ChannelId) -> Result<bool, Stop> {
    let delivered = direction::inward(id.place()).get(pages)?.span.end;
    let outward = direction::outward(id.place()).get(pages)?;
    let room = RING_BYTES - (delivered - outward.read);
    Ok(outward.is_closed == 0 && room >= ChannelId::SIZE as u64)
}

/// Tells a listener's program of another channel, for which there is room.
pub(super) fn tell_of(
    pages: &mut impl Pages,
    slot: Slot,
    (id, listener): (ChannelId, &Channel),
    made: ChannelId,
) -> Result<(), Stop> {
    let read = direction::outward(id.place()).get(pages)?.read;
    let inward = direction::inward(id.place());
    let mut ours = inward.get(pages)?;
    let number = made.0.to_le_bytes();
    let count = Ring::inward(id.place()).append(pages, &mut ours.span, read, &number)?;
    assert!(count == number.len(), "there was room");
    inward.set(pages, ours)?;
    wake(pages, slot, listener)
}

/// Lets a timer tick, if its time has come by the wall clock; says when it ticks next. Of
/// several ticks that were missed there is one, the last.
///
/// # Errors
/// Only [`Stop`].
pub fn tick(
    pages: &mut impl Pages,
    station: Station,
    (id, channel): (ChannelId, &Channel),
    now_ns: u64,
) -> Result<u64, Stop> {
    let Schedule { next, period } = channel.schedule();
    if now_ns < next {
        return Ok(next);
    }
    let missed = (now_ns - next).checked_div(period).unwrap_or(0);
    let due = next + missed * period;
    // Who has left thousands of ticks unread misses this one.
    deliver(
        pages,
        station,
        (id, channel),
        &due.to_le_bytes(),
        period == 0,
    )?;
    let next = match period {
        0 => u64::MAX,
        _ => due.saturating_add(period),
    };
    let detail = Schedule { next, period }.detail();
    table::update(pages, id, |channel| channel.detail = detail)?;
    Ok(next)
}

/// What the program has written from a position on, so many bytes at most.
///
/// # Errors
/// Only [`Stop`].
pub fn collect(
    pages: &mut impl Pages,
    id: ChannelId,
    from: u64,
    bytes_max: usize,
) -> Result<Vec<u8>, Stop> {
    let span = direction::outward(id.place()).get(pages)?.span;
    let there = usize::try_from(span.end - from).unwrap_or(bytes_max);
    let mut bytes = vec![0; there.min(bytes_max)];
    Ring::outward(id.place()).read(pages, &span, from, &mut bytes)?;
    Ok(bytes)
}

/// Says that what the program has written up to here will never be needed again; tells the
/// program, if it waits for room.
///
/// # Errors
/// Only [`Stop`].
pub fn set_sent(
    pages: &mut impl Pages,
    station: Station,
    (id, channel): (ChannelId, &Channel),
    sent: u64,
) -> Result<(), Stop> {
    direction::inward(id.place()).update(pages, |ours| ours.sent = sent)?;
    match direction::outward(id.place()).get(pages)?.is_blocked {
        1 => wake(pages, station.slot(), channel),
        _ => Ok(()),
    }
}

/// Writes down where a listener really listens.
///
/// # Errors
/// Only [`Stop`].
pub fn set_address(pages: &mut impl Pages, id: ChannelId, address: Address) -> Result<(), Stop> {
    table::update(pages, id, |channel| channel.detail = address.0)?;
    Ok(())
}

/// Tells the program that the channel is gone.
///
/// # Errors
/// Only [`Stop`].
pub fn lose(
    pages: &mut impl Pages,
    station: Station,
    (id, channel): (ChannelId, &Channel),
) -> Result<(), Stop> {
    let inward = direction::inward(id.place());
    if inward.get(pages)?.is_lost == 0 {
        inward.update(pages, |ours| ours.is_lost = 1)?;
        wake(pages, station.slot(), channel)?;
    }
    Ok(())
}

/// Closes a channel whose program runs no more.
///
/// # Errors
/// Only [`Stop`].
pub fn close(
    pages: &mut impl Pages,
    station: Station,
    (id, channel): (ChannelId, &Channel),
) -> Result<(), Stop> {
    super::close(pages, station.slot(), id, channel)
}

/// Forgets a channel that is closed.
///
/// # Errors
/// Only [`Stop`].
pub fn free(pages: &mut impl Pages, id: ChannelId) -> Result<(), Stop> {
    let inward = direction::inward(id.place()).get(pages)?;
    let outward = direction::outward(id.place()).get(pages)?;
    assert!(outward.is_closed == 1, "only what is closed is forgotten");
    Ring::inward(id.place()).clear(pages, &inward.span)?;
    Ring::outward(id.place()).clear(pages, &outward.span)?;
    table::free(pages, id)
}

/// Takes over the channels of nodes that are there no more, a part of them at a time, from a
/// place on: their listeners listen here from now on, their connections are lost. Takes over all
/// devices, too.
///
/// # Errors
/// Only [`Stop`].
pub fn adopt(
    pages: &mut impl Pages,
    station: Station,
    me: NodeId,
    is_there: impl Fn(NodeId) -> bool,
    from: u32,
) -> Result<Adopted, Stop> {
    let (mut from, mut channels) = (from, Vec::new());
    for _ in 0..SCANNED {
        let Some(place) = table::next_place(pages, from)? else {
            return Ok(Adopted {
                channels,
                next: None,
            });
        };
        from = place + 1;
        let Some((id, channel)) = table::at(pages, place)? else {
            continue;
        };
        if is_there(channel.home.0) {
            if channel.kind == Kind::Device && channel.home.0 != me {
                device::move_to(pages, station.slot(), id, me)?;
                channels.push(id);
            }
            continue;
        }
        doorbell::clear(pages, channel.home.0)?;
        let channel = table::update(pages, id, |channel| {
            (channel.home, channel.socket) = (Home(me), 0);
        })?;
        if channel.kind.is_connection() {
            lose(pages, station, (id, &channel))?;
        }
        channels.push(id);
    }
    Ok(Adopted {
        channels,
        next: Some(from),
    })
}

/// Signals the channel's event. Whoever waits for it goes on here, where the bytes are.
pub(super) fn wake(pages: &mut impl Pages, slot: Slot, channel: &Channel) -> Result<(), Stop> {
    if is_running(pages, channel.process)? {
        for waiter in events::signal(pages, channel.process, channel.event)? {
            queues::enqueue(pages, slot, waiter.worker)?;
        }
    }
    Ok(())
}

/// Whether a program runs.
///
/// # Errors
/// Only [`Stop`].
pub fn is_running(pages: &mut impl Pages, process: ProcessId) -> Result<bool, Stop> {
    let found = processes::find(pages, process)?;
    Ok(found.is_some_and(|process| process.state == ProcessState::Running))
}
