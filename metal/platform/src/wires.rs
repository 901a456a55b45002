//! Wires: links between nodes of one machine, through its memory.
//!
//! They do what a connection over TCP does, between two processors: bytes are put where the other
//! one finds them, and it is woken.
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use links::{ReadSide, Received, Token, Written};
use spin::Mutex;

use crate::tcp::{LINK_BUFFER_BYTES, Report};

/// Where the nodes of a machine find one another.
#[derive(Debug)]
pub struct Switch {
    sites: Vec<Site>,
}

/// A node of the machine: that of the processor whose number is its place.
#[derive(Debug)]
struct Site {
    link: SocketAddr,
    /// Who calls, once the node lets callers in.
    callers: Mutex<Option<VecDeque<End>>>,
}

/// Names a wire at one of its ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct WireId(u64);

/// The wires of one node.
#[derive(Debug)]
pub(crate) struct Wires {
    switch: Arc<Switch>,
    own: usize,
    wires: BTreeMap<WireId, Wire>,
    last: u64,
}

#[derive(Debug)]
struct Wire {
    end: End,
    told: Option<Told>,
}

/// What was told about a registered wire.
#[derive(Debug)]
struct Told {
    token: Token,
    is_calling: bool,
    /// A write has found no room.
    is_blocked: bool,
    /// Bytes that were there when it was last read or told.
    unread: usize,
    is_closing: bool,
}

/// One end: it is over for both when it is dropped.
#[derive(Debug)]
struct End {
    shared: Arc<Shared>,
    side: Side,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Caller = 0,
    Callee = 1,
}

/// What both ends see.
#[derive(Debug)]
struct Shared {
    /// Bytes from the caller, and from the callee.
    ways: [Mutex<Way>; 2],
    /// The processors of the two.
    cores: [usize; 2],
}

#[derive(Debug)]
struct Way {
    bytes: VecDeque<u8>,
    /// Whether whoever writes has come; a caller has, from the beginning.
    has_begun: bool,
    /// Nothing more is written.
    has_ended: bool,
    /// Nobody reads any more.
    is_gone: bool,
    /// Whoever writes waits for room.
    is_awaited: bool,
}

impl Switch {
    /// For nodes that are reached at these addresses, in the order of their processors.
    #[must_use]
    pub fn new(links: impl IntoIterator<Item = SocketAddr>) -> Self {
        let sites = links.into_iter().map(|link| Site {
            link,
            callers: Mutex::new(None),
        });
        Self {
            sites: sites.collect(),
        }
    }

    /// A caller of a node, if it lets any in.
    fn call(&self, own: usize, callee: usize) -> Option<End> {
        let mut callers = self.sites[callee].callers.lock();
        let callers = callers.as_mut()?;
        let way = |has_begun| {
            Mutex::new(Way {
                bytes: VecDeque::with_capacity(LINK_BUFFER_BYTES),
                has_begun,
                has_ended: false,
                is_gone: false,
                is_awaited: false,
            })
        };
        let shared = Arc::new(Shared {
            ways: [way(true), way(false)],
            cores: [own, callee],
        });
        callers.push_back(End {
            shared: shared.clone(),
            side: Side::Callee,
        });
        hal::cores::wake(callee);
        let side = Side::Caller;
        Some(End { shared, side })
    }
}

impl Wires {
    /// The wires of the node of this processor. Callers are let in from now on.
    pub(crate) fn new(switch: Arc<Switch>, own: usize) -> Self {
        *switch.sites[own].callers.lock() = Some(VecDeque::new());
        Self {
            switch,
            own,
            wires: BTreeMap::new(),
            last: 0,
        }
    }

    /// The node of this machine that is reached there.
    pub(crate) fn neighbour(&self, link: SocketAddr) -> Option<usize> {
        let mut sites = self.switch.sites.iter();
        sites.position(|site| site.link == link)
    }

    /// Calls another node of this machine, if it lets callers in.
    pub(crate) fn dial(&mut self, neighbour: usize) -> Option<WireId> {
        if neighbour == self.own {
            return None;
        }
        let end = self.switch.call(self.own, neighbour)?;
        Some(self.add(end))
    }

    /// The next that has called.
    pub(crate) fn caller(&mut self) -> Option<WireId> {
        let mut callers = self.switch.sites[self.own].callers.lock();
        let end = callers.as_mut()?.pop_front()?;
        drop(callers);
        end.outgoing().lock().has_begun = true;
        end.wake_other();
        Some(self.add(end))
    }

