//! Runs the models by command: `cargo xtask model --help`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_types,
    reason = "a command speaks to the person who started it, and says how long it took"
)]
use std::process::ExitCode;
use std::time::{Duration, Instant};

use model::check::{self, Report, Set};

const HELP: &str = "\
Checks the models of the protocol.

  --large        the large configurations, too (some minutes each, some GB of memory)
  --only NAME    only models, configurations and planted bugs whose names contain NAME
  --list         names only";

fn main() -> ExitCode {
    let mut set = Set::Small;
    let mut only = String::new();
    let mut lists = false;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--large" => set = Set::Large,
            "--list" => lists = true,
            "--only" => only = args.next().unwrap_or_default(),
            _ => {
                println!("{HELP}");
                return ExitCode::from(u8::from(arg != "--help"));
            }
        }
    }
    let mut all_expected = true;
    for run in check::runs(set).filter(|run| run.name().contains(&only)) {
        if lists {
            println!("{}", run.name());
            continue;
        }
        let begin = Instant::now();
        let report = run.check();
        let is_expected = run.is_expected(&report);
        print(&run.name(), &report, begin.elapsed(), is_expected);
        all_expected &= is_expected;
    }
    ExitCode::from(u8::from(!all_expected))
}

fn print(name: &str, report: &Report, time: Duration, is_expected: bool) {
    let verdict = if is_expected { "as expected" } else { "WRONG" };
    let how = if report.is_complete { "" } else { ", cut off" };
    println!(
        "{name}\n    {} states, {} steps, depth {}, {:.1} s{how}: {verdict}",
        report.states,
        report.steps,
        report.depth,
        time.as_secs_f64(),
    );
    for property in &report.held {
        println!("      holds   {property}");
    }
    for (property, trace) in &report.broken {
        match trace.as_slice() {
            [what] => println!("      broken  {property}: {what}"),
            _ => println!("      broken  {property}, after {} steps", trace.len()),
        }
        if !is_expected {
            trace
                .iter()
                .for_each(|step| println!("                {step}"));
        }
    }
}
