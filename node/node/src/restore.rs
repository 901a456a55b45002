//! The whole memory goes back to a snapshot because somebody wants it to.
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use admin::Response;
use control::{ControlState, RestoreRefused};
use platform::{Disk, RequestId};
use types::{Epoch, Interval, View};

use crate::requests::{Served, Unserved, bad_request, unavailable};
use crate::{Node, Platform};

/// Somebody waits for the memory to go back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Restoring {
    request: RequestId,
    /// Where to.
    epoch: Epoch,
    /// The first epoch of the view in which that was ordered.
    ordered_in: Epoch,
}

impl Restoring {
    /// Whether it has.
    fn is_done(&self, view: &View) -> bool {
        let later = view.fallbacks.iter();
        let mut later = later.filter(|one| one.first_epoch > self.ordered_in);
        let last = Interval::last_of(self.epoch);
        later.any(|one| one.cuts.iter().all(|cut| cut.last == last))
    }
}

impl<P: Platform, D: Disk> Node<P, D> {
    /// The answer comes when the memory has gone back.
    pub(crate) fn restore(
        &mut self,
        request: RequestId,
        snapshot: &str,
        discards_named: bool,
    ) -> Served {
        let not_leading = || unavailable("only the leader restores snapshots".to_string());
        let now = self.core.now;
        let leadership = self.core.leadership.as_mut().ok_or_else(not_leading)?;
        let state = leadership.leader.state();
        let snapshots = state.snapshots();
        let epoch = match snapshot.parse() {
            Ok(epoch) => Some(Epoch(epoch)),
            Err(_) => snapshots.named(snapshot),
        };
        let is_kept = |epoch: &Epoch| snapshots.epochs().any(|kept| kept == *epoch);
        let Some(epoch) = epoch.filter(is_kept) else {
            let found = format!("found `{snapshot}`: `plurix snapshots` lists them");
            return Err(bad_request(format!(
                "expected a snapshot that is kept, {found}"
            )));
        };
        if !discards_named {
            refuse_to_discard(state, epoch)?;
        }
        let ordered_in = state.view().map_or(Epoch(0), |view| view.first_epoch);
        match leadership.leader.restore(now, epoch) {
            Ok(()) => {}
            Err(RestoreRefused::NotRunning) => return Err(not_leading()),
            Err(RestoreRefused::Unknown) => unreachable!("looked at above"),
            Err(RestoreRefused::Unsettled) => return Err(unsettled()),
        }
        self.desk.restores.push(Restoring {
            request,
            epoch,
            ordered_in,
        });
        Err(Unserved::Later)
    }

    /// Answers those who wait for it.
    pub(crate) fn finish_restores(&mut self) {
        for restoring in core::mem::take(&mut self.desk.restores) {
            let leadership = self.core.leadership.as_ref();
            let is_ordered = leadership.is_some_and(|one| one.leader.is_restoring());
            let view = self.core.dtm.view();
            if view.is_some_and(|view| restoring.is_done(view)) {
                self.core.reply_now(restoring.request, &Response::Done);
            } else if is_ordered {
                self.desk.restores.push(restoring);
            } else {
                self.answer(restoring.request, Vec::new(), Err(unsettled()));
            }
        }
    }
}

/// Asking again soon may help.
fn unsettled() -> Unserved {
    unavailable(
        "expected members that neither come nor go, and every store with all that it should \
         have; found that this is not so: ask again when `plurix status` says so"
            .to_string(),
    )
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
