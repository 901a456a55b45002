//! The whole memory goes back to a snapshot because somebody wants it to.
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use control::{ControlState, RestoreRefused};
use platform::{Disk, RequestId};
use types::Epoch;

use crate::orders::Ordered;
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
        let not_leading = || not_restored(RestoreRefused::NotRunning);
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
        let ticket = ticket.map_err(|why| match why {
            RestoreRefused::Unknown => unknown(),
            why => not_restored(why),
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

/// Why the memory has not gone back, or will not.
pub(crate) fn not_restored(why: RestoreRefused) -> Unserved {
    match why {
        RestoreRefused::NotRunning => unavailable("only the leader restores snapshots".to_string()),
        RestoreRefused::Unknown => bad_request(
            "expected a snapshot that is kept, found that it was given up just now: nothing has \
             changed"
                .to_string(),
        ),
        // Asking again soon may help.
        RestoreRefused::Unsettled => unavailable(
            "expected members that neither come nor go, and every store with all that it should \
             have; found that this is not so: ask again when `plurix status` says so"
                .to_string(),
        ),
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
