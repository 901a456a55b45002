//! `plurix chaos`: a cluster is treated badly, and what its clients were told is judged.
//!
//! The main thread owns the cluster: it injects faults and brings nodes back
//! ([`injector`], by [`schedule`]). Meanwhile threads call a program ([`clients`]) and run
//! others ([`programs`]); they know of each other through [`board`].
mod args;
mod board;
mod clients;
mod figures;
mod injector;
mod programs;
mod schedule;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use linux::LinuxEntropy;
use oracle::lists::{self, Operation};
use platform::Entropy;

use super::scratch::Scratch;
use crate::client::Client;
use crate::cluster::Cluster;
use crate::data::DataDir;
use crate::error::Error;
use crate::interrupt;
use crate::network::Network;
use crate::program::Program;
use crate::ui::{self, Teller};
pub(crate) use args::ChaosArgs;
use board::Board;
use clients::{CLIENTS, Caller, Told};
use figures::{Figures, Operations};
use injector::{Bounds, Done, Injector};
use programs::{Ran, Runner};
use schedule::{Reach, Schedule};

/// Clients and programs have come to their ends long before.
const END_TIME: Duration = Duration::from_secs(120);

pub(crate) fn run(args: ChaosArgs) -> Result<ExitCode, Error> {
    if args.network && !args.in_network {
        return Err(Network::enter("--in-network"));
    }
    interrupt::watch()?;
    let teller = if args.json {
        Teller::BesideJson
    } else {
        Teller::Out
    };
    let seed = args.seed.unwrap_or_else(draw_seed);
    let mut scratch = None;
    let path = match &args.data {
        Some(path) => new_directory(path)?,
        None => scratch.insert(Scratch::new("chaos")?).path().to_owned(),
    };
    teller.tell(format!("seed {seed}, {} nodes", args.nodes));
    let shown = show(&args, seed, &path, teller);
    let is_good = shown.as_ref().is_ok_and(|figures| figures.consistent);
    let is_kept = args.data.is_some() || !is_good;
    if let Some(scratch) = scratch.as_mut().filter(|_| is_kept) {
        scratch.keep();
    }
    if is_kept {
        let path = path.display();
        teller.tell(format!("data, logs and calls are kept in {path}"));
    }
    let figures = shown?;
    if args.json {
        ui::say(figures.to_json());
    } else {
        ui::write_out(figures.to_table().as_bytes());
    }
    for problem in &figures.problems {
        teller.tell(format!("wrong: {problem}"));
    }
    teller.tell(if is_good {
        "verdict: consistent"
    } else {
        "verdict: NOT consistent"
    });
    Ok(if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn draw_seed() -> u64 {
    let mut bytes = [0; 4];
    LinuxEntropy.fill(&mut bytes);
    u64::from(u32::from_le_bytes(bytes))
}

fn new_directory(path: &Path) -> Result<PathBuf, Error> {
    let is_used = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    if is_used {
        let message = format!(
            "expected a new or empty directory, found {}",
            path.display()
        );
        return Err(Error::user(message).hint("chaos is for no cluster that anybody needs"));
    }
    Ok(path.to_owned())
}

/// The whole story; what it has shown.
fn show(args: &ChaosArgs, seed: u64, path: &Path, teller: Teller) -> Result<Figures, Error> {
    let plan = args.plan()?;
    let (network, reach) = match args.network {
        true => (Some(Network::open(args.nodes)?), Reach::Network),
        false => (None, Reach::Nodes),
    };
    let mut cluster = Cluster::start(path, plan)?;
    let data = DataDir::open(path)?;
    start_lists(&mut cluster.client()?)?;
    let board = Board::new();
    let runner = Runner::new(&board, &data, args.nodes)?;
    let mut injector = Injector::new(&mut cluster, network, data.clone(), &board, teller);
    let bounds = Bounds::of(args);
    let schedule = Schedule::new(seed, args.nodes, reach, bounds.losses);
    let story = thread::scope(|scope| {
        let callers = (0..CLIENTS).map(|number| {
            let caller = Caller::new(&board, &data, seed, number);
            scope.spawn(move || caller.run())
        });
        let callers: Vec<_> = callers.collect();
        let runner = scope.spawn(move || runner.run());
        let outcome = injector.run(schedule, bounds);
        board.finish();
        let outcome = outcome.and_then(|()| {
            injector.settle()?;
            let is_done = || callers.iter().all(|one| one.is_finished()) && runner.is_finished();
            if !injector.supervise_until(END_TIME, is_done)? {
                return Err(Error::internal(
                    "clients or programs do not come to their end",
                ));
            }
            let last = scope.spawn(|| clients::read_all(&board, &data));
            if !injector.supervise_until(END_TIME, || last.is_finished())? {
                return Err(Error::internal("the lists cannot be read any more"));
            }
            join(last)
        });
        if outcome.is_ok() {
            injector.stop();
        } else {
            // Whoever still waits for a node learns that there is none.
            board.give_up();
            injector.kill_all();
        }
        Story {
            told: callers.into_iter().map(join).collect(),
            ran: join(runner),
            done: injector.done.clone(),
            outcome,
        }
    });
    story.judge(
        path,
        Setting {
            seed,
            nodes: args.nodes,
            ran: board.elapsed(),
        },
    )
}

/// Starts the program whose functions clients call.
fn start_lists(client: &mut Client) -> Result<(), Error> {
    let program = Program::find(clients::PROGRAM)?;
    client.deploy(&program.name, program.wasm)?;
    client.start(&program.name, 0, Vec::new(), Vec::new())?;
    Ok(())
}

fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().expect("a thread that panics has said why")
}

/// Under which conditions it was.
struct Setting {
    seed: u64,
    nodes: u32,
    ran: Duration,
}

/// What everybody brings home.
struct Story {
    told: Vec<Told>,
    ran: Ran,
    done: Done,
    /// What was read in the end, or why nothing was.
    outcome: Result<Vec<Operation>, Error>,
}

impl Story {
    /// Judges it; keeps the calls if something is wrong.
    fn judge(self, path: &Path, setting: Setting) -> Result<Figures, Error> {
        let mut problems = self.done.problems;
        problems.extend(self.ran.problems);
        let mut history: Vec<Operation> = Vec::new();
        for told in self.told {
            history.extend(told.operations);
            let replies = told.nonsense.into_iter();
            problems.extend(replies.map(|reply| format!("a reply that means nothing: {reply}")));
        }
        match self.outcome {
            Ok(last) => history.extend(last),
            // Whoever insists on an end gets the verdict so far.
            Err(_) if interrupt::count() > 0 => {}
            Err(error) => problems.push(error.to_string()),
        }
        history.sort_by_key(|operation| operation.begin);
        if let Err(violation) = lists::check(&history) {
            problems.push(format!("calls: {violation}"));
        }
        let calls = path.join("calls");
        fs::write(&calls, clients::describe(&history))
            .map_err(|error| Error::config(format!("write {}: {error}", calls.display())))?;
        Ok(Figures {
            consistent: problems.is_empty(),
            problems,
            seed: setting.seed,
            nodes: setting.nodes,
            ran_ms: figures::ms(setting.ran),
            faults: self.done.faults,
            replaced: self.done.replaced,
            restarts: self.done.restarts,
            ended_by_themselves: self.done.ended,
            operations: Operations::of(&history),
            banks: self.ran.banks,
            totals: self.ran.totals,
            pictures: self.ran.pictures,
        })
    }
}
