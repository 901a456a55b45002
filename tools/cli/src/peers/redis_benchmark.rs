//! redis-benchmark, which asks servers that speak Redis' protocol, and Redis itself beside them.
use std::net::SocketAddr;
use std::process::Command;

use bench::{ALWAYS_SYNCED, Asked, NO_PERSISTENCE, Served, Server};

use super::redis_server::{self, RedisServer};
use super::{Place, run};

const CLIENTS: &str = "50";
/// Keys are chosen among so many.
const KEYS: &str = "10000";

/// What is compared, and the options of its log.
const SERVERS: [(&str, &[&str]); 3] = [
    (NO_PERSISTENCE, &["--appendonly", "no"]),
    (
        "redis, log synced each second",
        &["--appendonly", "yes", "--appendfsync", "everysec"],
    ),
    (
        ALWAYS_SYNCED,
        &["--appendonly", "yes", "--appendfsync", "always"],
    ),
];

/// Why it cannot be measured, if it cannot.
pub(crate) fn find() -> Result<(), String> {
    super::is_there("redis-benchmark")
        .and_then(|()| redis_server::find())
        .map_err(|why| format!("{why}: install redis-server and redis-tools, as Debian names them"))
}

/// Redis, in several ways.
pub(crate) fn servers() -> Vec<Server<'static>> {
    let server = |(name, log): (&'static str, &'static [&str])| Server {
        name,
        start: Box::new(move || Ok(Box::new(Redis::start(log)?))),
    };
    SERVERS.map(server).into()
}

/// Asks a server; how many requests it answered per second.
pub(crate) fn ask(address: SocketAddr, asked: Asked) -> Result<f64, String> {
    let mut command = Command::new("redis-benchmark");
    command
        .args(["-h", &address.ip().to_string()])
        .args(["-p", &address.port().to_string()])
        .args(["-c", CLIENTS, "-r", KEYS, "--csv"])
        .args(["-t", &asked.command.to_lowercase()])
        .args(["-P", &asked.pipeline.to_string()])
        .args(["-n", &asked.count.to_string()]);
    let said = run(&mut command)?;
    rate(&said).ok_or_else(|| format!("expected a rate from {command:?}, found: {said}"))
}

/// The rate in what it says: a line of names, and one of values.
fn rate(said: &str) -> Option<f64> {
    let mut lines = said
        .lines()
        .skip_while(|line| !line.starts_with("\"test\""));
    let mut fields = lines.nth(1)?.split(',');
    fields.nth(1)?.trim_matches('"').parse().ok()
}

/// A server with a directory of its own.
struct Redis {
    server: RedisServer,
    // Goes when the server has ended.
    _place: Place,
}

impl Redis {
    fn start(log: &[&str]) -> Result<Self, String> {
        let place = Place::new("redis")?;
        Ok(Self {
            server: RedisServer::start(&place, log)?,
            _place: place,
        })
    }
}

impl Served for Redis {
    fn address(&self) -> SocketAddr {
        self.server.address()
    }
}

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn the_rate_is_the_second_value() {
        let said = "WARNING: Could not fetch server CONFIG\n\
            \"test\",\"rps\",\"avg_latency_ms\"\n\"SET\",\"98765.43\",\"0.281\"\n";
        assert_eq!(rate(said), Some(98765.43));
        assert_eq!(rate("Could not connect"), None);
    }
}
