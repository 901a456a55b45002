//! What snapshots cost: throughput of a real cluster with short epochs against none, and
//! the time that the end of an epoch keeps a node from committing.
use std::time::Duration;

use engine::Engine;
use rustix::time::{ClockId, clock_gettime};

use crate::cluster::{Cluster, EpochsEnd, Plan, Start, rate, run, status, until, until_full};
use crate::guests;
use crate::report::{Better, Goal, Outcome, Report};
use crate::rounds::{machine, median};
use crate::site::Site;
use types::Durability;

/// Lengths of epochs with what is to be left of the throughput. The first stands for none:
/// it is measured between two ends, when all before is stored. (It is not longer because
/// answers to tools wait for the end of an epoch.)
const BANK_EPOCHS: Epochs = &[
    (2_000, None),
    (100, Some(0.95)),
    (10, Some(0.85)),
    (1, Some(0.6)),
];
/// The same for a large memory. It is filled under these epochs, which takes long if they
/// are long: commits wait while too many pages are kept for the store. So the first is no
/// more than a rare end.
const RESIDENT_EPOCHS: Epochs = &[
    (500, None),
    (100, Some(0.95)),
    (10, Some(0.85)),
    (1, Some(0.6)),
];
const BANK_ROUNDS: usize = 3;
const RESIDENT_ROUNDS: usize = 1;
pub(crate) const WARMED: Duration = Duration::from_millis(1_000);
pub(crate) const MEASURED: Duration = Duration::from_millis(1_000);
/// Accounts, transfers, tellers.
pub(crate) const BANK_ARGUMENTS: [&str; 3] = ["1000", "1000000000000", "4"];
/// 1 GiB.
const RESIDENT_PAGES: u32 = 1 << 18;
/// So that 1 % of 1 GiB is written per second.
const RESIDENT_PAUSE_NS: u32 = 381_000;

/// Memory sizes for the ends of epochs, in pages.
const SIZES: [(u32, &str); 2] = [(1 << 14, "64 MiB"), (1 << 18, "1 GiB")];
const ENDS: u32 = 500;
/// How much longer an end may take in the larger memory with as many pages written:
/// caches and measuring allow for some.
const GROWTH_GOAL: f64 = 2.0;
/// Pages written in each epoch whose end is measured: of 1 GiB, 1 % per second in
/// epochs of 100 ms.
const WRITTEN: u32 = 262;

type Epochs = &'static [(u32, Option<f64>)];

/// Runs all of it; `bank` is the module of transfers between accounts.
///
/// # Errors
/// Why the cluster could not be measured.
pub fn snapshot(start: Start<'_>, bank: &[u8]) -> Result<Report, String> {
    let (mut results, mut goals) = (Vec::new(), Vec::new());
    let load = |cluster: &mut dyn Cluster| -> Result<(), String> {
        run(cluster, "bank", bank, &BANK_ARGUMENTS)?;
        Ok(())
    };
    let rates = throughput(start, BANK_EPOCHS, BANK_ROUNDS, &load)?;
    compare("bank", BANK_EPOCHS, &rates, &mut results, &mut goals);
    let resident = guests::resident(RESIDENT_PAGES, RESIDENT_PAUSE_NS);
    let load = |cluster: &mut dyn Cluster| -> Result<(), String> {
        let process = run(cluster, "resident", &resident, &[])?;
        until_full(cluster, process)
    };
    let rates = throughput(start, RESIDENT_EPOCHS, RESIDENT_ROUNDS, &load)?;
    compare(
        "1 GiB, 1 % per second",
        RESIDENT_EPOCHS,
        &rates,
        &mut results,
        &mut goals,
    );
    ends(&mut results, &mut goals);
    Ok(Report {
        bench: "snapshot".to_owned(),
        machine: machine(),
        results,
        goals,
        notes: Vec::new(),
    })
}

/// What a load reached.
#[derive(Default)]
struct Reached {
    /// Transactions per second, by round.
    rates: Vec<f64>,
    pause_us_max: u64,
}

