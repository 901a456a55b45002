//! Snapshots that tools ask for, take and give up: what the leader decides of them.
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use admin::{Response, SnapshotInfo};
use control::{ControlState, Forgotten, SnapshotRefused};
use platform::{Disk, RequestId};
use types::{Epoch, Instant};

use crate::core::Core;
use crate::leader::Leadership;
use crate::requests::{Served, Unserved, bad_request, unavailable};
use crate::{Node, Platform};

impl<P: Platform, D: Disk> Node<P, D> {
    /// The answer comes when the snapshot is taken.
    pub(crate) fn take_snapshot(&mut self, id: RequestId, name: String) -> Served {
        self.core.lead_snapshots(&name, |leadership, now| {
            leadership.leader.snapshot(now, &name)
        })?;
        self.desk.snapshots.push((id, name));
        Err(Unserved::Later)
    }

    /// Answers those whose snapshots are taken.
    pub(crate) fn finish_snapshots(&mut self) {
        if self.desk.snapshots.is_empty() {
            return;
        }
        let leadership = self.core.leadership.as_ref();
        let Some(leadership) = leadership.filter(|leadership| leadership.is_running()) else {
            for (id, _) in core::mem::take(&mut self.desk.snapshots) {
                let why = unavailable("the node leads no more: look whether it is taken".into());
                self.answer(id, Vec::new(), Err(why));
            }
            return;
        };
        let taken = leadership.leader.state().snapshots();
        let is_taken = |(_, name): &mut (RequestId, String)| taken.named(name).is_some();
        let done = self.desk.snapshots.extract_if(.., is_taken);
        let done = done.map(|(id, name)| (id, taken.named(&name).expect("just looked").0));
        for (id, epoch) in done.collect::<Vec<_>>() {
            self.core.reply_now(id, &Response::Snapshot { epoch });
        }
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

    /// Gives up a name, or an epoch by its number.
    pub(crate) fn forget_snapshot(&mut self, snapshot: &str) -> Served {
        let what = match snapshot.parse() {
            Ok(epoch) => Forgotten::Epoch(Epoch(epoch)),
            Err(_) => Forgotten::Name(snapshot.to_string()),
        };
        self.lead_snapshots(snapshot, |leadership, now| {
            leadership.leader.forget(now, what)
        })?;
        Ok((Response::Done, None))
    }

    /// Has the leader do something about a snapshot, if this node leads.
    fn lead_snapshots(
        &mut self,
        snapshot: &str,
        order: impl FnOnce(&mut Leadership, Instant) -> Result<(), SnapshotRefused>,
    ) -> Result<(), Unserved> {
        let now = self.now;
        let leadership = self.leadership.as_mut().ok_or_else(not_leading)?;
        order(leadership, now).map_err(|refused| {
            let state = leadership.leader.state();
            match refused {
                SnapshotRefused::NotRunning => not_leading(),
                refused => bad_request(why_not(snapshot, &refused, state)),
            }
        })
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
