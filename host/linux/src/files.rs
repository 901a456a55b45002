//! Files that programs append to, in one directory that the operator has named. A thread of its
//! own opens and writes them, and waits for the disk: once for all that has come meanwhile.
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::iter;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use platform::{SocketEvent, SocketId};

use crate::Waker;

/// Numbers of files are above those of connections and lines.
const FIRST_FILE: u64 = 3 << 61;
/// Bytes of what is there that are compared at a time.
const PIECE_BYTES: usize = 64 << 10;
/// Tasks between two waits for the disk, at most: nobody hears of any of them before.
const BATCH_TASKS: usize = 256;

/// What the thread is to do.
enum Task {
    Open(SocketId, String),
    Write(SocketId, u64, Vec<u8>),
    Close(SocketId),
}

/// The files of one node.
#[derive(Debug)]
pub struct LinuxFiles {
    has_directory: bool,
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
        let has_directory = directory.is_some();
        if let Some(directory) = directory {
            let desk = Desk::new(directory);
            let name = "files".to_owned();
            thread::Builder::new()
                .name(name)
                .spawn(move || work(desk, &todo, &tell, &waker))?;
        }
        Ok(Self {
            has_directory,
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
    /// If there is no directory, for people.
    pub fn open(&mut self, name: &str) -> Result<SocketId, String> {
        if !self.has_directory {
            return Err(format!(
                "append to the file {name}: this node has no directory for files; start it with \
                 `--files DIR`"
            ));
        }
        let socket = SocketId(self.next);
        self.next += 1;
        self.send(Task::Open(socket, name.to_owned()));
        Ok(socket)
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

/// Does what is to be done, until nobody wants or hears any more.
fn work(mut desk: Desk, todo: &Receiver<Task>, tell: &Sender<SocketEvent>, waker: &Waker) {
    while let Ok(first) = todo.recv() {
        let more = iter::from_fn(|| todo.try_recv().ok());
        for task in iter::once(first).chain(more).take(BATCH_TASKS) {
            desk.perform(task);
        }
        desk.settle_all();
        if desk.events.is_empty() {
            continue;
        }
        for event in desk.events.drain(..) {
            if tell.send(event).is_err() {
                return;
            }
        }
        waker.wake();
    }
}

/// What the thread has before it.
struct Desk {
    directory: PathBuf,
    files: BTreeMap<SocketId, File>,
    /// What was written and may not be on the disk, in bytes.
    unsettled: BTreeMap<SocketId, usize>,
    /// What has happened and was not told.
    events: Vec<SocketEvent>,
}

impl Desk {
    fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            files: BTreeMap::new(),
            unsettled: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    fn perform(&mut self, task: Task) {
        match task {
            Task::Open(socket, name) => match open(&self.directory, &name) {
                Ok((file, length)) => {
                    self.files.insert(socket, file);
                    self.events.push(SocketEvent::Opened { socket, length });
                }
                Err(error) => {
                    let path = self.directory.join(name);
                    let why = format!("append to the file {}: {error}", path.display());
                    self.events.push(SocketEvent::Failed { socket, why });
                }
            },
            Task::Write(socket, place, bytes) => {
                // After a failure nothing more is written: there would be a gap.
                let Some(file) = self.files.get(&socket) else {
                    return;
                };
                match write(file, place, &bytes) {
                    Ok(()) => *self.unsettled.entry(socket).or_default() += bytes.len(),
                    Err(error) => {
                        self.settle(socket);
                        self.fail(socket, &error);
                    }
                }
            }
            Task::Close(socket) => {
                self.settle(socket);
                self.files.remove(&socket);
            }
        }
    }

    fn settle_all(&mut self) {
        while let Some((&socket, _)) = self.unsettled.first_key_value() {
            self.settle(socket);
        }
    }

    /// Waits until everything that was written to a file is on the disk.
    fn settle(&mut self, socket: SocketId) {
        let bytes = self.unsettled.remove(&socket);
        if let (Some(bytes), Some(file)) = (bytes, self.files.get(&socket)) {
            match file.sync_data() {
                Ok(()) => self.events.push(SocketEvent::Written { socket, bytes }),
                Err(error) => self.fail(socket, &error),
            }
        }
    }

    fn fail(&mut self, socket: SocketId, error: &io::Error) {
        // It may have failed before, when what had been written was to be settled.
        if self.files.remove(&socket).is_some() {
            let why = format!("write to the file: {error}");
            self.events.push(SocketEvent::Failed { socket, why });
        }
    }
}

/// Opens a file of the directory, or makes it; says how long it is.
fn open(directory: &Path, name: &str) -> io::Result<(File, u64)> {
    let is_plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
    if !is_plain {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        // No link leads out of the directory, and nobody waits for the end of a pipe.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(directory.join(name))?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("expected a file"));
    }
    if metadata.len() == 0 {
        // It may be new: its name is to last as well as what it holds.
        File::open(directory)?.sync_all()?;
    }
    Ok((file, metadata.len()))
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
    file.write_all_at(bytes, place)
}
