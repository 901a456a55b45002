//! The past of a cluster that is stopped, read from the disks of its nodes. Nothing on them
//! changes.
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use control::{Checkpoint, ControlState, Record};
use linux::FrozenDisk;
use platform::{ClusterId, DiskError};
use store::past::{Look, Looked, merge};
use store::{ControlLog, Identity, Store};
use types::{Epoch, StoreId};
use wire::{PastFound, PastQuestion};

use crate::{Answers, PastError};

/// What a node has on its disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeDirectory {
    /// Its store.
    pub store: PathBuf,
    /// What it knows of decisions.
    pub control: PathBuf,
    /// Clusters from which this one was forked: what is theirs in the store is its own.
    pub ancestors: Vec<ClusterId>,
}

/// Why the disks of a cluster cannot be read together.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpenError {
    /// A process runs on them.
    #[error("expected the disk {} to be free, found that a process uses it", .0.display())]
    InUse(PathBuf),
    /// A disk has failed, or does not take what was decided.
    #[error("{0}")]
    Unusable(String),
    /// So many stores are missing or damaged that some pages may be in none of the others.
    #[error("expected the stores of all nodes, or all but {may_miss}; missing: {missing}{why}")]
    Missing {
        /// How many may be missing.
        may_miss: usize,
        /// Names of those that are.
        missing: String,
        /// What is wrong with those that are there and cannot be read.
        why: String,
    },
    /// Nothing tells which stores there must be.
    #[error("expected the cluster's decisions, found none that can be read{0}")]
    NoDecisions(String),
}

/// A cluster that does not run. Its disks are locked as long as this, or anything opened from
/// it, is there.
#[derive(Clone, Debug)]
pub struct Stopped {
    stores: Rc<RefCell<Vec<Store<FrozenDisk>>>>,
    snapshots: Vec<Seen>,
    notes: Vec<String>,
}

/// A snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Its epoch.
    pub epoch: Epoch,
    /// When it became stable, in milliseconds since 1970.
    pub wall_ms: u64,
    /// Its names.
    pub names: Vec<String>,
    /// It stays when the cluster goes on.
    pub is_kept: bool,
}

impl Stopped {
    /// Opens the disks of all nodes of a cluster. A store that is missing or cannot be read is
    /// done without if the others have everything that was in it.
    ///
    /// # Errors
    /// If too much is missing, or somebody uses the disks.
    pub fn open(cluster: ClusterId, nodes: &[NodeDirectory]) -> Result<Self, OpenError> {
        // An id is given to a disk that is empty, and forgotten with it.
        let identity = |store| Identity { cluster, store };
        let mut stores = Vec::new();
        let mut notes = Vec::new();
        for (number, node) in (0..).zip(nodes) {
            let Some(disk) = open_disk(&node.store, &mut notes)? else {
                continue;
            };
            match Store::open_descendant(disk, identity(StoreId(number)), &node.ancestors) {
                Ok(store) => stores.push(store),
                Err(error) => notes.push(format!("{}: {error}", node.store.display())),
            }
        }
        let logs = nodes.iter().map(|node| node.control.as_path());
        let state = decisions(cluster, logs, &mut notes)?;
        check_present(&state, &stores, &notes)?;
        // All learn what was decided last, as they do when the cluster starts.
        let retained = state.snapshots().epochs().collect();
        for store in &mut stores {
            if let Some(view) = state.view() {
                store.apply_view(view).map_err(unusable)?;
            }
            store.retain(&retained).map_err(unusable)?;
        }
        for at in 0..stores.len() {
            for other in (0..stores.len()).filter(|other| *other != at) {
                let [store, other] = stores
                    .get_disjoint_mut([at, other])
                    .expect("two stores of the list");
                store.catch_up(other).map_err(unusable)?;
            }
        }
        let wall_ms = state.snapshots().newest_ms();
        for store in &mut stores {
            let told = store.set_stable(state.stable(), wall_ms);
            told.map_err(unusable)?;
        }
        let snapshots = snapshots(&state, &stores);
        let stores = Rc::new(RefCell::new(stores));
        Ok(Self {
            stores,
            snapshots,
            notes,
        })
    }

    /// What is wrong with disks that are done without.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The snapshots, oldest first; the last one is the newest stable epoch.
    #[must_use]
    pub fn snapshots(&self) -> &[Seen] {
        &self.snapshots
    }
}