    fn add(&mut self, end: End) -> WireId {
        self.last += 1;
        let id = WireId(self.last);
        self.wires.insert(id, Wire { end, told: None });
        id
    }

    fn at(&mut self, id: WireId) -> &mut Wire {
        let wire = self.wires.get_mut(&id);
        wire.expect("a wire is there until it is closed")
    }

    /// Whether a call has been taken.
    pub(crate) fn has_reached(&mut self, id: WireId) -> bool {
        let end = &self.at(id).end;
        end.incoming().lock().has_begun
    }

    pub(crate) fn register(&mut self, id: WireId, token: Token) {
        let is_calling = self.at(id).end.side == Side::Caller;
        self.at(id).told = Some(Told {
            token,
            is_calling,
            is_blocked: false,
            unread: 0,
            is_closing: false,
        });
    }

    pub(crate) fn forget(&mut self, id: WireId) {
        self.at(id).told = None;
    }

    /// What has changed since it was last asked.
    pub(crate) fn reports(&mut self) -> Vec<Report> {
        let mut reports = Vec::new();
        for Wire { end, told } in self.wires.values_mut() {
            let Some(told) = told else {
                continue;
            };
            let incoming = end.incoming().lock();
            let has_ended = incoming.has_ended;
            if told.is_calling {
                if incoming.has_begun || has_ended {
                    told.is_calling = false;
                    reports.push(Report::Writable(told.token));
                }
                continue;
            }
            let unread = incoming.bytes.len();
            drop(incoming);
            if told.is_blocked && end.outgoing().lock().takes() {
                told.is_blocked = false;
                reports.push(Report::Writable(told.token));
            }
            if has_ended && !told.is_closing {
                told.is_closing = true;
                reports.push(Report::Readable(told.token, ReadSide::Closing));
            } else if unread > told.unread {
                reports.push(Report::Readable(told.token, ReadSide::Open));
            }
            told.unread = unread;
        }
        reports
    }

    pub(crate) fn read(&mut self, id: WireId, space: &mut [u8]) -> Received {
        let Wire { end, told } = self.at(id);
        let mut way = end.incoming().lock();
        let count = way.bytes.len().min(space.len());
        let (first, second) = way.bytes.as_slices();
        let middle = first.len().min(count);
        space[..middle].copy_from_slice(&first[..middle]);
        space[middle..count].copy_from_slice(&second[..count - middle]);
        way.bytes.drain(..count);
        if let Some(told) = told {
            told.unread = way.bytes.len();
        }
        let received = match count {
            0 if way.has_ended => Received::Closed,
            0 => Received::Nothing,
            count => Received::Bytes(count),
        };
        let has_room = count > 0 && core::mem::take(&mut way.is_awaited);
        drop(way);
        if has_room {
            end.wake_other();
        }
        received
    }

    pub(crate) fn write(&mut self, id: WireId, bytes: &[u8]) -> Written {
        let Wire { end, told } = self.at(id);
        let mut way = end.outgoing().lock();
        if way.is_gone || way.has_ended {
            return Written::Gone;
        }
        let count = bytes.len().min(LINK_BUFFER_BYTES - way.bytes.len());
        if count == 0 && !bytes.is_empty() {
            way.is_awaited = true;
            if let Some(told) = told {
                told.is_blocked = true;
            }
            return Written::Full;
        }
        way.bytes.extend(&bytes[..count]);
        drop(way);
        end.wake_other();
        Written::Bytes(count)
    }

    pub(crate) fn finish(&mut self, id: WireId) {
        let end = &self.at(id).end;
        end.outgoing().lock().has_ended = true;
        end.wake_other();
    }

    pub(crate) fn close(&mut self, id: WireId) {
        // The end does what is to be done.
        self.wires.remove(&id);
    }
}

impl End {
    fn outgoing(&self) -> &Mutex<Way> {
        &self.shared.ways[self.side as usize]
    }

    fn incoming(&self) -> &Mutex<Way> {
        &self.shared.ways[1 - self.side as usize]
    }

    fn wake_other(&self) {
        hal::cores::wake(self.shared.cores[1 - self.side as usize]);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.outgoing().lock().has_ended = true;
        let mut incoming = self.incoming().lock();
        incoming.is_gone = true;
        incoming.bytes.clear();
        drop(incoming);
        self.wake_other();
    }
}

impl Way {
    /// Whether there is room, or it is known that there never will be.
    fn takes(&self) -> bool {
        self.is_gone || self.bytes.len() < LINK_BUFFER_BYTES
    }
}
