//! A tool's connection to a node: one question, one answer.
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use admin::{
    Blob, ChannelInfo, Cursor, DeviceInfo, Failure, FailureKind, NodeScrub, Picture, ProcessInfo,
    Request, Response, Reviving, SnapshotInfo, Status, Watched,
};

use engine::Engine;
use platform::SIGNED_MODULE;

use crate::data::{DataDir, read_token};
use crate::error::Error;
use crate::interrupt;

/// How long to try to connect; nodes are on this machine.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How often a wait for an answer looks whether the user has had enough.
const PATIENCE: Duration = Duration::from_millis(100);
/// So often something is sent to a node that has not answered yet: a machine that was started
/// again says then that it knows of no connection.
const PULSE_TIME: Duration = Duration::from_secs(1);
/// A cluster that has lost its leader has another one within less, if it can.
const FIND_TIME: Duration = Duration::from_secs(20);
/// A node says within less whether it leads.
const LEADER_TIME: Duration = Duration::from_secs(2);
const POLL_TIME: Duration = Duration::from_millis(20);
/// Bytes of a result asked for at a time.
const PIECE_BYTES: u32 = 1 << 20;
const LENGTH_SIZE: usize = 4;

/// Why there is no answer, or not the wanted one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientError {
    /// Nobody listens at the address.
    NoNode(SocketAddr),
    /// The connection broke: the node has probably ended.
    Lost(SocketAddr),
    /// The user interrupted the wait.
    Interrupted,
    /// The node cannot or will not.
    Failed(Failure),
    /// No node of the cluster says that it leads.
    NoLeader,
    /// The node says something that makes no sense.
    Nonsense(String),
}

/// How much of a program is there that is being brought back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// All: there is nothing more to do.
    All,
    /// Every piece before this one.
    UpTo(u64),
}

/// A connection to a node. Set up again for the next question if it broke.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
    /// Where other nodes of the cluster are found, if this one ends.
    data: Option<DataDir>,
    /// Until when an answer is waited for.
    until: Option<Instant>,
}

impl Client {
    /// A connection to the node whose tools' door is at `address`.
    ///
    /// # Errors
    /// If nobody listens there.
    pub fn connect(address: SocketAddr) -> Result<Self, ClientError> {
        let mut client = Self {
            address,
            stream: None,
            data: None,
            until: None,
        };
        client.stream = Some(client.dial()?);
        Ok(client)
    }

    /// A connection to any node of the cluster in this directory. What can be asked
    /// twice without harm is asked of another when that one ends.
    ///
    /// # Errors
    /// If the cluster does not run, or none of its nodes listens for a while.
    pub fn find(data: &DataDir) -> Result<Self, Error> {
        Self::find_but(data, None)
    }

    /// The same; the node with this door only if there is no other.
    fn find_but(data: &DataDir, last: Option<SocketAddr>) -> Result<Self, Error> {
        let until = Instant::now() + FIND_TIME;
        let interrupts = interrupt::count();
        loop {
            let mut nodes = data.running()?.nodes;
            nodes.sort_by_key(|node| Some(node.tools) == last);
            let mut reached = nodes.iter().map(|node| Self::connect(node.tools));
            if let Some(client) = reached.find_map(Result::ok) {
                let data = Some(data.clone());
                return Ok(Self { data, ..client });
            }
            interrupt::check_since(interrupts)?;
            if Instant::now() > until {
                return Err(Error::config("no node of the cluster is alive")
                    .hint("`plurix down`, then `plurix up` starts it from its data"));
            }
            thread::sleep(POLL_TIME);
        }
    }

    /// The node that leads the cluster in this directory, and what it says; `None` if
    /// none says so now.
    ///
    /// # Errors
    /// If the cluster does not run.
    pub fn leader(data: &DataDir) -> Result<Option<(Self, Status)>, Error> {
        for node in data.running()?.nodes {
            let Ok(mut client) = Self::connect(node.tools) else {
                continue;
            };
            client.until = Some(Instant::now() + LEADER_TIME);
            if let Ok(Response::Status(status)) = client.ask(&Request::Status)
                && status.leader != 0
            {
                let (data, until) = (Some(data.clone()), None);
                let client = Self {
                    data,
                    until,
                    ..client
                };
                return Ok(Some((client, status)));
            }
        }
        Ok(None)
    }

