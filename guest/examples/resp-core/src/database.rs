//! The database: what all sessions share.

use alloc::boxed::Box;

use sdk::{NODES_MAX, PageAligned};

use crate::table::Table;

/// Where and when a step happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Here {
    /// Milliseconds since 1970.
    pub now_ms: u64,
    /// Position of the node that executes the step.
    pub node: usize,
    /// How many nodes there are.
    pub nodes: usize,
}

/// All keys and their values.
#[derive(Debug)]
pub struct Database {
    pub(crate) table: Table,
    /// How many keys there are, those included whose time is over but that nobody has asked for.
    pub(crate) keys: Tally,
    pub(crate) clients: Tally,
    pub(crate) started_ms: u64,
}

/// A number that every node changes on a page of its own.
#[derive(Debug)]
pub(crate) struct Tally(Box<[PageAligned<i64>]>);

impl Tally {
    fn new() -> Self {
        Self((0..NODES_MAX).map(|_| PageAligned::default()).collect())
    }

    pub(crate) fn add(&mut self, here: Here, amount: i64) {
        *self.0[here.node % NODES_MAX] += amount;
    }

    pub(crate) fn sum(&self) -> i64 {
        self.0.iter().map(|part| **part).sum()
    }

    pub(crate) fn clear(&mut self) {
        self.0
            .iter_mut()
            .filter(|part| ***part != 0)
            .for_each(|part| **part = 0);
    }
}

impl Database {
    /// An empty database. The secret, random bytes, keeps clients from choosing keys that
    /// all fall into one place.
    pub fn new(secret: [u8; 16], here: Here) -> Self {
        let secret = u128::from_le_bytes(secret);
        Self {
            table: Table::new((secret as u64, (secret >> 64) as u64)),
            keys: Tally::new(),
            clients: Tally::new(),
            started_ms: here.now_ms,
        }
    }

    /// Notes that a client has come.
    pub fn client_came(&mut self, here: Here) {
        self.clients.add(here, 1);
    }

    /// Notes that a client has gone.
    pub fn client_went(&mut self, here: Here) {
        self.clients.add(here, -1);
    }
}
