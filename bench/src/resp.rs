//! Redis and the service that speaks its protocol, under the load of redis-benchmark.
//!
//! This crate starts no process: whoever calls it says what servers there are and asks them.
use std::net::SocketAddr;

use types::Durability;

use crate::caller::{Caller, free_address};
use crate::cluster::{Cluster, EpochsEnd, Plan, Start, run};
use crate::report::{Better, Goal, Outcome, Report};
use crate::rounds::{machine, median};

const COMMANDS: [&str; 3] = ["SET", "GET", "INCR"];
/// A log is synced for these.
const WRITES: [&str; 2] = ["SET", "INCR"];
/// Requests that a client sends at a time.
const PIPELINES: [u32; 2] = [1, 16];
const ROUNDS: usize = 3;
/// Seconds for which a server is asked the same, about.
const MEASURED: f64 = 1.0;
/// How often a number of requests is tried that may be too small for that.
const TRIES: usize = 8;
/// Requests in the first try, for each that a client sends at a time.
const FIRST: u32 = 200;
const COUNT_MAX: f64 = 1e8;

const AT_COMMIT: &str = "plurix, at commit";
const AT_STABLE: &str = "plurix, at stable";
/// The other servers that ours are compared with, by their names.
pub const NO_PERSISTENCE: &str = "redis, no persistence";
/// It syncs its log before it answers.
pub const ALWAYS_SYNCED: &str = "redis, log synced always";
/// What our servers are: how they are started, lengths of epochs in milliseconds, and what
/// ends these.
const OURS: [(&str, &str, (u32, EpochsEnd)); 4] = [
    (AT_COMMIT, "commit", (100, EpochsEnd::OnDemand)),
    (AT_STABLE, "stable", (100, EpochsEnd::OnDemand)),
    (
        "plurix, at stable, by the clock, 100 ms",
        "stable",
        (100, EpochsEnd::ByTheClock),
    ),
    (
        "plurix, at stable, by the clock, 1 ms",
        "stable",
        (1, EpochsEnd::ByTheClock),
    ),
];
const AT_COMMIT_GOAL: f64 = 0.5;
const AT_STABLE_GOAL: f64 = 3.0;

/// What a server is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked {
    /// The command.
    pub command: &'static str,
    /// Requests that each client sends at a time.
    pub pipeline: u32,
    /// Requests of all clients.
    pub count: u32,
}

/// Asks a server; how many requests it answered per second.
pub type Ask<'a> = &'a dyn Fn(SocketAddr, Asked) -> Result<f64, String>;

/// A server that runs until this is dropped.
pub trait Served {
    /// Where it is reached.
    fn address(&self) -> SocketAddr;
}

/// A server that can be started, with new data each time.
pub struct Server<'a> {
    /// Its name.
    pub name: &'a str,
    /// Starts it.
    pub start: StartServer<'a>,
}

/// Starts a server.
pub type StartServer<'a> = Box<dyn Fn() -> Result<Box<dyn Served>, String> + 'a>;

impl std::fmt::Debug for Server<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What one server was asked, and its rates by round.
struct Found {
    server: String,
    command: &'static str,
    pipeline: u32,
    rates: Vec<f64>,
}

/// Measures ours and the others in turns; `module` is the service.
///
/// # Errors
/// Why a server could not be measured.
pub fn resp(
    start: Start<'_>,
    module: &[u8],
    others: Vec<Server<'_>>,
    ask: Ask<'_>,
) -> Result<Report, String> {
    let ours = OURS.map(|(name, release, epochs)| Server {
        name,
        start: Box::new(move || Ok(Box::new(Ours::start(start, module, release, epochs)?))),
    });
    let servers: Vec<Server<'_>> = ours.into_iter().chain(others).collect();
    let mut found: Vec<Found> = Vec::new();
    for _ in 0..ROUNDS {
        for server in &servers {
            let served = (server.start)()?;
            for (pipeline, command) in kinds() {
                let rate = rate(ask, served.address(), command, pipeline)
                    .map_err(|why| format!("{}: {why}", server.name))?;
                let is_it = |found: &&mut Found| {
                    (found.server.as_str(), found.command, found.pipeline)
                        == (server.name, command, pipeline)
                };
                match found.iter_mut().find(is_it) {
                    Some(found) => found.rates.push(rate),
                    None => found.push(Found {
                        server: server.name.to_owned(),
                        command,
                        pipeline,
                        rates: vec![rate],
                    }),
                }
            }
        }
    }
    Ok(report(&found))
}

fn kinds() -> impl Iterator<Item = (u32, &'static str)> {
    let with = |pipeline| COMMANDS.map(|command| (pipeline, command));
    PIPELINES.into_iter().flat_map(with)
}

