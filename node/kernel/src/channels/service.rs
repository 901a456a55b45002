//! Services and sessions: how programs talk to each other.
//!
//! A program *serves* under a label; others *connect* there, and both get an end of a session.
//! A session has no outside: who writes to his end appends to the other end's inward ring, in
//! the very transaction. So nothing of it can be lost, held back, or undone by itself.
use super::direction::{self, Ring};
use super::label::Label;
use super::program::{Passed, Place};
use super::{Channel, ChannelRefusal, Home, Kind, Release, doorbell, home, table};
use crate::cell::{Cell, Value, record};
use crate::region;
use crate::{ChannelId, Event, Failure, Pages, Slot, Stop};

record! {
    /// Who serves under a label, or did.
    struct Entry {
        label: Label,
        channel: ChannelId,
    }
}

/// Services at a time.
pub(super) const SERVICES_MAX: usize = Cell::<Entry>::per_page(0);

impl Channel {
    /// The other end of a session.
    pub(super) fn peer(&self) -> ChannelId {
        ChannelId::load(&self.detail[..ChannelId::SIZE])
    }
}

/// Serves under a label. Who connects from now on, comes here; who serves under the same
/// label, keeps the sessions that he has.
///
/// # Errors
/// If there are too many services or channels.
pub fn serve(
    pages: &mut impl Pages,
    at: Place,
    label: Label,
    event: Event,
) -> Result<ChannelId, Failure> {
    let mut free = None;
    let mut found = None;
    for index in 0..SERVICES_MAX {
        let entry = cell(index).get(pages)?;
        if entry.label == label {
            found = Some(index);
            break;
        }
        if free.is_none() && find(pages, &entry)?.is_none() {
            free = Some(index);
        }
    }
    let index = found.or(free).ok_or(ChannelRefusal::TooManyServices)?;
    let channel = end(at, Kind::Service, label.0, event);
    let id = table::create(pages, at.station.slot(), channel)?;
    doorbell::ring(pages, at.node, id.place())?;
    cell(index).set(pages, Entry { label, channel: id })?;
    Ok(id)
}

/// Connects to whoever serves under a label; `None` if nobody does, or if he has no room.
///
/// # Errors
/// If there are too many channels.
pub fn connect(
    pages: &mut impl Pages,
    at: Place,
    label: Label,
    event: Event,
) -> Result<Option<ChannelId>, Failure> {
    let mut found = None;
    for index in 0..SERVICES_MAX {
        let entry = cell(index).get(pages)?;
        if entry.label == label {
            found = find(pages, &entry)?.map(|service| (entry.channel, service));
            break;
        }
    }
    let Some((service_id, service)) = found else {
        return Ok(None);
    };
    let slot = at.station.slot();
    if !home::is_running(pages, service.process)? || !home::has_room_for_another(pages, service_id)?
    {
        return Ok(None);
    }
    let theirs = Channel {
        kind: Kind::Session,
        home: Home(at.node),
        ..service
    };
    let theirs_id = table::create(pages, slot, theirs)?;
    let ours = end(at, Kind::Session, detail(theirs_id), event);
    let ours_id = table::create(pages, slot, ours)?;
    table::update(pages, theirs_id, |theirs| theirs.detail = detail(ours_id))?;
    for id in [theirs_id, ours_id] {
        doorbell::ring(pages, at.node, id.place())?;
    }
    home::tell_of(pages, slot, (service_id, &service), theirs_id)?;
    Ok(Some(ours_id))
}

/// Writes to the other end of a session.
pub(super) fn write(
    pages: &mut impl Pages,
    slot: Slot,
    (id, channel): (ChannelId, &Channel),
    bytes: &[u8],
) -> Result<Passed, Stop> {
    let peer = channel.peer();
    let Some(other) = table::find(pages, peer)? else {
        return Ok(Passed::Lost);
    };
    let ours = direction::outward(id.place());
    let theirs = direction::outward(peer.place()).get(pages)?;
    if theirs.is_closed == 1 || ours.get(pages)?.is_closed == 1 {
        return Ok(Passed::Lost);
    }
    let inward = direction::inward(peer.place());
    let mut account = inward.get(pages)?;
    let ring = Ring::inward(peer.place());
    let count = ring.append(pages, &mut account.span, theirs.read, bytes)?;
    if count > 0 {
        inward.set(pages, account)?;
        home::wake(pages, slot, &other)?;
    }
    if count < bytes.len() {
        ours.update(pages, |ours| ours.is_blocked = 1)?;
    }
    Ok(Passed::Bytes(count))
}

/// The other end may write again, if it had no room before.
pub(super) fn make_room(pages: &mut impl Pages, slot: Slot, channel: &Channel) -> Result<(), Stop> {
    let peer = channel.peer();
    let Some(other) = table::find(pages, peer)? else {
        return Ok(());
    };
    let theirs = direction::outward(peer.place());
    if theirs.get(pages)?.is_blocked == 1 {
        theirs.update(pages, |theirs| theirs.is_blocked = 0)?;
        home::wake(pages, slot, &other)?;
    }
    Ok(())
}

/// Tells the other end that nothing more will come.
pub(super) fn end_peer(pages: &mut impl Pages, slot: Slot, channel: &Channel) -> Result<(), Stop> {
    let peer = channel.peer();
    let Some(other) = table::find(pages, peer)? else {
        return Ok(());
    };
    direction::inward(peer.place()).update(pages, |inward| inward.is_ended = 1)?;
    home::wake(pages, slot, &other)
}

/// The channel of an entry, if there still is one.
fn find(pages: &mut impl Pages, entry: &Entry) -> Result<Option<Channel>, Stop> {
    let found = table::find(pages, entry.channel)?;
    Ok(found.filter(|channel| channel.kind == Kind::Service))
}

fn end(at: Place, kind: Kind, detail: [u8; 18], event: Event) -> Channel {
    Channel {
        generation: 0,
        kind,
        release: Release::AtStable,
        process: at.process,
        home: Home(at.node),
        socket: 0,
        event,
        detail,
    }
}

fn detail(peer: ChannelId) -> [u8; 18] {
    let mut detail = [0; 18];
    peer.store(&mut detail[..ChannelId::SIZE]);
    detail
}

fn cell(index: usize) -> Cell<Entry> {
    Cell::at(region::services(), index * Entry::SIZE)
}
