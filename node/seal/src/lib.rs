//! Connections sealed with the key of the cluster: both ends have it, nobody else reads
//! or changes what they say, and nothing can be said twice.
//!
//! It is the Noise protocol (revision 34) in the pattern `NNpsk0`: the key of the
//! cluster is mixed into the first message, so a call of somebody without it is turned
//! away before any other work, and each connection has fresh keys of its own, so that
//! who learns the cluster's key later cannot read what was recorded before.
//!
//! No IO, no clock: bytes in, bytes out. [`call`] and [`answer`] are the handshake,
//! [`Session`] is what follows, [`Token`] is how people hand the key on.
//!
//! A replayed call is answered but leads nowhere: without the caller's secret nobody can
//! write a record that the answer's session opens. So nothing that has an effect may be
//! in the handshake; it comes in the first record.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
extern crate alloc;

mod handshake;
mod key;
mod session;
mod signed;

pub use handshake::{Caller, HANDSHAKE_SIZE, WrongKey, answer, call};
pub use key::{Key, NotToken, Token};
pub use session::{Forged, Opened, RECORD_PLAIN_MAX, Session};
pub use signed::{sign, signed};