impl Answers for Stopped {
    fn answer(&mut self, epoch: Epoch, question: &PastQuestion) -> Result<PastFound, PastError> {
        let mut answers = Vec::new();
        for store in self.stores.borrow_mut().iter_mut() {
            let look = Look::new(epoch, question.clone());
            let mut look = look.expect("few pages are asked for at a time");
            answers.push(loop {
                match look.go_on(store, |_| ()) {
                    Ok(Looked::More) => {}
                    Ok(Looked::Done(answer)) => break answer,
                    Err(error) => return Err(PastError::Unavailable(error.to_string())),
                }
            });
        }
        merge(question, answers).ok_or(PastError::NotKept(epoch))
    }
}

/// What is decided to be kept and is kept, and the newest stable epoch.
fn snapshots(state: &ControlState, stores: &[Store<FrozenDisk>]) -> Vec<Seen> {
    let is_kept = |epoch: &Epoch| stores.iter().any(|one| one.kept_as(*epoch).is_some());
    let decided = state.snapshots().iter();
    let decided = decided.filter(|(epoch, _)| is_kept(epoch));
    let mut all: Vec<Seen> = decided
        .map(|(epoch, snapshot)| Seen {
            epoch,
            wall_ms: snapshot.wall_ms,
            names: snapshot.names.iter().cloned().collect(),
            is_kept: true,
        })
        .collect();
    let newest = stores.iter().filter_map(|one| one.snapshots().last());
    let newest = newest.max_by_key(|one| one.epoch);
    if let Some(newest) = newest
        && all.last().is_none_or(|last| last.epoch < newest.epoch)
    {
        all.push(Seen {
            epoch: newest.epoch,
            wall_ms: newest.wall_ms,
            names: Vec::new(),
            is_kept: false,
        });
    }
    all
}

/// The disk in a directory; `None` if it is missing or cannot be read.
fn open_disk(directory: &Path, notes: &mut Vec<String>) -> Result<Option<FrozenDisk>, OpenError> {
    match FrozenDisk::open(directory) {
        Ok(disk) => Ok(Some(disk)),
        Err(DiskError::InUse) => Err(OpenError::InUse(directory.to_owned())),
        Err(error) => {
            notes.push(format!("{}: {error}", directory.display()));
            Ok(None)
        }
    }
}

fn unusable(error: impl ToString) -> OpenError {
    OpenError::Unusable(error.to_string())
}

/// What is decided, as the newest of the control logs in these directories knows it. `notes`
/// gets what is wrong with the others.
///
/// # Errors
/// If none can be read.
pub fn decisions<'dir>(
    cluster: ClusterId,
    logs: impl IntoIterator<Item = &'dir Path>,
    notes: &mut Vec<String>,
) -> Result<ControlState, OpenError> {
    let store = StoreId(0);
    let mut newest: Option<Checkpoint> = None;
    for control in logs {
        let Some(disk) = open_disk(control, notes)? else {
            continue;
        };
        let opened = ControlLog::open(disk, Identity { cluster, store });
        let records = opened.map_err(|error| error.to_string());
        let found = records.and_then(|(_, records)| {
            let records = records.iter().map(|record| Record::decode(record));
            let records: Result<Vec<Record>, _> = records.collect();
            let found = records.and_then(Checkpoint::replay);
            found.map_err(|error| error.to_string())
        });
        match found {
            Ok(found)
                if newest
                    .as_ref()
                    .is_none_or(|newest| newest.end() < found.end()) =>
            {
                newest = Some(found);
            }
            Ok(_) => {}
            Err(error) => notes.push(format!("{}: {error}", control.display())),
        }
    }
    let newest = newest.filter(|newest| !newest.is_blank());
    let newest = newest.ok_or_else(|| OpenError::NoDecisions(listed(notes)))?;
    Ok(newest.outcome())
}

/// Whether the stores that are there have everything.
fn check_present(
    state: &ControlState,
    stores: &[Store<FrozenDisk>],
    notes: &[String],
) -> Result<(), OpenError> {
    let present: BTreeSet<StoreId> = stores.iter().map(Store::id).collect();
    let missing = state.missing(&present);
    let may_miss = state.may_miss();
    if missing.len() <= may_miss {
        return Ok(());
    }
    let name = |store: &StoreId| {
        let process = state.process(*store);
        process.map_or_else(|| store.to_string(), |process| process.name.clone())
    };
    let missing = missing.iter().map(name).collect::<Vec<_>>().join(", ");
    let why = listed(notes);
    Err(OpenError::Missing {
        may_miss,
        missing,
        why,
    })
}

fn listed(notes: &[String]) -> String {
    notes.iter().map(|note| format!("; {note}")).collect()
}
