//! Runs other programs, showing what is run.
#![expect(
    clippy::print_stderr,
    reason = "a task speaks to the person who started it"
)]
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .expect("xtask lies in the repository's root")
        .to_path_buf()
}

/// Runs cargo with these arguments in the root; fails if it fails.
pub(crate) fn cargo(args: &[&str]) -> Result<()> {
    command(Command::new(env!("CARGO")).args(args))
}

/// All packages that are built with the same features of what they depend on.
pub(crate) const TOGETHER: [&str; 3] = ["--workspace", "--exclude", "model"];

/// What cargo is told about one test of whole clusters. All packages are named, so that what
/// they depend on has the features that it has for all, and is not built again.
pub(crate) fn e2e(verb: &'static str, test: &'static str) -> [&'static str; 7] {
    [
        verb,
        "--release",
        "--workspace",
        "--exclude",
        "model",
        "--test",
        test,
    ]
}

/// Runs a command in the root; fails if it fails.
pub(crate) fn command(command: &mut Command) -> Result<()> {
    say(&format!("{command:?}").replace('"', ""));
    let status = command
        .current_dir(root())
        .status()
        .context("start the command")?;
    if !status.success() {
        bail!("the command failed: {status}");
    }
    Ok(())
}

/// Where programs are, those included for which only administrators look.
pub(crate) fn search_path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    env::join_paths(folders).expect("they were taken from a path")
}

/// Whether there is a program of this name.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = search_path();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A program and the Debian package that has it.
pub(crate) type Program = (&'static str, &'static str);

/// Installs what is missing of these, where that is allowed.
pub(crate) fn install(programs: &[Program]) {
    let missing = programs.iter().filter(|(name, _)| !is_installed(name));
    let packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if packages.is_empty() || !is_installed("apt-get") {
        return;
    }
    // What does not work shows in what is missing afterwards.
    let _ = command(Command::new("apt-get").args(["update", "-qq"]));
    let options = ["install", "-qq", "--yes", "--no-install-recommends"];
    let mut apt = Command::new("apt-get");
    let _ = command(apt.args(options).args(packages));
}

/// Installs what is missing and does it, or says why not.
pub(crate) fn with(
    what: &str,
    programs: &[Program],
    action: impl FnOnce() -> Result<()>,
) -> Result<()> {
    install(programs);
    match lack(programs) {
        Some(lack) => {
            say(&format!("{what}: NOT run: {lack}"));
            Ok(())
        }
        None => action(),
    }
}

/// The first of these that is missing, and what to do about it.
pub(crate) fn lack(programs: &[Program]) -> Option<String> {
    let missing = programs.iter().find(|(name, _)| !is_installed(name));
    missing.map(|(name, package)| format!("{name} is missing: `apt-get install {package}`"))
}

pub(crate) fn say(line: &str) {
    eprintln!("xtask: {line}");
}
