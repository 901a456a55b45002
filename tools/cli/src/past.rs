//! Where the past of a cluster is read: from its nodes, or from their disks if nobody runs it.
use std::cell::RefCell;
use std::fs;
use std::rc::Rc;

use admin::{Request, Response, SnapshotInfo};
use control::LATEST;
use past::{Answers, AsOf, NodeDirectory, OpenError, Past, PastError, Seen, Stopped};
use platform::ClusterId;
use types::Epoch;
use wire::{PastFound, PastQuestion};

use crate::client::{Client, ClientError};
use crate::data::{DataDir, Lock, ancestors};
use crate::error::Error;
use crate::{interrupt, ui};

/// Names begin so under which something is kept to be read; the number of a process follows.
pub(crate) const PIN: &str = "read-";

/// Who knows the past of a cluster.
#[derive(Debug)]
pub enum Source {
    /// Its nodes.
    Live(Live),
    /// Their disks. Nobody can start the cluster as long as this is there.
    Stopped(Stopped, Lock),
}

/// Any node of a cluster that runs.
#[derive(Clone, Debug)]
pub struct Live {
    data: DataDir,
    /// Made for the first question; all that is read shares it.
    client: Rc<RefCell<Option<Client>>>,
    /// What is kept for as long as somebody may read it.
    pins: Rc<RefCell<Vec<Pin>>>,
}

/// A snapshot under a name of ours, given up in the end.
#[derive(Debug)]
struct Pin {
    data: DataDir,
    name: String,
}

impl Drop for Pin {
    fn drop(&mut self) {
        // If nobody leads now the name stays, and `plurix rm` gives it up.
        let _ = Client::forget(&self.data, &self.name);
    }
}

impl Source {
    /// The cluster of a data directory, whether it runs or not.
    ///
    /// # Errors
    /// If it does not run and its disks cannot be read.
    pub fn open(data: &DataDir) -> Result<Self, Error> {
        let Some(lock) = data.lock_to_read()? else {
            return Ok(Self::Live(Live::new(data)));
        };
        let (cluster, nodes) = directories(data)?;
        let path = data.path().display();
        ui::note(format!("no cluster runs in {path}: its disks are read"));
        let stopped = Stopped::open(cluster, &nodes).map_err(unreadable)?;
        for note in stopped.notes() {
            ui::note(note);
        }
        Ok(Self::Stopped(stopped, lock))
    }

    /// The snapshots, oldest first; the last one is the newest stable epoch.
    ///
    /// # Errors
    /// If nobody leads for a while.
    pub fn snapshots(&self) -> Result<Vec<SnapshotInfo>, Error> {
        match self {
            Self::Live(live) => Client::snapshots(&live.data),
            Self::Stopped(stopped, _) => Ok(stopped.snapshots().iter().map(info).collect()),
        }
    }

    /// The snapshot that a user means: by its name or its epoch, or by the word `latest`.
    ///
    /// # Errors
    /// If there is no such snapshot.
    pub fn resolve(&self, snapshot: &str) -> Result<SnapshotInfo, Error> {
        let all = self.snapshots()?;
        let mut named = all.iter();
        let found = match snapshot.parse::<u64>() {
            Ok(epoch) => named.find(|one| one.epoch == epoch),
            Err(_) if snapshot == LATEST => match self {
                // The newest stable epoch is soon another one.
                Self::Live(live) => return live.pin(),
                Self::Stopped(..) => all.last(),
            },
            Err(_) => named.find(|one| one.names.iter().any(|name| name == snapshot)),
        };
        found.cloned().ok_or_else(|| unknown(snapshot, &all))
    }

    /// The memory as it was in an epoch.
    #[must_use]
    pub fn as_of(&self, epoch: Epoch) -> Box<dyn Past> {
        match self {
            Self::Live(live) => Box::new(AsOf::new(epoch, Interruptible(live.clone()))),
            Self::Stopped(stopped, _) => Box::new(AsOf::new(epoch, Interruptible(stopped.clone()))),
        }
    }
}

impl Live {
    fn new(data: &DataDir) -> Self {
        Self {
            data: data.clone(),
            client: Rc::default(),
            pins: Rc::default(),
        }
    }

    /// The memory as it is now, kept for as long as this is there.
    fn pin(&self) -> Result<SnapshotInfo, Error> {
        let number = self.pins.borrow().len();
        let process = std::process::id();
        if number == 0 {
            give_up_forgotten(&self.data)?;
        }
        let name = format!("{PIN}{process}-{number}");
        let epoch = Client::snapshot(&self.data, &name)?;
        let data = self.data.clone();
        self.pins.borrow_mut().push(Pin { data, name });
        let all = Client::snapshots(&self.data)?;
        let mut found = all.into_iter().find(|one| one.epoch == epoch);
        if let Some(found) = &mut found {
            found.names.retain(|name| !name.starts_with(PIN));
        }
        found.ok_or_else(|| Error::internal(format!("epoch {epoch} is kept and not listed")))
    }
}

