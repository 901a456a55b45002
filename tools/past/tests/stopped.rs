//! The disks of clusters that are stopped, read together.
#![expect(clippy::tests_outside_test_module, reason = "the whole file is a test")]
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use control::{Command, Entries, Entry, Position, Process, Record, VoterId};
use linux::LinuxDisk;
use past::{AsOf, NodeDirectory, OpenError, Past, PastError, Stopped};
use platform::ClusterId;
use store::{ControlLog, Identity, Part, Store};
use types::{
    Cut, Epoch, Interval, NodeId, PAGE_SIZE, PAGES_PER_EXTENT, PageId, Stamp, StoreId, Version,
};
use wire::{Image, PageVersion};

const CLUSTER: ClusterId = ClusterId(7);
const NODES: u64 = 3;

/// The directories of a cluster of three nodes, removed at the end.
struct Cluster(PathBuf);

impl Cluster {
    /// All decisions but the last are in everybody's log.
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("plurix-past-{}-{name}", std::process::id()));
        assert!(!path.exists(), "{} is left over", path.display());
        let cluster = Self(path);
        for node in 1..=NODES {
            cluster.decide(node, &[]);
        }
        cluster
    }

    fn node(&self, node: u64) -> NodeDirectory {
        let directory = self.0.join(format!("node-{node}"));
        NodeDirectory {
            ancestors: vec![],
            store: directory.join("store"),
            control: directory.join("control"),
        }
    }

    fn nodes(&self) -> Vec<NodeDirectory> {
        (1..=NODES).map(|node| self.node(node)).collect()
    }

    /// Writes the cluster's beginning and what is decided then to a node's control log, anew.
    fn decide(&self, node: u64, then: &[Command]) {
        let directory = self.node(node).control;
        let _ = fs::remove_dir_all(&directory);
        let disk = LinuxDisk::open(&directory, Arc::new(|| ())).unwrap();
        let (mut log, _) = ControlLog::open(disk, identity(100 + node)).unwrap();
        let process = |node: u64| Process {
            store: StoreId(node),
            address: format!("127.0.0.1:{node}"),
            name: format!("node-{node}"),
            voter: Some(VoterId(100 + node)),
        };
        let begin = Command::ChangeMembers {
            leave: vec![],
            join: (1..=NODES).map(process).collect(),
            leaving: vec![],
            leader: StoreId(1),
            cuts: vec![],
        };
        let commands = [begin].into_iter().chain(then.iter().cloned());
        let entries = [Entry::Term(1)].into_iter();
        let entries = Entries {
            after: Position::default(),
            entries: entries.chain(commands.map(Entry::Command)).collect(),
        };
        log.append(&Record::Entries(entries).encode()).unwrap();
        while log.poll().unwrap() == 0 {
            thread::yield_now();
        }
    }

    /// Does something at the store of a node.
    fn at(&self, node: u64, act: impl FnOnce(&mut Store<LinuxDisk>)) {
        let disk = LinuxDisk::open(&self.node(node).store, Arc::new(|| ())).unwrap();
        let mut store = Store::open(disk, identity(node)).unwrap();
        act(&mut store);
        let (node, epoch) = (NodeId(1), Epoch(99));
        store.end_part(Part { node, epoch }, 0).unwrap();
        while store.poll().unwrap().is_empty() {
            thread::yield_now();
        }
    }

    fn open(&self) -> Stopped {
        Stopped::open(CLUSTER, &self.nodes()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Damages a page wherever it lies in the store of a node.
    fn damage(&self, node: u64, fill: u8) {
        let path = self.node(node).store.join("00000001.segment");
        let mut bytes = fs::read(&path).unwrap();
        let page = [fill; PAGE_SIZE];
        let at = bytes.windows(PAGE_SIZE).position(|window| *window == page);
        bytes[at.expect("it is there") + 99] ^= 1;
        fs::write(path, bytes).unwrap();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn identity(store: u64) -> Identity {
    let (cluster, store) = (CLUSTER, StoreId(store));
    Identity { cluster, store }
}

fn page(index: u32) -> PageId {
    PageId::new(300, index)
}

fn stable(epoch: u64) -> Command {
    let (epoch, wall_ms) = (Epoch(epoch), 1000 * epoch);
    Command::Stable { epoch, wall_ms }
}

fn content(version: u64, epoch: u64, fill: u8) -> PageVersion {
    let interval = Interval {
        epoch: Epoch(epoch),
        sub: 0,
    };
    let node = NodeId(1);
    PageVersion {
        version: Version(version),
        stamp: Stamp { node, interval },
        image: Image::of(&[fill; PAGE_SIZE]),
    }
}

fn put(store: &mut Store<LinuxDisk>, index: u32, content: &PageVersion) {
    store.put_frame(page(index), content).unwrap();
}

fn set_stable(store: &mut Store<LinuxDisk>, epoch: u64) {
    store.set_stable(Epoch(epoch), 1000 * epoch).unwrap();
}

fn read(stopped: &Stopped, epoch: u64, index: u32) -> Result<Option<PageVersion>, PastError> {
    let mut past = AsOf::new(Epoch(epoch), stopped.clone());
    past.read(&[page(index)]).map(|mut found| found.remove(0))
}

#[test]
fn what_stores_have_is_put_together() {
    let cluster = Cluster::new("together");
    cluster.at(1, |store| {
        put(store, 0, &content(1, 1, 1));
        put(store, 1, &content(1, 1, 2));
        set_stable(store, 1);
        put(store, 0, &content(2, 2, 3));
        set_stable(store, 2);
    });
    // It was away when the second epoch became stable, and has what comes after.
    cluster.at(2, |store| {
        put(store, 0, &content(1, 1, 1));
        put(store, PAGES_PER_EXTENT, &content(1, 1, 4));
        set_stable(store, 1);
        put(store, 1, &content(2, 3, 5));
    });
    cluster.at(3, |_| ());
    let stopped = cluster.open();
    assert!(stopped.notes().is_empty(), "{:?}", stopped.notes());
    assert_eq!(read(&stopped, 2, 0), Ok(Some(content(2, 2, 3))));
    assert_eq!(read(&stopped, 2, 1), Ok(Some(content(1, 1, 2))));
    assert_eq!(read(&stopped, 2, 2), Ok(None));
    assert_eq!(read(&stopped, 1, 0), Err(PastError::NotKept(Epoch(1))));
    let mut past = AsOf::new(Epoch(2), stopped);
    let extents = [page(0).extent(), page(PAGES_PER_EXTENT).extent()];
    assert_eq!(past.extents().unwrap(), extents);
    let pages = [(page(0), Version(2)), (page(1), Version(1))];
    let found = past.pages(extents[0]).unwrap().into_iter();
    let found: Vec<_> = found.map(|(page, version, _)| (page, version)).collect();
    assert_eq!(found, pages);
    // More than is asked for at a time.
    let many: Vec<PageId> = (0..1000).map(page).collect();
    let found = past.read(&many).unwrap();
    assert_eq!(found.len(), 1000);
    assert_eq!(found[PAGES_PER_EXTENT as usize], Some(content(1, 1, 4)));
}

#[test]
fn what_is_decided_last_counts_though_no_store_has_heard_of_it() {
    let cluster = Cluster::new("decided");
    for node in [1, 2] {
        cluster.at(node, |store| {
            put(store, 0, &content(1, 1, 1));
            set_stable(store, 1);
            put(store, 0, &content(2, 2, 2));
            // Of the dead: it is undone, and the version that counts is another.
            put(store, 1, &content(1, 2, 3));
        });
    }
    cluster.at(3, |store| put(store, 2, &content(1, 2, 4)));
    let leave = vec![NodeId(1)];
    let last = Interval::last_of(Epoch(1));
    let node = NodeId(1);
    let fallen = Command::ChangeMembers {
        leave,
        join: vec![],
        leaving: vec![],
        leader: StoreId(2),
        cuts: vec![Cut { node, last }],
    };
    cluster.decide(2, &[stable(1)]);
    cluster.decide(3, &[stable(1), fallen, stable(2)]);
    let stopped = cluster.open();
    let newest = stopped.snapshots().last().unwrap();
    assert_eq!((newest.epoch, newest.wall_ms), (Epoch(2), 2000));
    assert_eq!(read(&stopped, 2, 0), Ok(Some(content(1, 1, 1))));
    assert_eq!(read(&stopped, 2, 1), Ok(None));
}

#[test]
fn a_retained_epoch_is_read_beside_the_newest() {
    let cluster = Cluster::new("retained");
    for node in [1, 2] {
        cluster.at(node, |store| {
            put(store, 0, &content(1, 1, 1));
            set_stable(store, 1);
            store.retain(&BTreeSet::from([Epoch(1)])).unwrap();
            put(store, 0, &content(2, 2, 2));
            set_stable(store, 2);
            put(store, 0, &content(3, 3, 3));
            set_stable(store, 3);
        });
    }
    // Away meanwhile.
    cluster.at(3, |store| {
        put(store, 1, &content(1, 1, 7));
        set_stable(store, 1);
    });
    let snapshot = Command::Snapshot {
        name: "first".into(),
        epoch: Epoch(1),
    };
    cluster.decide(1, &[snapshot, stable(1), stable(3)]);
    let stopped = cluster.open();
    let [first, newest] = stopped.snapshots() else {
        panic!("{:?}", stopped.snapshots());
    };
    assert_eq!((first.epoch, first.wall_ms), (Epoch(1), 1000));
    assert_eq!((newest.epoch, newest.wall_ms), (Epoch(3), 3000));
    assert_eq!(first.names, ["first"]);
    assert!(first.is_kept && !newest.is_kept);
    for (epoch, fill) in [(1, 1), (3, 3)] {
        let expected = content(epoch, epoch, fill);
        assert_eq!(read(&stopped, epoch, 0), Ok(Some(expected)));
        assert_eq!(read(&stopped, epoch, 1), Ok(Some(content(1, 1, 7))));
    }
    assert_eq!(read(&stopped, 2, 0), Err(PastError::NotKept(Epoch(2))));
}

#[test]
fn a_damaged_page_is_read_from_another_store_and_an_older_one_never() {
    let cluster = Cluster::new("damage");
    cluster.at(3, |store| {
        put(store, 0, &content(4, 1, 11));
        set_stable(store, 1);
    });
    for node in [1, 2] {
        cluster.at(node, |store| {
            put(store, 0, &content(5, 2, 12));
            set_stable(store, 2);
        });
    }
    cluster.damage(1, 12);
    assert_eq!(read(&cluster.open(), 2, 0), Ok(Some(content(5, 2, 12))));
    cluster.damage(2, 12);
    let (page, version) = (page(0), Version(5));
    let damaged = PastError::Damaged { page, version };
    assert_eq!(read(&cluster.open(), 2, 0), Err(damaged));
}

#[test]
fn one_disk_may_be_missing_but_not_two() {
    let cluster = Cluster::new("missing");
    for node in 1..=NODES {
        cluster.at(node, |store| set_stable(store, 1));
    }
    fs::remove_dir_all(cluster.node(2).store).unwrap();
    let stopped = cluster.open();
    let notes = stopped.notes();
    assert!(notes.len() == 1 && notes[0].contains("node-2"), "{notes:?}");
    drop(stopped);
    fs::remove_dir_all(cluster.node(1).store).unwrap();
    let error = Stopped::open(CLUSTER, &cluster.nodes()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, OpenError::Missing { may_miss: 1, .. }));
    assert!(text.contains("missing: node-1, node-2; "), "{text}");
    for node in 1..=NODES {
        fs::remove_dir_all(cluster.node(node).control).unwrap();
    }
    let error = Stopped::open(CLUSTER, &cluster.nodes()).unwrap_err();
    assert!(matches!(error, OpenError::NoDecisions(_)), "{error}");
}

#[test]
fn disks_that_are_used_are_left_alone() {
    let cluster = Cluster::new("used");
    cluster.at(1, |_| {
        let error = Stopped::open(CLUSTER, &cluster.nodes()).unwrap_err();
        assert_eq!(error, OpenError::InUse(cluster.node(1).store));
    });
}
