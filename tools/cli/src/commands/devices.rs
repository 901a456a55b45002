//! `plurix devices`: what has a driver, and where.
use std::process::ExitCode;

use admin::DeviceInfo;
use clap::Args;

use super::DataArg;
use crate::client::Client;
use crate::device::node_name;
use crate::error::Error;
use crate::ui;

/// List the devices: on which node each is, which program drives it, how it fares
#[derive(Args, Debug)]
pub(crate) struct DevicesArgs {
    #[command(flatten)]
    data: DataArg,
}

pub(crate) fn run(args: &DevicesArgs) -> Result<ExitCode, Error> {
    let (devices, programs) = {
        let mut client = args.data.client()?;
        (client.devices()?, client.processes()?)
    };
    // Only the leader knows what nodes are called.
    let leader = Client::leader(&args.data.open()?)?;
    let status = leader.map_or_else(Default::default, |(_, status)| status);
    let row = |device: &DeviceInfo| {
        let program = programs.iter().find(|one| one.process == device.process);
        let program = program.map_or("-", |one| &one.program);
        let node = node_name(&status, device.node);
        vec![
            device.name.clone(),
            node.unwrap_or_else(|| device.node.to_string()),
            device.state.to_string(),
            program.to_owned(),
            device.faults.to_string(),
            ui::size(device.object_bytes),
        ]
    };
    let rows: Vec<Vec<String>> = devices.iter().map(row).collect();
    let header = ["device", "node", "state", "driver", "faults", "object"];
    ui::write_out(ui::table(&header, &rows).as_bytes());
    for device in devices.iter().filter(|one| !one.report.is_empty()) {
        ui::say(format!(
            "\nthe driver of the {} has failed: {}",
            device.name,
            device.report.trim_end()
        ));
    }
    Ok(ExitCode::SUCCESS)
}
