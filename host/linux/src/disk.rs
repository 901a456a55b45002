//! A disk: a directory of files, written and synced by a thread of its own.
//!
//! What is queued stays readable until it is written. The thread takes operations in
//! order and calls the waker after each completed sync and after a failure.
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::{fmt, mem};

use platform::{Disk, DiskError, DiskOperation, SegmentNumber, SyncToken};
use rustix::fs::{Advice, fadvise};

/// An append of so many bytes is begun at once.
const WORTH_WAKING: usize = 128 << 10;
/// Shorter ones wait until there are so many, or a sync follows.
const QUEUED_MAX: usize = 16;

/// Called by the disk's thread when there is something to collect.
pub type DiskWaker = Arc<dyn Fn() + Send + Sync>;

/// A disk in a directory, for the life of the value: nobody else can open it.
pub struct LinuxDisk {
    directory: PathBuf,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Held locked.
    _lock: File,
}

struct Shared {
    state: Mutex<State>,
    queued: Condvar,
    wake: DiskWaker,
}

#[derive(Default)]
struct State {
    files: BTreeMap<SegmentNumber, OpenFile>,
    /// The first is being done.
    queue: VecDeque<Operation>,
    completed: VecDeque<SyncToken>,
    /// Not yet reported.
    failure: Option<DiskError>,
    is_poisoned: bool,
    is_closing: bool,
}

struct OpenFile {
    file: Arc<File>,
    /// With what is queued.
    length: u64,
}

#[derive(Clone)]
enum Operation {
    Append {
        segment: SegmentNumber,
        file: Arc<File>,
        offset: u64,
        bytes: Arc<Vec<u8>>,
    },
    /// The file was created just now.
    Created {
        segment: SegmentNumber,
        file: Arc<File>,
    },
    Delete {
        segment: SegmentNumber,
    },
    Sync(SyncToken),
}

impl LinuxDisk {
    /// Opens the disk in `directory`, which is created if it is missing.
    ///
    /// # Errors
    /// If another process has it open, or the directory cannot be used.
    pub fn open(directory: &Path, wake: DiskWaker) -> Result<Self, DiskError> {
        let failed = |error: io::Error| disk_error(DiskOperation::Open, &error);
        fs::create_dir_all(directory).map_err(failed)?;
        let lock = lock(directory)?;
        let mut state = State::default();
        let mut unsynced = BTreeMap::new();
        for entry in fs::read_dir(directory).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let Some(segment) = name.to_str().and_then(parse_name) else {
                continue;
            };
            let path = directory.join(name);
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .open(path)
                .map_err(failed)?;
            let file = Arc::new(file);
            let length = file.metadata().map_err(failed)?.len();
            // Whoever wrote it may not have lived to sync it.
            unsynced.insert(segment, Arc::clone(&file));
            state.files.insert(segment, OpenFile { file, length });
        }
        let (state, queued) = (Mutex::new(state), Condvar::new());
        let shared = Arc::new(Shared {
            state,
            queued,
            wake,
        });
        let worker = Worker::new(directory, Arc::clone(&shared), unsynced)?;
        let thread = thread::Builder::new()
            .name("disk".to_owned())
            .spawn(move || worker.run())
            .map_err(failed)?;
        let directory = directory.to_owned();
        Ok(Self {
            directory,
            shared,
            thread: Some(thread),
            _lock: lock,
        })
    }

    /// The state, for an operation that needs a disk that works.
    fn state(&self) -> Result<MutexGuard<'_, State>, DiskError> {
        let state = self.shared.lock();
        if state.is_poisoned {
            Err(DiskError::Poisoned)
        } else {
            Ok(state)
        }
    }

    /// Queues an operation. A short append waits for company: waking a processor for it
    /// takes longer than writing it.
    fn push(&self, state: &mut State, operation: Operation) {
        let is_short = |operation: &Operation| match operation {
            Operation::Append { bytes, .. } => bytes.len() < WORTH_WAKING,
            _ => false,
        };
        let may_wait = is_short(&operation) && state.queue.len() < QUEUED_MAX;
        state.queue.push_back(operation);
        if !may_wait {
            self.shared.queued.notify_one();
        }
    }

    fn path(&self, segment: SegmentNumber) -> PathBuf {
        path(&self.directory, segment)
    }
}

