//! The whole memory goes back to a snapshot because somebody wants it to.
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use control::{ControlState, RestoreRefused};
use platform::{Disk, RequestId};
use types::Epoch;

use crate::orders::{Ordered, unsettled};
use crate::requests::{Served, Unserved, bad_request, unavailable};
use crate::{Node, Platform};

impl<P: Platform, D: Disk> Node<P, D> {
    /// The answer comes when the memory has gone back.
    pub(crate) fn restore(
        &mut self,
        request: RequestId,
        snapshot: &str,
        discards_named: bool,
    ) -> Served {
        let not_leading = || unavailable("only the leader restores snapshots".to_string());
        let unknown = || {
            let found = format!("found `{snapshot}`: `plurix snapshots` lists them");
            bad_request(format!("expected a snapshot that is kept, {found}"))
        };
        let now = self.core.now;
        let leadership = self.core.leadership.as_mut().ok_or_else(not_leading)?;
        let state = leadership.leader.state();
        let epoch = match snapshot.parse() {
            Ok(epoch) => Some(Epoch(epoch)),
            Err(_) => state.snapshots().named(snapshot),
        };
        let epoch = epoch.ok_or_else(unknown)?;
        if !discards_named {
            refuse_to_discard(state, epoch)?;
        }
        let ticket = leadership.leader.restore(now, epoch);
        let ticket = ticket.map_err(|refused| match refused {
            RestoreRefused::NotRunning => not_leading(),
            RestoreRefused::Unknown => unknown(),
            RestoreRefused::Unsettled => unsettled(),
        })?;
        self.desk.orders.push(Ordered {
            request,
            term: leadership.term(),
            ticket,
            name: None,
        });
        Err(Unserved::Later)
    }
}

/// What has a name is not lost by oversight.
fn refuse_to_discard(state: &ControlState, epoch: Epoch) -> Result<(), Unserved> {
    let later = state.snapshots().iter().filter(|(kept, _)| *kept > epoch);
    let names: Vec<&str> = later
        .flat_map(|(_, snapshot)| snapshot.names.iter().map(String::as_str))
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    let names = names.join(", ");
    Err(bad_request(format!(
        "expected no later snapshot with a name, found {names}, which would be gone: \
         `plurix fork` or `plurix export` saves what you want to keep; to lose them say so with \
         --discard-later"
    )))
}
