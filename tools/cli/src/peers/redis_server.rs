//! A Redis server of our own, with what its log is to do.
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::Place;

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Why it cannot be started, if it cannot.
pub(super) fn find() -> Result<(), String> {
    super::is_there("redis-server")
}

/// A server that runs until this is dropped.
pub(super) struct RedisServer {
    process: Child,
    address: SocketAddr,
}

impl RedisServer {
    /// Starts one in this place; returns when it listens. `log`: the options of its
    /// append-only file.
    pub(super) fn start(place: &Place, log: &[&str]) -> Result<Self, String> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let address = free.and_then(|free| free.local_addr());
        let address = address.map_err(|error| format!("find a free port: {error}"))?;
        let process = Command::new("redis-server")
            .args(["--port", &address.port().to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--dir"])
            .arg(place.path())
            .args(log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("start redis-server: {error}"))?;
        let server = Self { process, address };
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if TcpStream::connect(address).is_ok() {
                return Ok(server);
            }
            thread::sleep(LOOK_EVERY);
        }
        Err("redis-server does not listen".to_owned())
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn kill(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