impl Disk for LinuxDisk {
    fn segments(&mut self) -> Result<Vec<SegmentNumber>, DiskError> {
        Ok(self.state()?.files.keys().copied().collect())
    }

    fn length(&mut self, segment: SegmentNumber) -> Result<u64, DiskError> {
        self.state()?.file(segment).map(|file| file.length)
    }

    fn create(&mut self, segment: SegmentNumber) -> Result<(), DiskError> {
        let mut state = self.state()?;
        let options = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .clone();
        let file = match options.open(self.path(segment)) {
            Ok(file) => Arc::new(file),
            Err(error) => {
                state.poison(disk_error(DiskOperation::Create, &error));
                return Err(DiskError::Poisoned);
            }
        };
        state.files.insert(
            segment,
            OpenFile {
                file: Arc::clone(&file),
                length: 0,
            },
        );
        self.push(&mut state, Operation::Created { segment, file });
        Ok(())
    }

    fn append(&mut self, segment: SegmentNumber, bytes: Vec<u8>) -> Result<(), DiskError> {
        let mut state = self.state()?;
        let open = state.file(segment)?;
        let (file, offset) = (Arc::clone(&open.file), open.length);
        open.length += bytes.len() as u64;
        let bytes = Arc::new(bytes);
        self.push(
            &mut state,
            Operation::Append {
                segment,
                file,
                offset,
                bytes,
            },
        );
        Ok(())
    }

    fn sync(&mut self, token: SyncToken) -> Result<(), DiskError> {
        let mut state = self.state()?;
        self.push(&mut state, Operation::Sync(token));
        Ok(())
    }

    fn poll_completions(&mut self) -> Result<Option<SyncToken>, DiskError> {
        let mut state = self.shared.lock();
        if let Some(token) = state.completed.pop_front() {
            return Ok(Some(token));
        }
        match state.failure.take() {
            Some(failure) => Err(failure),
            None if state.is_poisoned => Err(DiskError::Poisoned),
            None => Ok(None),
        }
    }

    fn read(
        &mut self,
        segment: SegmentNumber,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), DiskError> {
        let mut state = self.state()?;
        let open = state.file(segment)?;
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > open.length) {
            return Err(DiskError::PastEnd(segment));
        }
        let file = Arc::clone(&open.file);
        let written = state.copy_queued(segment, offset, buffer);
        drop(state);
        let (written, _) = buffer.split_at_mut(written);
        let result = file.read_exact_at(written, offset);
        result.map_err(|error| disk_error(DiskOperation::Read, &error))
    }

    fn prefetch(&mut self, segment: SegmentNumber, offset: u64, length: usize) {
        let Ok(mut state) = self.state() else { return };
        let Ok(file) = state.file(segment).map(|open| Arc::clone(&open.file)) else {
            return;
        };
        // It takes a moment, and the disk's thread need not wait for it.
        drop(state);
        let length = NonZeroU64::new(length as u64);
        // Who takes no hints reads as well.
        let _ = fadvise(&file, offset, length, Advice::WillNeed);
    }

    fn truncate(&mut self, segment: SegmentNumber, length: u64) -> Result<(), DiskError> {
        let mut state = self.shared.drain()?;
        let open = state.file(segment)?;
        let cut = cut(&self.path(segment), &open.file, length);
        open.length = length;
        match cut {
            Ok(None) => Ok(()),
            Ok(Some(own)) => {
                open.file = Arc::new(own);
                Ok(())
            }
            Err(error) => {
                state.poison(disk_error(DiskOperation::Truncate, &error));
                Err(DiskError::Poisoned)
            }
        }
    }

    fn delete(&mut self, segment: SegmentNumber) -> Result<(), DiskError> {
        let mut state = self.state()?;
        state
            .files
            .remove(&segment)
            .ok_or(DiskError::NotFound(segment))?;
        self.push(&mut state, Operation::Delete { segment });
        Ok(())
    }
}

