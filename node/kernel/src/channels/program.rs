//! What programs do with their channels. All of it is part of the step that does it.
//!
//! A number that is no channel of the program (any more) is that of a channel that is gone.
use core::net::SocketAddr;

use types::NodeId;

use super::direction::{self, RING_BYTES, Ring};
use super::file::Placed;
use super::{Address, Channel, Home, Kind, Release, Schedule, doorbell, service, table};
use crate::{ChannelId, Event, Failure, Pages, ProcessId, Station, Stop};

/// What came of reading or writing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Passed {
    /// So many bytes, maybe none.
    Bytes(usize),
    /// Nothing more will come.
    End,
    /// The channel is gone. It has still to be closed.
    Lost,
}

/// Where a program is, as far as channels are concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The program.
    pub process: ProcessId,
    /// The node that runs its step.
    pub node: NodeId,
    /// Where that stands.
    pub station: Station,
}

/// Makes a channel that listens at an address, or is a port there, at first at the node that
/// runs the step.
///
/// # Errors
/// If there are too many channels.
pub fn listen(
    pages: &mut impl Pages,
    at: Place,
    (kind, address): (Kind, SocketAddr),
    release: Release,
    event: Event,
) -> Result<ChannelId, Failure> {
    assert!(
        matches!(kind, Kind::Listener | Kind::Port),
        "{kind:?} has no address"
    );
    let detail = Address::new(address).0;
    make(pages, at, (kind, detail), release, event)
}

/// Makes a channel that ticks.
///
/// # Errors
/// If there are too many channels.
pub fn set_timer(
    pages: &mut impl Pages,
    at: Place,
    schedule: Schedule,
    event: Event,
) -> Result<ChannelId, Failure> {
    let detail = schedule.detail();
    make(pages, at, (Kind::Timer, detail), Release::AtStable, event)
}

pub(super) fn make(
    pages: &mut impl Pages,
    at: Place,
    (kind, detail): (Kind, [u8; 18]),
    release: Release,
    event: Event,
) -> Result<ChannelId, Failure> {
    let channel = Channel {
        generation: 0,
        kind,
        release,
        process: at.process,
        home: Home(at.node),
        socket: 0,
        event,
        detail,
    };
    let id = table::create(pages, at.station.slot(), channel)?;
    doorbell::ring(pages, at.node, id.place())?;
    Ok(id)
}

/// Sets what is signalled when something happens to a channel.
///
/// # Errors
/// Only [`Stop`].
pub fn set_event(
    pages: &mut impl Pages,
    process: ProcessId,
    id: ChannelId,
    event: Event,
) -> Result<(), Stop> {
    match find(pages, process, id)? {
        Some(channel) if channel.event != event => {
            table::update(pages, id, |channel| channel.event = event)?;
        }
        _ => {}
    }
    Ok(())
}

/// Reads what has come, as much as there is room for.
///
/// # Errors
/// Only [`Stop`].
pub fn read(
    pages: &mut impl Pages,
    at: Place,
    id: ChannelId,
    buffer: &mut [u8],
) -> Result<Passed, Stop> {
    let Some(channel) = find(pages, at.process, id)? else {
        return Ok(Passed::Lost);
    };
    let inward = direction::inward(id.place()).get(pages)?;
    let outward = direction::outward(id.place());
    let mut ours = outward.get(pages)?;
    if ours.is_closed == 1 {
        return Ok(Passed::Lost);
    }
    if channel.kind == Kind::File {
        ours.read = ours.read.max(Placed::of(&channel).name_bytes.into());
    }
    let there = inward.span.end - ours.read;
    if there == 0 {
        return Ok(match (inward.is_lost, inward.is_ended) {
            (1, _) => Passed::Lost,
            (_, 1) => Passed::End,
            _ => Passed::Bytes(0),
        });
    }
    let count = usize::try_from(there).map_or(buffer.len(), |there| there.min(buffer.len()));
    let buffer = &mut buffer[..count];
    Ring::inward(id.place()).read(pages, &inward.span, ours.read, buffer)?;
    ours.read += count as u64;
    outward.set(pages, ours)?;
    if channel.kind == Kind::Session {
        service::make_room(pages, at.station.slot(), &channel)?;
    } else if there > RING_BYTES / 2 {
        // The home may wait for room.
        doorbell::ring(pages, channel.home.0, id.place())?;
    }
    Ok(Passed::Bytes(count))
}

/// Writes as much as there is room for. If that is not all, the channel's event is signalled
/// when there is more.
///
/// # Errors
/// Only [`Stop`].
pub fn write(
    pages: &mut impl Pages,
    at: Place,
    id: ChannelId,
    bytes: &[u8],
) -> Result<Passed, Stop> {
    let Some(channel) = find(pages, at.process, id)? else {
        return Ok(Passed::Lost);
    };
    if channel.kind == Kind::Session {
        return service::write(pages, at.station.slot(), (id, &channel), bytes);
    }
    let inward = direction::inward(id.place()).get(pages)?;
    let outward = direction::outward(id.place());
    let mut ours = outward.get(pages)?;
    if inward.is_lost == 1 || ours.is_closed == 1 || !channel.kind.is_written() {
        return Ok(Passed::Lost);
    }
    let ring = Ring::outward(id.place());
    let count = ring.append(pages, &mut ours.span, inward.sent, bytes)?;
    ours.is_blocked = u8::from(count < bytes.len());
    // What the ring has written on this page stays: it lies behind the account.
    outward.set(pages, ours)?;
    doorbell::ring(pages, channel.home.0, id.place())?;
    Ok(Passed::Bytes(count))
}

/// Closes a channel. What was written still goes out.
///
/// # Errors
/// Only [`Stop`].
pub fn close(pages: &mut impl Pages, at: Place, id: ChannelId) -> Result<(), Stop> {
    let Some(channel) = find(pages, at.process, id)? else {
        return Ok(());
    };
    super::close(pages, at.station.slot(), id, &channel)
}

fn find(
    pages: &mut impl Pages,
    process: ProcessId,
    id: ChannelId,
) -> Result<Option<Channel>, Stop> {
    let found = table::find(pages, id)?;
    Ok(found.filter(|channel| channel.process == process))
}
