//! How long whoever asks a program over TCP waits for an answer that nothing can undo: for the
//! rest of the epoch, and until that is on the disks; or, if epochs end on demand, only for the
//! disks.
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use types::Durability;

use crate::caller::{Caller, free_address};
use crate::cluster::{EpochsEnd, Plan, Start, run};
use crate::report::{Better, Goal, Outcome, Report};
use crate::rounds::{machine, median, percentile};

/// Lengths of epochs in milliseconds, what ends them, and callers: so many that some hundred
/// requests come in a second; and once fewer.
const WAYS: [Way; 6] = [
    Way::new(1, EpochsEnd::ByTheClock, 4),
    Way::new(5, EpochsEnd::ByTheClock, 8),
    Way::new(10, EpochsEnd::ByTheClock, 16),
    Way::new(100, EpochsEnd::ByTheClock, 64),
    Way::new(100, EpochsEnd::OnDemand, 64),
    Way::new(100, EpochsEnd::OnDemand, 4),
];
const NODES: u32 = 3;
const WARMED: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_secs(12);
/// For answers that wait for no epoch.
const MEASURED_AT_COMMIT: Duration = Duration::from_secs(3);
const SYNCS: usize = 500;
/// What is appended before each.
const APPENDED: [u8; 4096] = [7; 4096];
/// What may come to half an epoch and a sync, half of the time; and to an epoch and a sync,
/// 99 times of a hundred.
const HALF_GOAL_MS: f64 = 2.0;
const MOST_GOAL_MS: f64 = 10.0;

/// How epochs end and who waits for them.
#[derive(Clone, Copy)]
struct Way {
    epoch_ms: u32,
    epochs_end: EpochsEnd,
    callers: u64,
}

impl Way {
    const fn new(epoch_ms: u32, epochs_end: EpochsEnd, callers: u64) -> Self {
        Self {
            epoch_ms,
            epochs_end,
            callers,
        }
    }
}

/// What was found one way, in milliseconds.
struct Found {
    way: Way,
    stable: Vec<f64>,
    commit: Vec<f64>,
    syncs: Vec<f64>,
}

/// Measures each way; `turnstile` is the module that answers.
///
/// # Errors
/// Why the clusters could not be measured.
pub fn output(start: Start<'_>, turnstile: &[u8]) -> Result<Report, String> {
    let found = WAYS.map(|way| measure(start, turnstile, way));
    let found: Result<Vec<Found>, String> = found.into_iter().collect();
    Ok(report(&found?))
}

fn measure(start: Start<'_>, turnstile: &[u8], way: Way) -> Result<Found, String> {
    let Way {
        epoch_ms,
        epochs_end,
        callers,
    } = way;
    let mut cluster = start(Plan {
        nodes: NODES,
        epoch_ms,
        epochs_end,
        memory_mib: 256,
        durability: Durability::Disk,
    })?;
    let mut answers = |release: &str, measured| {
        let address = free_address()?;
        let arguments = [&address.to_string(), release];
        let name = format!("turnstile-{release}");
        run(&mut *cluster, &name, turnstile, &arguments)?;
        let callers: Result<Vec<Caller>, String> =
            (0..callers).map(|_| Caller::connect(address)).collect();
        pass_all(callers?, epoch_ms, [WARMED, measured])
    };
    let stable = answers("stable", MEASURED)?;
    let commit = answers("commit", MEASURED_AT_COMMIT)?;
    // What the disk takes when nobody else is at it.
    cluster.stop();
    Ok(Found {
        way,
        stable,
        commit,
        syncs: syncs(&cluster.directory())?,
    })
}

/// All callers at once.
fn pass_all(callers: Vec<Caller>, epoch_ms: u32, times: [Duration; 2]) -> Result<Vec<f64>, String> {
    let threads = callers.into_iter().zip(1..).map(|(mut caller, seed)| {
        std::thread::spawn(move || caller.pass_at_times(epoch_ms, seed, times))
    });
    let threads: Vec<_> = threads.collect();
    let mut all = Vec::new();
    for thread in threads {
        all.extend(thread.join().expect("it does not panic")?);
    }
    Ok(all)
}

/// How long a small append waits for the disk, in milliseconds.
fn syncs(directory: &Path) -> Result<Vec<f64>, String> {
    let failed = |error: std::io::Error| format!("write to the disk: {error}");
    let mut file = File::create(directory.join("appended")).map_err(failed)?;
    let mut sync = || {
        file.write_all(&APPENDED).map_err(failed)?;
        let begin = Instant::now();
        file.sync_data().map_err(failed)?;
        Ok(begin.elapsed().as_secs_f64() * 1e3)
    };
    (0..SYNCS).map(|_| sync()).collect()
}

fn report(found: &[Found]) -> Report {
    let (mut results, mut goals) = (Vec::new(), Vec::new());
    for found in found {
        let Way {
            epoch_ms,
            epochs_end,
            callers,
        } = found.way;
        let epochs = match epochs_end {
            EpochsEnd::ByTheClock => format!("epochs of {epoch_ms} ms"),
            EpochsEnd::OnDemand => format!("on demand, {callers} callers"),
        };
        let mut put = |what: &str, times: &[f64]| {
            let (half, most) = (median(times.to_vec()), percentile(times.to_vec(), 99));
            let name = format!("{epochs}: {what}, median");
            results.push(Outcome::new(&name, half, "ms"));
            let name = format!("{epochs}: {what}, 99 of a hundred");
            results.push(Outcome::new(&name, most, "ms"));
            (half, most)
        };
        let stable = put("stable answer", &found.stable);
        put("committed answer", &found.commit);
        let sync = put("sync of the disk", &found.syncs);
        if epochs_end == EpochsEnd::OnDemand {
            // There is no epoch of which half would be waited for.
            continue;
        }
        let epoch = f64::from(epoch_ms);
        let mut judge = |what: &str, time, goal| {
            let name = format!("{epochs}: stable answer, {what}, ms");
            goals.push(Goal::new(&name, time, goal, Better::Lower));
        };
        judge("median", stable.0, epoch / 2.0 + HALF_GOAL_MS + sync.0);
        judge("99 of a hundred", stable.1, epoch + MOST_GOAL_MS + sync.1);
    }
    let counts: Vec<String> = found
        .iter()
        .map(|one| one.stable.len().to_string())
        .collect();
    Report {
        bench: "output".to_owned(),
        machine: machine(),
        results,
        goals,
        notes: vec![format!("stable answers: {}", counts.join(", "))],
    }
}

#[cfg(test)]
mod tests {
    use super::{EpochsEnd, Found, Way, report};

    #[test]
    fn an_answer_may_take_its_part_of_an_epoch_and_a_sync() {
        let found = |epoch_ms, time| Found {
            way: Way::new(epoch_ms, EpochsEnd::ByTheClock, 1),
            stable: vec![time; 100],
            commit: vec![0.1; 10],
            syncs: vec![1.0; 100],
        };
        let report = report(&[found(10, 7.9), found(10, 8.1), found(100, 112.0)]);
        let met: Vec<bool> = report.goals.iter().map(|goal| goal.met).collect();
        assert_eq!(met, [true, true, false, true, false, false]);
        let limits: Vec<f64> = report.goals.iter().map(|goal| goal.goal).collect();
        assert_eq!(limits, [8.0, 21.0, 8.0, 21.0, 53.0, 111.0]);
        assert_eq!(report.results.len(), 3 * 6);
    }
}
