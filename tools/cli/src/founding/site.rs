//! A data directory while it is being made.
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::data::{DataDir, Lock};
use crate::error::Error;

/// The directory while it has not got its name.
#[derive(Debug)]
pub(super) struct Site {
    target: PathBuf,
    pub(super) data: DataDir,
    /// Taken for as long as the directory is unfinished.
    lock: Option<Lock>,
}

impl Site {
    /// A directory beside the target. What an earlier attempt has left of it is removed.
    pub(super) fn prepare(target: &Path) -> Result<Self, Error> {
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
                Error::user(format!("something else makes {target}, in {path}"))
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

    pub(super) fn publish(mut self) -> Result<(), Error> {
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

pub(super) fn failed(action: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::config(format!("{action} {}: {error}", path.display()))
}
