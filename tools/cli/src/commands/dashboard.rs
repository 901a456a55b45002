//! `plurix dashboard`: the cluster in a browser.
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use admin::{Request, Response, Status};
use clap::Args;
use dashboard::{Cluster, Door};

use super::DataArg;
use crate::client::Client;
use crate::data::DataDir;
use crate::device;
use crate::error::Error;
use crate::ui;

/// A node that lives answers within less.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// Show display, devices and nodes in a browser, and use keyboard and pointer there
///
/// Whoever reaches the address can see and type: it is one of this machine alone unless told
/// otherwise. Goes on whichever nodes end, until Ctrl-C.
#[derive(Args, Debug)]
pub(crate) struct DashboardArgs {
    /// Where to serve the page; port 0 is any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7390")]
    listen: SocketAddr,
    #[command(flatten)]
    data: DataArg,
}

pub(crate) fn run(args: &DashboardArgs) -> Result<ExitCode, Error> {
    let data = args.data.open()?;
    // Later it may come and go.
    data.running()?;
    let listen = args.listen;
    let failed = |error| {
        Error::config(format!("listen at {listen}: {error}")).hint("--listen says where else")
    };
    let listener = TcpListener::bind(listen).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    ui::say(format!("the dashboard is at http://{address}"));
    dashboard::serve(listener, Arc::new(Nodes(data)))
        .map_err(|error| Error::config(format!("serve the dashboard: {error}")))?;
    Ok(ExitCode::SUCCESS)
}

struct Nodes(DataDir);

impl Cluster for Nodes {
    fn leader(&self) -> Result<(Status, Box<dyn Door>), String> {
        match Client::leader(&self.0) {
            Ok(Some((client, status))) => Ok((status, Box::new(NodeDoor(client)))),
            Ok(None) => Err("no node of the cluster leads now".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn node(&self, name: &str) -> Result<Box<dyn Door>, String> {
        let door = device::door(&self.0, name).map_err(|error| error.to_string())?;
        let door = door.ok_or_else(|| format!("{name} is no node of this machine"))?;
        let client = Client::connect(door).map_err(|error| error.to_string())?;
        Ok(Box::new(NodeDoor(client)))
    }
}

struct NodeDoor(Client);

impl Door for NodeDoor {
    fn ask(&mut self, request: &Request) -> Result<Response, String> {
        self.0.give_up_at(Instant::now() + ANSWER_TIME);
        self.0.ask(request).map_err(|error| error.to_string())
    }
}
