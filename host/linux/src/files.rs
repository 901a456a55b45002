//! Files that programs append to, in one directory that the operator has named. A thread of its
//! own writes them and waits for the disk, one write after the other.
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use platform::{SocketEvent, SocketId};

use crate::Waker;

/// Numbers of files are above those of connections and lines.
const FIRST_FILE: u64 = 3 << 61;
/// Bytes of what is there that are compared at a time.
const PIECE_BYTES: usize = 64 << 10;

/// What the thread is to do.
enum Task {
    Open(SocketId, File),
    Write(SocketId, u64, Vec<u8>),
    Close(SocketId),
}

/// The files of one node.
#[derive(Debug)]
pub struct LinuxFiles {
    directory: Option<PathBuf>,
    next: u64,
    tasks: Sender<Task>,
    done: Receiver<SocketEvent>,
}

impl LinuxFiles {
    /// Files below this directory, if there is one; it wakes the node when something is done.
    ///
    /// # Errors
    /// If the machine has no thread to give.
    pub fn start(directory: Option<PathBuf>, waker: Waker) -> io::Result<Self> {
        let (tasks, todo) = mpsc::channel();
        let (tell, done) = mpsc::channel();
        thread::Builder::new().name("files".into()).spawn(move || {
            let mut files = BTreeMap::new();
            for task in todo {
                let Some(event) = perform(&mut files, task) else {
                    continue;
                };
                // Nobody listens when the node has ended; then the thread ends, too.
                if tell.send(event).is_err() {
                    return;
                }
                waker.wake();
            }
        })?;
        Ok(Self {
            directory,
            next: FIRST_FILE,
            tasks,
            done,
        })
    }

    /// Whether the number is that of a file.
    #[must_use]
    pub const fn is_file(socket: SocketId) -> bool {
        socket.0 >= FIRST_FILE
    }

    /// Something was done.
    pub fn next_event(&mut self) -> Option<SocketEvent> {
        self.done.try_recv().ok()
    }

    /// See [`platform::Sockets::open_file`].
    ///
    /// # Errors
    /// Why it cannot be opened, for people.
    pub fn open(&mut self, name: &str) -> Result<(SocketId, u64), String> {
        let Some(directory) = &self.directory else {
            return Err(format!(
                "append to the file {name}: this node has no directory for files; start it with \
                 `--files DIR`"
            ));
        };
        let path = directory.join(name);
        let failed = |error: io::Error| format!("append to the file {}: {error}", path.display());
        let is_plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
        if !is_plain {
            return Err(failed(io::ErrorKind::InvalidFilename.into()));
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            // No link leads out of the directory, and nobody waits for the end of a pipe.
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&path)
            .map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(failed(io::Error::other("expected a file")));
        }
        if metadata.len() == 0 {
            // It may be new: its name is to last as well as what it holds.
            let synced = File::open(directory).and_then(|directory| directory.sync_all());
            synced.map_err(failed)?;
        }
        let socket = SocketId(self.next);
        self.next += 1;
        self.send(Task::Open(socket, file));
        Ok((socket, metadata.len()))
    }

    /// See [`platform::Sockets::write_at`].
    pub fn write_at(&mut self, file: SocketId, place: u64, bytes: &[u8]) {
        self.send(Task::Write(file, place, bytes.to_vec()));
    }

    /// Nothing more is to be written.
    pub fn close(&mut self, file: SocketId) {
        self.send(Task::Close(file));
    }

    fn send(&self, task: Task) {
        let sent = self.tasks.send(task);
        assert!(sent.is_ok(), "the thread runs as long as we listen");
    }
}

fn perform(files: &mut BTreeMap<SocketId, File>, task: Task) -> Option<SocketEvent> {
    let (socket, place, bytes) = match task {
        Task::Open(socket, file) => {
            files.insert(socket, file);
            return None;
        }
        Task::Close(socket) => {
            files.remove(&socket);
            return None;
        }
        Task::Write(socket, place, bytes) => (socket, place, bytes),
    };
    // After a failure nothing more is written: there would be a gap.
    let written = write(files.get(&socket)?, place, &bytes);
    Some(match written {
        Ok(()) => SocketEvent::Written {
            socket,
            bytes: bytes.len(),
        },
        Err(error) => {
            files.remove(&socket);
            SocketEvent::Failed {
                socket,
                why: format!("write to the file: {error}"),
            }
        }
    })
}

/// Writes behind what is there, which must be the beginning of it if it reaches so far.
fn write(file: &File, place: u64, bytes: &[u8]) -> io::Result<()> {
    let length = file.metadata()?.len();
    if length < place {
        return Err(io::Error::other(format!(
            "it has {length} bytes, expected at least the {place} that were written to it: \
             somebody has cut it, or it is another file"
        )));
    }
    let there = usize::try_from(length - place).unwrap_or(usize::MAX);
    let mut at = 0;
    let mut found = vec![0; PIECE_BYTES.min(there)];
    while at < there.min(bytes.len()) {
        let count = found.len().min(there.min(bytes.len()) - at);
        file.read_exact_at(&mut found[..count], place + at as u64)?;
        let mut pairs = found.iter().zip(&bytes[at..at + count]);
        // A machine that has lost its power may have left zeros where something was under way.
        if let Some(other) = pairs.position(|(found, byte)| found != byte && *found != 0) {
            let other = place + (at + other) as u64;
            return Err(io::Error::other(format!(
                "byte {other} is not what was or is to be written there: the memory has gone \
                 back, or somebody else writes to it"
            )));
        }
        at += count;
    }
    file.write_all_at(bytes, place)?;
    file.sync_data()
}
