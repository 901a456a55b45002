//! Where devices are: each is on one node at a time, and on another when that one ends.
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use admin::{DeviceInfo, Status};

use crate::client::Client;
use crate::data::DataDir;
use crate::error::Error;
use crate::examples;
use crate::interrupt;

/// A device is on another node within less after its node has ended.
const FIND_TIME: Duration = Duration::from_secs(20);
/// A node that lives says within less what its devices are like.
const ANSWER_TIME: Duration = Duration::from_secs(2);
const POLL_TIME: Duration = Duration::from_millis(50);

/// A device and a connection to the node that has it.
#[derive(Debug)]
pub(crate) struct Home {
    /// What the cluster knows of it.
    pub device: DeviceInfo,
    /// What the node is called.
    pub node: String,
    client: Client,
}

impl Home {
    /// The home of the device of this name. For a while it may be between two.
    ///
    /// # Errors
    /// If it never had a driver, or its node does not answer.
    pub(crate) fn find(data: &DataDir, name: &str) -> Result<Self, Error> {
        let until = Instant::now() + FIND_TIME;
        let interrupts = interrupt::count();
        loop {
            if let Some(home) = Self::look(data, name)? {
                return Ok(home);
            }
            interrupt::check_since(interrupts)?;
            if Instant::now() > until {
                let message = format!("no node that is alive has the {name} now");
                return Err(Error::config(message).hint("`plurix devices` says where it was"));
            }
            thread::sleep(POLL_TIME);
        }
    }

    /// The same, without patience: `None` if nobody says now where it is, or it is nowhere.
    ///
    /// # Errors
    /// If it never had a driver.
    pub(crate) fn look(data: &DataDir, name: &str) -> Result<Option<Self>, Error> {
        let Some((mut leader, status)) = Client::leader(data)? else {
            return Ok(None);
        };
        leader.give_up_at(Instant::now() + ANSWER_TIME);
        let Ok(devices) = leader.devices() else {
            return Ok(None);
        };
        let device = devices.into_iter().find(|one| one.name == name);
        let device = device.ok_or_else(|| {
            let error = Error::user(format!("no driver has the {name}"));
            error.hint(match examples::find(name) {
                Some(driver) => format!("start one with `plurix run {}`", driver.name),
                None => format!("a program that declares `{name}` drives it"),
            })
        })?;
        let Some(node) = node_name(&status, device.node) else {
            return Ok(None);
        };
        let client = door(data, &node)?.and_then(|door| Client::connect(door).ok());
        Ok(client.map(|client| Self {
            device,
            node,
            client,
        }))
    }

    /// A connection to its node. What is asked must be answered soon.
    pub(crate) fn client(&mut self) -> &mut Client {
        self.client.give_up_at(Instant::now() + ANSWER_TIME);
        &mut self.client
    }
}

/// What this node is called, if it is a member.
pub(crate) fn node_name(status: &Status, id: u32) -> Option<String> {
    let found = status.nodes.iter().find(|one| one.node == id);
    found.map(|one| one.name.clone())
}

/// Where tools reach the node of this name, if it is one of this machine.
///
/// # Errors
/// If the cluster does not run.
pub(crate) fn door(data: &DataDir, node: &str) -> Result<Option<SocketAddr>, Error> {
    let nodes = data.running()?.nodes;
    let found = nodes
        .iter()
        .find(|one| format!("node-{}", one.number) == node);
    Ok(found.map(|one| one.tools))
}
