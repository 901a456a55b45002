//! Listening at the addresses that channels name.
use alloc::format;

use devices::Intake;
use kernel::ChannelId;
use kernel::channels::{Address, Kind};
use platform::{ListenerId, Protocol, SocketId};

use super::outside::Outside;
use super::{Channels, OurEnd};

/// A listener, and who waits there to be accepted.
#[derive(Debug, Default)]
pub(super) struct Listening {
    /// Once it does.
    pub(super) socket: Option<(ListenerId, Address)>,
    /// Somebody was told why it does not.
    pub(super) is_noted: bool,
    pub(super) waiting: Intake<SocketId>,
}

impl Listening {
    /// So many have been accepted already.
    pub(super) fn starting_at(accepted: u64) -> Self {
        Self {
            waiting: Intake::starting_at(accepted),
            ..Self::default()
        }
    }
}

impl Channels {
    /// Those listeners are due at which somebody waits: there may be room for him by now.
    pub(super) fn look_at_waiting(&mut self) {
        for (id, known) in &self.known {
            if let OurEnd::Listener(listening) = &known.end
                && !listening.waiting.next().is_empty()
            {
                self.due.insert(*id);
            }
        }
    }

    /// Listens where a channel says, if it does not yet.
    pub(super) fn open_listener(
        &mut self,
        outside: &mut impl Outside,
        id: ChannelId,
        note: impl FnOnce(&str),
    ) {
        let Some(known) = self.known.get_mut(&id) else {
            return;
        };
        let OurEnd::Listener(listening) = &mut known.end else {
            return;
        };
        if listening.socket.is_some() {
            return;
        }
        let address = known.channel.address();
        let (opened, what) = match known.channel.kind {
            Kind::Device => {
                let label = known.channel.label();
                let attached = outside.attach(label.as_str());
                let wish = format!("drive the device `{}`", label.as_str());
                (attached.map(|listener| (listener, address)), wish)
            }
            kind => {
                let wanted = address.get();
                let protocol = match kind {
                    Kind::Port => Protocol::Datagrams,
                    _ => Protocol::Stream,
                };
                let opened = outside.listen(protocol, wanted);
                let opened = opened.map(|(listener, bound)| (listener, Address::new(bound)));
                (opened, format!("listen at {wanted}"))
            }
        };
        match opened {
            Ok((listener, bound)) => {
                listening.socket = Some((listener, bound));
                self.listeners.insert(listener, id);
                if bound != address {
                    self.due.insert(id);
                }
            }
            Err(why) if !listening.is_noted => {
                listening.is_noted = true;
                let process = known.channel.process;
                note(&format!("process {process} wants to {what}: {why}"));
            }
            Err(_) => {}
        }
    }
}
