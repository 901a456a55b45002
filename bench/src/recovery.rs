//! How long a cluster of real processes does not commit: after a node was killed, and
//! when it is started from its disks.
use std::time::Instant;

use admin::Status;

use crate::cluster::{EpochsEnd, Plan, Start, run, status, until, until_full};
use crate::guests;
use crate::report::{Better, Goal, Outcome, Report};
use crate::rounds::{machine, median};
use types::Durability;

const KILL_ROUNDS: usize = 5;
const START_ROUNDS: usize = 3;
const NODES: u32 = 3;
/// Accounts, transfers, tellers.
const BANK_ARGUMENTS: [&str; 3] = ["1000", "1000000000000", "6"];
const KILL_GOAL_MS: f64 = 200.0;
/// From the notice on.
const RECOVERY_GOAL_MS: f64 = 50.0;
const DEATH_NOTICE_GOAL_MS: f64 = 10.0;
/// Three heartbeats of 50 ms.
const SILENCE_NOTICE_GOAL_MS: f64 = 150.0;
const START_GOAL_MS: f64 = 300.0;
/// Memory sizes in pages.
const SIZES: [(u32, &str); 2] = [(1 << 14, "64 MiB"), (1 << 18, "1 GiB")];
/// Nanoseconds between two writes of the program with a large memory.
const PAUSE_NS: u32 = 381_000;
const PLAN: Plan = Plan {
    nodes: NODES,
    epoch_ms: 100,
    epochs_end: EpochsEnd::OnDemand,
    memory_mib: 2048,
    durability: Durability::Disk,
};

/// Runs all of it; `bank` is the module of transfers between accounts.
///
/// # Errors
/// Why the cluster could not be measured.
pub fn recovery(start: Start<'_>, bank: &[u8]) -> Result<Report, String> {
    let (mut results, mut goals) = (Vec::new(), Vec::new());
    for loss in [Loss::Death, Loss::LeadersDeath] {
        losses(start, bank, loss, &mut results, &mut goals)?;
    }
    for (pages, size) in SIZES {
        starts(start, pages, size, &mut results, &mut goals)?;
    }
    Ok(Report {
        bench: "recovery".to_owned(),
        machine: machine(),
        results,
        goals,
        notes: Vec::new(),
    })
}

/// The same of a machine that falls silent; its cluster needs a network of its own.
///
/// # Errors
/// Why the cluster could not be measured.
pub fn silence(start: Start<'_>, bank: &[u8]) -> Result<Report, String> {
    let (mut results, mut goals) = (Vec::new(), Vec::new());
    for loss in [Loss::Silence, Loss::LeadersSilence] {
        losses(start, bank, loss, &mut results, &mut goals)?;
    }
    Ok(Report {
        bench: "silence".to_owned(),
        machine: machine(),
        results,
        goals,
        notes: Vec::new(),
    })
}

/// How a node is lost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loss {
    Death,
    LeadersDeath,
    Silence,
    LeadersSilence,
}

impl Loss {
    fn name(self) -> &'static str {
        match self {
            Self::Death => "a process killed",
            Self::LeadersDeath => "the leader's process killed",
            Self::Silence => "a machine silent",
            Self::LeadersSilence => "the leader's machine silent",
        }
    }

    /// Whom it hits.
    fn victim(self) -> u32 {
        match self {
            Self::Death | Self::Silence => NODES,
            Self::LeadersDeath | Self::LeadersSilence => 1,
        }
    }
}

/// Loses a node of three while all of them work.
fn losses(
    start: Start<'_>,
    bank: &[u8],
    loss: Loss,
    results: &mut Vec<Outcome>,
    goals: &mut Vec<Goal>,
) -> Result<(), String> {
    let (mut noticed, mut told, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..KILL_ROUNDS {
        let mut cluster = start(PLAN)?;
        run(&mut *cluster, "bank", bank, &BANK_ARGUMENTS)?;
        let begun = status(&mut *cluster)?;
        until(&mut *cluster, |status| {
            status.transactions > begun.transactions + 2_000
                && status.nodes.iter().all(|node| node.steps > 0)
                && status.stable > begun.stable + 3
        })?;
        let begin = Instant::now();
        match loss {
            Loss::Death | Loss::LeadersDeath => cluster.kill(loss.victim()),
            Loss::Silence | Loss::LeadersSilence => cluster.cut_off(loss.victim())?,
        }
        // A leader that is cut off tells of others.
        let name = format!("node-{}", loss.victim());
        let failure = |status: &Status| {
            let failure = status.last_failure.clone();
            failure.filter(|failure| failure.name == name)
        };
        let recovered = |status: &Status| failure(status)?.recovered_us;
        let after = until(&mut *cluster, |status| recovered(status).is_some())?;
        let part = of_micros(recovered(&after).expect("just waited for"));
        let whole = millis(begin);
        seen.push(whole);
        told.push(part);
        noticed.push(whole - part);
    }
    let (noticed, told, seen) = (median(noticed), median(told), median(seen));
    let notice_goal = match loss {
        Loss::Death => Some(DEATH_NOTICE_GOAL_MS),
        Loss::Silence => Some(SILENCE_NOTICE_GOAL_MS),
        // Who could tell of it leads only afterwards.
        Loss::LeadersDeath | Loss::LeadersSilence => None,
    };
    let name = format!("{}: to the notice", loss.name());
    if let Some(goal) = notice_goal {
        results.push(Outcome::new(&name, noticed, "ms"));
        goals.push(Goal::new(&name, noticed, goal, Better::Lower));
    }
    let name = format!("{}: from the notice to the first commit", loss.name());
    results.push(Outcome::new(&name, told, "ms"));
    goals.push(Goal::new(&name, told, RECOVERY_GOAL_MS, Better::Lower));
    let name = format!("{}: to the first commit, seen from outside", loss.name());
    results.push(Outcome::new(&name, seen, "ms"));
    goals.push(Goal::new(&name, seen, KILL_GOAL_MS, Better::Lower));
    Ok(())
}

/// Stops and starts a cluster with a program whose memory is of this size.
fn starts(
    start: Start<'_>,
    pages: u32,
    size: &str,
    results: &mut Vec<Outcome>,
    goals: &mut Vec<Goal>,
) -> Result<(), String> {
    let mut cluster = start(PLAN)?;
    let wasm = guests::resident(pages, PAUSE_NS);
    let process = run(&mut *cluster, "resident", &wasm, &[])?;
    until_full(&mut *cluster, process)?;
    let (mut told, mut seen) = (Vec::new(), Vec::new());
    for _ in 0..START_ROUNDS {
        cluster.stop();
        let begin = Instant::now();
        cluster.restart()?;
        let after = until(&mut *cluster, |status| status.start_us > 0)?;
        seen.push(millis(begin));
        told.push(of_micros(after.start_us));
    }
    let (told, seen) = (median(told), median(seen));
    let name = format!("start with {size}, the leader's process to the first commit");
    results.push(Outcome::new(&name, told, "ms"));
    let name = format!("start with {size}, seen from outside");
    results.push(Outcome::new(&name, seen, "ms"));
    goals.push(Goal::new(&name, seen, START_GOAL_MS, Better::Lower));
    Ok(())
}

fn millis(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1e3
}

fn of_micros(micros: u64) -> f64 {
    f64::from(u32::try_from(micros).unwrap_or(u32::MAX)) / 1e3
}
