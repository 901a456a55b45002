//! What tools want the leader to decide: they hear of it when it is decided.
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use admin::Response;
use control::{Outcome, Snapshots, Ticket};
use platform::{Disk, RequestId};
use types::Epoch;

use crate::requests::{Unserved, bad_request, undecided};
use crate::restore::not_restored;
use crate::{Node, Platform};

/// Somebody waits for a decision.
#[derive(Debug)]
pub(crate) struct Ordered {
    pub(crate) request: RequestId,
    /// The leadership that has taken the order.
    pub(crate) term: u64,
    pub(crate) ticket: Ticket,
    /// The snapshot that he waits for when it is decided.
    pub(crate) name: Option<String>,
}

impl<P: Platform, D: Disk> Node<P, D> {
    /// Answers those whose orders are carried out, or are not.
    pub(crate) fn finish_orders(&mut self) {
        for ordered in core::mem::take(&mut self.desk.orders) {
            let leadership = self.core.leadership.as_ref();
            let leadership = leadership.filter(|one| one.term() == ordered.term);
            let answer = match leadership {
                None => Some(Err(undecided())),
                Some(one) => match one.leader.outcome(ordered.ticket) {
                    Outcome::Pending => None,
                    Outcome::Dropped(why) => Some(Err(not_restored(why))),
                    Outcome::Decided => match &ordered.name {
                        None => Some(Ok(Response::Done)),
                        Some(name) => taken(one.leader.state().snapshots(), name),
                    },
                },
            };
            match answer {
                None => self.desk.orders.push(ordered),
                Some(Ok(response)) => self.core.reply_now(ordered.request, &response),
                Some(Err(why)) => self.answer(ordered.request, Vec::new(), Err(why)),
            }
        }
    }
}

/// The snapshot of this name; nothing while its epoch is not stable.
fn taken(snapshots: &Snapshots, name: &str) -> Option<Result<Response, Unserved>> {
    match snapshots.named(name) {
        Some(Epoch(epoch)) => Some(Ok(Response::Snapshot { epoch })),
        None if snapshots.is_awaited(name) => None,
        None => {
            let message = format!("expected the name {name} to be given, found that it is not");
            Some(Err(bad_request(
                message + ": there are too many, or it was given up",
            )))
        }
    }
}
