//! The verbs, a file each.
mod attach;
mod bench;
mod boot;
mod call;
mod channels;
mod chaos;
mod dashboard;
mod demo;
mod devices;
mod diff;
mod down;
mod drain;
mod durability;
mod export;
mod fork;
mod image;
mod import;
mod inspect;
mod kill;
pub(crate) mod node;
mod ps;
mod restore;
mod rm;
mod run;
mod scratch;
mod screenshot;
mod scrub;
mod snapshot;
mod snapshots;
mod status;
mod up;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::client::Client;
use crate::data::{DEFAULT_DIR, DataDir};
use crate::error::Error;
use crate::ui;

pub(crate) use durability::{DurabilityArg, SafetyArgs};

/// A cluster operating system whose whole state lives in a distributed transactional memory
#[derive(Parser, Debug)]
#[command(name = "plurix", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Demo(demo::DemoArgs),
    Chaos(chaos::ChaosArgs),
    Up(up::UpArgs),
    Boot(boot::BootArgs),
    Image(image::ImageArgs),
    Run(run::RunArgs),
    Call(call::CallArgs),
    Ps(ps::PsArgs),
    Channels(channels::ChannelsArgs),
    Devices(devices::DevicesArgs),
    Screenshot(screenshot::ScreenshotArgs),
    Attach(attach::AttachArgs),
    Dashboard(dashboard::DashboardArgs),
    Kill(kill::KillArgs),
    Drain(drain::DrainArgs),
    Snapshot(snapshot::SnapshotArgs),
    Snapshots(snapshots::SnapshotsArgs),
    Restore(restore::RestoreArgs),
    Rm(rm::RmArgs),
    Inspect(inspect::InspectArgs),
    Diff(diff::DiffArgs),
    Export(export::ExportArgs),
    Fork(fork::ForkArgs),
    Import(import::ImportArgs),
    Scrub(scrub::ScrubArgs),
    Status(status::StatusArgs),
    Down(down::DownArgs),
    Node(node::NodeArgs),
    Bench(bench::BenchArgs),
}

/// Which cluster.
#[derive(Args, Clone, Debug)]
pub(crate) struct DataArg {
    /// Data directory of the cluster
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR)]
    data: PathBuf,
}

impl DataArg {
    fn open(&self) -> Result<DataDir, Error> {
        DataDir::open(&self.data)
    }

    /// A connection to the running cluster: to any of its nodes, and to another when
    /// that one ends.
    fn client(&self) -> Result<Client, Error> {
        Client::find(&self.open()?)
    }
}

/// Understands the command line and does what it says.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Result<ExitCode, Error> {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            ui::clap(&error);
            return Ok(ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)));
        }
    };
    match cli.command {
        Command::Demo(args) => demo::run(args),
        Command::Chaos(args) => chaos::run(args),
        Command::Up(args) => up::run(args),
        Command::Boot(args) => boot::run(&args),
        Command::Image(args) => image::run(&args),
        Command::Run(args) => run::run(args),
        Command::Call(args) => call::run(args),
        Command::Ps(args) => ps::run(&args),
        Command::Channels(args) => channels::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Screenshot(args) => screenshot::run(&args),
        Command::Attach(args) => attach::run(&args),
        Command::Dashboard(args) => dashboard::run(&args),
        Command::Kill(args) => kill::run(&args),
        Command::Drain(args) => drain::run(&args),
        Command::Snapshot(args) => snapshot::run(&args),
        Command::Snapshots(args) => snapshots::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Rm(args) => rm::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Fork(args) => fork::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Scrub(args) => scrub::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Down(args) => down::run(&args),
        Command::Node(args) => node::run(args),
        Command::Bench(args) => bench::run(&args),
    }
}

/// What a line makes of a node.
#[cfg(test)]
pub(crate) fn node_args(line: &[&str]) -> node::NodeArgs {
    match Cli::try_parse_from(line).map(|cli| cli.command) {
        Ok(Command::Node(args)) => args,
        other => panic!("expected the command `node`, found {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    fn parse(line: &[OsString]) -> Command {
        Cli::try_parse_from(line).unwrap().command
    }

    #[test]
    fn a_node_is_told_what_was_meant() {
        let args = node::NodeArgs {
            data: "some where/node-2".into(),
            listen: "127.0.0.1:9".parse().unwrap(),
            tools: "127.0.0.1:10".parse().unwrap(),
            found: false,
            join: Some("127.0.0.1:7".parse().unwrap()),
            token: Some("/tmp/t".into()),
            cluster: None,
            members: 5,
            epoch: 7,
            epoch_min: 3,
            durability: None,
            retain: None,
            files: Some("some files".into()),
            cores: 2,
            name: "node-2".into(),
            memory: 64,
            step_limit: 250,
            spin: 30,
        };
        for args in [
            node::NodeArgs {
                found: true,
                join: None,
                durability: Some(DurabilityArg::Memory),
                retain: Some("1s:1m".parse().unwrap()),
                ..args.clone()
            },
            node::NodeArgs {
                join: None,
                ..args.clone()
            },
            args,
        ] {
            let line = [vec!["plurix".into()], args.to_command_line()].concat();
            let Command::Node(parsed) = parse(&line) else {
                panic!("expected the command `node`");
            };
            assert_eq!(parsed, args);
        }
    }
}
