//! Every repository task: `cargo xtask <task>`.
mod browser;
mod clients;
mod fuzz;
mod guests;
mod machines;
mod metal;
mod network;
mod run;
mod tidy;

use std::process::Command;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "xtask", about = "Repository tasks of Plurix")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Formatting, lints, house rules, licences, builds without std.
    Check,
    /// All tests: units, scenarios, a few hundred simulated clusters, end to end.
    Test,
    /// House rules only (part of `check`).
    Tidy,
    /// Simulated clusters under faults: `cargo xtask sim --seeds 10000`; with `--whole` of
    /// whole nodes: `cargo xtask sim --whole --seeds 1000`.
    #[command(disable_help_flag = true)]
    Sim {
        /// Options of the simulator; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// One crash in simulated clusters of up to 1000 nodes: `cargo xtask scale --nodes 100`.
    #[command(disable_help_flag = true)]
    Scale {
        /// Options of the simulator; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Models of the protocol: `cargo xtask model --large --only epoch`.
    #[command(disable_help_flag = true)]
    Model {
        /// Options of the models; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Fuzzes what decodes bytes from outside: `cargo xtask fuzz wire --minutes 10`.
    Fuzz(fuzz::Args),
    /// Tests of the machine below a node, in QEMU (part of `test`).
    Metal,
    /// Builds the guest modules from their sources.
    Guests(guests::Args),
}

/// What is built together. The model checker wants features of `serde` that nothing else
/// does; in one build with the rest it would have the WebAssembly compiler built again.
const SEPARATELY: [&[&str]; 2] = [&run::TOGETHER, &["-p", "model"]];

/// The program of the package that is built apart.
const MODEL: &str = "plurix-model";

/// A workspace of its own. What is checked and tested of it needs no fuzzer.
const FUZZ: &str = "fuzz/Cargo.toml";

fn main() -> Result<()> {
    guests::stand_in()?;
    match Args::parse().task {
        Task::Check => check(),
        Task::Test => test(),
        Task::Tidy => tidy::run(),
        Task::Sim { options } => simulate(&options),
        Task::Scale { options } => program("plurix-scale", &options),
        Task::Model { options } => program(MODEL, &options),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Metal => metal::test(),
        Task::Guests(args) => guests::run(&args),
    }
}

fn check() -> Result<()> {
    run::cargo(&["fmt", "--all", "--check"])?;
    run::cargo(&["fmt", "--check", "--manifest-path", FUZZ])?;
    tidy::run()?;
    run::cargo(&[
        "check",
        "--quiet",
        "--manifest-path",
        "xtask/no-std/Cargo.toml",
    ])?;
    for packages in SEPARATELY {
        let mut args = vec!["clippy", "--release", "--all-targets"];
        args.extend(packages);
        args.extend(["--", "-D", "warnings"]);
        run::cargo(&args)?;
    }
    // They are not among all targets.
    for test in ["network", "browser", "clients", "metal", "screen"] {
        let lints = run::e2e("clippy", test);
        run::cargo(&[&lints[..], &["--", "-D", "warnings"]].concat())?;
    }
    let targets = ["clippy", "--all-targets", "--manifest-path", FUZZ];
    run::cargo(&[&targets[..], &["--", "-D", "warnings"]].concat())?;
    metal::check()?;
    if run::is_installed("cargo-deny") {
        let deny = ["deny", "--all-features"];
        let what = ["check", "bans", "licenses", "sources"];
        run::cargo(&[&deny[..], &what].concat())?;
        run::cargo(&[&deny[..], &["--manifest-path", metal::MANIFEST], &what].concat())?;
    } else {
        run::say("cargo-deny is not installed: licences were checked by tidy, duplicates were not");
    }
    Ok(())
}

/// One profile for everything, so that the WebAssembly compiler is built once;
/// assertions of the product are on in release.
fn test() -> Result<()> {
    build("plurix")?;
    for packages in SEPARATELY {
        run::cargo(&[&["test", "--release"], packages].concat())?;
    }
    network::test()?;
    browser::test()?;
    clients::test()?;
    machines::test()?;
    metal::test()?;
    run::cargo(&["test", "--release", "--manifest-path", "guest/Cargo.toml"])?;
    run::cargo(&["test", "--manifest-path", FUZZ])?;
    guests::run(&guests::Args::check())?;
    simulate(&["--seeds", "300"].map(String::from))?;
    simulate(&["--whole", "--seeds", "60"].map(String::from))
}

/// Runs one of the two simulators: of the memory, or of whole nodes.
fn simulate(options: &[String]) -> Result<()> {
    let (whole, rest): (Vec<String>, Vec<String>) = options
        .iter()
        .cloned()
        .partition(|option| option == "--whole");
    match whole.is_empty() {
        true => program("plurix-sim", &rest),
        false => program("plurix-whole", &rest),
    }
}

/// Builds a program with the features that dependencies have for all packages together:
/// otherwise the WebAssembly compiler is built once for each choice of packages.
fn build(name: &str) -> Result<()> {
    let [together, apart] = SEPARATELY;
    let packages = if name == MODEL { apart } else { together };
    let line = [&["build", "--quiet", "--release", "--bin", name], packages];
    run::cargo(&line.concat())
}

/// Runs a program of this repository.
fn program(name: &str, options: &[String]) -> Result<()> {
    build(name)?;
    let path = run::root().join("target/release").join(name);
    run::command(Command::new(path).args(options))
}
