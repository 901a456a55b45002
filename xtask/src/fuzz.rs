//! Fuzzes what decodes bytes from outside: builds `fuzz/` with instrumentation and runs its
//! targets one after the other.
//!
//! The flags are those with which the compiler counts edges and shows comparisons to
//! libFuzzer; none needs a nightly compiler. There is no address sanitizer, which does: the
//! decoders have no `unsafe`.
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use self::report::Report;
use crate::run::{command, is_installed, root, say};

/// Only the product gets the flags, not what builds it: so the machine must be named.
const MACHINE: &str = "x86_64-unknown-linux-gnu";
const FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
/// More than any input needs that is not a fault.
const MEMORY_MIB_MAX: u32 = 1024;
const INPUT_SECONDS_MAX: u32 = 10;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// One target instead of all: the name of a file in `fuzz/src/targets`.
    target: Option<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
    /// Runs the target once, with this input, and shows what comes of it.
    #[arg(long, requires = "target")]
    input: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let all = targets()?;
    let wanted = match &args.target {
        Some(target) if all.contains(target) => vec![target.clone()],
        Some(target) => bail!("no target `{target}`: there are {}", all.join(", ")),
        None => all,
    };
    let program = build()?;
    if let Some(input) = &args.input {
        return repeat(&program, &wanted[0], input);
    }
    let mut failed = Vec::new();
    for target in wanted {
        let report = fuzz(&program, &target, args.minutes)?;
        say(&format!("fuzz {target}: {report}"));
        if let Some(input) = &report.input {
            say(&format!("fuzz {target}: FAILED: {}", report.why));
            let input = input.display();
            say(&format!(
                "repeat it: cargo xtask fuzz {target} --input {input}"
            ));
            failed.push(target);
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

/// The names of the targets: there is a file for each.
fn targets() -> Result<Vec<String>> {
    let files = fs::read_dir(root().join("fuzz/src/targets")).context("list the targets")?;
    let mut names = Vec::new();
    for file in files {
        let path = file.context("list the targets")?.path();
        let name = path.file_stem().unwrap_or_default();
        names.push(name.to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Builds the program that has all targets; returns where it is.
fn build() -> Result<PathBuf> {
    if !is_installed("c++") {
        bail!("no C++ compiler, which libFuzzer needs: on Debian `apt-get install g++`");
    }
    let folder = folder();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--locked", "--features", "libfuzzer"]);
    cargo.args(["--target", MACHINE, "--manifest-path", "fuzz/Cargo.toml"]);
    cargo.arg("--target-dir").arg(&folder);
    cargo
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"));
    command(&mut cargo).context("build the targets")?;
    Ok(folder.join(MACHINE).join("release/fuzz"))
}

/// Where everything is that fuzzing leaves behind.
fn folder() -> PathBuf {
    root().join("target/fuzz")
}

fn program(program: &Path, target: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env("PLURIX_FUZZ_TARGET", target)
        .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"));
    command
}

fn repeat(binary: &Path, target: &str, input: &Path) -> Result<()> {
    let input = std::path::absolute(input).context("find the input")?;
    let mut program = program(binary, target);
    command(program.env("RUST_BACKTRACE", "1").arg(input))
}

/// Runs a target. What it has found out earlier is where it begins.
fn fuzz(binary: &Path, target: &str, minutes: u64) -> Result<Report> {
    let corpus = folder().join("corpus").join(target);
    let findings = folder().join("findings").join(target);
    for folder in [&corpus, &findings] {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    let log = folder().join(format!("{target}.log"));
    let output = fs::File::create(&log).with_context(|| format!("create {}", log.display()))?;
    let status = program(binary, target)
        .env("PLURIX_FUZZ_SEEDS", &corpus)
        .arg(format!("-max_total_time={}", 60 * minutes))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .arg("-print_final_stats=1")
        .arg(&corpus)
        .stderr(output)
        .status()
        .context("start the target")?;
    let log = fs::read(&log).with_context(|| format!("read {}", log.display()))?;
    let mut report = Report::read(&String::from_utf8_lossy(&log));
    if status.success() {
        // It may have written an input that was only slow.
        report.input = None;
    } else {
        let said = report.input.is_some();
        ensure!(said, "no input: see target/fuzz/{target}.log");
    }
    Ok(report)
}
