//! Snapshots that tools ask for, take and give up: what the leader decides of them.
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use admin::{Response, SnapshotInfo};
use control::{ControlState, Forgotten, Leader, SnapshotRefused, Ticket};
use platform::{Disk, RequestId};
use types::{Epoch, Instant};

use crate::core::Core;
use crate::orders::Ordered;
use crate::requests::{Served, Unserved, bad_request, unavailable};
use crate::{Node, Platform};

impl<P: Platform, D: Disk> Node<P, D> {
    /// The answer comes when the snapshot is taken.
    pub(crate) fn take_snapshot(&mut self, id: RequestId, name: String) -> Served {
        let order = |leader: &mut Leader, now| leader.snapshot(now, &name);
        let (term, ticket) = self.core.lead_snapshots(&name, order)?;
        self.desk.orders.push(Ordered {
            request: id,
            term,
            ticket,
            name: Some(name),
        });
        Err(Unserved::Later)
    }

    /// Gives up a name, or an epoch by its number. The answer comes when it is given up.
    pub(crate) fn forget_snapshot(&mut self, id: RequestId, snapshot: &str) -> Served {
        let what = match snapshot.parse() {
            Ok(epoch) => Forgotten::Epoch(Epoch(epoch)),
            Err(_) => Forgotten::Name(snapshot.to_string()),
        };
        let order = |leader: &mut Leader, now| leader.forget(now, what);
        let (term, ticket) = self.core.lead_snapshots(snapshot, order)?;
        self.desk.orders.push(Ordered {
            request: id,
            term,
            ticket,
            name: None,
        });
        Err(Unserved::Later)
    }
}

impl<P: Platform, D: Disk> Core<P, D> {
    /// All snapshots, and the newest stable epoch.
    pub(crate) fn snapshots(&mut self) -> Served {
        let leadership = self.leadership.as_ref();
        let leadership = leadership.filter(|leadership| leadership.is_running());
        let leadership = leadership.ok_or_else(not_leading)?;
        Ok((Response::Snapshots(list(leadership.leader.state())), None))
    }

    /// Has the leader take an order about a snapshot, if this node leads: the number of its
    /// leadership, and of the order.
    fn lead_snapshots(
        &mut self,
        snapshot: &str,
        order: impl FnOnce(&mut Leader, Instant) -> Result<Ticket, SnapshotRefused>,
    ) -> Result<(u64, Ticket), Unserved> {
        let now = self.now;
        let leadership = self.leadership.as_mut().ok_or_else(not_leading)?;
        match order(&mut leadership.leader, now) {
            Ok(ticket) => Ok((leadership.term(), ticket)),
            Err(SnapshotRefused::NotRunning) => Err(not_leading()),
            Err(refused) => {
                let state = leadership.leader.state();
                Err(bad_request(why_not(snapshot, &refused, state)))
            }
        }
    }
}

fn not_leading() -> Unserved {
    unavailable("only the leader knows and takes snapshots".to_string())
}

fn list(state: &ControlState) -> Vec<SnapshotInfo> {
    let snapshots = state.snapshots();
    let kept = snapshots.iter().map(|(epoch, snapshot)| SnapshotInfo {
        epoch: epoch.0,
        wall_ms: snapshot.wall_ms,
        names: snapshot.names.iter().cloned().collect(),
        is_kept: true,
    });
    let mut all: Vec<SnapshotInfo> = kept.collect();
    let newest = state.stable().0;
    if all.last().is_none_or(|last| last.epoch < newest) {
        all.push(SnapshotInfo {
            epoch: newest,
            wall_ms: snapshots.newest_ms(),
            names: Vec::new(),
            is_kept: false,
        });
    }
    all
}

fn why_not(snapshot: &str, refused: &SnapshotRefused, state: &ControlState) -> String {
    match refused {
        SnapshotRefused::NotRunning => unreachable!("told apart before"),
        SnapshotRefused::NoName => format!(
            "expected a name of up to 64 letters, digits, dots, underscores and hyphens that is \
             no number and not `latest`, found `{snapshot}`"
        ),
        SnapshotRefused::Taken(Some(epoch)) => {
            format!("expected a name that is not given, found {snapshot}, which is epoch {epoch}")
        }
        SnapshotRefused::Taken(None) => {
            format!("expected a name that is not given, found {snapshot}, which is being taken")
        }
        SnapshotRefused::TooMany { max } => {
            format!("expected at most {max} names, found as many: `plurix rm NAME` gives one up")
        }
        SnapshotRefused::Unknown => {
            let names = state.snapshots().iter().flat_map(|(_, one)| &one.names);
            let names: Vec<&str> = names.map(String::as_str).collect();
            format!(
                "expected the name or the epoch of a snapshot, found `{snapshot}`; names: {}",
                if names.is_empty() {
                    "none".into()
                } else {
                    names.join(", ")
                }
            )
        }
    }
}
