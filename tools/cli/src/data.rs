//! The data directory of a cluster on one machine.
//!
//! ```text
//! VERSION        number of this layout
//! lock           held by whoever runs the cluster
//! cluster.json   what the cluster is: its id, its nodes, who of them has left
//! running.json   where its nodes are reached, while they run
//! token          what a process must know to join it: a secret
//! node-1 …       a node's store and its logs; in a fork `ancestors`: whose files they were
//! ```
use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use linux::LinuxEntropy;
use platform::ClusterId;
use seal::{Key, Token};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Version of the layout.
pub const LAYOUT_VERSION: u32 = 1;
/// Where a cluster's data is unless said otherwise.
pub const DEFAULT_DIR: &str = "plurix-data";
/// A look at the lock takes less.
const GLANCE_TIME: Duration = Duration::from_millis(200);
const POLL_TIME: Duration = Duration::from_millis(5);
/// In a node's directory.
const ANCESTORS: &str = "ancestors";

/// What a cluster is, as written when it was made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClusterFile {
    /// Its id, 16 hexadecimal digits.
    pub cluster: String,
    /// How many nodes it has ever had; their directories are `node-1` to `node-N`.
    pub nodes: u32,
    /// Numbers of those that have left for good. No number is given twice.
    #[serde(default)]
    pub left: BTreeSet<u32>,
}

impl ClusterFile {
    /// Numbers of the nodes that the cluster has, ascending.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        (1..=self.nodes).filter(|number| !self.left.contains(number))
    }

    /// Its id.
    ///
    /// # Errors
    /// If that is none.
    pub fn id(&self) -> Result<ClusterId, Error> {
        parse_id(&self.cluster, Path::new("cluster.json"))
    }

    /// How many nodes the cluster has.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.numbers().count()).expect("of a range of such numbers")
    }
}

/// Where a node is reached.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunningNode {
    /// Its number in the data directory.
    pub number: u32,
    /// Its process.
    pub pid: u32,
    /// Where its peers reach it.
    pub link: SocketAddr,
    /// Where tools reach it.
    pub tools: SocketAddr,
}

/// A cluster that runs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunningFile {
    /// The process that started it.
    pub supervisor: u32,
    /// Its nodes that are alive.
    pub nodes: Vec<RunningNode>,
}

/// A data directory of this version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DataDir {
    path: PathBuf,
}

