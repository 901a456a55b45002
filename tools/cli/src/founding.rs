//! A data directory for a new cluster, made from a snapshot of another one.
//!
//! It is made beside its place, and gets its name when everything in it has reached the disk:
//! there is all of it or none. The new cluster has an id, a key and disks of its own, and
//! looks as if it had been stopped in order when the snapshot was taken.
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use control::{Checkpoint, ControlState, Legacy, Process, Record, VOTERS_MAX, VoterId};
use linux::{DiskWaker, LinuxDisk, LinuxEntropy};
use platform::{ClusterId, DiskError, Entropy};
use store::{ControlLog, Identity, Store};
use types::{Durability, Epoch, Extent, Member, NodeId, PageId, StoreId, View, ViewNumber};
use types::{limits, placement};
use wire::PageVersion;

use crate::data::{ClusterFile, DataDir, Lock};
use crate::error::Error;

/// Bytes that are written before it is waited until they have reached the disk.
const UNSYNCED_MAX: usize = 64 << 20;
/// Looks at disks that may have failed without a word.
const PATIENCE: Duration = Duration::from_secs(1);
/// Where an imported process was reached: nowhere.
const NOWHERE: &str = "127.0.0.1:0";

/// A cluster that is being made.
#[derive(Debug)]
pub(crate) struct Founding {
    // Dropped first: nobody writes any more when the directory is removed.
    disks: Disks,
    site: Site,
    cluster: ClusterId,
    legacy: Legacy,
    /// All stores; ids of nodes count them from 1.
    view: View,
    /// Where the pages of the extent go that was met last.
    last: Option<(Extent, Vec<NodeId>)>,
    unsynced: usize,
}

/// The directory while it has not got its name.
#[derive(Debug)]
struct Site {
    target: PathBuf,
    data: DataDir,
    /// Taken for as long as the directory is unfinished.
    lock: Option<Lock>,
}

/// The stores.
#[derive(Debug)]
struct Disks {
    stores: Vec<Store<LinuxDisk>>,
    waker: Waker,
}

/// Wakes whoever waits for any of some disks.
struct Waker {
    wake: DiskWaker,
    woken: Receiver<()>,
}

impl Founding {
    /// Begins to make a cluster of so many nodes. `legacy` says what it has from the
    /// snapshot; of ids of nodes it need not know any.
    ///
    /// # Errors
    /// If there is something at `target`, or a directory cannot be made beside it.
    pub(crate) fn begin(target: &Path, nodes: u32, legacy: Legacy) -> Result<Self, Error> {
        let site = Site::prepare(target)?;
        let cluster = ClusterId(random());
        site.data.set_cluster(&ClusterFile {
            cluster: cluster.to_string(),
            nodes,
            left: BTreeSet::new(),
        })?;
        site.data.make_token(cluster)?;
        let waker = Waker::new();
        let stores = (1..=nodes).map(|number| {
            let store = StoreId(random());
            let identity = Identity { cluster, store };
            let directory = site.data.node(number).join("store");
            let disk = LinuxDisk::open(&directory, Arc::clone(&waker.wake)).map_err(disk_failed)?;
            let opened = Store::open(disk, identity);
            opened.map_err(|error| Error::internal(format!("make a store: {error}")))
        });
        let stores = stores.collect::<Result<Vec<_>, Error>>()?;
        let members = stores.iter().zip(1..).map(|(store, node)| Member {
            node: NodeId(node),
            store: store.id(),
        });
        let view = View {
            number: ViewNumber(1),
            leader: NodeId(1),
            members: members.collect(),
            leaving: Vec::new(),
            stable: legacy.stable,
            first_epoch: legacy.stable.next(),
            durability: Durability::Disk,
            fallbacks: Vec::new(),
        };
        Ok(Self {
            disks: Disks { stores, waker },
            site,
            cluster,
            legacy,
            view,
            last: None,
            unsynced: 0,
        })
    }

    /// Puts a page of the snapshot where it belongs.
    ///
    /// # Errors
    /// If a disk fails, or the page is of a later epoch.
    pub(crate) fn put(&mut self, page: PageId, content: &PageVersion) -> Result<(), Error> {
        let (epoch, stable) = (content.stamp.epoch(), self.legacy.stable);
        if epoch > stable {
            let message = format!("expected page {page} to be of epoch {stable} or before");
            return Err(Error::config(format!("{message}, found epoch {epoch}")));
        }
        self.legacy.last_node = self.legacy.last_node.max(content.stamp.node);
        let extent = page.extent();
        let is_same = self.last.as_ref().is_some_and(|(last, _)| *last == extent);
        if !is_same {
            self.last = Some((extent, placement::stores(&self.view, extent)));
        }
        let (_, nodes) = self.last.as_ref().expect("just looked up");
        for node in nodes {
            let store = &mut self.disks.stores[node.0 as usize - 1];
            store.put_frame(page, content).map_err(disk_failed)?;
        }
        self.unsynced += content.image.encoded().len() * limits::REPLICAS;
        if self.unsynced >= UNSYNCED_MAX {
            self.unsynced = 0;
            self.disks.sync()?;
        }
        Ok(())
    }

    /// Gives the directory its name. From then on the cluster can be started.
    ///
    /// # Errors
    /// If a disk fails, or somebody has put something there meanwhile.
    pub(crate) fn finish(mut self) -> Result<ClusterId, Error> {
        let Legacy {
            stable, wall_ms, ..
        } = self.legacy;
        for store in &mut self.disks.stores {
            store.set_stable(stable, wall_ms).map_err(disk_failed)?;
            let kept = BTreeSet::from([stable]);
            let retained = store.retain(&kept);
            retained.map_err(|error| Error::config(format!("write a store: {error}")))?;
        }
        self.disks.sync()?;
        self.write_decisions()?;
        let Self {
            site,
            cluster,
            disks,
            ..
        } = self;
        // Before others can open them.
        drop(disks);
        site.publish()?;
        Ok(cluster)
    }

