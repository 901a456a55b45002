//! How long a cluster takes to go on where it was stopped: to its first commit, and until a
//! program has touched all of its memory, page after page, against a plain read of the files
//! that this comes from.
//!
//! *Warm*: the system has the files in its own memory. *Cold*: they were dropped from it, as
//! any program may ask for files of its own (`posix_fadvise`); what the device or what is
//! below it still has in caches of theirs nobody can say.
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use admin::{Request, Response};
use rustix::fs::{Advice, fadvise, statvfs};
use types::Durability;

use crate::cluster::{Cluster, EpochsEnd, Plan, Start, run, status, until, until_full};
use crate::guests;
use crate::report::{Better, Goal, Outcome, Report};
use crate::rounds::{machine, median};

const ROUNDS: usize = 3;
/// A program has so much at most, so that a larger memory is that of several.
const PROGRAM_MIB: u32 = 1024;
const LOOK_EVERY: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(120);
const PAGES_PER_MIB: u32 = 256;
const FIRST_COMMIT_GOAL_MS: f64 = 300.0;
/// Of the rate of the plain read.
const TOUCH_GOAL: f64 = 0.6;
const READ_BYTES: usize = 1 << 20;

/// Whether files are in the system's memory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cache {
    Warm,
    Cold,
}

impl Cache {
    fn name(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Cold => "cold",
        }
    }
}

/// Runs all of it, for memories of these sizes. What the machine has no room for is left out,
/// and said to be.
///
/// # Errors
/// Why the cluster could not be measured.
pub fn restart(start: Start<'_>, sizes_mib: &[u32]) -> Result<Report, String> {
    let mut report = Report {
        bench: "restart".to_owned(),
        machine: machine(),
        results: Vec::new(),
        goals: Vec::new(),
        notes: vec!["one node, which has all of the memory".to_owned()],
    };
    for &mib in sizes_mib {
        match shortage(mib) {
            Some(shortage) => report.notes.push(shortage),
            None => measure(start, mib, &mut report)?,
        }
    }
    Ok(report)
}

/// Why a memory of this size is left out, if it is.
pub(crate) fn shortage(mib: u32) -> Option<String> {
    let needed = u64::from(mib);
    let free = free_disk_mib();
    if free < 3 * needed {
        return Some(format!(
            "{mib} MiB left out: expected {} MiB free for temporary files, found {free}",
            3 * needed
        ));
    }
    // In the node, and in the system's memory of files.
    let available = available_mib();
    (available < 2 * needed).then(|| {
        format!(
            "{mib} MiB left out: expected {} MiB of memory available, found {available}",
            2 * needed
        )
    })
}

pub(crate) fn free_disk_mib() -> u64 {
    let found = statvfs(std::env::temp_dir());
    found.map_or(0, |found| (found.f_bavail * found.f_frsize) >> 20)
}

pub(crate) fn available_mib() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"));
    let word = line.and_then(|line| line.split_whitespace().nth(1));
    word.and_then(|word| word.parse::<u64>().ok()).unwrap_or(0) >> 10
}

/// What was found in the rounds of one kind.
#[derive(Default)]
struct Found {
    commit_ms: Vec<f64>,
    touch: Vec<f64>,
    read: Vec<f64>,
}

fn measure(start: Start<'_>, mib: u32, report: &mut Report) -> Result<(), String> {
    let mut cluster = start(Plan {
        nodes: 1,
        epoch_ms: 100,
        epochs_end: EpochsEnd::OnDemand,
        memory_mib: mib + 512,
        durability: Durability::Disk,
    })?;
    let programs = fill(&mut *cluster, mib)?;
    for cache in [Cache::Cold, Cache::Warm] {
        let mut found = Found::default();
        for _ in 0..ROUNDS {
            round(&mut *cluster, &programs, cache, &mut found)?;
        }
        tell(mib, cache, &found, report);
    }
    Ok(())
}

/// Starts programs and waits until all that they have put into their memories is on the disk.
pub(crate) fn fill(cluster: &mut dyn Cluster, mib: u32) -> Result<Vec<(String, u32)>, String> {
    let mut programs = Vec::new();
    let mut left = mib;
    while left > 0 {
        let size = left.min(PROGRAM_MIB);
        let (name, pages) = (format!("full-{}", programs.len()), size * PAGES_PER_MIB);
        let process = run(cluster, &name, &guests::full(pages, 0), &[])?;
        until_full(cluster, process)?;
        programs.push((name, pages));
        left -= size;
    }
    let full = status(cluster)?.epoch;
    until(cluster, |status| status.stable >= full)?;
    Ok(programs)
}

