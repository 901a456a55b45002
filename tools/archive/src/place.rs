//! The object store and the place in it, and nothing else that knows what such stores are.
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fmt, fs};

use futures_util::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    BackoffConfig, Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload, RetryConfig,
};
use url::Url;

use crate::error::ArchiveError;
use crate::scrub::Scrubber;

/// What a store does not do after so many tries, or in such a time, it does not do.
const RETRIES_MAX: usize = 4;
const RETRY_TIME: Duration = Duration::from_secs(60);
const RETRY_PAUSE: Duration = Duration::from_millis(100);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);

/// Why a place is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// To write there; a directory is made if it is missing.
    Write,
    /// To read.
    Read,
}

/// An object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Object {
    /// Its name, without that of the folder.
    pub(crate) name: String,
    pub(crate) length: u64,
    /// By the clock of the store.
    pub(crate) written: SystemTime,
}

/// A folder in an object store.
#[derive(Clone)]
pub(crate) struct Place {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// How people call it.
    shown: String,
    scrubber: Arc<Scrubber>,
}

impl Place {
    /// The place that is called so. Credentials come from the environment.
    pub(crate) fn open(url: &str, access: Access) -> Result<Self, ArchiveError> {
        let scrubber = Scrubber::of_environment();
        let shown = scrubber.scrub(url);
        let bad = |why: &str| ArchiveError::Place {
            found: shown.clone(),
            why: why.to_owned(),
        };
        if !url.contains("://") {
            return Self::directory(FilePath::new(url), access, scrubber);
        }
        let parsed = Url::parse(url).map_err(|error| bad(&format!(": {error}")))?;
        let has_credentials = !parsed.username().is_empty() || parsed.password().is_some();
        if has_credentials || parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(bad(", with more than a place in it"));
        }
        match parsed.scheme() {
            "file" => {
                let path = parsed.to_file_path();
                let path = path.map_err(|()| bad(", which is not of this machine"))?;
                Self::directory(&path, access, scrubber)
            }
            "s3" | "s3a" => {
                let prefix = Path::from_url_path(parsed.path());
                let prefix = prefix.map_err(|error| bad(&format!(": {error}")))?;
                let store = s3(url).map_err(|error| bad(&format!(": {}", said(&scrubber, &error))));
                Ok(Self {
                    store: Arc::new(store?),
                    prefix,
                    shown,
                    scrubber: Arc::new(scrubber),
                })
            }
            _ => Err(bad("")),
        }
    }

    /// A folder of a store that is open.
    pub(crate) fn over(store: Arc<dyn ObjectStore>, prefix: &str) -> Self {
        Self {
            store,
            prefix: Path::from(prefix),
            shown: format!("/{prefix}"),
            scrubber: Arc::new(Scrubber::of_environment()),
        }
    }

    fn directory(
        path: &FilePath,
        access: Access,
        scrubber: Scrubber,
    ) -> Result<Self, ArchiveError> {
        let shown = path.display().to_string();
        let failed = |text: String| ArchiveError::Store {
            action: "open the directory".into(),
            place: shown.clone(),
            text,
        };
        if access == Access::Write {
            fs::create_dir_all(path).map_err(|error| failed(error.to_string()))?;
        }
        let metadata = fs::metadata(path).map_err(|error| failed(error.to_string()))?;
        if !metadata.is_dir() {
            return Err(failed("it is a file".into()));
        }
        let store = LocalFileSystem::new_with_prefix(path);
        let store = store.map_err(|error| failed(said(&scrubber, &error)))?;
        Ok(Self {
            store: Arc::new(store.with_fsync(true)),
            prefix: Path::default(),
            shown,
            scrubber: Arc::new(scrubber),
        })
    }

    /// How people call it.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    fn path(&self, name: &str) -> Path {
        let parts = name.split('/').map(object_store::path::PathPart::from);
        self.prefix.parts().chain(parts).collect()
    }

    fn failed(&self, action: &str, error: &Error) -> ArchiveError {
        ArchiveError::Store {
            action: action.to_owned(),
            place: self.shown.clone(),
            text: said(&self.scrubber, error),
        }
    }

    /// Writes an object, and looks whether it is there.
    pub(crate) async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        let (path, length) = (self.path(name), bytes.len() as u64);
        let action = format!("write {name} to");
        let written = self.store.put(&path, PutPayload::from(bytes)).await;
        written.map_err(|error| self.failed(&action, &error))?;
        let found = self.store.head(&path).await;
        let found = found.map_err(|error| self.failed(&action, &error))?.size;
        if found == length {
            return Ok(());
        }
        let text = format!("expected {length} bytes to be there then, found {found}");
        Err(ArchiveError::Store {
            action,
            place: self.shown.clone(),
            text,
        })
    }

    /// Writes an object unless it is there.
    pub(crate) async fn create(&self, name: &str, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        let path = self.path(name);
        let payload = PutPayload::from(bytes.clone());
        let written = self.store.put_opts(&path, payload, PutMode::Create.into());
        match written.await {
            Ok(_) | Err(Error::AlreadyExists { .. }) => Ok(()),
            // Not every store can. Who asks reads it afterwards anyway.
            Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => {
                self.put(name, bytes).await
            }
            Err(error) => Err(self.failed(&format!("write {name} to"), &error)),
        }
    }

    /// What an object consists of, if there is one.
    pub(crate) async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        let failed = |error: &Error| self.failed(&format!("read {name} from"), error);
        let found = match self.store.get(&self.path(name)).await {
            Err(Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(|error| failed(&error))?,
        };
        let bytes = found.bytes().await.map_err(|error| failed(&error))?;
        Ok(Some(bytes.into()))
    }

    /// The objects in a folder.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<Object>, ArchiveError> {
        let listed = self.store.list(Some(&self.path(folder)));
        let object = |meta: object_store::ObjectMeta| Object {
            name: meta.location.filename().unwrap_or_default().to_owned(),
            length: meta.size,
            written: meta.last_modified.into(),
        };
        let listed: Result<Vec<Object>, Error> = listed.map_ok(object).try_collect().await;
        listed.map_err(|error| self.failed(&format!("list {folder} of"), &error))
    }

    /// Removes an object, if it is there.
    pub(crate) async fn delete(&self, name: &str) -> Result<(), ArchiveError> {
        match self.store.delete(&self.path(name)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(&format!("delete {name} from"), &error)),
        }
    }
}

fn s3(url: &str) -> Result<impl ObjectStore, Error> {
    // Links use the same; a second call changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let backoff = BackoffConfig {
        init_backoff: RETRY_PAUSE,
        max_backoff: RETRY_PAUSE_MAX,
        base: 2.0,
    };
    let retry = RetryConfig {
        backoff,
        max_retries: RETRIES_MAX,
        retry_timeout: RETRY_TIME,
    };
    let builder = AmazonS3Builder::from_env().with_url(url);
    builder.with_retry(retry).build()
}

/// An error and what it comes from, without secrets.
fn said(scrubber: &Scrubber, error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    scrubber.scrub(&text)
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.shown).finish()
    }
}
