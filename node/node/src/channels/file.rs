//! Files that programs append to. What is to go out leaves for the place in the file where it
//! belongs, and is settled when it is on the disk. In another view, and at another home, all that
//! is not known to be settled is written once more, to the same place.
use alloc::string::String;

use devices::{Intake, Outlet, Rule};
use kernel::channels::Channel;
use kernel::channels::file::{self, Claim};
use kernel::channels::home::State;
use kernel::{ChannelId, Pages, Station, Stop};

use super::connection::Connection;
use super::exchange::Told;
use super::{Channels, Known, OurEnd};

/// The file at the other end of a connection.
#[derive(Debug)]
pub(super) struct FileEnd {
    /// Its length when it was opened, once it is open.
    length: Option<u64>,
    /// Where in it the channel's first byte is, once the memory says so.
    start: Option<u64>,
    /// Why it cannot be written.
    failure: Option<String>,
}

/// What a file needs that is not written to yet.
#[derive(Debug)]
pub(super) enum Wanted {
    /// To be opened, under this name.
    Open(String),
    /// To be waited for: this channel has it.
    Wait(ChannelId),
}

impl FileEnd {
    /// Where in the file what the program has written at a position belongs.
    pub(super) fn place_of(&self, position: u64) -> u64 {
        self.start.expect("nothing is collected before") + position
    }
}

impl Connection {
    /// To a file that is being opened, from what the memory says on.
    fn with_file(channel: &Channel, state: &State) -> Self {
        Self {
            intake: Intake::starting_at(state.delivered),
            outlet: Outlet::starting_at(Rule::AtStable, state.sent),
            sent: state.sent,
            file: Some(FileEnd {
                length: None,
                start: channel.file_start(),
                failure: None,
            }),
            ..Self::new(channel.address(), channel.release)
        }
    }

    /// It is a file that is open, and has so many bytes.
    pub(super) fn open_with(&mut self, length: u64) {
        if let Some(file) = &mut self.file {
            file.length = Some(length);
        }
    }

    /// It is a file that cannot be opened, or not be written any more.
    pub(super) fn fail(&mut self, why: String) {
        self.is_gone = true;
        if let Some(file) = &mut self.file {
            file.failure = Some(why);
        }
    }

    /// How much of what the program has written will never be needed again.
    pub(super) fn settled(&self) -> u64 {
        let forgotten = self.outlet.forgotten();
        match self.file {
            // What is on its way to the disk may have to be written again.
            Some(_) => forgotten - self.unwritten as u64,
            None => forgotten,
        }
    }

    /// Whether the program writes no more, and all has left for good.
    pub(super) fn is_done(&self) -> bool {
        self.outlet.is_done() && (self.file.is_none() || self.unwritten == 0)
    }
}

/// The part of an exchange in which a file without an end here gets one; whether the channel is
/// over.
pub(super) fn exchange_closed(
    pages: &mut impl Pages,
    (id, channel): (ChannelId, &Channel),
    end: Option<&OurEnd>,
    told: &mut Told,
) -> Result<bool, Stop> {
    let state = told.state;
    let is_over = state.is_lost || (state.is_closed && state.sent == state.written);
    if is_over {
        return Ok(state.is_closed);
    }
    let holder = match end {
        Some(OurEnd::Waiting(holder)) => Some(*holder),
        _ => None,
    };
    told.wanted = Some(match file::claim(pages, (id, channel), holder)? {
        Claim::HeldBy(holder) => Wanted::Wait(holder),
        Claim::Ours(claimed) => {
            told.channel = claimed;
            Wanted::Open(file::name(pages, (id, channel))?)
        }
    });
    Ok(false)
}

/// The same for one that has failed.
pub(super) fn exchange_failed(
    pages: &mut impl Pages,
    station: Station,
    this: (ChannelId, &Channel),
    why: &str,
    told: &Told,
) -> Result<bool, Stop> {
    file::fail(pages, station, this, why)?;
    Ok(told.state.is_closed)
}

/// The same for one that is open, or about to be: whether it may be exchanged.
pub(super) fn exchange_opened(
    pages: &mut impl Pages,
    station: Station,
    (id, channel): (ChannelId, &Channel),
    end: &FileEnd,
    told: &mut Told,
) -> Result<bool, Stop> {
    if let Some(why) = &end.failure {
        file::fail(pages, station, (id, channel), why)?;
        return Ok(false);
    }
    let Some(length) = end.length else {
        return Ok(false);
    };
    if end.start.is_none() {
        told.channel = file::place(pages, (id, channel), length)?;
    }
    Ok(true)
}

impl Channels {
    /// The memory has said what a file needs.
    pub(super) fn serve_file(
        &mut self,
        sockets: &mut impl platform::Sockets,
        id: ChannelId,
        told: &Told,
    ) {
        let known = self.known.get_mut(&id).expect("it was told of");
        match &told.wanted {
            Some(Wanted::Open(name)) => {
                known.end = match sockets.open_file(name) {
                    Ok(socket) => {
                        let mut connection = Connection::with_file(&told.channel, &told.state);
                        connection.channel = Some(id);
                        self.connections.insert(socket, connection);
                        OurEnd::Connection(socket)
                    }
                    Err(why) => {
                        self.due.insert(id);
                        OurEnd::Failed(why)
                    }
                };
            }
            Some(Wanted::Wait(holder)) => known.end = OurEnd::Waiting(*holder),
            None => {
                if let OurEnd::Connection(socket) = &known.end
                    && let Some(connection) = self.connections.get_mut(socket)
                    && let Some(file) = &mut connection.file
                {
                    file.start = told.channel.file_start();
                }
            }
        }
    }

    /// Those files are due that wait for another channel to be done with them.
    pub(super) fn look_at_files(&mut self) {
        let is_waiting = |known: &Known| matches!(known.end, OurEnd::Waiting(_));
        let waiting = self.known.iter().filter(|(_, known)| is_waiting(known));
        self.due.extend(waiting.map(|(id, _)| *id));
    }
}
