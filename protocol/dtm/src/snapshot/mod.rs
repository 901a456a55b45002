//! The producer's side of snapshots: what was written in an epoch goes to the stores,
//! while transactions go on.
mod epoch;
pub(crate) mod legacy;
pub(crate) mod parts;
pub(crate) mod received;
