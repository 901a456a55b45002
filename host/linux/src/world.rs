//! All of Linux that one node uses, put together.
use std::net::SocketAddr;

use platform::{
    Board, Clock, Entropy, Event, Events, ListenerId, Protocol, Screen, SocketId, Sockets,
    Terminal, ViewError, Views, Wait,
};
use types::Instant;

use crate::{LinuxClock, LinuxCompiler, LinuxEntropy, LinuxFiles, LinuxViews, Network, View};

/// The world of one node.
#[derive(Debug)]
pub struct LinuxWorld {
    network: Network,
    views: LinuxViews,
    compiler: LinuxCompiler,
    files: LinuxFiles,
}

impl LinuxWorld {
    /// A world of these parts.
    #[must_use]
    pub fn new(
        network: Network,
        views: LinuxViews,
        compiler: LinuxCompiler,
        files: LinuxFiles,
    ) -> Self {
        Self {
            network,
            views,
            compiler,
            files,
        }
    }
}

impl Clock for LinuxWorld {
    fn now(&self) -> Instant {
        LinuxClock.now()
    }

    fn wall_ns(&self) -> u64 {
        LinuxClock.wall_ns()
    }
}

impl Entropy for LinuxWorld {
    fn fill(&mut self, bytes: &mut [u8]) {
        LinuxEntropy.fill(bytes);
    }
}

impl Events for LinuxWorld {
    fn next_event(&mut self, wait: Wait) -> Option<Event> {
        if let Some(event) = self.files.next_event() {
            return Some(Event::Socket(event));
        }
        self.network.next_event(wait)
    }
}

platform::forward_links!(LinuxWorld, network);
platform::forward_compiler!(LinuxWorld, compiler);

impl Sockets for LinuxWorld {
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

    fn open_file(&mut self, name: &str) -> Result<SocketId, String> {
        self.files.open(name)
    }

    fn write_at(&mut self, file: SocketId, place: u64, bytes: &[u8]) {
        self.files.write_at(file, place, bytes);
    }

    fn finish(&mut self, socket: SocketId) {
        self.network.finish(socket);
    }

    fn break_off(&mut self, socket: SocketId) {
        match LinuxFiles::is_file(socket) {
            true => self.files.close(socket),
            false => self.network.break_off(socket),
        }
    }
}

// The screen of this machine is its system's.
impl Screen for LinuxWorld {}
impl Board for LinuxWorld {}
impl Terminal for LinuxWorld {}

impl Views for LinuxWorld {
    type View = View;

    fn create(&mut self) -> Result<View, ViewError> {
        self.views.create()
    }
}
