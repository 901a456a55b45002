//! All of the machine that a node uses, put together.
use alloc::string::String;
use core::net::SocketAddr;

use adapter::input::InputEvent;
use adapter::part;
use hal::view::{MetalViews, View};
use platform::{
    Board, Clock, Entropy, Event, Events, ListenerId, Protocol, Screen, ScreenState, Settable,
    SocketId, Sockets, Terminal, ViewError, Views, Wait,
};
use seal::Key;
use types::Instant;

use crate::compiler::NoCompiler;
use crate::hands::Hands;
use crate::parts::{OwnClock, OwnPower};
use crate::screen::OwnScreen;
use crate::terminal::OwnTerminal;
use crate::{MetalClock, MetalEntropy, Network};

/// The world of one node.
#[derive(Debug)]
pub struct MetalWorld {
    network: Network,
    entropy: MetalEntropy,
    views: MetalViews,
    compiler: NoCompiler,
    seat: Option<Seat>,
}

/// Where somebody may sit, and what else a machine has once: it is one node's.
#[derive(Debug)]
pub struct Seat {
    screen: OwnScreen,
    hands: Hands,
    terminal: OwnTerminal,
    clock: Option<OwnClock>,
    power: OwnPower,
}

impl Seat {
    /// The machine's. Of this start of it, that has this number.
    #[must_use]
    pub fn new(start: u64) -> Self {
        Self {
            screen: OwnScreen::default(),
            hands: Hands::default(),
            terminal: OwnTerminal::default(),
            clock: OwnClock::find(),
            power: OwnPower { start },
        }
    }

    /// What somebody has done there.
    fn next_event(&mut self) -> Option<Event> {
        self.terminal.send();
        if let Some(typed) = self.terminal.typed() {
            return Some(Event::Typed(typed));
        }
        let felt = self.hands.next_event()?;
        if let InputEvent::Pointer { x, y, .. } = felt {
            self.screen.point((x, y));
        }
        Some(Event::Felt(felt))
    }
}

impl MetalWorld {
    /// A world of these parts.
    #[must_use]
    pub fn new(
        network: Network,
        entropy: MetalEntropy,
        key: Option<Key>,
        seat: Option<Seat>,
    ) -> Self {
        Self {
            network,
            entropy,
            views: MetalViews,
            compiler: NoCompiler::new(key),
            seat,
        }
    }
}

impl Clock for MetalWorld {
    fn now(&self) -> Instant {
        MetalClock.now()
    }

    fn wall_ns(&self) -> u64 {
        MetalClock.wall_ns()
    }
}

impl Entropy for MetalWorld {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.entropy.fill(bytes);
    }
}

impl Events for MetalWorld {
    fn next_event(&mut self, wait: Wait) -> Option<Event> {
        // People are slow: they starve nobody.
        let seat = self.seat.as_mut();
        let event = seat.and_then(Seat::next_event);
        event.or_else(|| self.network.next_event(wait))
    }
}

impl Screen for MetalWorld {
    fn has_screen(&self) -> bool {
        self.seat.is_some() && hal::screen::is_there()
    }

    fn set_screen(&mut self, state: &ScreenState) {
        if let Some(seat) = &mut self.seat {
            seat.screen.set(state);
        }
    }

    fn write_screen(&mut self, offset: usize, bytes: &[u8]) {
        if let Some(seat) = &mut self.seat {
            seat.screen.write(offset, bytes);
        }
    }

    fn ask_screen(&mut self) -> Option<ScreenState> {
        self.seat.as_ref()?.screen.ask()
    }

    fn release_screen(&mut self) {
        if let Some(seat) = &mut self.seat {
            seat.screen.release();
        }
    }
}

impl Terminal for MetalWorld {
    fn write_terminal(&mut self, bytes: &[u8]) {
        if let Some(seat) = &mut self.seat {
            seat.terminal.write(bytes);
        }
    }
}

impl Board for MetalWorld {
    fn own_network(&mut self) -> Option<&mut dyn Settable<part::Network>> {
        Some(self.network.tcp())
    }

    fn own_disk(&mut self) -> Option<&mut dyn Settable<part::Disk>> {
        self.network.disk().map(|disk| disk as _)
    }

    fn own_clock(&mut self) -> Option<&mut dyn Settable<part::Clock>> {
        let clock = self.seat.as_mut()?.clock.as_mut();
        clock.map(|clock| clock as _)
    }

    fn own_power(&mut self) -> Option<&mut dyn Settable<part::Power>> {
        Some(&mut self.seat.as_mut()?.power)
    }
}

platform::forward_links!(MetalWorld, network);
platform::forward_compiler!(MetalWorld, compiler);

impl Sockets for MetalWorld {
    fn listen(
        &mut self,
        protocol: Protocol,
        address: SocketAddr,
    ) -> Result<(ListenerId, SocketAddr), String> {
        self.network.listen(protocol, address)
    }

    fn unlisten(&mut self, listener: ListenerId) {
        self.network.unlisten(listener);
    }

    fn want(&mut self, socket: SocketId, bytes: usize) {
        self.network.want(socket, bytes);
    }

    fn write(&mut self, socket: SocketId, bytes: &[u8]) {
        self.network.write(socket, bytes);
    }

    fn finish(&mut self, socket: SocketId) {
        self.network.finish(socket);
    }

    fn break_off(&mut self, socket: SocketId) {
        self.network.break_off(socket);
    }
}

impl Views for MetalWorld {
    type View = View;

    fn create(&mut self) -> Result<View, ViewError> {
        self.views.create()
    }
}
