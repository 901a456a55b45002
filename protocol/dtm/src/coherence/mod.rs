//! Page ownership: one role of a node per file. The home decides who is asked, the
//! holder answers at once, the requester collects and reports the outcome.
pub(crate) mod ahead;
pub(crate) mod contention;
pub(crate) mod habit;
pub(crate) mod holder;
pub(crate) mod home;
pub(crate) mod requester;
