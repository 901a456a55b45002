//! Scenarios: a few nodes in memory, each message delivered when the test says so.
//! Titles state the property; the first lines tell the story of the fault it excludes.
mod ageing;
mod calm;
mod cluster;
mod conflicts;
mod epochs;
mod memory;
mod opacity;
mod snapshots;
mod transfer;
mod views;
