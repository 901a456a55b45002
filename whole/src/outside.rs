//! Connections between nodes and the world outside of the cluster: what a node's system does
//! with its sockets, and what callers see of that.
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::net::SocketAddr;

use platform::{ListenerId, Protocol, SocketEvent, SocketId, Sockets};
use types::Duration;

use crate::item::Item;
use crate::names::Pid;
use crate::process::Letter;
use crate::sim_platform::SimPlatform;
use crate::world::{Word, World};

/// From a caller to a node, and back.
const WAY: Duration = Duration::from_micros(70);
/// Bytes that a node gets at a time, at most.
const PIECE: u64 = 40;

/// What goes over a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Passing {
    Bytes(Vec<u8>),
    /// Nothing more comes.
    End,
    /// The connection is broken.
    Break,
}

/// All connections, and who listens.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    listeners: BTreeMap<ListenerId, (Pid, SocketAddr)>,
    plugs: BTreeMap<SocketId, Plug>,
    last: u64,
}

/// A node's end of a connection.
#[derive(Debug)]
struct Plug {
    process: Pid,
    caller: usize,
    /// What has come and was not read.
    unread: VecDeque<u8>,
    wanted: usize,
    has_caller_ended: bool,
    is_end_told: bool,
    has_node_ended: bool,
}

impl World {
    /// A caller connects to whoever listens there; whether anybody does.
    pub(crate) fn connect(&mut self, caller: usize, address: SocketAddr) -> Option<SocketId> {
        let alive = self.alive();
        let mut listeners = self.outside.listeners.iter();
        let (&listener, &(process, _)) =
            listeners.find(|(_, (process, at))| *at == address && alive.contains(process))?;
        self.outside.last += 1;
        let socket = SocketId(self.outside.last);
        let plug = Plug {
            process,
            caller,
            unread: VecDeque::new(),
            wanted: 0,
            has_caller_ended: false,
            is_end_told: false,
            has_node_ended: false,
        };
        self.outside.plugs.insert(socket, plug);
        let event = SocketEvent::Accepted {
            listener,
            socket,
            peer: SocketAddr::from(([10, 0, 0, 9], 9)),
        };
        self.tell_socket(process, event);
        Some(socket)
    }

    /// Whether there is a node at the other end.
    pub(crate) fn is_plugged(&self, socket: SocketId) -> bool {
        self.outside.plugs.contains_key(&socket)
    }

    /// A caller sends something.
    pub(crate) fn pass_in(&mut self, socket: SocketId, passing: Passing) {
        self.push(WAY, Item::PassIn { socket, passing });
    }

    pub(crate) fn on_pass_in(&mut self, socket: SocketId, passing: Passing) {
        let Some(plug) = self.outside.plugs.get_mut(&socket) else {
            return;
        };
        match passing {
            Passing::Bytes(bytes) => plug.unread.extend(bytes),
            Passing::End => plug.has_caller_ended = true,
            Passing::Break => return self.unplug(socket),
        }
        self.give_read(socket);
    }

    /// Something arrives at a caller.
    fn pass_out(&mut self, socket: SocketId, passing: Passing) {
        let Some(plug) = self.outside.plugs.get(&socket) else {
            return;
        };
        let (caller, at) = (plug.caller, self.here(plug.process) + WAY);
        if self.tells_messages {
            let name = self.name_of(self.outside.plugs[&socket].process);
            self.note(format_args!(
                "{name} to caller {caller}, {socket:?}: {passing:?}"
            ));
        }
        let item = Item::PassOut {
            caller,
            socket,
            passing,
        };
        self.queue.push(at, item);
    }

