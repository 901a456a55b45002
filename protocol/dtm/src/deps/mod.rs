//! Whose work this node's work depends on: needed only when somebody's is lost.
//!
//! It observes and never commands: pages tell it that they were mapped, commits that they
//! commit. The rules are those of recovery for message passing (Strom and Yemini 1985;
//! Johnson and Zwaenepoel 1990), with a read or overwritten version for a message.
mod edges;
mod track;

use edges::Edges;
pub(crate) use track::Dependencies;
