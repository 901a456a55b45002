//! What snapshots of one process cost, and how soon it goes on from one: of ours, and of other
//! systems that take snapshots of processes or of their own memory, in the same run. The
//! memories are full of noise, so nobody gains by compressing them.
//!
//! This crate starts no process: whoever calls it says what other systems there are.
use std::time::{Duration, Instant};

use types::Durability;

use crate::cluster::{Cluster, EpochsEnd, Plan, Start, run, status, until, until_full};
use crate::guests;
use crate::plot::{Line, Panel, svg};
use crate::report::{Better, Goal, Outcome, Report};
use crate::restart::call;
use crate::rounds::{machine, median};

const PERCENTS: [u32; 2] = [1, 10];
const SNAPSHOTS: usize = 3;
const PAGES_PER_MIB: u32 = 256;
/// For ours, which takes ten snapshots in a second.
const WINDOW: Duration = Duration::from_millis(2_000);
const PAUSE_GOAL_MS: f64 = 1.0;
/// Pauses in the largest memory against those in the smallest: measuring allows for some.
const GROWTH_GOAL: f64 = 2.0;
/// Against CRIU.
const RESTORE_GOAL: f64 = 0.5;
const OURS: &str = "plurix";
const CRIU: &str = "criu";

/// What a process does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Load {
    /// Its memory.
    pub mib: u32,
    /// How much of it is written per second.
    pub percent: u32,
}

impl Load {
    /// Time between two writes, each to a page.
    #[must_use]
    pub fn pause(self) -> Duration {
        let per_second = self.mib * PAGES_PER_MIB * self.percent / 100;
        Duration::from_secs(1) / per_second.max(1)
    }
}

/// A snapshot that was taken.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Snapshot {
    /// For how long the work stood still at most, as whoever works sees it.
    pub pause: Duration,
    /// Bytes written for it.
    pub bytes: f64,
}

/// A process of which snapshots are taken; it ends when this is dropped.
pub trait Subject {
    /// Takes one while it works.
    ///
    /// # Errors
    /// Why there is none.
    fn snapshot(&mut self) -> Result<Snapshot, String>;

    /// Kills it and has it go on from the last snapshot; how long that took until it did
    /// something again.
    ///
    /// # Errors
    /// Why it does not.
    fn restore(&mut self) -> Result<Duration, String>;
}

/// Another system.
pub struct System<'a> {
    /// Its name.
    pub name: &'a str,
    /// Starts a process with a load; or why there is no such system here.
    pub start: Result<StartSubject<'a>, String>,
}

impl std::fmt::Debug for System<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("System")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Starts a process with a load.
pub type StartSubject<'a> = Box<dyn Fn(Load) -> Result<Box<dyn Subject>, String> + 'a>;

/// One line of the result.
struct Row {
    system: String,
    load: Load,
    pause_ms: f64,
    bytes: f64,
    restore_ms: f64,
}