impl Drop for LinuxDisk {
    /// Writes what is queued; syncs it only if that was asked for.
    fn drop(&mut self) {
        self.shared.lock().is_closing = true;
        self.shared.queued.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported by itself.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("nothing panics while it holds the state")
    }

    /// Waits until nothing is queued.
    fn drain(&self) -> Result<MutexGuard<'_, State>, DiskError> {
        let state = self.lock();
        self.queued.notify_all();
        let state = self
            .queued
            .wait_while(state, |state| !state.queue.is_empty() && !state.is_poisoned)
            .expect("nothing panics while it holds the state");
        if state.is_poisoned {
            Err(DiskError::Poisoned)
        } else {
            Ok(state)
        }
    }
}

impl State {
    fn file(&mut self, segment: SegmentNumber) -> Result<&mut OpenFile, DiskError> {
        self.files
            .get_mut(&segment)
            .ok_or(DiskError::NotFound(segment))
    }

    fn poison(&mut self, failure: DiskError) {
        self.failure.get_or_insert(failure);
        self.is_poisoned = true;
        self.queue.clear();
    }

    /// Copies what is queued for this place. It is the end of what was asked for: gives
    /// the length of the part before it, which is in the file.
    fn copy_queued(&self, segment: SegmentNumber, offset: u64, buffer: &mut [u8]) -> usize {
        let end = offset + buffer.len() as u64;
        let mut written_end = end;
        for operation in &self.queue {
            let Operation::Append {
                segment: to,
                offset: start,
                bytes,
                ..
            } = operation
            else {
                continue;
            };
            let stop = start + bytes.len() as u64;
            if *to != segment || stop <= offset || end <= *start {
                continue;
            }
            let (from, until) = (offset.max(*start), end.min(stop));
            buffer[index(from - offset)..index(until - offset)]
                .copy_from_slice(&bytes[index(from - start)..index(until - start)]);
            written_end = written_end.min(from);
        }
        index(written_end - offset)
    }
}

/// The thread's side.
struct Worker {
    directory: PathBuf,
    directory_file: File,
    shared: Arc<Shared>,
    /// Files with bytes that are not known to be on the device.
    unsynced: BTreeMap<SegmentNumber, Arc<File>>,
    is_directory_unsynced: bool,
}

impl Worker {
    fn new(
        directory: &Path,
        shared: Arc<Shared>,
        unsynced: BTreeMap<SegmentNumber, Arc<File>>,
    ) -> Result<Self, DiskError> {
        let directory_file =
            File::open(directory).map_err(|error| disk_error(DiskOperation::Open, &error))?;
        let directory = directory.to_owned();
        Ok(Self {
            directory,
            directory_file,
            shared,
            unsynced,
            is_directory_unsynced: true,
        })
    }

    fn run(mut self) {
        while let Some(operation) = self.next() {
            let result = self.perform(&operation);
            let mut state = self.shared.lock();
            state.queue.pop_front();
            match (result, operation) {
                (Ok(()), Operation::Sync(token)) => state.completed.push_back(token),
                (Ok(()), _) => {
                    self.shared.queued.notify_all();
                    continue;
                }
                (Err(failure), _) => state.poison(failure),
            }
            drop(state);
            self.shared.queued.notify_all();
            (self.shared.wake)();
        }
    }

    /// The operation at the head of the queue, which stays there (and readable) until
    /// it is done. `None`: the disk is closed or poisoned.
    fn next(&self) -> Option<Operation> {
        let state = self.shared.lock();
        let is_idle =
            |state: &mut State| state.queue.is_empty() && !state.is_closing && !state.is_poisoned;
        let state = self
            .shared
            .queued
            .wait_while(state, is_idle)
            .expect("nothing panics while it holds the state");
        if state.is_poisoned {
            None
        } else {
            state.queue.front().cloned()
        }
    }