/// The right to run the cluster of a data directory, until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl DataDir {
    /// Opens the directory, makes it if it does not exist.
    ///
    /// # Errors
    /// If it cannot be written to, is something else or is of another version.
    pub fn make(path: &Path) -> Result<Self, Error> {
        let unusable = |error| cannot("make the data directory", path, &error);
        fs::create_dir_all(path).map_err(unusable)?;
        let is_empty = fs::read_dir(path).map_err(unusable)?.next().is_none();
        if is_empty {
            write(&path.join("VERSION"), &format!("{LAYOUT_VERSION}\n"))?;
        }
        Self::open(path)
    }

    /// Opens a directory that a cluster has been started in before.
    ///
    /// # Errors
    /// If there is none or it is of another version.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let found = match fs::read_to_string(path.join("VERSION")) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let message = format!("expected a data directory of Plurix at {}", path.display());
                return Err(Error::config(message + ", found none")
                    .hint("`plurix up --data DIR` makes one; DIR must be new or empty"));
            }
            Err(error) => return Err(cannot("read", &path.join("VERSION"), &error)),
        };
        if found.trim() != LAYOUT_VERSION.to_string() {
            let expected = format!("expected a data directory of version {LAYOUT_VERSION}");
            return Err(
                Error::config(format!("{expected}, found version {}", found.trim()))
                    .hint("use the plurix that made it, or another directory with --data"),
            );
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of a node.
    #[must_use]
    pub fn node(&self, number: u32) -> PathBuf {
        self.path.join(format!("node-{number}"))
    }

    /// Takes the right to run the cluster.
    ///
    /// # Errors
    /// If somebody else has it.
    pub fn lock(&self) -> Result<Lock, Error> {
        let path = self.path.join("lock");
        let mut options = File::options();
        let file = options.create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| cannot("open", &path, &error))?;
        let until = Instant::now() + GLANCE_TIME;
        let mut locked = file.try_lock();
        // Whoever looks whether the cluster runs has the lock for a moment.
        while matches!(locked, Err(TryLockError::WouldBlock))
            && self.lock_to_read()?.is_some()
            && Instant::now() < until
        {
            thread::sleep(POLL_TIME);
            locked = file.try_lock();
        }
        match locked {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => {
                let place = self.path.display();
                if self.lock_to_read()?.is_some() {
                    let message = format!("the disks of the cluster in {place} are being read");
                    return Err(Error::user(message).hint("wait until that has ended"));
                }
                Err(Error::user(format!("the cluster in {place} runs already"))
                    .hint("`plurix status` shows it, `plurix down` stops it")
                    .hint("for a second cluster choose another directory with --data"))
            }
            Err(TryLockError::Error(error)) => Err(cannot("lock", &path, &error)),
        }
    }

    /// Takes the right to read what the cluster has on its disks, together with whoever else
    /// reads: nobody runs it meanwhile. `None` if somebody does now.
    ///
    /// # Errors
    /// If there is no telling.
    pub fn lock_to_read(&self) -> Result<Option<Lock>, Error> {
        let path = self.path.join("lock");
        let file = match File::open(&path) {
            Ok(file) => file,
            // It was never run; then there is nothing that could change.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                File::open(&self.path).map_err(|error| cannot("open", &self.path, &error))?
            }
            Err(error) => return Err(cannot("open", &path, &error)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(cannot("lock", &path, &error)),
        }
    }

    /// What the cluster is; `None` if it has never been started.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn cluster(&self) -> Result<Option<ClusterFile>, Error> {
        read_json(&self.path.join("cluster.json"))
    }

    /// What the cluster is that was started here.
    ///
    /// # Errors
    /// If none was, or the file is damaged.
    pub fn known_cluster(&self) -> Result<ClusterFile, Error> {
        self.cluster()?.ok_or_else(|| {
            let path = self.path.display();
            Error::user(format!("no cluster was ever started in {path}"))
                .hint("`plurix up` starts one; --data says where")
        })
    }

    /// Records what the cluster is.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub fn set_cluster(&self, file: &ClusterFile) -> Result<(), Error> {
        write_json(&self.path.join("cluster.json"), file)
    }

    /// Where the token of the cluster is.
    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        self.path.join("token")
    }

    /// Makes a token for the cluster, with a new key, unless there is one.
    ///
    /// # Errors
    /// If the one there is of another cluster, or the disk does not take it.
    pub fn make_token(&self, cluster: ClusterId) -> Result<(), Error> {
        let path = self.token_file();
        if !path.exists() {
            let key = Key::generate(&mut LinuxEntropy);
            let text = format!("{}\n", Token { cluster, key });
            return write_secret(&path, &text);
        }
        let found = read_token(&path)?.cluster;
        if found != cluster {
            let path = path.display();
            let message = format!("expected the token of cluster {cluster} in {path}");
            return Err(Error::config(format!("{message}, found that of {found}"))
                .hint("restore it from a copy; moved away, all nodes that run must start again"));
        }
        Ok(())
    }

    /// Where the cluster's nodes are.
    ///
    /// # Errors
    /// If it does not run.
    pub fn running(&self) -> Result<RunningFile, Error> {
        let stopped = || {
            Error::user(format!("no cluster runs in {}", self.path.display()))
                .hint("`plurix up` starts one; --data says where")
        };
        match self.lock_to_read()? {
            Some(_nobody_runs_it) => Err(stopped()),
            None => read_json(&self.path.join("running.json"))?.ok_or_else(stopped),
        }
    }

    /// Records where the cluster's nodes are. Only with the lock.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub fn set_running(&self, file: &RunningFile) -> Result<(), Error> {
        write_json(&self.path.join("running.json"), file)
    }

    /// Records that the cluster does not run. Only with the lock.
    pub fn clear_running(&self) {
        // A file that stays is harmless: without the lock it is not believed.
        let _ = fs::remove_file(self.path.join("running.json"));
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot("read", path, &error)),
    };
    let value = serde_json::from_str(&text);
    value
        .map(Some)
        .map_err(|error| Error::config(format!("read {}: {error}", path.display())))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value).expect("plain data has a JSON form");
    write(path, &(text + "\n"))
}

fn parse_id(text: &str, file: &Path) -> Result<ClusterId, Error> {
    let id = u64::from_str_radix(text, 16).map(ClusterId);
    id.map_err(|_| {
        let file = file.display();
        Error::config(format!("expected a cluster id in {file}, found {text}"))
    })
}

/// Clusters from which the one of this node was forked, the oldest first.
///
/// # Errors
/// If it cannot be read, or says something else.
pub fn ancestors(node: &Path) -> Result<Vec<ClusterId>, Error> {
    let path = node.join(ANCESTORS);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot("read", &path, &error)),
    };
    let ids = text.lines().map(|line| parse_id(line, &path));
    ids.collect()
}

/// Records clusters from which the one of this node is forked.
///
/// # Errors
/// If the disk does not take it.
pub fn set_ancestors(node: &Path, ancestors: &[ClusterId]) -> Result<(), Error> {
    let lines = ancestors.iter().map(|ancestor| format!("{ancestor}\n"));
    write(&node.join(ANCESTORS), &lines.collect::<String>())
}

/// Reads the token in a file.
///
/// # Errors
/// If it cannot be read, or is none.
pub fn read_token(path: &Path) -> Result<Token, Error> {
    let text = fs::read_to_string(path).map_err(|error| cannot("read", path, &error))?;
    // The text is not shown: it may be a secret with a letter too many.
    let token = text.trim().parse();
    token.map_err(|error| {
        Error::user(format!("{}: {error}; found something else", path.display()))
            .hint("`plurix up` keeps the token of its cluster in the file `token` of its directory")
    })
}

