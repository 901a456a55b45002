//! Files that programs append to. What a program has written lies in the channel's ring until its
//! home has it in the file, on the disk; how much that is, and where in the file the channel's
//! first byte is, lies in the memory. So whoever is the home writes each byte at the place where
//! it belongs: to do so again changes nothing.
//!
//! The name lies at the beginning of the inward ring, where nothing else comes but, in the end,
//! why the file cannot be written.
use alloc::string::String;
use alloc::vec;

use super::direction::{self, Ring};
use super::program::{Place, make};
use super::{Channel, ChannelRefusal, Kind, Release, home, table};
use crate::cell::record;
use crate::{ChannelId, Event, Failure, Pages, Station, Stop};

/// Bytes of a file's name at most.
pub const FILE_NAME_BYTES_MAX: usize = 100;

record! {
    /// Where a channel's bytes lie in its file.
    pub(super) struct Placed {
        /// Bytes of its name.
        pub(super) name_bytes: u8,
        /// Whether it is known where its bytes begin; then no other channel writes to the file.
        is_placed: u8,
        /// Where they begin.
        start: u64,
    }
}

impl Placed {
    fn detail(&self) -> [u8; 18] {
        use crate::cell::Value;
        let mut detail = [0; 18];
        self.store(&mut detail[..Self::SIZE]);
        detail
    }

    pub(super) fn of(channel: &Channel) -> Self {
        use crate::cell::Value;
        Self::load(&channel.detail[..Self::SIZE])
    }
}

impl Channel {
    /// Where in its file the channel's first byte is, once that is known.
    #[must_use]
    pub fn file_start(&self) -> Option<u64> {
        let placed = Placed::of(self);
        (placed.is_placed == 1).then_some(placed.start)
    }
}

/// Whether it is a name that a file may have: no path leads out of the operator's directory, and
/// nothing hides.
#[must_use]
pub fn is_file_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=FILE_NAME_BYTES_MAX).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(is_plain)
}

/// Makes a channel that appends to a file.
///
/// # Errors
/// If the name is none, or there are too many channels.
pub fn append(
    pages: &mut impl Pages,
    at: Place,
    name: &str,
    event: Event,
) -> Result<ChannelId, Failure> {
    if !is_file_name(name) {
        return Err(ChannelRefusal::FileName.into());
    }
    let placed = Placed {
        name_bytes: u8::try_from(name.len()).expect("at most 100"),
        is_placed: 0,
        start: 0,
    };
    let what = (Kind::File, placed.detail());
    let id = make(pages, at, what, Release::AtStable, event)?;
    let inward = direction::inward(id.place());
    let mut ours = inward.get(pages)?;
    Ring::inward(id.place()).append(pages, &mut ours.span, 0, name.as_bytes())?;
    inward.set(pages, ours)?;
    Ok(id)
}

/// The name of a channel's file.
///
/// # Errors
/// Only [`Stop`].
pub fn name(pages: &mut impl Pages, (id, channel): (ChannelId, &Channel)) -> Result<String, Stop> {
    let mut bytes = vec![0; Placed::of(channel).name_bytes.into()];
    let span = direction::inward(id.place()).get(pages)?.span;
    Ring::inward(id.place()).read(pages, &span, 0, &mut bytes)?;
    Ok(String::from_utf8(bytes).expect("file names are ASCII"))
}

/// Whether a channel's file is its to write now: it is placed, or no other one of that name is.
///
/// # Errors
/// Only [`Stop`].
pub fn is_free(pages: &mut impl Pages, this: (ChannelId, &Channel)) -> Result<bool, Stop> {
    if this.1.file_start().is_some() {
        return Ok(true);
    }
    let wanted = name(pages, this)?;
    let mut from = 0;
    while let Some(place) = table::next_place(pages, from)? {
        from = place + 1;
        if let Some((id, channel)) = table::at(pages, place)?
            && channel.kind == Kind::File
            && channel.file_start().is_some()
            && name(pages, (id, &channel))? == wanted
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes down that a channel's bytes begin here in its file, which is its from now on; the
/// channel as it is then. `None` if another one has the file.
///
/// # Errors
/// Only [`Stop`].
pub fn place(
    pages: &mut impl Pages,
    (id, channel): (ChannelId, &Channel),
    start: u64,
) -> Result<Option<Channel>, Stop> {
    if !is_free(pages, (id, channel))? {
        return Ok(None);
    }
    let placed = Placed {
        is_placed: 1,
        start,
        ..Placed::of(channel)
    };
    let detail = placed.detail();
    table::update(pages, id, |channel| channel.detail = detail).map(Some)
}

/// Tells the program why its file cannot be written, and that the channel is lost.
///
/// # Errors
/// Only [`Stop`].
pub fn fail(
    pages: &mut impl Pages,
    station: Station,
    (id, channel): (ChannelId, &Channel),
    why: &str,
) -> Result<(), Stop> {
    if direction::inward(id.place()).get(pages)?.is_lost == 0 {
        home::deliver(pages, station, (id, channel), why.as_bytes(), false)?;
        home::lose(pages, station, (id, channel))?;
    }
    Ok(())
}
