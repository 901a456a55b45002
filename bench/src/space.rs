//! How much a store writes for what a program changes, and how much room it takes for what is
//! live, in the steady state: while it is written and cleaned, and has been for so long that it
//! grows no more.
//!
//! *Live* are the newest stable versions of pages, with all that is on the disk for them alone:
//! their records, and their entries in footers. *On the disk* is what the store's files have,
//! as the system says. No snapshot is kept but the newest: what others keep is live, too.
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use admin::NodeInfo;
use types::Durability;

use crate::cluster::{Cluster, EpochsEnd, Plan, Start, run, status, until, until_full};
use crate::guests;
use crate::peers::{Load, begin_writing};
use crate::report::{Better, Goal, Outcome, Report};
use crate::restart::{files, shortage};
use crate::rounds::machine;
use crate::snapshot::BANK_ARGUMENTS;

/// If no sizes are asked for: the first for which there is room.
const SIZES_MIB: [u32; 4] = [1024, 512, 256, 64];
const PAGES_PER_MIB: u32 = 256;
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The log is looked at in stretches, each as long as what was on the disk at its beginning and
/// so long that something was given back. The steady state is there when the store has not
/// taken more in a stretch than so much of what it took in the one before.
const RISE_MAX: f64 = 1.02;
/// If it is not then, it is not known to become so.
const PATIENCE: Duration = Duration::from_mins(20);
/// On the disk, against what is live.
const SPACE_GOAL: f64 = 2.0;
const PAGE_BYTES: f64 = 4096.0;
/// What the programs change of most pages.
const WORD_BYTES: f64 = 8.0;

/// Measures the bank, and memories of these sizes of which 1 % is written per second; if none
/// is given, the largest for which there is room. `bank` is the module of transfers between
/// accounts.
///
/// # Errors
/// Why the clusters could not be measured.
pub fn space(start: Start<'_>, bank: &[u8], sizes_mib: &[u32]) -> Result<Report, String> {
    let mut report = Report {
        bench: "space".to_owned(),
        machine: machine(),
        results: Vec::new(),
        goals: Vec::new(),
        notes: vec!["one node; no snapshot is kept but the newest".to_owned()],
    };
    let mut cluster = cluster(start, 256)?;
    run(&mut *cluster, "bank", bank, &BANK_ARGUMENTS)?;
    tell("bank", &steady(&mut *cluster)?, &mut report);
    drop(cluster);
    let default = SIZES_MIB.into_iter().find(|&mib| shortage(mib).is_none());
    let default = [default.unwrap_or(SIZES_MIB[0])];
    let sizes_mib = if sizes_mib.is_empty() {
        &default
    } else {
        sizes_mib
    };
    for &mib in sizes_mib {
        if let Some(shortage) = shortage(mib) {
            report.notes.push(shortage);
            continue;
        }
        for contents in [Contents::Words, Contents::Noise] {
            let mut cluster = memory(start, mib, contents)?;
            let name = format!("{mib} MiB, {}, 1 % a second", contents.name());
            tell(&name, &steady(&mut *cluster)?, &mut report);
        }
    }
    Ok(report)
}

/// What is in the pages of a memory. A write changes a word in either case.
#[derive(Clone, Copy)]
enum Contents {
    /// A word each.
    Words,
    /// They are full of it.
    Noise,
}

impl Contents {
    fn name(self) -> &'static str {
        match self {
            Self::Words => "a word a page",
            Self::Noise => "full of noise",
        }
    }
}

fn cluster(start: Start<'_>, memory_mib: u32) -> Result<Box<dyn Cluster>, String> {
    start(Plan {
        nodes: 1,
        epoch_ms: 100,
        epochs_end: EpochsEnd::OnDemand,
        memory_mib,
        durability: Durability::Disk,
    })
}

