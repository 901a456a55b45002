//! `plurix channels`: what joins programs with the outside.
use std::process::ExitCode;

use admin::{ChannelInfo, ChannelKind};
use clap::Args;

use super::DataArg;
use crate::client::Client;
use crate::error::Error;
use crate::ui;

/// List what joins programs with the outside: where they listen, connections, timers, files
#[derive(Args, Debug)]
pub(crate) struct ChannelsArgs {
    #[command(flatten)]
    data: DataArg,
}

pub(crate) fn run(args: &ChannelsArgs) -> Result<ExitCode, Error> {
    let mut client = args.data.client()?;
    let channels = client.channels()?;
    let programs = client.processes()?;
    let program = |process: u32| {
        let found = programs.iter().find(|one| one.process == process);
        found.map_or_else(|| process.to_string(), |one| one.program.clone())
    };
    // Only the leader knows what nodes are called.
    let leader = Client::leader(&args.data.open()?)?;
    let nodes = leader.map_or_else(Vec::new, |(_, status)| status.nodes);
    let node = |id: u32| {
        let found = nodes.iter().find(|one| one.node == id);
        found.map_or_else(|| id.to_string(), |one| one.name.clone())
    };
    let rows: Vec<Vec<String>> = channels
        .iter()
        .map(|channel| row(channel, program(channel.process), node(channel.node)))
        .collect();
    let header = [
        "program", "channel", "node", "state", "leaves", "received", "written", "sent",
    ];
    ui::write_out(ui::table(&header, &rows).as_bytes());
    if channels.len() == admin::CHANNELS_MAX {
        ui::write_out(format!("... and more: these are the first {}\n", channels.len()).as_bytes());
    }
    Ok(ExitCode::SUCCESS)
}

fn row(channel: &ChannelInfo, program: String, node: String) -> Vec<String> {
    let what = match &channel.kind {
        ChannelKind::Listener(address) => format!("listens at {address}"),
        ChannelKind::Connection(address) => format!("with {address}"),
        ChannelKind::Timer(0) => "ticks once".to_owned(),
        ChannelKind::Timer(period) => format!("every {} ms", period / 1_000_000),
        ChannelKind::Port(address) => format!("datagrams at {address}"),
        ChannelKind::Device(name) => format!("drives {name}"),
        ChannelKind::Line(name) => format!("line to {name}"),
        ChannelKind::Service(label) => format!("serves as {label}"),
        ChannelKind::Session => "with a program".to_owned(),
        ChannelKind::File(name) => format!("appends to {name}"),
    };
    let is_connection = matches!(channel.kind, ChannelKind::Connection(_));
    let leaves = match (is_connection, channel.is_at_commit) {
        (false, _) => "-",
        (true, true) => "at commit",
        (true, false) => "when stable",
    };
    vec![
        program,
        what,
        node,
        channel.state.to_string(),
        leaves.to_owned(),
        channel.received.to_string(),
        channel.written.to_string(),
        channel.sent.to_string(),
    ]
}
