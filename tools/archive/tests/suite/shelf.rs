//! Where a test's far copy is.
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use archive::{About, ArchiveError, Exported, Far, Options};
use bucket::Server;
use futures_util::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use past::Past;
use platform::ClusterId;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use types::PageId;
use wire::PageVersion;

pub(crate) const CLUSTER: ClusterId = ClusterId(0xc1);
const FOLDER: &str = "some/where";

/// A place in an object store, with another way to it.
pub(crate) struct Shelf {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) far: Far,
    runtime: Runtime,
    _server: Option<Server>,
    _directory: TempDir,
}

impl Shelf {
    /// In memory.
    pub(crate) fn new() -> Self {
        Self::over(Arc::new(InMemory::new()), None, TempDir::new().unwrap())
    }

    /// One of each kind.
    pub(crate) fn all() -> [Self; 3] {
        let directory = TempDir::new().unwrap();
        let local = LocalFileSystem::new_with_prefix(directory.path()).unwrap();
        let local = Self::over(Arc::new(local), None, directory);
        let directory = TempDir::new().unwrap();
        let server = Server::start(directory.path());
        // Only the first test of a process does.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let amazon = AmazonS3Builder::new()
            .with_bucket_name(bucket::BUCKET)
            .with_endpoint(server.endpoint())
            .with_allow_http(true)
            .with_access_key_id(bucket::KEY_ID)
            .with_secret_access_key(bucket::SECRET)
            .with_region("us-east-1");
        let amazon = Arc::new(amazon.build().unwrap());
        [
            Self::new(),
            local,
            Self::over(amazon, Some(server), directory),
        ]
    }

    fn over(store: Arc<dyn ObjectStore>, server: Option<Server>, directory: TempDir) -> Self {
        Self {
            far: Far::over(Arc::clone(&store), FOLDER),
            store,
            runtime: Runtime::new().unwrap(),
            _server: server,
            _directory: directory,
        }
    }

    /// Exports, and keeps all.
    pub(crate) fn export(&self, past: &mut dyn Past) -> Exported {
        self.export_keeping(past, None).unwrap()
    }

    pub(crate) fn export_keeping(
        &self,
        past: &mut dyn Past,
        keep: Option<usize>,
    ) -> Result<Exported, ArchiveError> {
        let options = Options { keep };
        let mut watch = |_| ControlFlow::Continue(());
        self.far.export(past, &about(None), options, &mut watch)
    }

    /// Everything in a snapshot.
    pub(crate) fn import(
        &self,
        wanted: Option<&str>,
    ) -> Result<BTreeMap<PageId, PageVersion>, ArchiveError> {
        let mut import = self.far.import(self.far.find(wanted)?);
        let mut pages = BTreeMap::new();
        while let Some(frames) = import.next_frames()? {
            for (page, content) in frames {
                assert!(pages.insert(page, content).is_none(), "{page} comes twice");
            }
        }
        Ok(pages)
    }

    /// Names of all objects in a folder of the copy, and their lengths.
    pub(crate) fn objects(&self, folder: &str) -> Vec<(Path, u64)> {
        let folder = Path::from(format!("{FOLDER}/{folder}"));
        let listed = self.store.list(Some(&folder));
        let listed = listed.map_ok(|object| (object.location, object.size));
        self.runtime.block_on(listed.try_collect()).unwrap()
    }

    pub(crate) fn bytes(&self, folder: &str) -> u64 {
        self.objects(folder).iter().map(|(_, length)| length).sum()
    }

    pub(crate) fn get(&self, object: &Path) -> Vec<u8> {
        let got = async { self.store.get(object).await?.bytes().await };
        self.runtime.block_on(got).unwrap().into()
    }

    pub(crate) fn put(&self, object: &Path, bytes: Vec<u8>) {
        let put = self.store.put(object, bytes.into());
        self.runtime.block_on(put).unwrap();
    }

    pub(crate) fn put_in(&self, object: &str, bytes: &[u8]) {
        self.put(&Path::from(format!("{FOLDER}/{object}")), bytes.to_vec());
    }

    pub(crate) fn delete(&self, object: &Path) {
        self.runtime.block_on(self.store.delete(object)).unwrap();
    }
}

pub(crate) fn about(name: Option<&str>) -> About {
    About {
        cluster: CLUSTER,
        wall_ms: 1_700_000_000_000,
        names: name.map(str::to_owned).into_iter().collect(),
    }
}