    /// What the leader of the cluster in this directory answers. One that has ended, or leads
    /// no more, is followed by another, which is asked unless the first may have done what must
    /// not be done twice.
    ///
    /// # Errors
    /// If the cluster does not run, nobody leads for a while, it could not be done, or it is
    /// not known whether it was.
    pub fn ask_leader(data: &DataDir, request: &Request) -> Result<Response, Error> {
        let until = Instant::now() + FIND_TIME;
        let interrupts = interrupt::count();
        let mut failed = ClientError::NoLeader;
        loop {
            let found = Self::leader(data)?;
            let answer = found.map(|(leader, _)| {
                Self {
                    data: None,
                    ..leader
                }
                .ask(request)
            });
            match answer {
                Some(Ok(response)) => return Ok(response),
                Some(Err(ClientError::Failed(failure)))
                    if failure.kind == FailureKind::Unavailable =>
                {
                    failed = ClientError::Failed(failure);
                }
                Some(Err(ClientError::Lost(_))) if !is_repeatable(request) => {
                    let message = "the leader has ended before it could say whether it is done";
                    return Err(Error::config(message).hint(
                        "`plurix snapshots` shows what there is: look before you repeat it",
                    ));
                }
                Some(Err(ClientError::Lost(_) | ClientError::NoNode(_))) | None => {}
                Some(Err(error)) => return Err(error.into()),
            }
            interrupt::check_since(interrupts)?;
            if Instant::now() > until {
                return Err(failed.into());
            }
            thread::sleep(POLL_TIME);
        }
    }

    /// From now on, until the next call of this, an answer that has not come at this
    /// moment counts as one that does not come.
    pub fn give_up_at(&mut self, until: Instant) {
        self.until = Some(until);
    }

    /// Asks; waits for the answer, however long it takes. [`Response::Failed`] comes as
    /// an error.
    ///
    /// # Errors
    /// If there is no answer, or it is that it could not be done.
    pub fn ask(&mut self, request: &Request) -> Result<Response, ClientError> {
        let until = Instant::now() + FIND_TIME;
        let interrupts = interrupt::count();
        loop {
            let answer = self.ask_once(request);
            let Some(data) = self.data.clone() else {
                return answer;
            };
            let is_known = match &answer {
                Ok(Response::Status(status)) => status.leader != 0,
                Err(ClientError::NoNode(_)) => false,
                Err(ClientError::Lost(_)) => !is_repeatable(request),
                // Nothing has happened.
                Err(ClientError::Failed(failure)) => failure.kind != FailureKind::Ending,
                _ => true,
            };
            if is_known {
                return answer;
            }
            if Instant::now() > until {
                return answer.and(Err(ClientError::NoLeader));
            }
            thread::sleep(POLL_TIME);
            let found = match request {
                Request::Status => Self::leader(&data).map(|found| found.map(|(client, _)| client)),
                _ => Self::find_but(&data, Some(self.address)).map(Some),
            };
            if interrupt::count() > interrupts {
                return Err(ClientError::Interrupted);
            }
            match found {
                Ok(Some(client)) => *self = client,
                Ok(None) => {}
                // It does not run any more.
                Err(_) => return answer.and(Err(ClientError::NoLeader)),
            }
        }
    }

