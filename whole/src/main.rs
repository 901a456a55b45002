//! Whole nodes under virtual time, from the command line.
#![expect(
    clippy::print_stdout,
    reason = "a command line tool speaks to its user"
)]
use std::process::ExitCode;

use clap::Parser;
use types::Duration;
use whole::{Counts, FaultKind, Options, Plant, Report, Tell};

/// Runs clusters of whole nodes under virtual time and faults, and judges what happened.
#[derive(Parser, Debug)]
#[command(name = "plurix-whole")]
struct Args {
    /// How many seeds [default: 20, or 1 if --seed is given].
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Number of nodes at the start [default: the seed's choice].
    #[arg(long)]
    nodes: Option<usize>,
    /// Faults of one kind only [default: the seed's choice].
    #[arg(long)]
    faults: Option<FaultKind>,
    /// Put a bug into what lies around the nodes to see that it is noticed.
    #[arg(long)]
    plant: Option<Plant>,
    /// Somebody types [default: the seed's choice].
    #[arg(long)]
    types: bool,
    /// Tell the whole story.
    #[arg(long)]
    verbose: bool,
    /// Tell every message, too.
    #[arg(long)]
    messages: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let default_count = if args.seed.is_some() { 1 } else { 20 };
    let count = args.seeds.unwrap_or(default_count);
    let first = args.seed.unwrap_or(0);
    let options = Options {
        nodes: args.nodes,
        faults: args.faults,
        plant: args.plant,
        types: args.types,
        tell: match (args.verbose, args.messages) {
            (_, true) => Tell::Messages,
            (true, false) => Tell::Story,
            (false, false) => Tell::End,
        },
    };
    let mut failures = 0;
    let (mut answered, mut counts) = (0, Counts::default());
    let (mut items, mut healing) = (0, Duration::ZERO);
    for seed in first..first.saturating_add(count) {
        match whole::run(seed, &options) {
            Ok(report) => {
                answered += report.answered;
                counts.add(&report.counts);
                items = items.max(report.items);
                healing = healing.max(report.healed_in).max(report.restarted_in);
                if options.tell != Tell::End {
                    tell(&report);
                }
            }
            Err(failure) => {
                failures += 1;
                println!("seed {seed}: violated: {failure}");
                println!("  scenario: {}", failure.scenario);
                for line in &failure.story {
                    println!("  {line}");
                }
                println!("  reproduce: {}", failure.command);
            }
        }
    }
    println!("{count} runs from seed {first}: {failures} failed; {answered} answers; {counts}");
    let healing = healing.as_millis();
    println!("at most {items} items in a run, and {healing} ms until all was well again");
    match failures {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn tell(report: &Report) {
    for line in &report.story {
        println!("  {line}");
    }
    println!(
        "seed {}: digest {:016x}, {} items in {} ms, {} answers, {} without, {} views, \
         the past read {} times again, healed in {} ms, restarted in {} ms; {}",
        report.seed,
        report.digest,
        report.items,
        report.lasted.as_millis(),
        report.answered,
        report.unanswered,
        report.views,
        report.confirmed,
        report.healed_in.as_millis(),
        report.restarted_in.as_millis(),
        report.counts
    );
}
