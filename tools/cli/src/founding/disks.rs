//! Disks of nodes that do not run, and waiting for them.
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use control::{Checkpoint, ControlState, Record};
use linux::{DiskWaker, LinuxDisk, LinuxEntropy};
use platform::{DiskError, Entropy};
use store::{ControlLog, Identity};

use crate::error::Error;

/// Looks at disks that may have failed without a word.
const PATIENCE: Duration = Duration::from_secs(1);

/// Wakes whoever waits for any of some disks.
pub(super) struct Waker {
    pub(super) wake: DiskWaker,
    woken: Receiver<()>,
}

impl Waker {
    pub(super) fn new() -> Self {
        let (sender, woken) = mpsc::channel();
        let wake: DiskWaker = Arc::new(move || {
            // Nobody waits any more.
            let _ = sender.send(());
        });
        Self { wake, woken }
    }

    /// Returns when it is so; looks again whenever a disk has something to say.
    pub(super) fn wait(&self, mut is_so: impl FnMut() -> Result<bool, Error>) -> Result<(), Error> {
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

/// Gives a node a log of decisions that knows how the cluster stands.
pub(super) fn write_log(node: &Path, identity: Identity, state: ControlState) -> Result<(), Error> {
    let record = Record::Checkpoint(Box::new(Checkpoint::of(state))).encode();
    let waker = Waker::new();
    let disk = LinuxDisk::open(&node.join("control"), Arc::clone(&waker.wake));
    let opened = ControlLog::open(disk.map_err(disk_failed)?, identity);
    let (mut log, _) = opened.map_err(|error| Error::internal(format!("make a log: {error}")))?;
    log.checkpoint(&record).map_err(disk_failed)?;
    waker.wait(|| Ok(log.poll().map_err(disk_failed)? > 0))
}

pub(super) fn disk_failed(error: DiskError) -> Error {
    Error::config(format!("write the new directory: {error}"))
}

pub(crate) fn random() -> u64 {
    let mut bytes = [0; 8];
    LinuxEntropy.fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
