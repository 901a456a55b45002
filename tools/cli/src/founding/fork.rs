//! A fork: a second cluster that goes on from a snapshot of another, made of its files.
//!
//! Files of a store that are complete are never written again, so the fork's directory gets
//! links to them where it can: nothing is copied, and pages are read when they are needed.
//! Who cuts a torn one makes a copy first. So what either cluster does with its links is
//! nothing to the other. The fork is as if the
//! other cluster had stopped and gone back to the snapshot, which takes no page either.
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use control::{ControlState, VoterId};
use linux::FrozenDisk;
use platform::ClusterId;
use store::{Identity, Store};
use types::{Epoch, StoreId};

use super::disks::{random, write_log};
use super::site::{Site, failed};
use crate::data::{ClusterFile, DataDir, ancestors, set_ancestors};
use crate::error::Error;
use crate::interrupt;
use crate::past::{Source, directories};

/// How often it is begun anew because the members of the other cluster change.
const ATTEMPTS: u32 = 5;

/// What was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fork {
    /// The new cluster.
    pub(crate) cluster: ClusterId,
    /// From where it goes on.
    pub(crate) epoch: Epoch,
    /// Bytes that it shares with the other.
    pub(crate) shared: u64,
    /// Bytes that were copied.
    pub(crate) copied: u64,
}

/// The cluster that is forked.
struct Parent<'data> {
    data: &'data DataDir,
    source: Source,
    cluster: ClusterId,
    epoch: Epoch,
}

/// Makes `target`, from which a cluster can be started that goes on from a snapshot of the
/// cluster in `data`, whether that runs or not.
///
/// # Errors
/// If there is something at `target`, the snapshot is not kept, or files are missing.
pub(crate) fn fork(data: &DataDir, snapshot: &str, target: &Path) -> Result<Fork, Error> {
    let source = Source::open(data)?;
    let snapshot = source.resolve(snapshot)?;
    let parent = Parent {
        data,
        source,
        cluster: data.known_cluster()?.id()?,
        epoch: Epoch(snapshot.epoch),
    };
    for _ in 0..ATTEMPTS {
        interrupt::check()?;
        let site = Site::prepare(target)?;
        if let Some(fork) = parent.fork_into(site)? {
            return Ok(fork);
        }
    }
    Err(Error::config(
        "the members of the cluster change too often, or what was to be forked is kept no more",
    ))
}

impl Parent<'_> {
    /// `None` if the cluster has changed meanwhile.
    fn fork_into(&self, site: Site) -> Result<Option<Fork>, Error> {
        let cluster = ClusterId(random());
        site.data.set_cluster(&ClusterFile {
            cluster: cluster.to_string(),
            ..self.data.known_cluster()?
        })?;
        site.data.make_token(cluster)?;
        let before = self.decisions(&site)?;
        let mut fork = Fork {
            cluster,
            epoch: self.epoch,
            shared: 0,
            copied: 0,
        };
        let mut nodes = Vec::new();
        for (node, new) in self.nodes(&site)? {
            take_files(&node.join("store"), &new.join("store"), &mut fork)?;
            let mut older = ancestors(&node)?;
            older.push(self.cluster);
            set_ancestors(&new, &older)?;
            nodes.push((new, older));
        }
        let after = self.decisions(&site)?;
        let view = |state: &ControlState| state.view().map(|view| view.number);
        // What is kept no more may have been dropped before its file was taken.
        if view(&before) != view(&after) || !self.is_kept()? {
            return Ok(None);
        }
        self.write_decisions(&after, cluster, &nodes)?;
        site.publish()?;
        Ok(Some(fork))
    }

    /// Each node's directory and the new one.
    fn nodes(&self, site: &Site) -> Result<Vec<(PathBuf, PathBuf)>, Error> {
        let (_, nodes) = directories(self.data)?;
        let mut all = Vec::new();
        for node in nodes {
            let old = node.store.parent().expect("it lies in its node's");
            let below = old.strip_prefix(self.data.path());
            let new = site.data.path().join(below.expect("of the data directory"));
            if node.store.is_dir() {
                fs::create_dir_all(&new).map_err(|error| failed("make", &new, &error))?;
                all.push((old.to_owned(), new));
            }
        }
        Ok(all)
    }

    fn is_kept(&self) -> Result<bool, Error> {
        let mut all = self.source.snapshots()?.into_iter();
        Ok(all.any(|one| one.epoch == self.epoch.0))
    }

    /// What is decided in the cluster, by copies of its logs: it may be running.
    fn decisions(&self, site: &Site) -> Result<ControlState, Error> {
        let place = site.data.path().join("decisions");
        let mut copies = Vec::new();
        for (number, node) in (0..).zip(directories(self.data)?.1) {
            let copy = place.join(format!("{number}"));
            if node.control.is_dir() {
                copy_files(&node.control, &copy)?;
                copies.push(copy);
            }
        }
        let mut notes = Vec::new();
        let logs = copies.iter().map(PathBuf::as_path);
        let state = past::decisions(self.cluster, logs, &mut notes);
        fs::remove_dir_all(&place).map_err(|error| failed("remove", &place, &error))?;
        state.map_err(|error| Error::config(error.to_string()))
    }

    /// Gives the nodes their logs. That all stores are there that must be is looked at first.
    fn write_decisions(
        &self,
        state: &ControlState,
        cluster: ClusterId,
        nodes: &[(PathBuf, Vec<ClusterId>)],
    ) -> Result<(), Error> {
        let mut logs = BTreeMap::new();
        let mut present = BTreeSet::new();
        for (node, ancestors) in nodes {
            let store = store_of(node, cluster, ancestors)?;
            present.insert(store);
            let votes = state.process(store).is_some_and(|one| one.voter.is_some());
            if votes {
                logs.insert(store, (node, VoterId(random())));
            }
        }
        let missing = state.missing(&present);
        if missing.len() > state.may_miss() {
            let names = missing.iter().map(|store| {
                let process = state.process(*store);
                process.map_or_else(|| store.to_string(), |process| process.name.clone())
            });
            let names = names.collect::<Vec<_>>().join(", ");
            let path = self.data.path().display();
            let message =
                format!("expected the disks of all nodes in {path}, found none of {names}");
            return Err(Error::config(message)
                .hint("`plurix export` and `plurix import` copy from nodes wherever they are"));
        }
        let voters = logs.iter().map(|(&store, &(_, voter))| (store, voter));
        let fork = state.forked(self.epoch, &voters.collect()).ok_or_else(|| {
            let epoch = self.epoch;
            Error::user(format!(
                "expected epoch {epoch} to be kept, found that it is not"
            ))
            .hint("`plurix snapshots` lists what is kept")
        })?;
        for (node, VoterId(log)) in logs.into_values() {
            let store = StoreId(log);
            write_log(node, Identity { cluster, store }, fork.clone())?;
        }
        Ok(())
    }
}

