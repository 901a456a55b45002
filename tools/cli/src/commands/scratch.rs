//! A directory that goes away again.
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// A fresh directory, removed when dropped unless it is kept.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    is_kept: bool,
}

impl Scratch {
    /// For the command of this verb.
    pub(crate) fn new(verb: &str) -> Result<Self, Error> {
        let path = std::env::temp_dir().join(format!("plurix-{verb}-{}", std::process::id()));
        // Left by an earlier process of the same number, which has ended.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).map_err(|error| {
            Error::config(format!("make the directory {}: {error}", path.display()))
                .hint("TMPDIR says where temporary directories are made")
        })?;
        Ok(Self {
            path,
            is_kept: false,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn keep(&mut self) {
        self.is_kept = true;
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.is_kept {
            // What cannot be removed is the system's to clean.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
