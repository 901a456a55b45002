//! One crash in clusters of different sizes, from the command line: a table, and a plot.
#![expect(
    clippy::print_stdout,
    reason = "a command line tool speaks to its user"
)]
mod plot;
mod row;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use sim::Cluster;
use types::Duration;

use crate::row::{Group, Row};

/// Lets one node of simulated clusters crash and tells what that costs, as medians.
#[derive(Parser, Debug)]
#[command(name = "plurix-scale")]
struct Args {
    /// Sizes of the cluster.
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000")]
    nodes: Vec<u32>,
    /// Of a hundred transactions, how many use shared pages.
    #[arg(long, value_delimiter = ',', default_value = "1,10,50")]
    percent: Vec<u64>,
    /// How many nodes share pages with each other, or `all`.
    #[arg(long, value_delimiter = ',', default_value = "all,10")]
    group: Vec<Group>,
    /// From a transaction of a node to its next, on average.
    #[arg(long, default_value_t = 1000)]
    every_us: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where to write a plot.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Tell every run.
    #[arg(long)]
    verbose: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    println!("{}", row::HEAD);
    let mut rows = Vec::new();
    for (&nodes, &percent, &group) in combinations(&args) {
        let group_size = group.size(nodes);
        if group != Group::All && group_size >= nodes {
            // The same as that all share.
            continue;
        }
        let cluster = Cluster {
            nodes,
            group: group_size,
            percent,
            every: Duration::from_micros(args.every_us),
        };
        let mut outcomes = Vec::new();
        for seed in args.seed..args.seed.saturating_add(args.seeds) {
            match cluster.run(seed) {
                Ok(outcome) => {
                    if args.verbose {
                        println!("seed {seed}: {outcome:?}");
                    }
                    outcomes.push(outcome);
                }
                Err(failure) => {
                    println!("seed {seed}: violated: {failure}");
                    println!("  reproduce: {}", failure.command);
                    return ExitCode::FAILURE;
                }
            }
        }
        let row = Row::of(nodes, percent, group, &outcomes);
        println!("{row}");
        rows.push(row);
    }
    let Some(path) = args.svg else {
        return ExitCode::SUCCESS;
    };
    match std::fs::write(&path, plot::svg(&rows)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cannot write {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

fn combinations(args: &Args) -> impl Iterator<Item = (&u32, &u64, &Group)> {
    args.nodes.iter().flat_map(move |nodes| {
        let percents = args.percent.iter();
        percents.flat_map(move |percent| {
            let groups = args.group.iter();
            groups.map(move |group| (nodes, percent, group))
        })
    })
}
