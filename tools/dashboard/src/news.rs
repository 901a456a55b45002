//! What the cluster is like: asked for once a second, and when a node is gone.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use admin::{DeviceInfo, Request, Response, Status};
use serde_json::json;

use crate::room::Room;

/// How often to ask.
const PERIOD: Duration = Duration::from_secs(1);
/// How often at most, when nodes are gone.
const PERIOD_MIN: Duration = Duration::from_millis(100);

/// What the cluster is like.
#[derive(Clone, Default)]
pub(crate) struct News {
    /// For browsers: an object with `status` and `devices`, or with `error`.
    pub(crate) json: Arc<str>,
    /// Names of the nodes that have devices, by the names of these.
    pub(crate) homes: BTreeMap<String, String>,
}

/// Asks, as long as somebody watches.
pub(crate) fn gather(room: &Room) {
    loop {
        room.wait_for_watchers();
        let found = ask(room);
        room.news.send_modify(|news| match found {
            Ok((status, devices)) => *news = News::new(&status, &devices),
            // Where devices were is the best guess of where they are.
            Err(error) => news.json = json!({ "error": error }).to_string().into(),
        });
        thread::sleep(PERIOD_MIN);
        thread::park_timeout(PERIOD - PERIOD_MIN);
    }
}

fn ask(room: &Room) -> Result<(Status, Vec<DeviceInfo>), String> {
    let (status, mut leader) = room.cluster.leader()?;
    match leader.ask(&Request::Devices)? {
        Response::Devices(devices) => Ok((status, devices)),
        other => Err(format!("expected the answer `devices`, found {other:?}")),
    }
}

impl News {
    fn new(status: &Status, devices: &[DeviceInfo]) -> Self {
        let name = |id| {
            let found = status.nodes.iter().find(|node| node.node == id);
            found.map(|node| node.name.clone())
        };
        let homes = devices.iter();
        let homes = homes.filter_map(|device| Some((device.name.clone(), name(device.node)?)));
        Self {
            homes: homes.collect(),
            json: json!({ "status": status, "devices": devices })
                .to_string()
                .into(),
        }
    }
}
