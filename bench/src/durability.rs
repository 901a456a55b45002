//! How long an answer waits until it is safe: on disks, and in memories.
use types::{Durability, Prng};

use crate::cluster::{EpochsEnd, Plan, Start, rest_within_epoch, run, timed_call};
use crate::report::{Outcome, Report};
use crate::rounds::{machine, median};

const EPOCHS_MS: [u32; 3] = [1, 10, 100];
const CALLS: u64 = 60;

/// Runs all of it; `lists` is the module whose function `append` is called.
///
/// # Errors
/// Why the clusters could not be measured.
pub fn durability(start: Start<'_>, lists: &[u8]) -> Result<Report, String> {
    let mut results = Vec::new();
    for epoch_ms in EPOCHS_MS {
        answers(start, lists, epoch_ms, &mut results)?;
    }
    Ok(Report {
        bench: "durability".to_owned(),
        machine: machine(),
        results,
        goals: Vec::new(),
        notes: Vec::new(),
    })
}

/// Two clusters of three nodes are called in turns.
fn answers(
    start: Start<'_>,
    lists: &[u8],
    epoch_ms: u32,
    results: &mut Vec<Outcome>,
) -> Result<(), String> {
    let cluster = |durability| {
        let mut cluster = start(Plan {
            nodes: 3,
            epoch_ms,
            epochs_end: EpochsEnd::ByTheClock,
            memory_mib: 256,
            durability,
        })?;
        run(&mut *cluster, "lists", lists, &[])?;
        Ok::<_, String>(cluster)
    };
    let ways = [Durability::Disk, Durability::Memory];
    let mut clusters = [cluster(ways[0])?, cluster(ways[1])?];
    let mut times = [Vec::new(), Vec::new()];
    let mut prng = Prng::new(1);
    // The first call waits for the program.
    for number in 0..=CALLS {
        for (cluster, times) in clusters.iter_mut().zip(&mut times) {
            rest_within_epoch(&mut prng, epoch_ms);
            let arguments = [number % 8, number];
            let time = timed_call(&mut **cluster, "lists", "append", &arguments)?;
            if number > 0 {
                times.push(time);
            }
        }
    }
    for (way, times) in ways.into_iter().zip(times) {
        let name = format!("answer, {way}, epochs of {epoch_ms} ms");
        results.push(Outcome::new(&name, median(times), "ms"));
    }
    Ok(())
}
