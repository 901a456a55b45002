//! What is done for channels now and then.
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use kernel::ChannelId;
use kernel::channels::home;
use kernel::channels::{Channel, Kind};
use platform::Disk;
use types::Duration;

use crate::{Node, Platform};

/// Between two tries to listen where somebody else does, and two looks for programs that have
/// ended.
const TIDY_EVERY: Duration = Duration::from_millis(250);

impl<P: Platform, D: Disk> Node<P, D> {
    /// Tries again to listen where that has failed and to let in who waits, and closes the
    /// channels of programs that have ended.
    pub(super) fn tidy_channels(&mut self) {
        let now = self.core.now;
        if self.channels.known.is_empty()
            || self.channels.next_tidying.is_some_and(|next| now < next)
        {
            return;
        }
        self.channels.next_tidying = Some(now + TIDY_EVERY);
        self.channels.look_at_waiting();
        self.channels.look_at_files();
        let mut known: Vec<(ChannelId, Channel)> = self
            .channels
            .known
            .iter()
            .map(|(id, known)| (*id, known.channel))
            .collect();
        let note = self.core.config.note;
        for (id, _) in &known {
            self.channels
                .open_listener(&mut self.core.outside(), *id, note);
        }
        // A device waits for its next driver.
        known.retain(|(_, channel)| channel.kind != Kind::Device);
        let processes: BTreeSet<_> = known.iter().map(|(_, channel)| channel.process).collect();
        let station = self.core.station();
        // If this fails, it is tried again.
        let closed = self.core.transact(|pages| {
            let mut ended = BTreeSet::new();
            for &process in &processes {
                if !home::is_running(pages, process)? {
                    ended.insert(process);
                }
            }
            for (id, channel) in &known {
                if !ended.contains(&channel.process) {
                    continue;
                }
                // It may be another's by now.
                if let Some(channel) = home::find(pages, *id)?
                    && ended.contains(&channel.process)
                {
                    home::close(pages, station, (*id, &channel))?;
                }
            }
            Ok(!ended.is_empty())
        });
        self.core.is_rung |= matches!(closed, Ok((true, _)));
    }
}
