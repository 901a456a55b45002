//! The vocabulary of Plurix: ids, page geometry, versions, epochs, time, limits.
//!
//! It knows nothing of messages, states or platforms, holds no logic beyond
//! ordering and arithmetic of its own values, and every other crate may use it.
//!
//! Start with [`PageId`] (what is shared), [`Stamp`] (who produced it, and when)
//! and [`TxnTimestamp`] (who wins a conflict).
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs, clippy::float_arithmetic)]
extern crate alloc;

mod durability;
mod epoch;
mod id;
pub mod limits;
mod living;
mod page;
pub mod placement;
mod prng;
mod time;
mod txn;
mod view;

pub use durability::Durability;
pub use epoch::{Epoch, Interval, Stamp, Version};
pub use id::{NodeId, StoreId};
pub use living::Living;
pub use page::{
    Extent, Frame, PAGE_SIZE, PAGES_PER_EXTENT, PageBytes, PageId, PageIndex, RegionId, zero_frame,
};
pub use prng::Prng;
pub use time::{Duration, Instant};
pub use txn::{Seq, TxnTimestamp};
pub use view::{Cut, Fallback, Member, View, ViewNumber};