    fn ask_once(&mut self, request: &Request) -> Result<Response, ClientError> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.dial()?,
        };
        let body = self.exchange(&mut stream, &admin::encode(request))?;
        self.stream = Some(stream);
        match admin::decode(&body) {
            Ok(Response::Failed(failure)) => Err(ClientError::Failed(failure)),
            Ok(response) => Ok(response),
            Err(error) => Err(ClientError::Nonsense(error.to_string())),
        }
    }

    /// How the cluster is; if this client knows other nodes, as the leader sees it.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn status(&mut self) -> Result<Status, ClientError> {
        match self.ask(&Request::Status)? {
            Response::Status(status) => Ok(status),
            other => Err(unexpected("status", &other)),
        }
    }

    /// Makes a module known under a name.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn deploy(&mut self, name: &str, wasm: Vec<u8>) -> Result<u32, ClientError> {
        let compiled = match self.deploy_as_is(name, wasm.clone()) {
            Err(ClientError::Failed(failure)) if failure.kind == FailureKind::NoCompiler => {
                self.compiled(&wasm, failure)?
            }
            deployed => return deployed,
        };
        self.deploy_as_is(name, compiled)
    }

    fn deploy_as_is(&mut self, name: &str, wasm: Vec<u8>) -> Result<u32, ClientError> {
        match self.ask(&Request::Deploy {
            name: name.to_owned(),
            wasm,
        })? {
            Response::Deployed { module } => Ok(module),
            other => Err(unexpected("deployed", &other)),
        }
    }

    /// The module as nodes take it that have no compiler. Whoever may read the token may be a
    /// node, and make machine code for others.
    fn compiled(&self, wasm: &[u8], failure: Failure) -> Result<Vec<u8>, ClientError> {
        let refused = |message: String| {
            let kind = FailureKind::Refused;
            ClientError::Failed(Failure { kind, message })
        };
        let data = self.data.as_ref();
        let data = data.ok_or(ClientError::Failed(failure))?;
        let token = read_token(&data.token_file()).map_err(|error| refused(error.to_string()))?;
        let engine = Engine::new().map_err(|error| refused(error.to_string()))?;
        let module = linux::compile(&engine, wasm).map_err(refused)?;
        let module = postcard::to_allocvec(&module).expect("plain data can be encoded");
        Ok(seal::sign(&token.key, SIGNED_MODULE, &module))
    }

    /// Starts a deployed module as a program of the same name; returns its process.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn start(
        &mut self,
        name: &str,
        workers: u32,
        arguments: Vec<String>,
        inputs: Vec<Blob>,
    ) -> Result<u32, ClientError> {
        let (module, program) = (name.to_owned(), name.to_owned());
        match self.ask(&Request::Run {
            module,
            program,
            workers,
            arguments,
            inputs,
        })? {
            Response::Started { process } => Ok(process),
            other => Err(unexpected("started", &other)),
        }
    }

    /// What a process has put out since.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn watch(&mut self, process: u32, cursors: Vec<Cursor>) -> Result<Watched, ClientError> {
        match self.ask(&Request::Watch { process, cursors })? {
            Response::Watched(watched) => Ok(watched),
            other => Err(unexpected("watched", &other)),
        }
    }

    /// The whole result of a process.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn result(&mut self, process: u32) -> Result<Vec<u8>, ClientError> {
        let mut result = Vec::new();
        loop {
            let offset = result.len() as u64;
            let request = Request::ReadResult {
                process,
                offset,
                length: PIECE_BYTES,
            };
            match self.ask(&request)? {
                Response::Bytes { bytes, total } => {
                    let is_last = bytes.is_empty() || offset + bytes.len() as u64 >= total;
                    result.extend(bytes);
                    if is_last {
                        return Ok(result);
                    }
                }
                other => return Err(unexpected("bytes", &other)),
            }
        }
    }

    /// The processes, oldest first.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn processes(&mut self) -> Result<Vec<ProcessInfo>, ClientError> {
        match self.ask(&Request::Processes)? {
            Response::Processes(processes) => Ok(processes),
            other => Err(unexpected("processes", &other)),
        }
    }

    /// The channels, the first thousand.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn channels(&mut self) -> Result<Vec<ChannelInfo>, ClientError> {
        match self.ask(&Request::Channels)? {
            Response::Channels(channels) => Ok(channels),
            other => Err(unexpected("channels", &other)),
        }
    }

    /// The devices that ever had a driver.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn devices(&mut self) -> Result<Vec<DeviceInfo>, ClientError> {
        match self.ask(&Request::Devices)? {
            Response::Devices(devices) => Ok(devices),
            other => Err(unexpected("devices", &other)),
        }
    }

    /// What the display of this node shows, as far as it has changed since.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn look(&mut self, since: u64) -> Result<Picture, ClientError> {
        match self.ask(&Request::Look { since })? {
            Response::Seen(picture) => Ok(picture),
            other => Err(unexpected("seen", &other)),
        }
    }

    /// Types at the console of this node; how many of the bytes there was room for.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn type_text(&mut self, bytes: &[u8]) -> Result<usize, ClientError> {
        let bytes = bytes.to_vec();
        match self.ask(&Request::Type { bytes })? {
            Response::Typed { count } => Ok(count as usize),
            other => Err(unexpected("typed", &other)),
        }
    }

    /// What was written to the console of this node, from this position or the first that is
    /// kept; and where to go on.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn read_text(&mut self, from: u64) -> Result<(Vec<u8>, u64), ClientError> {
        match self.ask(&Request::ReadText { from })? {
            Response::Text { bytes, next, .. } => Ok((bytes, next)),
            other => Err(unexpected("text", &other)),
        }
    }

    /// The snapshots of the cluster in this directory, oldest first; the last one is the
    /// newest stable epoch.
    ///
    /// # Errors
    /// See [`Client::ask_leader`].
    pub fn snapshots(data: &DataDir) -> Result<Vec<SnapshotInfo>, Error> {
        match Self::ask_leader(data, &Request::Snapshots)? {
            Response::Snapshots(snapshots) => Ok(snapshots),
            other => Err(unexpected("snapshots", &other).into()),
        }
    }

    /// Has the memory as it is now kept under a name; its epoch.
    ///
    /// # Errors
    /// See [`Client::ask_leader`].
    pub fn snapshot(data: &DataDir, name: &str) -> Result<u64, Error> {
        let name = name.to_owned();
        match Self::ask_leader(data, &Request::Snapshot { name })? {
            Response::Snapshot { epoch } => Ok(epoch),
            other => Err(unexpected("snapshot", &other).into()),
        }
    }

    /// Has a snapshot given up.
    ///
    /// # Errors
    /// See [`Client::ask_leader`].
    pub fn forget(data: &DataDir, snapshot: &str) -> Result<(), Error> {
        let snapshot = snapshot.to_owned();
        match Self::ask_leader(data, &Request::Forget { snapshot })? {
            Response::Done => Ok(()),
            other => Err(unexpected("done", &other).into()),
        }
    }

    /// Has the whole memory go back to a snapshot. While that cannot be because members come
    /// or go, or copies are being made, it is tried again for a while.
    ///
    /// # Errors
    /// See [`Client::ask_leader`].
    pub fn restore(data: &DataDir, snapshot: &str, discards_named: bool) -> Result<(), Error> {
        let snapshot = snapshot.to_owned();
        let request = Request::Restore {
            snapshot,
            discards_named,
        };
        match Self::ask_leader(data, &request)? {
            Response::Done => Ok(()),
            other => Err(unexpected("done", &other).into()),
        }
    }

    /// Begins to bring a program back; the process as which it comes.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn revive(&mut self, order: Reviving) -> Result<u32, ClientError> {
        match self.ask(&Request::Revive(order))? {
            Response::Reviving { process } => Ok(process),
            other => Err(unexpected("reviving", &other)),
        }
    }

    /// Goes on with it; how much is written then.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn tell_reviving(&mut self, order: Reviving) -> Result<Written, ClientError> {
        match self.ask(&Request::Revive(order))? {
            Response::Done => Ok(Written::All),
            Response::Filled { next } => Ok(Written::UpTo(next)),
            other => Err(unexpected("filled", &other)),
        }
    }

    /// Ends a process.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn cancel(&mut self, process: u32) -> Result<(), ClientError> {
        self.order(&Request::Cancel { process })
    }

    /// Stops the cluster once everything committed so far is stable.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn down(&mut self) -> Result<(), ClientError> {
        self.order(&Request::Down)
    }

    /// Has members leave for good; says when they have begun to. Only the leader can.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn drain(&mut self, nodes: Vec<u32>) -> Result<(), ClientError> {
        self.order(&Request::Drain { nodes })
    }

    /// Has all members read everything in their stores again.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn scrub(&mut self) -> Result<(), ClientError> {
        self.order(&Request::Scrub)
    }

    /// How far they are; nothing if the node that answers was not asked to have it done.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn scrub_progress(&mut self) -> Result<Vec<NodeScrub>, ClientError> {
        match self.ask(&Request::ScrubProgress)? {
            Response::Scrubbed(nodes) => Ok(nodes),
            other => Err(unexpected("scrubbed", &other)),
        }
    }

    fn order(&mut self, request: &Request) -> Result<(), ClientError> {
        match self.ask(request)? {
            Response::Done => Ok(()),
            other => Err(unexpected("done", &other)),
        }
    }

    fn dial(&self) -> Result<TcpStream, ClientError> {
        let no_node = |_| ClientError::NoNode(self.address);
        let stream = TcpStream::connect_timeout(&self.address, CONNECT_TIME).map_err(no_node)?;
        stream.set_nodelay(true).map_err(no_node)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(no_node)?;
        Ok(stream)
    }

    fn exchange(&self, stream: &mut TcpStream, body: &[u8]) -> Result<Vec<u8>, ClientError> {
        if body.len() > admin::BODY_SIZE_MAX {
            let message = format!(
                "expected a request of at most {} bytes, found {}",
                admin::BODY_SIZE_MAX,
                body.len()
            );
            return Err(ClientError::Failed(Failure {
                kind: FailureKind::BadRequest,
                message,
            }));
        }
        let interrupts = interrupt::count();
        let lost = |_| ClientError::Lost(self.address);
        let length = u32::try_from(body.len()).expect("checked above");
        stream.write_all(&length.to_le_bytes()).map_err(lost)?;
        stream.write_all(body).map_err(lost)?;
        let length = self.read(stream, LENGTH_SIZE, interrupts)?;
        let length = u32::from_le_bytes(length.try_into().expect("as many as asked for")) as usize;
        if length > admin::BODY_SIZE_MAX {
            return Err(ClientError::Nonsense(format!(
                "an answer of {length} bytes"
            )));
        }
        self.read(stream, length, interrupts)
    }

    fn read(
        &self,
        stream: &mut TcpStream,
        length: usize,
        interrupts: usize,
    ) -> Result<Vec<u8>, ClientError> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        let mut last_pulse = Instant::now();
        while filled < length {
            match stream.read(&mut bytes[filled..]) {
                Ok(0) => return Err(ClientError::Lost(self.address)),
                Ok(count) => filled += count,
                Err(error) if is_pause(error.kind()) => {
                    if interrupt::count() > interrupts {
                        return Err(ClientError::Interrupted);
                    }
                    if self.until.is_some_and(|until| until < Instant::now()) {
                        return Err(ClientError::Lost(self.address));
                    }
                    if last_pulse.elapsed() >= PULSE_TIME {
                        let pulse = stream.write_all(&admin::PULSE);
                        pulse.map_err(|_| ClientError::Lost(self.address))?;
                        last_pulse = Instant::now();
                    }
                }
                Err(_) => return Err(ClientError::Lost(self.address)),
            }
        }
        Ok(bytes)
    }
}

