//! A snapshot that stays while it is read.
//!
//! The newest state of a cluster that runs is kept for a moment only. Whoever wants to read
//! all of it has it kept under a name of his own, and gives that up afterwards.
use std::fs;

use admin::SnapshotInfo;
use past::Past;
use platform::ClusterId;
use types::Epoch;

use crate::client::Client;
use crate::data::DataDir;
use crate::error::Error;
use crate::past::Source;
use crate::ui;

/// Names begin so that are given to be read under; the rest is the number of a process.
const PREFIX: &str = "reading-";

/// A snapshot, and who keeps it.
#[derive(Debug)]
pub(crate) struct Held {
    source: Source,
    cluster: ClusterId,
    snapshot: SnapshotInfo,
    _hold: Option<Hold>,
}

/// A name that is given up when this is dropped.
#[derive(Debug)]
struct Hold {
    data: DataDir,
    name: String,
}

impl Held {
    /// The snapshot that is meant: a name, an epoch, or `latest`.
    pub(crate) fn find(data: &DataDir, wanted: &str) -> Result<Self, Error> {
        let source = Source::open(data)?;
        let cluster = data.cluster()?.ok_or_else(|| {
            Error::config(format!("expected a cluster in {}", data.path().display()))
        })?;
        let cluster = cluster.id()?;
        let is_newest = wanted == control::LATEST && matches!(source, Source::Live(..));
        let (hold, wanted) = match is_newest {
            true => {
                let (hold, epoch) = Hold::take(data)?;
                (Some(hold), epoch.to_string())
            }
            false => (None, wanted.to_owned()),
        };
        let mut snapshot = source.resolve(&wanted)?;
        snapshot.names.retain(|name| !name.starts_with(PREFIX));
        Ok(Self {
            source,
            cluster,
            snapshot,
            _hold: hold,
        })
    }

    pub(crate) fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// It, with the names that others have given it.
    pub(crate) fn snapshot(&self) -> &SnapshotInfo {
        &self.snapshot
    }

    /// The memory as it was then.
    pub(crate) fn past(&self) -> Box<dyn Past> {
        self.source.as_of(Epoch(self.snapshot.epoch))
    }
}

impl Hold {
    fn take(data: &DataDir) -> Result<(Self, u64), Error> {
        give_up_forgotten(data)?;
        let name = format!("{PREFIX}{}", std::process::id());
        let epoch = Client::snapshot(data, &name)?;
        let data = data.clone();
        Ok((Self { data, name }, epoch))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Err(error) = Client::forget(&self.data, &self.name) {
            let name = &self.name;
            ui::note(format!(
                "snapshot {name} is kept: {error}; `plurix rm {name}` gives it up"
            ));
        }
    }
}

/// Who was killed, or could not reach the cluster, has not given up what it had kept.
fn give_up_forgotten(data: &DataDir) -> Result<(), Error> {
    let names = Client::snapshots(data)?;
    for name in names.iter().flat_map(|snapshot| &snapshot.names) {
        let process = name.strip_prefix(PREFIX);
        let process = process.and_then(|process| process.parse::<u32>().ok());
        let is_gone = |process| {
            process == std::process::id() || !fs::exists(format!("/proc/{process}")).unwrap_or(true)
        };
        if process.is_some_and(is_gone) {
            Client::forget(data, name)?;
        }
    }
    Ok(())
}
