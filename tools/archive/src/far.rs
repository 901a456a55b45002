//! A far copy: which cluster's it is, and which snapshots it has.
//!
//! ```text
//! far-copy                    whose it is, in words
//! packs/HASH                  frames
//! snapshots/EPOCH-HASH        manifests; each is written when all of its packs are there
//! exports/ID                  somebody writes here
//! ```
use std::sync::Arc;

use object_store::ObjectStore;
use platform::ClusterId;
use tokio::runtime::{Builder, Runtime};
use types::Epoch;

use crate::error::ArchiveError;
use crate::hash::Hash;
use crate::manifest::Manifest;
use crate::place::{Access, Place};

/// Version of the layout.
const FAR_VERSION: u32 = 1;
const OWNER: &str = "far-copy";
pub(crate) const SNAPSHOTS: &str = "snapshots";
pub(crate) const PACKS: &str = "packs";
/// Requests are few and long.
const THREADS: usize = 2;
/// Epochs that are named when the wanted one is not there.
const NAMED_MAX: usize = 8;

/// A far copy, or a place for one.
#[derive(Debug)]
pub struct Far {
    pub(crate) place: Place,
    pub(crate) runtime: Runtime,
}

/// A manifest that is there.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Listed {
    pub(crate) epoch: Epoch,
    pub(crate) hash: Hash,
}

impl Far {
    /// The far copy at a place: the path of a directory, `file:///DIR`, or `s3://BUCKET/PATH`
    /// with credentials and endpoint as the environment has them (`AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT` and others).
    ///
    /// # Errors
    /// If it is no such place.
    pub fn open(url: &str, access: Access) -> Result<Self, ArchiveError> {
        Ok(Self::at(Place::open(url, access)?))
    }

    /// The far copy in a folder of a store that is open.
    #[must_use]
    pub fn over(store: Arc<dyn ObjectStore>, folder: &str) -> Self {
        Self::at(Place::over(store, folder))
    }

    fn at(place: Place) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .enable_all()
            .build()
            .expect("a process can have a few more threads");
        Self { place, runtime }
    }

    /// Its epochs, ascending.
    ///
    /// # Errors
    /// If there is no far copy.
    pub fn epochs(&self) -> Result<Vec<Epoch>, ArchiveError> {
        self.owner()?;
        let mut epochs: Vec<Epoch> = self.listed()?.iter().map(|listed| listed.epoch).collect();
        epochs.dedup();
        Ok(epochs)
    }

    /// The snapshot that is meant: by its epoch or its name, or the newest.
    ///
    /// # Errors
    /// If there is none, or its manifest is damaged.
    pub fn find(&self, wanted: Option<&str>) -> Result<Manifest, ArchiveError> {
        self.owner()?;
        let listed = self.listed()?;
        let Some(wanted) = wanted else {
            let newest = listed.last().ok_or_else(|| self.no_snapshot("", &listed))?;
            return self.manifest(newest);
        };
        let epoch = wanted.parse().ok().map(Epoch);
        if let Some(found) = listed.iter().rfind(|one| Some(one.epoch) == epoch) {
            return self.manifest(found);
        }
        for one in listed.iter().rev() {
            let manifest = self.manifest(one)?;
            if manifest.names.iter().any(|name| name == wanted) {
                return Ok(manifest);
            }
        }
        Err(self.no_snapshot(wanted, &listed))
    }

    fn no_snapshot(&self, wanted: &str, listed: &[Listed]) -> ArchiveError {
        let epochs = listed.iter().rev().take(NAMED_MAX);
        let epochs: Vec<String> = epochs.map(|one| one.epoch.to_string()).collect();
        let found = match (epochs.len(), listed.len()) {
            (0, _) => "none: nothing was ever exported there to the end".into(),
            (some, all) if some < all => format!("{} and {} more", epochs.join(", "), all - some),
            _ => epochs.join(", "),
        };
        ArchiveError::NoSnapshot {
            place: self.place.shown().to_owned(),
            wanted: wanted.to_owned(),
            found,
        }
    }

    /// Whose it is.
    pub(crate) fn owner(&self) -> Result<ClusterId, ArchiveError> {
        let found = self.runtime.block_on(self.place.get(OWNER))?;
        let no_copy = |found: &str| ArchiveError::NoCopy {
            place: self.place.shown().to_owned(),
            found: found.to_owned(),
        };
        let text = found.ok_or_else(|| no_copy("none"))?;
        let text = String::from_utf8(text).map_err(|_| no_copy("something else"))?;
        let field = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        };
        let (Some(version), Some(cluster)) = (field("version"), field("cluster")) else {
            return Err(no_copy("something else"));
        };
        if version != FAR_VERSION.to_string() {
            let (expected, found) = (FAR_VERSION, version);
            return Err(no_copy(&format!(
                "one of version {found}; this plurix knows version {expected}"
            )));
        }
        let cluster = u64::from_str_radix(cluster, 16);
        cluster
            .map(ClusterId)
            .map_err(|_| no_copy("something else"))
    }

    /// Makes it this cluster's, if it is nobody's.
    pub(crate) fn claim(&self, cluster: ClusterId) -> Result<(), ArchiveError> {
        let text =
            format!("far copy of a Plurix cluster\nversion {FAR_VERSION}\ncluster {cluster}\n");
        let found = match self.owner() {
            Err(ArchiveError::NoCopy { found, .. }) if found == "none" => {
                self.runtime
                    .block_on(self.place.create(OWNER, text.into_bytes()))?;
                self.owner()?
            }
            found => found?,
        };
        if found == cluster {
            return Ok(());
        }
        Err(ArchiveError::OtherCluster {
            place: self.place.shown().to_owned(),
            expected: cluster,
            found,
        })
    }

    /// The manifests there are, by epoch.
    pub(crate) fn listed(&self) -> Result<Vec<Listed>, ArchiveError> {
        let objects = self.runtime.block_on(self.place.list(SNAPSHOTS))?;
        let mut listed: Vec<Listed> = objects
            .iter()
            .filter_map(|object| Listed::parse(&object.name))
            .collect();
        listed.sort();
        Ok(listed)
    }

    pub(crate) fn manifest(&self, listed: &Listed) -> Result<Manifest, ArchiveError> {
        let object = listed.object();
        let bad = |why: &str| ArchiveError::BadManifest {
            place: self.place.shown().to_owned(),
            object: object.clone(),
            why: why.to_owned(),
        };
        let bytes = self.runtime.block_on(self.place.get(&object))?;
        let bytes = bytes.ok_or_else(|| bad("it is gone"))?;
        let manifest = Manifest::read(listed.hash, &bytes);
        let manifest = manifest.map_err(|error| bad(&error.to_string()))?;
        if manifest.epoch != listed.epoch {
            return Err(bad(&format!("it is of epoch {}", manifest.epoch)));
        }
        Ok(manifest)
    }
}

impl Listed {
    pub(crate) fn new(epoch: Epoch, bytes: &[u8]) -> Self {
        let hash = Hash::of(bytes);
        Self { epoch, hash }
    }

    /// Names that are no manifest's are somebody else's.
    fn parse(name: &str) -> Option<Self> {
        let (epoch, hash) = name.split_once('-')?;
        let epoch = Epoch(u64::from_str_radix(epoch, 16).ok()?);
        let hash = Hash::parse(hash)?;
        Some(Self { epoch, hash })
    }

    pub(crate) fn object(&self) -> String {
        format!("{SNAPSHOTS}/{:016x}-{}", self.epoch.0, self.hash)
    }
}

pub(crate) fn pack_object(hash: Hash) -> String {
    format!("{PACKS}/{hash}")
}