/// Requests per second, of so many that they take their time.
fn rate(
    ask: Ask<'_>,
    address: SocketAddr,
    command: &'static str,
    pipeline: u32,
) -> Result<f64, String> {
    let mut count = FIRST * pipeline;
    for _ in 0..TRIES {
        let asked = Asked {
            command,
            pipeline,
            count,
        };
        let rate = ask(address, asked)?;
        if f64::from(count) / rate > MEASURED / 2.0 {
            return Ok(rate);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "limited just before"
        )]
        let wanted = (rate * MEASURED).clamp(1.0, COUNT_MAX) as u32;
        count = wanted.next_multiple_of(pipeline).max(count);
    }
    Err("its rate does not settle".to_owned())
}

fn report(found: &[Found]) -> Report {
    let (mut results, mut goals) = (Vec::new(), Vec::new());
    let rates = |server: &str, command, pipeline| {
        let is_it = |found: &&Found| {
            (found.server.as_str(), found.command, found.pipeline) == (server, command, pipeline)
        };
        found.iter().find(is_it).map(|found| &found.rates)
    };
    for found in found {
        let name = format!(
            "{}, {} at a time, {}",
            found.command, found.pipeline, found.server
        );
        results.push(Outcome::new(
            &name,
            median(found.rates.clone()),
            "requests/s",
        ));
    }
    for (pipeline, command) in kinds() {
        let mut judge = |ours: &str, other: &str, goal: f64| {
            let both = rates(ours, command, pipeline).zip(rates(other, command, pipeline));
            let Some((ours_rates, other_rates)) = both else {
                return;
            };
            let pairs = ours_rates.iter().zip(other_rates);
            let ratio = median(pairs.map(|(ours, other)| ours / other).collect());
            let name = format!("{command}, {pipeline} at a time, {ours}, against {other}");
            goals.push(Goal::new(&name, ratio, goal, Better::Higher));
        };
        judge(AT_COMMIT, NO_PERSISTENCE, AT_COMMIT_GOAL);
        if pipeline > 1 && WRITES.contains(&command) {
            judge(AT_STABLE, ALWAYS_SYNCED, AT_STABLE_GOAL);
        }
    }
    Report {
        bench: "resp".to_owned(),
        machine: machine(),
        results,
        goals,
        notes: Vec::new(),
    }
}

/// The service on a cluster of one node.
struct Ours {
    address: SocketAddr,
    _cluster: Box<dyn Cluster>,
}

impl Ours {
    fn start(
        start: Start<'_>,
        module: &[u8],
        release: &str,
        (epoch_ms, epochs_end): (u32, EpochsEnd),
    ) -> Result<Self, String> {
        let mut cluster = start(Plan {
            nodes: 1,
            epoch_ms,
            epochs_end,
            memory_mib: 1024,
            durability: Durability::Disk,
        })?;
        let address = free_address()?;
        let arguments = [&address.to_string(), release];
        run(&mut *cluster, "resp", module, &arguments)?;
        // Somebody listens when this is done.
        Caller::connect(address)?;
        Ok(Self {
            address,
            _cluster: cluster,
        })
    }
}

impl Served for Ours {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;

    fn found(server: &str, pipeline: u32, rates: [f64; 3]) -> Found {
        Found {
            server: server.to_owned(),
            command: "SET",
            pipeline,
            rates: rates.to_vec(),
        }
    }

    #[test]
    fn servers_are_compared_round_by_round() {
        let report = report(&[
            found(AT_COMMIT, 1, [10.0, 60.0, 30.0]),
            found(NO_PERSISTENCE, 1, [100.0, 100.0, 50.0]),
            found(AT_STABLE, 16, [200.0, 200.0, 200.0]),
            found(ALWAYS_SYNCED, 16, [100.0, 100.0, 100.0]),
        ]);
        let judged: Vec<(f64, bool)> = report
            .goals
            .iter()
            .map(|goal| (goal.value, goal.met))
            .collect();
        assert_eq!(judged, [(0.6, true), (2.0, false)]);
        assert_eq!(report.results.len(), 4);
    }

    #[test]
    fn a_server_is_asked_for_long_enough() {
        let counts = RefCell::new(Vec::new());
        let ask = |_, asked: Asked| {
            counts.borrow_mut().push(asked.count);
            Ok(f64::from(asked.count).min(10_000.0) * 10.0)
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        assert_eq!(rate(&ask, address, "SET", 16), Ok(100_000.0));
        assert_eq!(*counts.borrow(), [3200, 32_000, 100_000]);
    }
}
