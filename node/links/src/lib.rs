//! Links between nodes, and the door for tools: who calls whom, who is let in, what is
//! said first, what is lost when. The same on every machine.
//!
//! [`Exchange`] is a node's end of it. What it needs of the machine is [`Machine`]: TCP,
//! a clock and randomness; who implements it has the loop in which the node waits, and
//! tells the exchange what it sees there. [`Port`] is what programs' ports for datagrams
//! have in common.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
extern crate alloc;

mod exchange;
mod hello;
mod link_table;
mod links;
mod machine;
mod outbox;
mod port;
mod requests;
pub mod silence;
mod stream;

pub use exchange::{Core, Exchange, Limits, LinkConfig};
pub use hello::{HELLO_SIZE, PROTOCOL_VERSION};
pub use machine::{Machine, Received, Token, Written};
pub use outbox::Outbox;
pub use port::{AfterLine, Port};
pub use stream::ReadSide;
