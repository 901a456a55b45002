//! Ctrl-C and its like, counted: the first asks, the second insists.
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::Error;

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// From now on SIGINT, SIGTERM and SIGHUP are counted instead of ending the process.
///
/// # Errors
/// If the handler cannot be installed.
pub(crate) fn watch() -> Result<(), Error> {
    let on_signal = || {
        COUNT.fetch_add(1, Ordering::SeqCst);
    };
    ctrlc::set_handler(on_signal)
        .map_err(|error| Error::internal(format!("install the handler of Ctrl-C: {error}")))
}

/// How often it was asked to stop since [`watch`].
pub(crate) fn count() -> usize {
    COUNT.load(Ordering::SeqCst)
}

/// An error if it was asked to stop.
///
/// # Errors
/// If it was.
pub(crate) fn check() -> Result<(), Error> {
    check_since(0)
}

/// An error if it was asked to stop more often than this.
///
/// # Errors
/// If it was.
pub(crate) fn check_since(interrupts: usize) -> Result<(), Error> {
    if count() > interrupts {
        Err(Error::user("interrupted"))
    } else {
        Ok(())
    }
}