    /// Each voter gets a log that knows how the cluster stands.
    fn write_decisions(&mut self) -> Result<(), Error> {
        let mut logs = Vec::new();
        let mut processes = Vec::new();
        for (store, number) in self.disks.stores.iter().zip(1..) {
            let voter = (processes.len() < VOTERS_MAX).then(|| VoterId(random()));
            if let Some(VoterId(log)) = voter {
                logs.push((number, StoreId(log)));
            }
            processes.push(Process {
                store: store.id(),
                address: NOWHERE.into(),
                name: format!("node-{number}"),
                voter,
            });
        }
        let state = ControlState::resumed(processes, &self.legacy);
        let record = Record::Checkpoint(Box::new(Checkpoint::of(state))).encode();
        let waker = Waker::new();
        for (number, store) in logs {
            let cluster = self.cluster;
            let directory = self.site.data.node(number).join("control");
            let disk = LinuxDisk::open(&directory, Arc::clone(&waker.wake)).map_err(disk_failed)?;
            let opened = ControlLog::open(disk, Identity { cluster, store });
            let opened = opened.map_err(|error| Error::internal(format!("make a log: {error}")));
            let (mut log, _) = opened?;
            log.checkpoint(&record).map_err(disk_failed)?;
            waker.wait(|| Ok(log.poll().map_err(disk_failed)? > 0))?;
        }
        Ok(())
    }
}

impl Site {
    /// A directory beside the target. What an earlier attempt has left of it is removed.
    fn prepare(target: &Path) -> Result<Self, Error> {
        check_free(target)?;
        let name = target.file_name().ok_or_else(|| {
            let found = target.display();
            Error::user(format!("expected a directory with a name, found {found}"))
        })?;
        let name = format!(".{}.unfinished", name.to_string_lossy());
        let path = target.with_file_name(name);
        if path.exists() {
            let lock = DataDir::make(&path).and_then(|left| left.lock());
            let _lock = lock.map_err(|_| {
                let (path, target) = (path.display(), target.display());
                Error::user(format!("another import into {target} goes on in {path}"))
                    .hint("if none does, remove that directory")
            })?;
            fs::remove_dir_all(&path).map_err(|error| failed("remove", &path, &error))?;
        }
        let data = DataDir::make(&path)?;
        let lock = Some(data.lock()?);
        Ok(Self {
            target: target.to_owned(),
            data,
            lock,
        })
    }

    fn publish(mut self) -> Result<(), Error> {
        let path = self.data.path().to_owned();
        sync_all(&path).map_err(|error| failed("sync", &path, &error))?;
        check_free(&self.target)?;
        fs::rename(&path, &self.target).map_err(|error| failed("name", &self.target, &error))?;
        let parent = parent(&self.target);
        let synced = File::open(parent).and_then(|parent| parent.sync_all());
        synced.map_err(|error| failed("sync", parent, &error))?;
        self.lock = None;
        Ok(())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // What stays is removed by the next attempt.
            let _ = fs::remove_dir_all(self.data.path());
        }
    }
}

impl Disks {
    /// Returns when everything has reached the disks.
    fn sync(&mut self) -> Result<(), Error> {
        // As copies, for of these it is said when they are durable.
        let (from, extent) = (NodeId(0), PageId::new(0, 0).extent());
        let mut waiting = Vec::new();
        for store in &mut self.stores {
            store.end_copies(from, extent);
            store.poll().map_err(disk_failed)?;
            waiting.push(store);
        }
        self.waker.wait(|| {
            let mut still = Vec::new();
            for store in waiting.drain(..) {
                store.poll().map_err(disk_failed)?;
                if store.take_stored_copies().is_empty() {
                    still.push(store);
                }
            }
            waiting = still;
            Ok(waiting.is_empty())
        })
    }
}

impl Waker {
    fn new() -> Self {
        let (sender, woken) = mpsc::channel();
        let wake: DiskWaker = Arc::new(move || {
            // Nobody waits any more.
            let _ = sender.send(());
        });
        Self { wake, woken }
    }

    /// Returns when it is so; looks again whenever a disk has something to say.
    fn wait(&self, mut is_so: impl FnMut() -> Result<bool, Error>) -> Result<(), Error> {
        while !is_so()? {
            match self.woken.recv_timeout(PATIENCE) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => unreachable!("one sender is in `self`"),
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waker")
    }
}

/// The epoch and the names of a snapshot are what a cluster has from it at first.
pub(crate) fn legacy(stable: Epoch, wall_ms: u64, names: Vec<String>) -> Legacy {
    Legacy {
        stable,
        wall_ms,
        names,
        last_node: NodeId(0),
    }
}

fn check_free(target: &Path) -> Result<(), Error> {
    let found = match fs::read_dir(target).map(|entries| entries.count()) {
        Ok(0) => return Ok(()),
        Ok(_) => "something in it",
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => "a file",
        Err(error) => return Err(failed("read", target, &error)),
    };
    let target = target.display();
    let message = format!("expected {target} to be new or empty, found {found}");
    Err(Error::user(message).hint("choose another directory with --data"))
}

/// Files and directories have reached the disk when this returns.
fn sync_all(path: &Path) -> std::io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            sync_all(&entry?.path())?;
        }
    }
    File::open(path)?.sync_all()
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn failed(action: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::config(format!("{action} {}: {error}", path.display()))
}

fn disk_failed(error: DiskError) -> Error {
    Error::config(format!("write the new directory: {error}"))
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    LinuxEntropy.fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
