//! Other systems, those that are installed: what takes snapshots, for
//! `plurix bench peers-snapshot`, and what is asked by redis-benchmark, for `plurix bench resp`.
mod criu;
mod dmtcp;
mod native;
mod redis;
pub(crate) mod redis_benchmark;
mod redis_server;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) use native::be_native;

/// All of them, installed or not.
pub(crate) fn systems() -> Vec<bench::System<'static>> {
    vec![
        bench::System {
            name: "criu",
            start: criu::find().map(|()| criu::start()),
        },
        bench::System {
            name: "redis",
            start: redis::find().map(|()| redis::start()),
        },
        bench::System {
            name: "dmtcp",
            start: dmtcp::find().map(|()| dmtcp::start()),
        },
    ]
}

/// Why a command of the system cannot be used, if it cannot.
fn is_there(name: &str) -> Result<(), String> {
    let found = Command::new(name).arg("--version").output();
    let is_there = found.is_ok_and(|found| found.status.success());
    is_there
        .then_some(())
        .ok_or_else(|| format!("there is no `{name}` on PATH"))
}

/// Runs a command of the system to its end; what it says. If it fails, what it says last is what
/// went wrong.
fn run(command: &mut Command) -> Result<String, String> {
    let found = command.output().map_err(|error| error.to_string())?;
    if found.status.success() {
        return Ok(String::from_utf8_lossy(&found.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&found.stderr);
    let why = said.lines().last().unwrap_or("it says nothing");
    Err(format!("{command:?} fails: {}", why.trim()))
}

/// A directory of one subject; it goes when this is dropped.
#[derive(Debug)]
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("plurix-bench-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).map_err(|error| error.to_string())?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed is the system's to clean.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn bytes_in(directory: &Path) -> f64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let lengths = entries.filter_map(|entry| Some(entry.metadata().ok()?.len()));
    lengths.map(float).sum()
}

fn float(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX))
}
