//! The place where the command becomes a node.
use crate::commands::node::NodeArgs;
use crate::error::Error;

/// Runs a node until it is told to stop. Once it listens it calls
/// [`crate::supervisor::announce`], so that whoever started it knows its addresses.
///
/// # Errors
/// If the node cannot start or has to stop.
pub fn run_node(args: NodeArgs) -> Result<(), Error> {
    Err(Error::internal(format!("this build has no node in it: cannot run {}", args.name)))
}