/// Replaces a file as a whole: a reader sees the old or the new one.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    write_as(path, text.as_bytes(), 0o666)
}

/// The same, for a file that only its owner may read.
pub(crate) fn write_secret(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Error> {
    write_as(path, content.as_ref(), 0o600)
}

fn write_as(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let new = path.with_extension("new");
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(mode);
    let written = options
        .open(&new)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&new, path));
    written.map_err(|error| cannot("write", path, &error))
}

fn cannot(action: &str, path: &Path, error: &std::io::Error) -> Error {
    let message = Error::config(format!("{action} {}: {error}", path.display()));
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            message.hint("choose a directory that you may write to with --data")
        }
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A directory of its own for each test, removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let unique = format!("plurix-data-test-{}-{name}", std::process::id());
            Self(std::env::temp_dir().join(unique))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_new_directory_is_made_and_opens_again() {
        let scratch = Scratch::new("new");
        let made = DataDir::make(&scratch.0).unwrap();
        assert_eq!(DataDir::open(&scratch.0), Ok(made.clone()));
        assert_eq!(made.cluster(), Ok(None));
        let file = ClusterFile {
            cluster: "00ab".into(),
            nodes: 3,
            left: BTreeSet::from([2]),
        };
        made.set_cluster(&file).unwrap();
        assert_eq!(file.numbers().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(made.cluster(), Ok(Some(file)));
    }

    #[test]
    fn a_directory_from_before_anybody_could_leave_is_understood() {
        let scratch = Scratch::new("before");
        let made = DataDir::make(&scratch.0).unwrap();
        let old = r#"{ "cluster": "00ab", "nodes": 2 }"#;
        fs::write(scratch.0.join("cluster.json"), old).unwrap();
        assert_eq!(made.cluster().unwrap().unwrap().count(), 2);
    }

    #[test]
    fn somebody_elses_directory_is_left_alone() {
        let scratch = Scratch::new("foreign");
        fs::create_dir_all(&scratch.0).unwrap();
        fs::write(scratch.0.join("thesis.txt"), "dear to somebody").unwrap();
        let error = DataDir::make(&scratch.0).unwrap_err();
        let expected = format!(
            "expected a data directory of Plurix at {}, found none",
            scratch.0.display()
        );
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.exit_code(), 1);
        assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1);
    }

    #[test]
    fn another_version_is_refused() {
        let scratch = Scratch::new("version");
        DataDir::make(&scratch.0).unwrap();
        fs::write(scratch.0.join("VERSION"), "77\n").unwrap();
        let error = DataDir::open(&scratch.0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected a data directory of version 1, found version 77"
        );
    }

    #[test]
    fn a_file_in_the_way_is_reported() {
        let scratch = Scratch::new("file");
        fs::write(&scratch.0, "").unwrap();
        let error = DataDir::make(&scratch.0).unwrap_err();
        assert!(
            error.to_string().starts_with("make the data directory "),
            "{error}"
        );
        fs::remove_file(&scratch.0).unwrap();
    }

    #[test]
    fn a_token_is_made_once_and_is_a_secret() {
        let scratch = Scratch::new("token");
        let data = DataDir::make(&scratch.0).unwrap();
        data.make_token(ClusterId(7)).unwrap();
        let token = read_token(&data.token_file()).unwrap();
        assert_eq!(token.cluster, ClusterId(7));
        data.make_token(ClusterId(7)).unwrap();
        assert_eq!(read_token(&data.token_file()), Ok(token.clone()));
        let mode = fs::metadata(data.token_file())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0);
        let error = data.make_token(ClusterId(8)).unwrap_err().to_string();
        assert!(error.ends_with("found that of 0000000000000007"), "{error}");
        let text = token.to_string();
        fs::write(data.token_file(), format!("{text}z")).unwrap();
        let error = read_token(&data.token_file()).unwrap_err().to_string();
        assert!(
            error.contains("expected `plurix1-` and 64 letters"),
            "{error}"
        );
        assert!(!error.contains(&text[20..]), "{error}");
    }

    #[test]
    fn only_one_runs_it() {
        let scratch = Scratch::new("lock");
        let data = DataDir::make(&scratch.0).unwrap();
        let running = RunningFile {
            supervisor: 1,
            nodes: Vec::new(),
        };
        data.set_running(&running).unwrap();
        assert!(
            data.running()
                .unwrap_err()
                .to_string()
                .starts_with("no cluster runs in ")
        );
        let lock = data.lock().unwrap();
        assert!(
            data.lock()
                .unwrap_err()
                .to_string()
                .ends_with("runs already")
        );
        assert_eq!(data.running(), Ok(running));
        drop(lock);
        assert!(data.lock().is_ok());
    }
}
