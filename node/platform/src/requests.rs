//! Requests of tools: opaque bytes in, one reply of opaque bytes out.
use alloc::vec::Vec;

/// One request, for as long as it is unanswered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u64);

/// The door for tools. Requests come as [`crate::Event::Request`].
pub trait Requests {
    /// Answers a request; dropped if its tool has hung up.
    fn reply(&mut self, id: RequestId, bytes: Vec<u8>);
}