/// Runs a load with each length of epochs, in turns.
fn throughput(
    start: Start<'_>,
    epochs: Epochs,
    rounds: usize,
    load: &dyn Fn(&mut dyn Cluster) -> Result<(), String>,
) -> Result<Vec<Reached>, String> {
    let mut reached: Vec<Reached> = epochs.iter().map(|_| Reached::default()).collect();
    for _ in 0..rounds {
        for ((epoch_ms, _), reached) in epochs.iter().zip(&mut reached) {
            let plan = Plan {
                nodes: 1,
                epoch_ms: *epoch_ms,
                epochs_end: EpochsEnd::ByTheClock,
                memory_mib: 2048,
                durability: Durability::Disk,
            };
            let mut cluster = start(plan)?;
            load(&mut *cluster)?;
            // Programs set themselves up first, and memory gets warm.
            rate(&mut *cluster, WARMED)?;
            let rate = if plan.epoch_ms == BANK_EPOCHS[0].0 {
                rate_within_epoch(&mut *cluster)?
            } else {
                rate(&mut *cluster, MEASURED)?
            };
            reached.rates.push(rate);
            let pause_us_max = status(&mut *cluster)?.pause_us_max;
            reached.pause_us_max = reached.pause_us_max.max(pause_us_max);
        }
    }
    Ok(reached)
}

/// Transactions per second while no epoch ends and nothing is stored.
fn rate_within_epoch(cluster: &mut dyn Cluster) -> Result<f64, String> {
    loop {
        let before = status(cluster)?.epoch;
        let begun = until(cluster, |status| {
            status.epoch > before && status.stable + 1 >= status.epoch
        })?;
        let rate = rate(cluster, MEASURED)?;
        if status(cluster)?.epoch == begun.epoch {
            return Ok(rate);
        }
    }
}

fn compare(
    load: &str,
    epochs: Epochs,
    reached: &[Reached],
    results: &mut Vec<Outcome>,
    goals: &mut Vec<Goal>,
) {
    for ((epoch_ms, goal), one) in epochs.iter().zip(reached) {
        let name = match goal {
            None if *epoch_ms == BANK_EPOCHS[0].0 => format!("{load}, no epoch ends"),
            _ => format!("{load}, epochs of {epoch_ms} ms"),
        };
        results.push(Outcome::new(&name, median(one.rates.clone()), "tx/s"));
        let Some(goal) = goal else { continue };
        let pause = f64::from(u32::try_from(one.pause_us_max).unwrap_or(u32::MAX));
        results.push(Outcome::new(&format!("{name}, longest pause"), pause, "µs"));
        let ratios = one.rates.iter().zip(&reached[0].rates);
        let ratio = median(ratios.map(|(rate, none)| rate / none).collect());
        let name = format!("{name}, against the longest");
        goals.push(Goal::new(&name, ratio, *goal, Better::Higher));
    }
}

/// How long the end of an epoch keeps a node from committing, in processor time.
fn ends(results: &mut Vec<Outcome>, goals: &mut Vec<Goal>) {
    let engine = Engine::new().expect("the runtime works on this machine");
    let mut medians = Vec::new();
    for (pages, size) in SIZES {
        let mut site = Site::alone();
        let wasm = guests::pages(pages, 8);
        let mut guest = guests::instance(&engine, &wasm, site.space());
        for page in 0..pages {
            site.transact(&mut guest, "write", i64::from(page));
        }
        site.advance_epoch();
        site.store_everything();
        let mut times = Vec::new();
        for end in 0..ENDS {
            for nth in 0..WRITTEN {
                let page = (end * WRITTEN + nth).wrapping_mul(40_503) % pages;
                site.transact(&mut guest, "write", i64::from(page));
            }
            let begin = thread_micros();
            site.advance_epoch();
            times.push(thread_micros() - begin);
            site.store_everything();
        }
        let longest = times.iter().copied().fold(0.0, f64::max);
        let middle = median(times);
        let name = format!("end of an epoch, {size}");
        results.push(Outcome::new(&format!("{name}, median"), middle, "µs"));
        results.push(Outcome::new(&format!("{name}, longest"), longest, "µs"));
        medians.push(middle);
    }
    goals.push(Goal::new(
        "end of an epoch, 1 GiB against 64 MiB",
        medians[1] / medians[0],
        GROWTH_GOAL,
        Better::Lower,
    ));
}

fn thread_micros() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "seconds of a benchmark")]
    let seconds = time.tv_sec as f64;
    #[expect(clippy::cast_precision_loss, reason = "below a billion")]
    let nanos = time.tv_nsec as f64;
    seconds * 1e6 + nanos / 1e3
}
