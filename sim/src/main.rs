//! Simulated clusters under faults, from the command line.
#![expect(
    clippy::print_stdout,
    reason = "a command line tool speaks to its user"
)]
use std::process::ExitCode;

use clap::Parser;
use sim::{Failure, FaultKind, Faults, Options, Plant, Recovery, Report};

/// Runs simulated clusters under faults and judges what happened.
#[derive(Parser, Debug)]
#[command(name = "plurix-sim")]
struct Args {
    /// How many seeds [default: 300, or 1 if --seed is given].
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Number of nodes at the start [default: the seed's choice].
    #[arg(long)]
    nodes: Option<usize>,
    /// Faults of one kind only: pause, hold, reset or slow-disk [default: the seed's choice].
    #[arg(long)]
    faults: Option<FaultKind>,
    /// Put a fault into the memory to see that it is noticed.
    #[arg(long)]
    plant: Option<Plant>,
    /// Tell every run and, of a failure, every event.
    #[arg(long)]
    verbose: bool,
}

/// What all runs together have shown.
#[derive(Default, Debug)]
struct Total {
    runs: u64,
    failures: u64,
    commits: u64,
    undone: u64,
    views: u64,
    losses_max: u64,
    faults: Faults,
    recovery: Recovery,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let default_count = if args.seed.is_some() { 1 } else { 300 };
    let count = args.seeds.unwrap_or(default_count);
    let first = args.seed.unwrap_or(0);
    let mut options = Options {
        nodes: args.nodes,
        plant: args.plant,
        faults: args.faults,
        ..Options::default()
    };
    if args.verbose {
        options.events_kept = 100_000;
    }
    let mut total = Total::default();
    for seed in first..first.saturating_add(count) {
        total.runs += 1;
        match sim::run(seed, &options) {
            Ok(report) => total.add(&report, &args),
            Err(failure) => total.fail(&failure),
        }
    }
    println!(
        "{} runs from seed {first}: {} failed; {} commits, {} undone in {} fallbacks, \
         a transaction lost {} conflicts at most",
        total.runs, total.failures, total.commits, total.undone, total.views, total.losses_max
    );
    println!("{}", total.faults);
    println!("{}", total.recovery);
    if total.failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

impl Total {
    fn add(&mut self, report: &Report, args: &Args) {
        self.commits += report.commits;
        self.undone += report.undone;
        self.views += report.views - 1;
        self.faults.add(&report.faults);
        self.recovery.add(&report.recovery);
        self.losses_max = self.losses_max.max(report.losses_max);
        if args.verbose {
            report
                .last_events
                .iter()
                .for_each(|event| println!("  {event}"));
            println!(
                "seed {}: digest {:016x}, {} events, {} attempts, {} commits, {} undone, \
                 {} views, {} losses at most; {}",
                report.seed,
                report.digest,
                report.events,
                report.attempts,
                report.commits,
                report.undone,
                report.views,
                report.losses_max,
                report.faults
            );
        }
    }

    fn fail(&mut self, failure: &Failure) {
        self.failures += 1;
        println!("seed {}: violated: {failure}", failure.seed);
        println!("  scenario: {}", failure.scenario);
        for event in &failure.last_events {
            println!("  {event}");
        }
        println!("  reproduce: {}", failure.command);
    }
}