/// Measures memories of these sizes; gives a plot, too.
///
/// # Errors
/// Why ours could not be measured. What goes wrong with another system is noted.
pub fn peers_snapshot(
    start: Start<'_>,
    others: &[System<'_>],
    sizes_mib: &[u32],
) -> Result<(Report, String), String> {
    let mut report = Report {
        bench: "peers-snapshot".to_owned(),
        machine: machine(),
        results: Vec::new(),
        goals: Vec::new(),
        notes: Vec::new(),
    };
    let mut rows = Vec::new();
    let mut own_pauses = Vec::new();
    for &mib in sizes_mib {
        for percent in PERCENTS {
            let load = Load { mib, percent };
            let mut ours = Ours::start(start, load)?;
            rows.push(measure(OURS, load, &mut ours)?);
            own_pauses.push((load, ours.own_pause_ms));
            drop(ours);
            for other in others {
                let Ok(start) = &other.start else { continue };
                let found = start(load).and_then(|mut one| measure(other.name, load, &mut *one));
                match found {
                    Ok(row) => rows.push(row),
                    Err(why) => report
                        .notes
                        .push(format!("{}, {mib} MiB, {percent} %: {why}", other.name)),
                }
            }
        }
    }
    for other in others {
        if let Err(why) = &other.start {
            report.notes.push(format!("{} left out: {why}", other.name));
        }
    }
    tell(&rows, &own_pauses, &mut report);
    let plot = plot(&rows);
    Ok((report, plot))
}

fn measure(system: &str, load: Load, subject: &mut dyn Subject) -> Result<Row, String> {
    let mut taken = Vec::new();
    for _ in 0..SNAPSHOTS {
        taken.push(subject.snapshot()?);
    }
    let pauses = taken.iter().map(|one| one.pause.as_secs_f64() * 1e3);
    let restore = subject.restore()?;
    Ok(Row {
        system: system.to_owned(),
        load,
        pause_ms: pauses.fold(0.0, f64::max),
        bytes: median(taken.iter().map(|one| one.bytes).collect()),
        restore_ms: restore.as_secs_f64() * 1e3,
    })
}

fn tell(rows: &[Row], own_pauses: &[(Load, f64)], report: &mut Report) {
    for row in rows {
        let Load { mib, percent } = row.load;
        let name = format!("{}, {mib} MiB, {percent} % a second", row.system);
        let mut put = |what: &str, value: f64, unit: &str| {
            let name = format!("{name}: {what}");
            report.results.push(Outcome::new(&name, value, unit));
        };
        put("longest pause", row.pause_ms, "ms");
        put("written per snapshot", row.bytes / 1e6, "MB");
        put("restore to first progress", row.restore_ms, "ms");
    }
    for (load, pause) in own_pauses {
        let name = format!(
            "{} MiB, {} % a second: longest pause for snapshots, ms",
            load.mib, load.percent
        );
        let goal = Goal::new(&name, *pause, PAUSE_GOAL_MS, Better::Lower);
        report.goals.push(goal);
    }
    for percent in PERCENTS {
        let of: Vec<f64> = own_pauses
            .iter()
            .filter(|(load, _)| load.percent == percent)
            .map(|(_, pause)| *pause)
            .collect();
        if let [first, .., last] = of[..] {
            let name = format!("{percent} % a second: that of the largest against the smallest");
            let goal = Goal::new(&name, last / first, GROWTH_GOAL, Better::Lower);
            report.goals.push(goal);
        }
    }
    let largest = rows.iter().map(|row| row.load.mib).max();
    let of = |system: &str| {
        let found = rows
            .iter()
            .filter(|row| row.system == system && Some(row.load.mib) == largest);
        let found: Vec<f64> = found.map(|row| row.restore_ms).collect();
        (!found.is_empty()).then(|| median(found))
    };
    if let (Some(ours), Some(criu), Some(mib)) = (of(OURS), of(CRIU), largest) {
        let name = format!("{mib} MiB: restore to first progress, against CRIU");
        let goal = Goal::new(&name, ours / criu, RESTORE_GOAL, Better::Lower);
        report.goals.push(goal);
    }
}

fn plot(rows: &[Row]) -> String {
    let panel = |title: &str, value: fn(&Row) -> f64| {
        let mut lines: Vec<Line> = Vec::new();
        for row in rows {
            let name = format!("{}, {} %", row.system, row.load.percent);
            let point = (f64::from(row.load.mib), value(row));
            match lines.iter_mut().find(|line| line.name == name) {
                Some(line) => line.points.push(point),
                None => lines.push(Line {
                    name,
                    points: vec![point],
                }),
            }
        }
        Panel {
            title: title.to_owned(),
            x: "MiB".to_owned(),
            lines,
        }
    };
    svg(&[
        panel("longest pause, ms", |row| row.pause_ms),
        panel("written per snapshot, MB", |row| row.bytes / 1e6),
        panel("restore to first progress, ms", |row| row.restore_ms),
    ])
}

/// Has a program that is full begin to write at its pace: until it has touched its memory,
/// there is noise where its clock is.
pub(crate) fn begin_writing(cluster: &mut dyn Cluster, name: &str) -> Result<(), String> {
    call(cluster, name, "touch")?;
    while call(cluster, name, "took")? == 0 {}
    call(cluster, name, "gap")?;
    Ok(())
}

/// A cluster of one node, which takes a snapshot every 100 ms.
struct Ours {
    cluster: Box<dyn Cluster>,
    /// Longest pause for a snapshot, as the node itself counts it.
    own_pause_ms: f64,
}

impl Ours {
    fn start(start: Start<'_>, load: Load) -> Result<Self, String> {
        let mut cluster = start(Plan {
            nodes: 1,
            epoch_ms: 100,
            epochs_end: EpochsEnd::OnDemand,
            memory_mib: load.mib + 512,
            durability: Durability::Disk,
        })?;
        let pause = u32::try_from(load.pause().as_nanos()).map_err(|error| error.to_string())?;
        let wasm = guests::full(load.mib * PAGES_PER_MIB, pause);
        let process = run(&mut *cluster, OURS, &wasm, &[])?;
        until_full(&mut *cluster, process)?;
        let full = status(&mut *cluster)?.epoch;
        until(&mut *cluster, |status| status.stable >= full)?;
        // So that what it counts is not that of the filling.
        cluster.stop();
        cluster.restart()?;
        until(&mut *cluster, |status| status.start_us > 0)?;
        begin_writing(&mut *cluster, OURS)?;
        Ok(Self {
            cluster,
            own_pause_ms: 0.0,
        })
    }
}

impl Subject for Ours {
    fn snapshot(&mut self) -> Result<Snapshot, String> {
        let cluster = &mut *self.cluster;
        call(cluster, OURS, "gap")?;
        let before = status(cluster)?;
        std::thread::sleep(WINDOW);
        let after = status(cluster)?;
        let pause = Duration::from_nanos(call(cluster, OURS, "gap")?);
        let count = after.snapshots.saturating_sub(before.snapshots).max(1);
        let bytes = after.bytes_stored.saturating_sub(before.bytes_stored) / count;
        let float = |number: u64| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
        self.own_pause_ms = float(after.pause_us_max) / 1e3;
        let bytes = float(bytes);
        Ok(Snapshot { pause, bytes })
    }

    fn restore(&mut self) -> Result<Duration, String> {
        self.cluster.kill(1);
        let begin = Instant::now();
        self.cluster.restart()?;
        until(&mut *self.cluster, |status| status.start_us > 0)?;
        Ok(begin.elapsed())
    }
}
