//! Small models of the protocol, checked exhaustively. They are documentation that can be
//! run; nothing here is part of a node.
//!
//! | model | what it is about |
//! |---|---|
//! | [`commit`] | coherence and commits, message by message |
//! | [`epoch`] | the same with epochs that begin: every cut is a prefix of the commit order |
//! | [`undo`] | what is undone when a node is lost: what depends on lost work |
//!
//! Each has *planted bugs*: switches that break one rule and must be found, or the
//! model could not find anything. [`check`] explores, with stateright or, for what needs
//! the whole graph, with [`live`].
pub mod check;
pub mod commit;
pub mod epoch;
pub mod live;
pub mod undo;
