//! Portions of a device, each a device of its own: a node has two disks, a machine may have
//! only one device.
use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

use crate::device::{BlockDevice, Completion, DeviceError, Request, RequestToken};

/// A portion of a device. Its completions come when any portion asks for its own.
pub struct Portion<B> {
    shared: Rc<RefCell<Shared<B>>>,
    /// Which of the portions it is.
    number: usize,
    first: u64,
    sectors: u64,
}

struct Shared<B> {
    device: B,
    /// Of the last request.
    token: u64,
    /// Whose each request on its way is, and what it is called there.
    owners: BTreeMap<RequestToken, (usize, RequestToken)>,
    /// What each portion has not taken yet.
    completed: Vec<VecDeque<Completion>>,
}

/// Divides a device: the first portion has so many sectors, the second the rest.
pub fn divide<B: BlockDevice>(device: B, sectors: u64) -> [Portion<B>; 2] {
    let all = device.sectors();
    let at = sectors.min(all);
    let shared = Rc::new(RefCell::new(Shared {
        device,
        token: 0,
        owners: BTreeMap::new(),
        completed: vec![VecDeque::new(); 2],
    }));
    let portion = |number, first, sectors| Portion {
        shared: Rc::clone(&shared),
        number,
        first,
        sectors,
    };
    [portion(0, 0, at), portion(1, at, all - at)]
}

impl<B: BlockDevice> BlockDevice for Portion<B> {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn has_room(&self) -> bool {
        self.shared.borrow().device.has_room()
    }

    fn submit(&mut self, token: RequestToken, request: Request) {
        let request = match request {
            Request::Write { sector, bytes } => Request::Write {
                sector: self.first + sector,
                bytes,
            },
            Request::Flush => Request::Flush,
        };
        let mut shared = self.shared.borrow_mut();
        shared.token += 1;
        let unique = RequestToken(shared.token);
        shared.owners.insert(unique, (self.number, token));
        shared.device.submit(unique, request);
    }

    fn poll(&mut self) -> Option<Completion> {
        let mut shared = self.shared.borrow_mut();
        while let Some(Completion { token, result }) = shared.device.poll() {
            // Of others than these portions there is nothing to be told.
            if let Some((number, token)) = shared.owners.remove(&token) {
                shared.completed[number].push_back(Completion { token, result });
            }
        }
        shared.completed[self.number].pop_front()
    }

    fn wait(&mut self) {
        let mut shared = self.shared.borrow_mut();
        if shared.completed[self.number].is_empty() {
            shared.device.wait();
        }
    }

    fn read(&mut self, sector: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let mut shared = self.shared.borrow_mut();
        shared.device.read(self.first + sector, buffer)
    }
}

impl<B> fmt::Debug for Portion<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Portion")
            .field("first", &self.first)
            .field("sectors", &self.sectors)
            .finish_non_exhaustive()
    }
}