/// Who was killed, or could not reach the cluster, has not given up what it had kept.
fn give_up_forgotten(data: &DataDir) -> Result<(), Error> {
    let snapshots = Client::snapshots(data)?;
    for name in snapshots.iter().flat_map(|snapshot| &snapshot.names) {
        let rest = name.strip_prefix(PIN);
        let process = rest.and_then(|rest| rest.split_once('-')?.0.parse::<u32>().ok());
        let is_gone = |process| {
            process == std::process::id() || !fs::exists(format!("/proc/{process}")).unwrap_or(true)
        };
        if process.is_some_and(is_gone) {
            Client::forget(data, name)?;
        }
    }
    Ok(())
}

/// Answers for as long as the user has not had enough.
struct Interruptible<A>(A);

impl<A: Answers> Answers for Interruptible<A> {
    fn answer(&mut self, epoch: Epoch, question: &PastQuestion) -> Result<PastFound, PastError> {
        interrupt::check().map_err(|error| PastError::Unavailable(error.to_string()))?;
        self.0.answer(epoch, question)
    }
}

impl Answers for Live {
    fn answer(&mut self, epoch: Epoch, question: &PastQuestion) -> Result<PastFound, PastError> {
        let request = Request::Past {
            epoch: epoch.0,
            question: question.clone(),
        };
        let mut client = self.client.borrow_mut();
        let client = match &mut *client {
            Some(client) => client,
            none => {
                let found = Client::find(&self.data);
                none.insert(found.map_err(|error| PastError::Unavailable(error.to_string()))?)
            }
        };
        let answer = client.ask(&request);
        match answer.map_err(|error| PastError::Unavailable(error.to_string()))? {
            Response::Past(found) => found.ok_or(PastError::NotKept(epoch)),
            other => {
                let message = format!("expected the answer `past`, found {other:?}");
                let nonsense = ClientError::Nonsense(message);
                Err(PastError::Unavailable(nonsense.to_string()))
            }
        }
    }
}

impl From<PastError> for Error {
    fn from(error: PastError) -> Self {
        let message = error.to_string();
        match error {
            PastError::NotKept(_) => Self::user(message).hint(
                "`plurix snapshots` lists what is kept, `plurix snapshot NAME` keeps the present",
            ),
            PastError::Damaged { .. } | PastError::Tables(_) | PastError::Unavailable(_) => {
                Self::config(message)
            }
        }
    }
}

fn info(seen: &Seen) -> SnapshotInfo {
    SnapshotInfo {
        epoch: seen.epoch.0,
        wall_ms: seen.wall_ms,
        names: seen.names.clone(),
        is_kept: seen.is_kept,
    }
}

fn unknown(snapshot: &str, all: &[SnapshotInfo]) -> Error {
    let expected = "expected the name or the epoch of a snapshot, or `latest`";
    let error = Error::user(format!("{expected}, found `{snapshot}`"));
    let names: Vec<&str> = all
        .iter()
        .flat_map(|one| &one.names)
        .map(String::as_str)
        .collect();
    let error = match names.is_empty() {
        true => error,
        false => error.hint(format!("names: {}", names.join(", "))),
    };
    error.hint("`plurix snapshots` lists all")
}

/// The cluster's id and the disks of its nodes.
pub(crate) fn directories(data: &DataDir) -> Result<(ClusterId, Vec<NodeDirectory>), Error> {
    let file = data.known_cluster()?;
    let cluster = file.id()?;
    let mut nodes = Vec::new();
    for number in file.numbers() {
        let node = data.node(number);
        // The nodes of a process after its first lie below it.
        let entries = fs::read_dir(&node).into_iter().flatten().flatten();
        let below = entries.map(|entry| entry.path());
        let is_core = |path: &std::path::PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("core-"))
        };
        let mut below: Vec<_> = below.filter(is_core).collect();
        below.sort();
        for directory in std::iter::once(node).chain(below) {
            nodes.push(NodeDirectory {
                store: directory.join("store"),
                control: directory.join("control"),
                ancestors: ancestors(&directory)?,
            });
        }
    }
    Ok((cluster, nodes))
}

fn unreadable(error: OpenError) -> Error {
    let message = Error::config(error.to_string());
    match error {
        OpenError::InUse(_) => message.hint("a node was started by hand: ask it, or stop it"),
        OpenError::Unusable(_) => message,
        OpenError::Missing { .. } | OpenError::NoDecisions(_) => {
            message.hint("nothing was changed; restore the directories of the nodes")
        }
    }
}