/// Whether it does no harm to ask twice.
fn is_repeatable(request: &Request) -> bool {
    match request {
        Request::Status
        | Request::Snapshots
        | Request::Deploy { .. }
        | Request::Watch { .. }
        | Request::ReadResult { .. }
        | Request::Processes
        | Request::Channels
        | Request::Devices
        | Request::Look { .. }
        | Request::ReadText { .. }
        | Request::Past { .. }
        | Request::Scrub
        | Request::ScrubProgress
        | Request::Revive(_)
        | Request::Cancel { .. } => true,
        Request::Call { is_query, .. } => *is_query,
        Request::Run { .. }
        | Request::Feel { .. }
        | Request::Type { .. }
        | Request::Snapshot { .. }
        | Request::Forget { .. }
        | Request::Restore { .. }
        | Request::Down
        | Request::Drain { .. } => false,
    }
}

fn is_pause(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

fn unexpected(expected: &str, found: &Response) -> ClientError {
    ClientError::Nonsense(format!("expected the answer `{expected}`, found {found:?}"))
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNode(address) => write!(f, "no node listens at {address}"),
            Self::Lost(address) => write!(f, "the node at {address} has closed the connection"),
            Self::Interrupted => write!(f, "interrupted"),
            Self::NoLeader => write!(f, "no node of the cluster leads now"),
            Self::Failed(failure) => write!(f, "{}", failure.message),
            Self::Nonsense(what) => write!(f, "the node makes no sense: {what}"),
        }
    }
}

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::NoNode(_) | ClientError::Lost(_) => {
                Self::config(message).hint("the node's log is in its directory, DATA/node-N/log")
            }
            ClientError::NoLeader => Self::config(message).hint(
                "a leader needs a majority of the voters; the nodes' logs say what they miss",
            ),
            ClientError::Interrupted => Self::user(message),
            ClientError::Failed(failure) => match failure.kind {
                FailureKind::Unknown => Self::config(message)
                    .hint("`plurix snapshots` shows what there is: look before you repeat it"),
                FailureKind::Unavailable | FailureKind::Ending => Self::config(message),
                _ => Self::user(message),
            },
            ClientError::Nonsense(_) => Self::internal(message),
        }
    }
}
