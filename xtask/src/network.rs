//! Tests that break the network: in a network namespace of their own, where that can be made.
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::run;

/// Their programs and the Debian packages that have them.
const PROGRAMS: [run::Program; 2] = [("nft", "nftables"), ("ip", "iproute2")];

/// Runs them, or says why not.
pub(crate) fn test() -> Result<()> {
    let tests = run::e2e("test", "network");
    run::cargo(&[&tests[..], &["--no-run"]].concat())?;
    run::install(&PROGRAMS);
    if let Some(lack) = lack() {
        run::say(&format!("tests of broken networks: NOT run: {lack}"));
        return Ok(());
    }
    let mut command = unshare();
    run::command(command.arg(env!("CARGO")).args(tests).arg("--offline"))
}

/// Starts a program in a new namespace.
fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "--"]);
    command.env("PATH", run::search_path());
    command
}

/// What this machine lacks.
fn lack() -> Option<String> {
    if let Some(lack) = run::lack(&PROGRAMS) {
        return Some(lack);
    }
    let mut namespace = unshare();
    let tried = namespace
        .args(["nft", "list", "ruleset"])
        .stderr(Stdio::null())
        .status();
    let is_there = tried.is_ok_and(|status| status.success());
    (!is_there).then(|| "this user can make no network namespace with a filter".to_owned())
}
