//! A process with a memory full of noise that writes to it, of which others take snapshots. It
//! says what it does in a file of constant length: how often it has been at work, and for how
//! long it was not at most.
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use bench::Load;
use types::Prng;

use crate::error::Error;

const PAGE: usize = 4096;
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_micros(500);
/// How often it says how it is.
const SAY_EVERY: Duration = Duration::from_millis(1);

/// What it has said last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Said {
    /// Turns of its loop.
    pub(super) turns: u64,
    /// The longest time between two turns.
    pub(super) gap: Duration,
}

/// Where it says that.
pub(super) fn file(directory: &Path) -> PathBuf {
    directory.join("said")
}

pub(super) fn said(directory: &Path) -> Option<Said> {
    let bytes = std::fs::read(file(directory)).ok()?;
    let word = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    Some(Said {
        turns: word(0)?,
        gap: Duration::from_nanos(word(8)?),
    })
}

/// What it has said when that is enough, which it soon is.
pub(super) fn said_until(
    directory: &Path,
    is_enough: impl Fn(Said) -> bool,
) -> Result<Said, String> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if let Some(said) = said(directory).filter(|said| is_enough(*said)) {
            return Ok(said);
        }
        thread::sleep(LOOK_EVERY);
    }
    Err("the process does nothing".to_owned())
}

/// What makes this program be the process.
pub(super) fn arguments(directory: &Path, load: Load) -> Result<Vec<OsString>, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut all = vec![program.into_os_string()];
    all.extend(["bench", "native-peer", "--peer-of"].map(OsString::from));
    all.push(described(directory, load).into());
    Ok(all)
}

/// What the process is told: directory, size, share.
fn described(directory: &Path, load: Load) -> String {
    format!("{}:{}:{}", directory.display(), load.mib, load.percent)
}

/// Is this process, until it is killed.
pub(crate) fn be_native(described: &str) -> Result<(), Error> {
    let wrong = || Error::usage(format!("expected DIRECTORY:MIB:PERCENT, found {described}"));
    let mut words = described.rsplitn(3, ':');
    let mut number = || words.next()?.parse().ok();
    let (percent, mib) = (number().ok_or_else(wrong)?, number().ok_or_else(wrong)?);
    let directory = words.next().ok_or_else(wrong)?;
    let failed = |error: std::io::Error| Error::config(format!("write to {directory}: {error}"));
    let file = File::create(file(Path::new(directory))).map_err(failed)?;
    work(Load { mib, percent }, &file).map_err(failed)
}

fn work(load: Load, file: &File) -> std::io::Result<()> {
    let mut prng = Prng::new(1);
    let words = load.mib as usize * ((1 << 20) / 8);
    let mut memory: Vec<u64> = (0..words).map(|_| prng.next_u64()).collect();
    let pages = (words * 8 / PAGE) as u64;
    let (mut turns, mut gap) = (0_u64, Duration::ZERO);
    let begin = Instant::now();
    let (mut last, mut next_write, mut next_said) = (begin, begin, begin);
    loop {
        let now = Instant::now();
        gap = gap.max(now - last);
        last = now;
        turns += 1;
        if now >= next_write {
            next_write += load.pause();
            let page = usize::try_from(prng.below(pages)).expect("a page of the memory");
            memory[page * (PAGE / 8) + 16] = prng.next_u64();
        }
        if now >= next_said {
            next_said = now + SAY_EVERY;
            let nanos = u64::try_from(gap.as_nanos()).unwrap_or(u64::MAX);
            file.write_all_at(&[turns.to_le_bytes(), nanos.to_le_bytes()].concat(), 0)?;
        }
    }
}