    fn perform(&mut self, operation: &Operation) -> Result<(), DiskError> {
        let (kind, result) = match operation {
            Operation::Append {
                segment,
                file,
                offset,
                bytes,
            } => {
                self.unsynced
                    .entry(*segment)
                    .or_insert_with(|| Arc::clone(file));
                (DiskOperation::Append, file.write_all_at(bytes, *offset))
            }
            Operation::Created { segment, file } => {
                self.unsynced.insert(*segment, Arc::clone(file));
                self.is_directory_unsynced = true;
                (DiskOperation::Create, Ok(()))
            }
            Operation::Delete { segment } => {
                self.unsynced.remove(segment);
                self.is_directory_unsynced = true;
                (
                    DiskOperation::Delete,
                    fs::remove_file(path(&self.directory, *segment)),
                )
            }
            Operation::Sync(_) => (DiskOperation::Sync, self.sync()),
        };
        result.map_err(|error| disk_error(kind, &error))
    }

    fn sync(&mut self) -> io::Result<()> {
        for file in mem::take(&mut self.unsynced).values() {
            file.sync_data()?;
        }
        if mem::take(&mut self.is_directory_unsynced) {
            self.directory_file.sync_all()?;
        }
        Ok(())
    }
}

fn lock(directory: &Path) -> Result<File, DiskError> {
    let failed = |error: io::Error| disk_error(DiskOperation::Open, &error);
    let options = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .clone();
    let file = options.open(directory.join("lock")).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DiskError::InUse),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Cuts a file to this length. One that another disk has, too, by a link, stays as it is: the
/// file that is in its place then is given back. When this returns it has reached the device.
fn cut(path: &Path, file: &File, length: u64) -> io::Result<Option<File>> {
    if file.metadata()?.nlink() == 1 {
        file.set_len(length)?;
        file.sync_all()?;
        return Ok(None);
    }
    let new = path.with_extension("new");
    fs::copy(path, &new)?;
    let own = OpenOptions::new().read(true).write(true).open(&new)?;
    own.set_len(length)?;
    own.sync_all()?;
    fs::rename(&new, path)?;
    let directory = path.parent().expect("a file lies in a directory");
    File::open(directory)?.sync_all()?;
    Ok(Some(own))
}

fn path(directory: &Path, segment: SegmentNumber) -> PathBuf {
    directory.join(format!("{segment}.segment"))
}

pub(crate) fn parse_name(name: &str) -> Option<SegmentNumber> {
    let digits = name
        .strip_suffix(".segment")
        .filter(|digits| digits.len() == 8)?;
    u32::from_str_radix(digits, 16).ok().map(SegmentNumber)
}

pub(crate) fn disk_error(operation: DiskOperation, error: &io::Error) -> DiskError {
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => DiskError::NoSpace,
        code => DiskError::Io {
            operation,
            code: code.unwrap_or(0),
        },
    }
}

/// A position inside of bytes in memory.
fn index(position: u64) -> usize {
    usize::try_from(position).expect("bytes in memory are counted by usize")
}

impl fmt::Debug for LinuxDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinuxDisk")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_device_is_told_from_a_broken_one() {
        let error = |code| disk_error(DiskOperation::Append, &io::Error::from_raw_os_error(code));
        assert_eq!(error(libc::ENOSPC), DiskError::NoSpace);
        assert_eq!(error(libc::EDQUOT), DiskError::NoSpace);
        let broken = DiskError::Io {
            operation: DiskOperation::Append,
            code: libc::EIO,
        };
        assert_eq!(error(libc::EIO), broken);
    }

    #[test]
    fn names_are_read_back() {
        for number in [0, 1, 0x1234_ABCD, u32::MAX] {
            let segment = SegmentNumber(number);
            let name = format!("{segment}.segment");
            assert_eq!(parse_name(&name), Some(segment));
        }
        assert_eq!(parse_name("1.segment"), None);
        assert_eq!(parse_name("lock"), None);
    }
}