/// A cluster with a memory that is full and stable, and written to.
fn memory(start: Start<'_>, mib: u32, contents: Contents) -> Result<Box<dyn Cluster>, String> {
    let load = Load { mib, percent: 1 };
    let pause = u32::try_from(load.pause().as_nanos()).map_err(|error| error.to_string())?;
    let pages = mib * PAGES_PER_MIB;
    let wasm = match contents {
        Contents::Words => guests::resident(pages, pause),
        Contents::Noise => guests::full(pages, pause),
    };
    let mut cluster = cluster(start, mib + 512)?;
    let process = run(&mut *cluster, "memory", &wasm, &[])?;
    until_full(&mut *cluster, process)?;
    if let Contents::Noise = contents {
        begin_writing(&mut *cluster, "memory")?;
    }
    let full = status(&mut *cluster)?.epoch;
    until(&mut *cluster, |status| status.stable >= full)?;
    Ok(cluster)
}

/// What a store has and has done at a moment, in bytes.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Seen {
    on_disk: f64,
    /// Of that, the segment that is written and the youngest before it.
    youngest: f64,
    live: f64,
    written: f64,
    /// Of that, by cleaning.
    cleaned: f64,
    /// Pages written, each once per epoch.
    pages: f64,
}

impl Seen {
    fn look(cluster: &mut dyn Cluster) -> Result<Self, String> {
        let nodes = status(cluster)?.nodes;
        let node = nodes.first().ok_or("expected a member, found none")?;
        let sizes = sizes(&cluster.directory()).map_err(|error| error.to_string())?;
        Ok(Self::new(node, &sizes))
    }

    /// `sizes`: of the store's files, in their order.
    fn new(node: &NodeInfo, sizes: &[u64]) -> Self {
        let youngest = &sizes[sizes.len().saturating_sub(2)..];
        Self {
            on_disk: float(sizes.iter().sum()),
            youngest: float(youngest.iter().sum()),
            live: float(node.bytes_live),
            written: float(node.bytes_stored),
            cleaned: float(node.bytes_cleaned),
            pages: float(node.frames_stored),
        }
    }

    fn factor(&self) -> f64 {
        self.on_disk / self.live
    }
}

/// Sizes of the files of the only store below this directory, in their order.
fn sizes(directory: &Path) -> std::io::Result<Vec<u64>> {
    let is_of_store = |path: &PathBuf| path.parent().is_some_and(|at| at.ends_with("store"));
    let of_store = files(directory)?.into_iter().filter(is_of_store);
    // One may just have been deleted.
    let sizes = of_store.filter_map(|path| path.metadata().ok());
    Ok(sizes.map(|metadata| metadata.len()).collect())
}

#[expect(clippy::cast_precision_loss, reason = "bytes of a benchmark")]
fn float(number: u64) -> f64 {
    number as f64
}

/// Waits for the steady state; all that was seen in its last stretch.
fn steady(cluster: &mut dyn Cluster) -> Result<Vec<Seen>, String> {
    until(cluster, |status| {
        status.nodes.iter().any(|node| node.bytes_live > 0)
    })?;
    let begin = Instant::now();
    let mut peaks: Vec<f64> = Vec::new();
    while begin.elapsed() < PATIENCE {
        let seen = stretch(cluster, begin)?;
        let peak = peak(&seen).factor();
        if peaks.last().is_some_and(|before| peak <= before * RISE_MAX) {
            return Ok(seen);
        }
        peaks.push(peak);
    }
    Err(format!(
        "expected the store to grow no more, found in stretches of the log that it takes \
         {peaks:.2?} times what is live"
    ))
}

/// Looks until the log is longer by what is on the disk now, and something was given back.
fn stretch(cluster: &mut dyn Cluster, begin: Instant) -> Result<Vec<Seen>, String> {
    let first = Seen::look(cluster)?;
    let mut seen = vec![first];
    let mut last = first;
    while last.written - first.written < first.on_disk || !has_given_back(&seen) {
        if begin.elapsed() > PATIENCE {
            return Err("expected the store to give space back in time".to_owned());
        }
        std::thread::sleep(LOOK_EVERY);
        last = Seen::look(cluster)?;
        seen.push(last);
    }
    Ok(seen)
}

