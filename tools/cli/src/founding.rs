//! A data directory for a new cluster, made from a snapshot of another one.
//!
//! It is made beside its place, and gets its name when everything in it has reached the disk:
//! there is all of it or none. The new cluster has an id and a key of its own, and looks as
//! if it had been stopped in order when the snapshot was taken.
mod disks;
mod fork;
mod site;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use control::{ControlState, Legacy, Process, VOTERS_MAX, VoterId};
use linux::LinuxDisk;
use platform::ClusterId;
use store::{Identity, Store};
use types::{Durability, Epoch, Extent, Member, NodeId, PageId, StoreId, View, ViewNumber};
use types::{limits, placement};
use wire::PageVersion;

pub(crate) use self::disks::random;
use self::disks::{Waker, disk_failed, write_log};
pub(crate) use self::fork::fork;
use self::site::Site;
use crate::data::ClusterFile;
use crate::error::Error;

/// Bytes that are written before it is waited until they have reached the disk.
const UNSYNCED_MAX: usize = 64 << 20;
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

/// The stores.
#[derive(Debug)]
struct Disks {
    stores: Vec<Store<LinuxDisk>>,
    waker: Waker,
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
        for (number, store) in logs {
            let identity = Identity {
                cluster: self.cluster,
                store,
            };
            write_log(&self.site.data.node(number), identity, state.clone())?;
        }
        Ok(())
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

/// The epoch and the names of a snapshot are what a cluster has from it at first.
pub(crate) fn legacy(stable: Epoch, wall_ms: u64, names: Vec<String>) -> Legacy {
    Legacy {
        stable,
        wall_ms,
        names,
        last_node: NodeId(0),
    }
}
