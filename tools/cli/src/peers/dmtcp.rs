//! DMTCP: a library in the process stops its threads and writes what it has to a file.
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use bench::{Load, Snapshot, StartSubject, Subject};

use super::Place;
use super::native::{Said, arguments, said, said_until};

/// So long it works between two snapshots.
const WORK_TIME: Duration = Duration::from_millis(500);

/// Why it cannot be measured, if it cannot.
pub(super) fn find() -> Result<(), String> {
    super::is_there("dmtcp_launch")
}

pub(super) fn start() -> StartSubject<'static> {
    Box::new(|load| Ok(Box::new(Checkpointed::start(load)?)))
}

/// A process with the library in it, and a coordinator of its own.
struct Checkpointed {
    process: Child,
    place: Place,
}

impl Checkpointed {
    fn start(load: Load) -> Result<Self, String> {
        let place = Place::new("dmtcp")?;
        let images = images(&place);
        std::fs::create_dir_all(&images).map_err(|error| error.to_string())?;
        let process = begin("dmtcp_launch", &place)
            .args(arguments(place.path(), load)?)
            .spawn()
            .map_err(|error| format!("start the process: {error}"))?;
        let one = Self { process, place };
        one.until(|said| said.turns > 1)?;
        Ok(one)
    }

    fn until(&self, is_enough: impl Fn(Said) -> bool) -> Result<Said, String> {
        said_until(self.place.path(), is_enough)
    }

    /// Has the coordinator do something, and waits until it has.
    fn order(&self, order: &str) -> Result<(), String> {
        let port = std::fs::read_to_string(port_file(&self.place));
        let port = port.map_err(|error| format!("read the coordinator's port: {error}"))?;
        let mut command = Command::new("dmtcp_command");
        super::run(command.args(["--coord-port", port.trim(), order])).map(drop)
    }

    fn end(&mut self) {
        // Whatever has ended already is not asked twice.
        let _ = self.order("--quit");
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A command of the system that begins with a coordinator of its own.
fn begin(command: &str, place: &Place) -> Command {
    let mut command = Command::new(command);
    command
        .args(["--new-coordinator", "--coord-port", "0", "--port-file"])
        .arg(port_file(place))
        .arg("--ckptdir")
        .arg(images(place))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // The memory is noise: to compress it would be time lost.
    command.env("DMTCP_GZIP", "0");
    command
}

fn images(place: &Place) -> PathBuf {
    place.path().join("images")
}

fn port_file(place: &Place) -> PathBuf {
    place.path().join("port")
}

impl Subject for Checkpointed {
    fn snapshot(&mut self) -> Result<Snapshot, String> {
        thread::sleep(WORK_TIME);
        self.order("--bcheckpoint")?;
        let turns = said(self.place.path()).map_or(0, |said| said.turns);
        let said = self.until(|said| said.turns > turns)?;
        Ok(Snapshot {
            pause: said.gap,
            bytes: super::bytes_in(&images(&self.place)),
        })
    }

    fn restore(&mut self) -> Result<Duration, String> {
        self.end();
        let entries = std::fs::read_dir(images(&self.place)).map_err(|error| error.to_string())?;
        let mut paths = entries.flatten().map(|entry| entry.path());
        let image = paths
            .find(|path| path.extension().is_some_and(|end| end == "dmtcp"))
            .ok_or("expected an image of the process, found none")?;
        // It goes on from an earlier number of turns, so any other is progress.
        let last = said(self.place.path());
        let begun = Instant::now();
        self.process = begin("dmtcp_restart", &self.place)
            .arg(image)
            .spawn()
            .map_err(|error| format!("start the process again: {error}"))?;
        self.until(|said| Some(said) != last)?;
        Ok(begun.elapsed())
    }
}

impl Drop for Checkpointed {
    fn drop(&mut self) {
        self.end();
    }
}