/// Whether files were deleted.
fn has_given_back(seen: &[Seen]) -> bool {
    seen.windows(2).any(|two| two[1].on_disk < two[0].on_disk)
}

/// When the store took the most of what was live.
fn peak(seen: &[Seen]) -> Seen {
    let all = seen.iter().copied();
    let peak = all.max_by(|one, other| one.factor().total_cmp(&other.factor()));
    peak.expect("something was seen")
}

fn tell(load: &str, seen: &[Seen], report: &mut Report) {
    let peak = peak(seen);
    let (first, last) = (seen[0], seen[seen.len() - 1]);
    let written = last.written - first.written;
    let per_page = written / (last.pages - first.pages);
    let mut put = |what: &str, value: f64, unit: &str| {
        let name = format!("{load}: {what}");
        report.results.push(Outcome::new(&name, value, unit));
    };
    put("written per page and epoch", per_page, "bytes");
    put("written per byte changed", per_page / WORD_BYTES, "ratio");
    put(
        "written per byte of changed pages",
        per_page / PAGE_BYTES,
        "ratio",
    );
    put(
        "of these, by cleaning",
        (last.cleaned - first.cleaned) / written,
        "ratio",
    );
    put("live", peak.live / 1e6, "MB");
    put("on the disk at most", peak.on_disk / 1e6, "MB");
    let old = peak.on_disk - peak.youngest;
    put(
        "without the two youngest segments, against live",
        old / peak.live,
        "ratio",
    );
    let name = format!("{load}: on the disk at most, against live");
    let goal = Goal::new(&name, peak.factor(), SPACE_GOAL, Better::Lower);
    report.goals.push(goal);
}

#[cfg(test)]
mod tests {
    use super::{Seen, has_given_back, peak, tell};
    use crate::report::Report;

    /// Of a store that has 40 bytes live, writes 160 a page, and has three files of these
    /// sizes.
    fn seen(pages: u32, sizes: [u32; 3]) -> Seen {
        let [oldest, youngest, written] = sizes.map(f64::from);
        Seen {
            on_disk: oldest + youngest + written,
            youngest: youngest + written,
            live: 40.0,
            written: f64::from(pages) * 160.0,
            cleaned: f64::from(pages) * 40.0,
            pages: pages.into(),
        }
    }

    #[test]
    fn a_store_is_judged_by_the_most_that_it_took() {
        let mut report = Report {
            bench: "space".to_owned(),
            machine: String::new(),
            results: Vec::new(),
            goals: Vec::new(),
            notes: Vec::new(),
        };
        let all = [
            seen(7, [50, 10, 5]),
            seen(8, [60, 20, 10]),
            seen(9, [30, 20, 15]),
        ];
        tell("bank", &all, &mut report);
        let json = serde_json::to_value(&report).unwrap();
        let value = |name: &str| {
            let results = json["results"].as_array().unwrap();
            let result = results.iter().find(|result| result["name"] == name);
            result.unwrap_or_else(|| panic!("{name} in {json}"))["value"].clone()
        };
        assert_eq!(value("bank: written per page and epoch"), 160.0);
        assert_eq!(value("bank: written per byte changed"), 20.0);
        assert_eq!(value("bank: of these, by cleaning"), 0.25);
        let old = "bank: without the two youngest segments, against live";
        assert_eq!(value(old), 1.5);
        let goal = &json["goals"][0];
        assert_eq!(goal["name"], "bank: on the disk at most, against live");
        assert_eq!(goal["value"], 2.25);
        assert_eq!(goal["met"], false);
    }

    #[test]
    fn space_is_given_back_when_there_is_less_on_the_disk() {
        let (less, more) = (seen(1, [50, 10, 5]), seen(2, [50, 10, 6]));
        assert!(!has_given_back(&[less, more, more]));
        assert!(has_given_back(&[more, less]));
        assert_eq!(peak(&[less, more, less]), more);
    }
}
