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
        /// How far it is: one of those below.
        stage: u8,
        /// Where its bytes begin, once it is placed.
        start: u64,
    }
}

/// It has a name only; another channel may have the file.
const NAMED: u8 = 0;
/// It is known where its bytes begin.
const PLACED: u8 = 1;
/// It has the file, and no other channel has; where its bytes begin is not known yet.
const CLAIMED: u8 = 2;

/// Whose a file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claim {
    /// The channel's that asked, until it is freed; the channel as it is now.
    Ours(Channel),
    /// Another one's.
    HeldBy(ChannelId),
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
        (placed.stage == PLACED).then_some(placed.start)
    }

    fn has_file(&self) -> bool {
        self.kind == Kind::File && Placed::of(self).stage != NAMED
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
        stage: NAMED,
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

/// Takes a channel's file for it, unless another channel of that name has it. `holder`: who had
/// it when that was looked for last; as long as he has it nobody else is looked at.
///
/// # Errors
/// Only [`Stop`].
pub fn claim(
    pages: &mut impl Pages,
    (id, channel): (ChannelId, &Channel),
    holder: Option<ChannelId>,
) -> Result<Claim, Stop> {
    if channel.has_file() {
        return Ok(Claim::Ours(*channel));
    }
    if let Some(holder) = holder
        && table::find(pages, holder)?.is_some_and(|other| other.has_file())
    {
        return Ok(Claim::HeldBy(holder));
    }
    let wanted = name(pages, (id, channel))?;
    let mut from = 0;
    while let Some(place) = table::next_place(pages, from)? {
        from = place + 1;
        if let Some((other_id, other)) = table::at(pages, place)?
            && other.has_file()
            && name(pages, (other_id, &other))? == wanted
        {
            return Ok(Claim::HeldBy(other_id));
        }
    }
    set_stage(pages, id, CLAIMED).map(Claim::Ours)
}

/// Writes down that a channel's bytes begin here in its file, which it has claimed; the channel
/// as it is then.
///
/// # Errors
/// Only [`Stop`].
pub fn place(
    pages: &mut impl Pages,
    (id, channel): (ChannelId, &Channel),
    start: u64,
) -> Result<Channel, Stop> {
    assert!(channel.has_file(), "who is placed has claimed the file");
    let placed = Placed {
        stage: PLACED,
        start,
        ..Placed::of(channel)
    };
    table::update(pages, id, |channel| channel.detail = placed.detail())
}

fn set_stage(pages: &mut impl Pages, id: ChannelId, stage: u8) -> Result<Channel, Stop> {
    table::update(pages, id, |channel| {
        let placed = Placed {
            stage,
            ..Placed::of(channel)
        };
        channel.detail = placed.detail();
    })
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
    if direction::inward(id.place()).get(pages)?.is_lost == 1 {
        return Ok(());
    }
    if channel.has_file() && channel.file_start().is_none() {
        // It has written nothing, and never will: another one may have better luck.
        set_stage(pages, id, NAMED)?;
    }
    home::deliver(pages, station, (id, channel), why.as_bytes(), false)?;
    home::lose(pages, station, (id, channel))
}
