//! What is done for channels now and then.
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use adapter::SYSTEM;
use kernel::ChannelId;
use kernel::channels::home;
use kernel::channels::{Channel, Kind, device};
use platform::Disk;
use types::Duration;

use crate::{Node, Platform};

/// Between two tries to listen where somebody else does, and two looks for programs that have
/// ended.
const TIDY_EVERY: Duration = Duration::from_millis(250);

impl<P: Platform, D: Disk> Node<P, D> {
    /// The system is a device of the leader's node.
    fn move_system(&mut self, known: &[(ChannelId, Channel)]) {
        let is_system = |(_, channel): &&(ChannelId, Channel)| {
            channel.kind == Kind::Device && channel.label().as_str() == SYSTEM
        };
        let leader = self.core.dtm.view().map(|view| view.leader);
        let (Some((id, _)), Some(leader)) = (known.iter().find(is_system), leader) else {
            return;
        };
        if leader != self.core.dtm.me() {
            let slot = self.core.station().slot();
            // If this fails, it is tried again.
            let moved = self
                .core
                .transact(|pages| Ok(device::move_to(pages, slot, *id, leader)?));
            self.core.is_rung |= moved.is_ok();
        }
    }

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
        self.move_system(&known);
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
