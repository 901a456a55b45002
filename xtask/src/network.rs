//! Tests that break the network: in a network namespace of their own, where that can be made.
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::run;

/// Their programs and the Debian packages that have them.
const PROGRAMS: [(&str, &str); 2] = [("nft", "nftables"), ("ip", "iproute2")];
const TESTS: [&str; 6] = ["test", "--release", "-p", "e2e", "--test", "network"];

/// Runs them, or says why not.
pub(crate) fn test() -> Result<()> {
    run::cargo(&[&TESTS[..], &["--no-run"]].concat())?;
    install();
    if let Some(lack) = lack() {
        run::say(&format!("tests of broken networks: NOT run: {lack}"));
        return Ok(());
    }
    let mut command = unshare();
    run::command(command.arg(env!("CARGO")).args(TESTS).arg("--offline"))
}

/// Starts a program in a new namespace.
fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "--"]);
    command.env("PATH", run::search_path());
    command
}

/// Installs what is missing, where that is allowed.
fn install() {
    let missing = PROGRAMS.iter().filter(|(name, _)| !run::is_installed(name));
    let packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if packages.is_empty() || !run::is_installed("apt-get") {
        return;
    }
    // What does not work shows in what is missing afterwards.
    let _ = run::command(Command::new("apt-get").args(["update", "-qq"]));
    let options = ["install", "-qq", "--yes", "--no-install-recommends"];
    let mut command = Command::new("apt-get");
    let _ = run::command(command.args(options).args(packages));
}

/// What this machine lacks.
fn lack() -> Option<String> {
    for (program, package) in PROGRAMS {
        if !run::is_installed(program) {
            return Some(format!("{program} is missing: `apt-get install {package}`"));
        }
    }
    let mut namespace = unshare();
    let tried = namespace
        .args(["nft", "list", "ruleset"])
        .stderr(Stdio::null())
        .status();
    let is_there = tried.is_ok_and(|status| status.success());
    (!is_there).then(|| "this user can make no network namespace with a filter".to_owned())
}