fn round(
    cluster: &mut dyn Cluster,
    programs: &[(String, u32)],
    cache: Cache,
    found: &mut Found,
) -> Result<(), String> {
    cluster.stop();
    let files = files(&cluster.directory()).map_err(|error| error.to_string())?;
    let prepare = || match cache {
        Cache::Cold => forget(&files),
        Cache::Warm => read_all(&files).map(drop),
    };
    let failed = |error: std::io::Error| format!("read the stores' files: {error}");
    prepare().map_err(failed)?;
    let read = read_all(&files).map_err(failed)?;
    prepare().map_err(failed)?;
    let begin = Instant::now();
    cluster.restart()?;
    until(cluster, |status| status.start_us > 0)?;
    found.commit_ms.push(begin.elapsed().as_secs_f64() * 1e3);
    let (mut bytes, mut time) = (0.0, Duration::ZERO);
    for (name, pages) in programs {
        bytes += f64::from(*pages) * 4096.0;
        call(cluster, name, "touch")?;
        time += until_touched(cluster, name)?;
    }
    found.read.push(read);
    found.touch.push(bytes / time.as_secs_f64());
    Ok(())
}

/// How long a program has touched its memory, by its own clock, when it has.
fn until_touched(cluster: &mut dyn Cluster, name: &str) -> Result<Duration, String> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        match call(cluster, name, "took")? {
            0 => std::thread::sleep(LOOK_EVERY),
            nanos => return Ok(Duration::from_nanos(nanos)),
        }
    }
    Err("the program did not touch its memory in time".to_owned())
}

/// What a function of a program returns.
pub(crate) fn call(cluster: &mut dyn Cluster, name: &str, function: &str) -> Result<u64, String> {
    let request = Request::Call {
        program: name.to_owned(),
        function: function.to_owned(),
        arguments: Vec::new(),
        inputs: Vec::new(),
        is_query: function == "took",
    };
    match cluster.ask(&request)? {
        Response::Returned { values, .. } => {
            let value = values.first().and_then(|value| value.parse().ok());
            value.ok_or_else(|| format!("expected a number, found {values:?}"))
        }
        other => Err(format!("expected the result of a call, found {other:?}")),
    }
}

fn tell(mib: u32, cache: Cache, found: &Found, report: &mut Report) {
    let name = format!("{mib} MiB, {}", cache.name());
    let ratios = found.touch.iter().zip(&found.read);
    let ratio = median(ratios.map(|(touch, read)| touch / read).collect());
    let commit = median(found.commit_ms.clone());
    let (touch, read) = (median(found.touch.clone()), median(found.read.clone()));
    let whole = commit + f64::from(mib) * 1_048_576.0 / touch * 1e3;
    let mut put = |what: &str, value: f64, unit: &str| {
        let name = format!("{name}: {what}");
        report.results.push(Outcome::new(&name, value, unit));
    };
    put("start to all of it touched", whole, "ms");
    put("touched in order", touch / 1e6, "MB/s");
    put("plain read", read / 1e6, "MB/s");
    let goal = |what: &str, value, goal, better| {
        let name = format!("{name}: {what}");
        Goal::new(&name, value, goal, better)
    };
    report.goals.push(goal(
        "start to the first commit, ms",
        commit,
        FIRST_COMMIT_GOAL_MS,
        Better::Lower,
    ));
    report.goals.push(goal(
        "touched in order, against the plain read",
        ratio,
        TOUCH_GOAL,
        Better::Higher,
    ));
}

/// The files of all stores below a directory, in order.
pub(crate) fn files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|end| end == "segment") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Has the system drop files from its memory.
fn forget(files: &[PathBuf]) -> std::io::Result<()> {
    for path in files {
        let file = File::open(path)?;
        // What is not written yet is not dropped.
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}

/// Reads files from end to end; bytes per second.
fn read_all(files: &[PathBuf]) -> std::io::Result<f64> {
    let mut buffer = vec![0; READ_BYTES];
    let (begin, mut bytes) = (Instant::now(), 0.0);
    for path in files {
        let mut file = File::open(path)?;
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            bytes += f64::from(u32::try_from(count).expect("a buffer is small"));
        }
    }
    Ok(bytes / begin.elapsed().as_secs_f64())
}
