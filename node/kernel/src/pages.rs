//! The one interface that the services need: pages of the running transaction.
use core::fmt;
use types::{PageBytes, PageId};

/// The transaction cannot go on: a page is not here yet, or a conflict was lost.
/// Whoever gets it passes it up; its source knows the reason. Everything that the
/// transaction has written must be undone before the operation runs again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stop;

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the transaction was stopped and must be run again")
    }
}

impl core::error::Error for Stop {}

/// Pages as the running transaction sees them.
pub trait Pages {
    /// The contents of a page, which counts as read from here on.
    ///
    /// # Errors
    /// [`Stop`] if the transaction must be undone and run again.
    fn read(&mut self, page: PageId) -> Result<&PageBytes, Stop>;

    /// The contents of a page, to be changed.
    ///
    /// # Errors
    /// [`Stop`] if the transaction must be undone and run again.
    fn write(&mut self, page: PageId) -> Result<&mut PageBytes, Stop>;
}
