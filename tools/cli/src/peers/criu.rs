//! CRIU: a process is frozen, and everything that it has is written to files.
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use bench::{Load, Snapshot, StartSubject, Subject};
use linux::process::{Signal, signal};

use super::Place;
use super::native::{Said, arguments, said, said_until};

/// So long it works between two snapshots.
const WORK_TIME: Duration = Duration::from_millis(500);

/// Why it cannot be measured, if it cannot.
pub(super) fn find() -> Result<(), String> {
    super::is_there("criu")?;
    super::run(Command::new("criu").arg("check")).map(drop)
}

pub(super) fn start() -> StartSubject<'static> {
    Box::new(|load| Ok(Box::new(Frozen::start(load)?)))
}

/// A process that is frozen now and then.
struct Frozen {
    pid: u32,
    child: Option<Child>,
    place: Place,
    images: u32,
}

impl Frozen {
    fn start(load: Load) -> Result<Self, String> {
        let place = Place::new("criu")?;
        // In a session of its own: CRIU wants whole ones.
        let child = Command::new("setsid")
            .args(arguments(place.path(), load)?)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("start the process: {error}"))?;
        let one = Self {
            pid: child.id(),
            child: Some(child),
            place,
            images: 0,
        };
        one.until(|said| said.turns > 1)?;
        Ok(one)
    }

    fn until(&self, is_enough: impl Fn(Said) -> bool) -> Result<Said, String> {
        said_until(self.place.path(), is_enough)
    }

    fn images(&self) -> PathBuf {
        self.place.path().join(format!("images-{}", self.images))
    }

    fn criu(&self, arguments: &[&str]) -> Result<(), String> {
        let mut command = Command::new("criu");
        let images = self.images();
        let command = command.args(arguments).arg("--images-dir").arg(images);
        super::run(command).map(drop)
    }
}

impl Subject for Frozen {
    fn snapshot(&mut self) -> Result<Snapshot, String> {
        thread::sleep(WORK_TIME);
        let _ = std::fs::remove_dir_all(self.images());
        self.images += 1;
        std::fs::create_dir_all(self.images()).map_err(|error| error.to_string())?;
        self.criu(&["dump", "--tree", &self.pid.to_string(), "--leave-running"])?;
        let turns = said(self.place.path()).map_or(0, |said| said.turns);
        let said = self.until(|said| said.turns > turns)?;
        Ok(Snapshot {
            pause: said.gap,
            bytes: super::bytes_in(&self.images()),
        })
    }

    fn restore(&mut self) -> Result<Duration, String> {
        signal(self.pid, Signal::Kill).map_err(|error| error.to_string())?;
        if let Some(mut child) = self.child.take() {
            child.wait().map_err(|error| error.to_string())?;
        }
        // It goes on from an earlier number of turns, so any other is progress.
        let last = said(self.place.path());
        let begin = Instant::now();
        self.criu(&["restore", "--restore-detached"])?;
        self.until(|said| Some(said) != last)?;
        Ok(begin.elapsed())
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = signal(self.pid, Signal::Kill);
        if let Some(child) = &mut self.child {
            let _ = child.wait();
        }
    }
}