/// Which store it is that was taken; it can be opened.
fn store_of(node: &Path, cluster: ClusterId, ancestors: &[ClusterId]) -> Result<StoreId, Error> {
    let directory = node.join("store");
    let unusable = |error: &dyn std::fmt::Display| {
        Error::config(format!("read {}: {error}", directory.display()))
    };
    let disk = FrozenDisk::open(&directory).map_err(|error| unusable(&error))?;
    let store = StoreId(random());
    let opened = Store::open_descendant(disk, Identity { cluster, store }, ancestors);
    Ok(opened.map_err(|error| unusable(&error))?.id())
}

/// The files of a disk, in the order in which they were written.
fn files(directory: &Path) -> Result<Vec<String>, Error> {
    let entries = fs::read_dir(directory).map_err(|error| failed("read", directory, &error))?;
    let names = entries.flatten().map(|entry| entry.file_name());
    let names = names.filter_map(|name| name.into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".segment")).collect();
    names.sort();
    Ok(names)
}

/// Links all files of a store but the last, which is still written and is copied. A file
/// that goes meanwhile is needed no more: what was in it is in a later one, which is looked
/// for again.
fn take_files(from: &Path, to: &Path, fork: &mut Fork) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(|error| failed("make", to, &error))?;
    let mut linked = BTreeSet::new();
    loop {
        let names = files(from)?;
        let Some((last, complete)) = names.split_last() else {
            return Ok(());
        };
        let mut is_same = true;
        for name in complete {
            if linked.contains(name) {
                continue;
            }
            interrupt::check()?;
            match link(&from.join(name), &to.join(name), fork) {
                Ok(()) => drop(linked.insert(name.clone())),
                Err(error) if error.kind() == ErrorKind::NotFound => is_same = false,
                Err(error) => return Err(failed("link", &from.join(name), &error)),
            }
        }
        let (source, target) = (from.join(last), to.join(last));
        let copied = fs::copy(&source, &target);
        let is_last = files(from)?.last() == Some(last);
        match copied {
            Ok(bytes) if is_same && is_last => {
                fork.copied += bytes;
                return Ok(());
            }
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(failed("copy", &source, &error));
            }
            // It has been completed or has gone: all is looked at again.
            Ok(_) | Err(_) => {
                let _ = fs::remove_file(&target);
            }
        }
    }
}

/// A link; or a copy if there can be none, as on another file system.
fn link(from: &Path, to: &Path, fork: &mut Fork) -> std::io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => {
            fork.shared += fs::metadata(to)?.len();
            Ok(())
        }
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::CrossesDevices
                    | ErrorKind::PermissionDenied
                    | ErrorKind::TooManyLinks
                    | ErrorKind::Unsupported
            ) =>
        {
            fork.copied += fs::copy(from, to)?;
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Copies the files of a log.
fn copy_files(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(|error| failed("make", to, &error))?;
    for name in files(from)? {
        match fs::copy(from.join(&name), to.join(&name)) {
            Ok(_) => {}
            // A newer one stands for it.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed("copy", &from.join(name), &error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn complete_files_are_shared_and_the_last_is_copied() {
        let unique = format!("plurix-fork-test-{}", std::process::id());
        let place = std::env::temp_dir().join(unique);
        let (from, to) = (place.join("from"), place.join("to"));
        fs::create_dir_all(&from).unwrap();
        for name in [
            "00000001.segment",
            "00000003.segment",
            "00000007.segment",
            "lock",
        ] {
            fs::write(from.join(name), name).unwrap();
        }
        let mut fork = Fork {
            cluster: ClusterId(1),
            epoch: Epoch(1),
            shared: 0,
            copied: 0,
        };
        take_files(&from, &to, &mut fork).unwrap();
        let found = files(&to).unwrap().into_iter().map(|name| {
            let links = fs::metadata(to.join(&name)).unwrap().nlink();
            assert_eq!(fs::read_to_string(to.join(&name)).unwrap(), name);
            (name, links)
        });
        let expected = [("00000001", 2), ("00000003", 2), ("00000007", 1)];
        let expected = expected.map(|(name, links)| (format!("{name}.segment"), links));
        assert_eq!(found.collect::<Vec<_>>(), expected);
        assert_eq!((fork.shared, fork.copied), (32, 16));
        fs::remove_dir_all(&place).unwrap();
    }
}
