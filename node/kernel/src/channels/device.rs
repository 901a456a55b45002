//! Devices, their drivers, and the fallback objects of those.
//!
//! A driver *attaches* to a device: it gets a channel that gives it, one after the other, the
//! numbers of its lines to the device. A line is a channel like a connection. When one breaks,
//! because the device was told something that is not so, or its node has failed, the next one
//! comes; who gets a line knows nothing of what the device is like at its end.
//!
//! So beside the channel lies the driver's *fallback object*: what the device is to be like. It
//! belongs to the device, not to the driver. A driver that has failed finds it, and so does
//! whoever comes after him.
use alloc::vec::Vec;

use types::{NodeId, PAGE_SIZE};

use super::label::Label;
use super::program::{Passed, Place};
use super::{Channel, ChannelRefusal, Home, Kind, Release, doorbell, home, table};
use crate::cell::{Cell, record};
use crate::region::{self, DEVICES_MAX, OBJECT_PAGES};
use crate::{ChannelId, Event, Failure, Pages, ProcessId, Slot, Stop};

/// Bytes of a fallback object at most.
pub const OBJECT_BYTES_MAX: u64 = (OBJECT_PAGES as u64 - 1) * PAGE_SIZE as u64;
/// A driver that fails so often in a row is not given another try.
pub const FAULTS_MAX: u32 = 3;
/// Failures that lie so far apart are not in a row.
const APART_NS: u64 = 10_000_000_000;

record! {
    /// What belongs to a device beside its channel.
    struct Account {
        label: Label,
        channel: ChannelId,
        /// The last line to it.
        line: ChannelId,
        /// Bytes of the fallback object.
        object_bytes: u64,
        /// How often its driver has failed in a row.
        faults: u32,
        /// When it did so last, in nanoseconds since 1970.
        fault_ns: u64,
        /// Its driver was ended because of that.
        is_offline: u8,
    }
}

/// A device as a list shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Device {
    /// Its name.
    pub label: Label,
    /// Its channel: whose it is now, and who drives it.
    pub channel: Channel,
    /// Bytes of its fallback object.
    pub object_bytes: u64,
    /// How often its driver has failed in a row.
    pub faults: u32,
    /// Its driver was ended because of that.
    pub is_offline: bool,
}

/// What becomes of a program that has failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It ends: it drives no device.
    Ends,
    /// It drives a device, and goes on with what its memory was before the step, with its
    /// fallback object, and with new lines and sessions. So often has it failed in a row.
    GoesOn(u32),
    /// It drives a device and has failed too often: it ends.
    TakenOffline,
}

/// A program drives a device from now on. Who did so before does not any more.
///
/// # Errors
/// If there are too many devices or channels.
pub fn attach(
    pages: &mut impl Pages,
    at: Place,
    label: Label,
    release: Release,
    event: Event,
) -> Result<ChannelId, Failure> {
    let mut index = 0;
    let mut account = cell(index).get(pages)?;
    while account.channel != ChannelId(0) && account.label != label {
        index += 1;
        if index == DEVICES_MAX {
            return Err(ChannelRefusal::TooManyDevices.into());
        }
        account = cell(index).get(pages)?;
    }
    if account.channel == ChannelId(0) {
        let channel = Channel {
            generation: 0,
            kind: Kind::Device,
            release,
            process: at.process,
            home: Home(at.node),
            socket: 0,
            event,
            detail: label.0,
        };
        account.label = label;
        account.channel = table::create(pages, at.station.slot(), channel)?;
    }
    (account.faults, account.is_offline) = (0, 0);
    cell(index).set(pages, account)?;
    hand_over(pages, at.station.slot(), account.channel, at.process)?;
    table::update(pages, account.channel, |channel| {
        (channel.release, channel.event) = (release, event);
    })?;
    Ok(account.channel)
}

