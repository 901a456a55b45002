//! A disk that is only looked at: what is appended stays in memory, and goes with the value.
//! Not a byte in the directory changes, not even a file's times but that of its last reading.
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

use platform::{Disk, DiskError, DiskOperation, SegmentNumber, SyncToken};

use crate::disk::{disk_error, parse_name};

/// The disk in a directory as it was found, for the life of the value: others may look at it,
/// too, but nobody can use it meanwhile.
#[derive(Debug)]
pub struct FrozenDisk {
    files: BTreeMap<SegmentNumber, Overlaid>,
    completed: VecDeque<SyncToken>,
    /// Held locked. A disk that was never opened, or was copied, has none.
    _lock: Option<File>,
}

/// The beginning of a file, and what was appended since.
#[derive(Debug)]
struct Overlaid {
    file: Option<File>,
    /// Bytes that are in the file.
    below: u64,
    above: Vec<u8>,
}

impl FrozenDisk {
    /// Opens the disk in `directory`.
    ///
    /// # Errors
    /// If another process uses it, or the directory cannot be read.
    pub fn open(directory: &Path) -> Result<Self, DiskError> {
        let failed = |error: io::Error| disk_error(DiskOperation::Open, &error);
        let lock = lock(directory)?;
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(directory).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let Some(segment) = name.to_str().and_then(parse_name) else {
                continue;
            };
            let file = File::open(directory.join(name)).map_err(failed)?;
            let below = file.metadata().map_err(failed)?.len();
            let file = Some(file);
            let above = Vec::new();
            files.insert(segment, Overlaid { file, below, above });
        }
        Ok(Self {
            files,
            completed: VecDeque::new(),
            _lock: lock,
        })
    }

    fn file(&mut self, segment: SegmentNumber) -> Result<&mut Overlaid, DiskError> {
        let file = self.files.get_mut(&segment);
        file.ok_or(DiskError::NotFound(segment))
    }
}

impl Overlaid {
    fn length(&self) -> u64 {
        self.below + self.above.len() as u64
    }

    /// Fills `buffer` with the bytes at `offset`, which are all there.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let in_file = self.below.saturating_sub(offset);
        let in_file = usize::try_from(in_file).map_or(buffer.len(), |left| left.min(buffer.len()));
        let (below, above) = buffer.split_at_mut(in_file);
        if let Some(file) = &self.file {
            file.read_exact_at(below, offset)?;
        }
        let start = (offset + in_file as u64).saturating_sub(self.below);
        let start = usize::try_from(start).expect("bytes in memory are counted by usize");
        above.copy_from_slice(&self.above[start..][..above.len()]);
        Ok(())
    }
}

impl Disk for FrozenDisk {
    fn segments(&mut self) -> Result<Vec<SegmentNumber>, DiskError> {
        Ok(self.files.keys().copied().collect())
    }

    fn length(&mut self, segment: SegmentNumber) -> Result<u64, DiskError> {
        self.file(segment).map(|file| file.length())
    }

    fn create(&mut self, segment: SegmentNumber) -> Result<(), DiskError> {
        let new = Overlaid {
            file: None,
            below: 0,
            above: Vec::new(),
        };
        let before = self.files.insert(segment, new);
        assert!(before.is_none(), "a file is created once");
        Ok(())
    }

    fn append(&mut self, segment: SegmentNumber, bytes: Vec<u8>) -> Result<(), DiskError> {
        self.file(segment)?.above.extend(bytes);
        Ok(())
    }

    fn sync(&mut self, token: SyncToken) -> Result<(), DiskError> {
        self.completed.push_back(token);
        Ok(())
    }

    fn poll_completions(&mut self) -> Result<Option<SyncToken>, DiskError> {
        Ok(self.completed.pop_front())
    }

    fn read(
        &mut self,
        segment: SegmentNumber,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), DiskError> {
        let file = self.file(segment)?;
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > file.length()) {
            return Err(DiskError::PastEnd(segment));
        }
        let result = file.read(offset, buffer);
        result.map_err(|error| disk_error(DiskOperation::Read, &error))
    }

    fn truncate(&mut self, segment: SegmentNumber, length: u64) -> Result<(), DiskError> {
        let file = self.file(segment)?;
        let above = length.saturating_sub(file.below);
        let above = usize::try_from(above).expect("bytes in memory are counted by usize");
        file.above.truncate(above);
        file.below = file.below.min(length);
        Ok(())
    }

    fn delete(&mut self, segment: SegmentNumber) -> Result<(), DiskError> {
        let removed = self.files.remove(&segment);
        removed.map(drop).ok_or(DiskError::NotFound(segment))
    }
}

fn lock(directory: &Path) -> Result<Option<File>, DiskError> {
    let failed = |error: io::Error| disk_error(DiskOperation::Open, &error);
    let file = match File::open(directory.join("lock")) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(DiskError::InUse),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
