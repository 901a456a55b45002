//! Where a device is reached.
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use platform::{ListenerId, SocketId};

#[derive(Debug)]
pub(super) struct Port {
    pub(super) name: &'static str,
    /// Where a driver waits for it.
    pub(super) listener: Option<ListenerId>,
    /// The line to a driver.
    pub(super) line: Option<SocketId>,
    /// Bytes that may still go over it.
    pub(super) credit: usize,
    /// What the device says, and has not yet.
    pub(super) said: VecDeque<u8>,
    /// The beginning of what was said to it and is not whole, if it is a part that hears lines.
    pub(super) heard: Vec<u8>,
}

impl Port {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            listener: None,
            line: None,
            credit: 0,
            said: VecDeque::new(),
            heard: Vec::new(),
        }
    }
}
