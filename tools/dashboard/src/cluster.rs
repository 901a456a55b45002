//! How nodes are reached.
use admin::{Request, Response, Status};

/// The nodes of a cluster. Errors are for people: what is wrong.
pub trait Cluster: Send + Sync + 'static {
    /// The node that leads, and what it says.
    ///
    /// # Errors
    /// If none says so now.
    fn leader(&self) -> Result<(Status, Box<dyn Door>), String>;

    /// The node of this name.
    ///
    /// # Errors
    /// If it cannot be reached.
    fn node(&self, name: &str) -> Result<Box<dyn Door>, String>;
}

/// A connection to a node.
pub trait Door: Send {
    /// Asks once, and waits for the answer for a moment.
    ///
    /// # Errors
    /// If there is none. Whether the node has heard the question is not known then, and it is
    /// not asked again.
    fn ask(&mut self, request: &Request) -> Result<Response, String>;
}