    /// Gives a node what it wants of what has come.
    fn give_read(&mut self, socket: SocketId) {
        while let Some(plug) = self.outside.plugs.get_mut(&socket) {
            let process = plug.process;
            let piece = usize::try_from(1 + self.prng.below(PIECE)).expect("small");
            let count = piece.min(plug.wanted).min(plug.unread.len());
            if count > 0 {
                plug.wanted -= count;
                let bytes = plug.unread.drain(..count).collect();
                self.tell_socket(process, SocketEvent::Received { socket, bytes });
                continue;
            }
            if plug.has_caller_ended && plug.unread.is_empty() && !plug.is_end_told {
                plug.is_end_told = true;
                self.tell_socket(process, SocketEvent::Ended { socket });
                continue;
            }
            if plug.is_end_told && plug.has_node_ended {
                self.unplug(socket);
            }
            return;
        }
    }

    /// A connection is over.
    fn unplug(&mut self, socket: SocketId) {
        if let Some(plug) = self.outside.plugs.remove(&socket) {
            self.tell_socket(plug.process, SocketEvent::Gone { socket });
        }
    }

    fn tell_socket(&mut self, process: Pid, event: SocketEvent) {
        if self.process(process).is_alive() {
            if self.tells_messages {
                let name = self.name_of(process);
                self.note(format_args!("{name} hears {event:?}"));
            }
            self.process_mut(process)
                .inbox
                .push_back(Letter::Socket(event));
            self.rouse(process);
        }
    }

    /// A process is no more: its system says so, if it can.
    pub(crate) fn unplug_all(&mut self, process: Pid, word: Word) {
        self.outside.listeners.retain(|_, (one, _)| *one != process);
        let is_its = |(_, plug): &(&SocketId, &Plug)| plug.process == process;
        let plugs = self.outside.plugs.iter().filter(is_its);
        let sockets: Vec<SocketId> = plugs.map(|(socket, _)| *socket).collect();
        for socket in sockets {
            if word != Word::Silence {
                self.pass_out(socket, Passing::Break);
            }
            self.outside.plugs.remove(&socket);
        }
    }
}

impl Sockets for SimPlatform {
    fn listen(
        &mut self,
        protocol: Protocol,
        address: SocketAddr,
    ) -> Result<(ListenerId, SocketAddr), String> {
        if protocol == Protocol::Datagrams {
            return Err("nobody sends datagrams here".to_owned());
        }
        let (me, mut world) = (self.me(), self.enter());
        world.outside.last += 1;
        let listener = ListenerId(world.outside.last);
        if world.process(me).is_alive() {
            let listeners = &mut world.outside.listeners;
            if listeners.values().any(|one| *one == (me, address)) {
                return Err(format!("{address} is taken"));
            }
            listeners.insert(listener, (me, address));
        }
        Ok((listener, address))
    }

    fn unlisten(&mut self, listener: ListenerId) {
        let (me, mut world) = (self.me(), self.enter());
        if world.process(me).is_alive() {
            world.outside.listeners.remove(&listener);
        }
    }

    fn want(&mut self, socket: SocketId, bytes: usize) {
        let (me, mut world) = (self.me(), self.enter());
        if world.process(me).is_alive()
            && let Some(plug) = world.outside.plugs.get_mut(&socket)
        {
            plug.wanted += bytes;
            world.give_read(socket);
        }
    }

    fn write(&mut self, socket: SocketId, bytes: &[u8]) {
        let (me, mut world) = (self.me(), self.enter());
        if world.process(me).is_alive() {
            world.pass_out(socket, Passing::Bytes(bytes.to_vec()));
            let bytes = bytes.len();
            world.tell_socket(me, SocketEvent::Written { socket, bytes });
        }
    }

    fn finish(&mut self, socket: SocketId) {
        let (me, mut world) = (self.me(), self.enter());
        if world.process(me).is_alive()
            && let Some(plug) = world.outside.plugs.get_mut(&socket)
        {
            plug.has_node_ended = true;
            // What still comes is read and forgotten.
            plug.wanted = usize::MAX;
            world.pass_out(socket, Passing::End);
            world.give_read(socket);
        }
    }

    fn break_off(&mut self, socket: SocketId) {
        let (me, mut world) = (self.me(), self.enter());
        if world.process(me).is_alive() {
            world.pass_out(socket, Passing::Break);
            world.unplug(socket);
        }
    }
}
