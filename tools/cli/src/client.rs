//! A tool's connection to a node: one question, one answer.
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use admin::{
    Blob, Cursor, Failure, FailureKind, ProcessInfo, Request, Response, SnapshotInfo, Status,
    Watched,
};

use crate::error::Error;
use crate::interrupt;

/// How long to try to connect; nodes are on this machine.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How often a wait for an answer looks whether the user has had enough.
const PATIENCE: Duration = Duration::from_millis(100);
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
    /// The node says something that makes no sense.
    Nonsense(String),
}

/// A connection to a node. Set up again for the next question if it broke.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
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
        };
        client.stream = Some(client.dial()?);
        Ok(client)
    }

    /// Asks; waits for the answer, however long it takes. [`Response::Failed`] comes as
    /// an error.
    ///
    /// # Errors
    /// If there is no answer, or it is that it could not be done.
    pub fn ask(&mut self, request: &Request) -> Result<Response, ClientError> {
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

    /// How the cluster is.
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
        match self.ask(&Request::Deploy {
            name: name.to_owned(),
            wasm,
        })? {
            Response::Deployed { module } => Ok(module),
            other => Err(unexpected("deployed", &other)),
        }
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

    /// The snapshots, oldest first.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn snapshots(&mut self) -> Result<Vec<SnapshotInfo>, ClientError> {
        match self.ask(&Request::Snapshots)? {
            Response::Snapshots(snapshots) => Ok(snapshots),
            other => Err(unexpected("snapshots", &other)),
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
        while filled < length {
            match stream.read(&mut bytes[filled..]) {
                Ok(0) => return Err(ClientError::Lost(self.address)),
                Ok(count) => filled += count,
                Err(error) if is_pause(error.kind()) => {
                    if interrupt::count() > interrupts {
                        return Err(ClientError::Interrupted);
                    }
                }
                Err(_) => return Err(ClientError::Lost(self.address)),
            }
        }
        Ok(bytes)
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
            ClientError::Interrupted => Self::user(message),
            ClientError::Failed(failure) => match failure.kind {
                FailureKind::Unavailable => Self::config(message),
                _ => Self::user(message),
            },
            ClientError::Nonsense(_) => Self::internal(message),
        }
    }
}
