//! Services: how programs talk to each other.
//!
//! A session is a [`Connection`] like any other, but both its ends are programs of the cluster:
//! what one writes the other can read as soon as the step has committed, and none of it is ever
//! lost.

use crate::channel::{Connection, Received, accept, read};
use crate::raw;
use crate::step::Event;

/// A label under which other programs find this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Service(i64);

impl Service {
    /// Serves under a label of 1 to 18 bytes. `event` is signalled when a program connects. Who
    /// has served under it before gets no new sessions.
    pub fn serve(label: &str, event: Event) -> Self {
        // SAFETY: the call reads the label, and no more.
        Self(unsafe { raw::serve(label.as_ptr(), label.len(), event.0) })
    }

    /// The next session, if there is one. The step that takes it says what its event is.
    pub fn accept(self, event: impl FnOnce(Connection) -> Event) -> Option<Connection> {
        accept(self.0, event)
    }

    /// Whether it is gone: the program had ended, and was brought back from a snapshot. It has
    /// to serve anew.
    pub fn is_lost(self) -> bool {
        read(self.0, &mut []) == Received::Lost
    }
}

impl Connection {
    /// Connects to the program that serves under a label; `None` if none does, or if it has
    /// too many waiting. `event` is signalled when something happens to the session.
    pub fn with_service(label: &str, event: Event) -> Option<Self> {
        // SAFETY: the call reads the label, and no more.
        let number = unsafe { raw::connect(label.as_ptr(), label.len(), event.0) };
        (number != i64::from(abi::channel::LOST)).then(|| Self::of_number(number))
    }
}
