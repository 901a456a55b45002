//! What programs ask of their channels, as part of their steps.
use alloc::format;
use core::net::SocketAddr;

use engine::{GuestFault, Stop};
use kernel::channels::program::{self, Passed, Place};
use kernel::channels::{Kind, Release, Schedule, file};
use kernel::{ChannelId, Event, Failure};
use platform::Disk;

use crate::Platform;
use crate::step::Running;
use crate::transaction::Transaction;

impl<P: Platform, D: Disk> Running<'_, P, D> {
    pub(crate) fn listen(&mut self, address: &str, release: i32, event: i64) -> Result<i64, Stop> {
        if let Some(name) = address.strip_prefix(abi::FILE_PREFIX) {
            return self.append(name, release, event);
        }
        let refused = |why: &str| Stop::from(GuestFault::refused(why));
        let (kind, text) = match address.strip_prefix(abi::UDP_PREFIX) {
            Some(text) => (Kind::Port, text),
            None => (Kind::Listener, address),
        };
        let parsed: SocketAddr = text.parse().map_err(|_| {
            refused(&format!(
                "listen at `{address}`, expected an address and port, as in 127.0.0.1:8080, \
                 udp:127.0.0.1:8080, or file:NAME"
            ))
        })?;
        let (at, release) = (self.place(), release_of(release)?);
        let pages = &mut Transaction { core: self.core };
        let made = program::listen(pages, at, (kind, parsed), release, Event(event));
        self.core.is_rung = true;
        Ok(self.done(made)?.0.cast_signed())
    }

    fn append(&mut self, name: &str, release: i32, event: i64) -> Result<i64, Stop> {
        if release_of(release)? != Release::AtStable {
            let why = "append to a file at commit, expected at stable: a file takes nothing back";
            return Err(GuestFault::refused(why).into());
        }
        let at = self.place();
        let pages = &mut Transaction { core: self.core };
        let made = file::append(pages, at, name, Event(event));
        self.core.is_rung = true;
        Ok(self.done(made)?.0.cast_signed())
    }

    pub(crate) fn timer(&mut self, first: i64, period: i64, event: i64) -> Result<i64, Stop> {
        let schedule = Schedule {
            next: first.max(0).cast_unsigned(),
            period: period.max(0).cast_unsigned(),
        };
        let at = self.place();
        let pages = &mut Transaction { core: self.core };
        let made = program::set_timer(pages, at, schedule, Event(event));
        self.core.is_rung = true;
        Ok(self.done(made)?.0.cast_signed())
    }

    pub(super) fn place(&self) -> Place {
        Place {
            process: self.process(),
            node: self.core.dtm.me(),
            station: self.core.station(),
        }
    }

    pub(crate) fn channel_event(&mut self, channel: i64, event: i64) -> Result<(), Stop> {
        let (process, id) = (self.process(), number(channel));
        let pages = &mut Transaction { core: self.core };
        let set = program::set_event(pages, process, id, Event(event));
        self.done(set.map_err(Failure::Stop))
    }

    pub(crate) fn channel_read(&mut self, channel: i64, buffer: &mut [u8]) -> Result<i64, Stop> {
        let (at, id) = (self.place(), number(channel));
        let pages = &mut Transaction { core: self.core };
        let passed = program::read(pages, at, id, buffer);
        self.core.is_rung = true;
        self.done(passed.map_err(Failure::Stop)).map(answer)
    }

    pub(crate) fn channel_write(&mut self, channel: i64, bytes: &[u8]) -> Result<i64, Stop> {
        let (at, id) = (self.place(), number(channel));
        let pages = &mut Transaction { core: self.core };
        let passed = program::write(pages, at, id, bytes);
        self.core.is_rung = true;
        self.done(passed.map_err(Failure::Stop)).map(answer)
    }

    pub(crate) fn channel_close(&mut self, channel: i64) -> Result<(), Stop> {
        let (at, id) = (self.place(), number(channel));
        let pages = &mut Transaction { core: self.core };
        let closed = program::close(pages, at, id);
        self.core.is_rung = true;
        self.done(closed.map_err(Failure::Stop))
    }
}

pub(super) fn release_of(number: i32) -> Result<Release, Stop> {
    match number {
        abi::release::AT_COMMIT => Ok(Release::AtCommit),
        abi::release::AT_STABLE => Ok(Release::AtStable),
        other => {
            let why = format!("release {other}, expected 0 or 1");
            Err(GuestFault::refused(&why).into())
        }
    }
}

pub(super) fn number(channel: i64) -> ChannelId {
    ChannelId(channel.cast_unsigned())
}

pub(super) fn answer(passed: Passed) -> i64 {
    match passed {
        Passed::Bytes(count) => i64::try_from(count).expect("a length in memory"),
        Passed::End => abi::channel::END.into(),
        Passed::Lost => abi::channel::LOST.into(),
    }
}