/// A program gives up a device that it drives, or another one has it from now on. Who drove it
/// hears of that.
pub(super) fn hand_over(
    pages: &mut impl Pages,
    slot: Slot,
    id: ChannelId,
    to: ProcessId,
) -> Result<(), Stop> {
    if let Some(before) = table::find(pages, id)?
        && before.process != to
    {
        home::wake(pages, slot, &before)?;
        table::update(pages, id, |channel| channel.process = to)?;
    }
    match index_of(pages, id)? {
        Some(index) => {
            let account = cell(index).get(pages)?;
            drop_line(pages, slot, &account)
        }
        None => Ok(()),
    }
}

/// The device of another node takes the place of this one's; it begins with another line.
pub(super) fn move_to(
    pages: &mut impl Pages,
    slot: Slot,
    id: ChannelId,
    to: NodeId,
) -> Result<(), Stop> {
    let Some(channel) = table::find(pages, id)?.filter(|channel| channel.home.0 != to) else {
        return Ok(());
    };
    if let Some(index) = index_of(pages, id)? {
        let account = cell(index).get(pages)?;
        drop_line(pages, slot, &account)?;
    }
    let moved = table::update(pages, id, |channel| channel.home = Home(to))?;
    // Both hear of it.
    for home in [channel.home, moved.home] {
        doorbell::ring(pages, home.0, id.place())?;
    }
    Ok(())
}

/// Whoever has the line of a device has it no more; the device begins another one.
fn drop_line(pages: &mut impl Pages, slot: Slot, account: &Account) -> Result<(), Stop> {
    if let Some(line) = table::find(pages, account.line)? {
        super::close(pages, slot, account.line, &line)?;
    }
    if let Some(channel) = table::find(pages, account.channel)? {
        doorbell::ring(pages, channel.home.0, account.channel.place())?;
    }
    Ok(())
}

/// A device has begun a line.
pub(super) fn set_line(pages: &mut impl Pages, id: ChannelId, line: ChannelId) -> Result<(), Stop> {
    if let Some(index) = index_of(pages, id)? {
        cell(index).update(pages, |account| account.line = line)?;
    }
    Ok(())
}

/// A step of a program has failed: whether it goes on. If it does, it has no lines and
/// sessions any more, so what made it fail does not come again.
///
/// # Errors
/// Only [`Stop`].
pub fn judge(
    pages: &mut impl Pages,
    slot: Slot,
    process: ProcessId,
    now_ns: u64,
) -> Result<Verdict, Stop> {
    let mut verdict = Verdict::Ends;
    for index in 0..DEVICES_MAX {
        let mut account = cell(index).get(pages)?;
        if account.channel == ChannelId(0) {
            break;
        }
        let channel = table::find(pages, account.channel)?;
        if channel.is_none_or(|channel| channel.process != process) {
            continue;
        }
        if now_ns.saturating_sub(account.fault_ns) > APART_NS {
            account.faults = 0;
        }
        account.faults += 1;
        account.fault_ns = now_ns;
        account.is_offline = u8::from(account.faults >= FAULTS_MAX);
        cell(index).set(pages, account)?;
        verdict = match (verdict, account.is_offline) {
            (Verdict::TakenOffline, _) | (_, 1) => Verdict::TakenOffline,
            _ => Verdict::GoesOn(account.faults),
        };
    }
    if verdict != Verdict::Ends {
        close_ends(pages, slot, process)?;
    }
    Ok(verdict)
}

/// Closes all lines and sessions of a program.
fn close_ends(pages: &mut impl Pages, slot: Slot, process: ProcessId) -> Result<(), Stop> {
    let mut from = 0;
    while let Some(place) = table::next_place(pages, from)? {
        from = place + 1;
        if let Some((id, channel)) = table::at(pages, place)?
            && channel.process == process
            && matches!(channel.kind, Kind::Line | Kind::Session)
        {
            super::close(pages, slot, id, &channel)?;
        }
    }
    Ok(())
}

/// Reads from the fallback object of a device, less at its end.
///
/// # Errors
/// Only [`Stop`].
pub fn read_object(
    pages: &mut impl Pages,
    process: ProcessId,
    id: ChannelId,
    offset: u64,
    buffer: &mut [u8],
) -> Result<Passed, Stop> {
    let Some(index) = driven_by(pages, process, id)? else {
        return Ok(Passed::Lost);
    };
    let length = cell(index).get(pages)?.object_bytes;
    let there = length.saturating_sub(offset);
    let count = usize::try_from(there).map_or(buffer.len(), |there| there.min(buffer.len()));
    let mut rest = &mut buffer[..count];
    let mut at = offset;
    while !rest.is_empty() {
        let (page, start) = place_of(index, at);
        let (now, later) = rest.split_at_mut(rest.len().min(PAGE_SIZE - start));
        now.copy_from_slice(&pages.read(page)?[start..start + now.len()]);
        at += now.len() as u64;
        rest = later;
    }
    Ok(Passed::Bytes(count))
}

/// Writes to the fallback object of a device, which grows as needed.
///
/// # Errors
/// If it would become too long.
pub fn write_object(
    pages: &mut impl Pages,
    process: ProcessId,
    id: ChannelId,
    offset: u64,
    bytes: &[u8],
) -> Result<Passed, Failure> {
    let Some(index) = driven_by(pages, process, id)? else {
        return Ok(Passed::Lost);
    };
    let end = offset.saturating_add(bytes.len() as u64);
    if end > OBJECT_BYTES_MAX {
        return Err(ChannelRefusal::ObjectTooLong { end }.into());
    }
    let mut rest = bytes;
    let mut at = offset;
    while !rest.is_empty() {
        let (page, start) = place_of(index, at);
        let (now, later) = rest.split_at(rest.len().min(PAGE_SIZE - start));
        pages.write(page)?[start..start + now.len()].copy_from_slice(now);
        at += now.len() as u64;
        rest = later;
    }
    if end > cell(index).get(pages)?.object_bytes {
        cell(index).update(pages, |account| account.object_bytes = end)?;
    }
    Ok(Passed::Bytes(bytes.len()))
}

/// All devices that have, or had, a driver.
///
/// # Errors
/// Only [`Stop`].
pub fn list(pages: &mut impl Pages) -> Result<Vec<Device>, Stop> {
    let mut all = Vec::new();
    for index in 0..DEVICES_MAX {
        let account = cell(index).get(pages)?;
        if account.channel == ChannelId(0) {
            break;
        }
        let channel = table::find(pages, account.channel)?;
        all.push(Device {
            label: account.label,
            channel: channel.expect("a device's channel is never freed"),
            object_bytes: account.object_bytes,
            faults: account.faults,
            is_offline: account.is_offline == 1,
        });
    }
    Ok(all)
}

fn driven_by(
    pages: &mut impl Pages,
    process: ProcessId,
    id: ChannelId,
) -> Result<Option<u32>, Stop> {
    match table::find(pages, id)? {
        Some(channel) if channel.process == process => index_of(pages, id),
        _ => Ok(None),
    }
}

fn index_of(pages: &mut impl Pages, id: ChannelId) -> Result<Option<u32>, Stop> {
    for index in 0..DEVICES_MAX {
        let channel = cell(index).get(pages)?.channel;
        if channel == id {
            return Ok(Some(index));
        }
        if channel == ChannelId(0) {
            break;
        }
    }
    Ok(None)
}

fn cell(index: u32) -> Cell<Account> {
    Cell::first(region::device_page(index, 0))
}

fn place_of(index: u32, at: u64) -> (types::PageId, usize) {
    let page = u32::try_from(at / PAGE_SIZE as u64).expect("within an object");
    let start = usize::try_from(at % PAGE_SIZE as u64).expect("within a page");
    (region::device_page(index, 1 + page), start)
}
