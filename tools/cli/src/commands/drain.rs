//! `plurix drain`: a node leaves for good.
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use admin::{FailureKind, NodeInfo, Status};
use clap::Args;

use super::DataArg;
use crate::client::{Client, ClientError};
use crate::data::DataDir;
use crate::error::Error;
use crate::ui;

/// A node that was told that it has left says so long before this.
const WORD_TIME: Duration = Duration::from_secs(60);
const POLL_TIME: Duration = Duration::from_millis(20);

/// Have a node leave the cluster for good, without loss
///
/// Returns when the others have everything that it had, in as many copies as there should
/// be: its directory may be deleted then. Nobody goes back, and programs go on.
#[derive(Args, Debug)]
pub(crate) struct DrainArgs {
    /// Number or name of the node, or its id after an n: 2, node-2, n7
    #[arg(value_name = "NODE")]
    node: String,
    #[command(flatten)]
    data: DataArg,
}

/// The process that leaves, and its nodes.
struct Leaver {
    number: u32,
    nodes: Vec<u32>,
}

pub(crate) fn run(args: &DrainArgs) -> Result<ExitCode, Error> {
    let data = args.data.open()?;
    let mut client = args.data.client()?;
    let leaver = find(&args.node, &data, &client.status()?)?;
    let name = leaver.name();
    order(&data, &leaver)?;
    ui::note(format!("{name} is leaving"));
    wait(&data, &mut client, &leaver)?;
    ui::say(format!(
        "{name} has left: everything stable has its copies elsewhere, {} may be deleted",
        data.node(leaver.number).display()
    ));
    Ok(ExitCode::SUCCESS)
}

impl Leaver {
    fn name(&self) -> String {
        format!("node-{}", self.number)
    }
}

/// The process of the node that is meant.
fn find(word: &str, data: &DataDir, status: &Status) -> Result<Leaver, Error> {
    let number = word.strip_prefix("node-").unwrap_or(word).parse().ok();
    // A bare number is never an id: it might be that of another node.
    let id = word.strip_prefix('n').and_then(|id| id.parse().ok());
    let of_number = |node: &&NodeInfo| number_of(node).is_some() && number_of(node) == number;
    let of_id = |node: &&NodeInfo| Some(node.node) == id;
    let mut nodes = status.nodes.iter();
    let found = nodes.clone().find(of_number).or_else(|| nodes.find(of_id));
    if let Some(number) = found.and_then(number_of) {
        let nodes = status.nodes.iter();
        let nodes = nodes.filter(|node| number_of(node) == Some(number));
        let nodes = nodes.map(|node| node.node).collect();
        return Ok(Leaver { number, nodes });
    }
    let file = data.cluster()?;
    let is_among = |number: u32| file.as_ref().map(|file| file.left.contains(&number));
    let found = match number.and_then(is_among) {
        Some(true) => format!("{word}, which has left"),
        _ => String::from(word),
    };
    let names: Vec<String> = status.nodes.iter().map(|node| node.name.clone()).collect();
    let message = format!("expected a node that is a member of the cluster, found {found}");
    Err(Error::user(message)
        .hint(format!("members: {}", names.join(", ")))
        .hint("one that has just died is a member again when it is back"))
}

/// Number of the process whose node this is; of its nodes after the first the name has an
/// ending.
fn number_of(node: &NodeInfo) -> Option<u32> {
    let name = node.name.split('.').next()?;
    name.strip_prefix("node-")?.parse().ok()
}

/// Tells the leader, whoever that is. That the node has died meanwhile is no failure yet:
/// it may have left before, or come back.
fn order(data: &DataDir, leaver: &Leaver) -> Result<(), Error> {
    let is_it = |node: &NodeInfo| leaver.nodes.contains(&node.node);
    let mut refusal = None;
    loop {
        let found = Client::leader(data)?;
        if let Some((_, status)) = &found {
            if !status.nodes.iter().any(is_it) {
                return Ok(());
            }
            // It is a member still, so it was refused for another reason.
            if let Some(failure) = refusal.take() {
                return Err(ClientError::Failed(failure).into());
            }
        }
        let told = found.map(|(mut leader, _)| leader.drain(leaver.nodes.clone()));
        match told {
            Some(Ok(())) => return Ok(()),
            Some(Err(ClientError::Failed(failure))) if failure.kind != FailureKind::Unavailable => {
                refusal = Some(failure);
            }
            // It leads no more, or has ended before it could answer: the next one knows.
            Some(Err(_)) => return Ok(()),
            None => {}
        }
        thread::sleep(POLL_TIME);
    }
}

/// Returns when the node has left and whoever started it knows.
fn wait(data: &DataDir, client: &mut Client, leaver: &Leaver) -> Result<(), Error> {
    let name = leaver.name();
    let mut gone_since = None;
    loop {
        if data
            .cluster()?
            .is_some_and(|file| file.left.contains(&leaver.number))
        {
            return Ok(());
        }
        let status = client.status()?;
        let is_it = |node: &&NodeInfo| leaver.nodes.contains(&node.node);
        let members: Vec<&NodeInfo> = status.nodes.iter().filter(is_it).collect();
        let mut others = status.nodes.iter().filter(|node| !is_it(node));
        if others.any(|node| number_of(node) == Some(leaver.number)) {
            let message = format!("{name} ended before it had left, and is a member again");
            return Err(Error::config(message).hint(format!("`plurix drain {name}` once more")));
        }
        if members.is_empty() {
            let since = *gone_since.get_or_insert_with(Instant::now);
            if since.elapsed() > WORD_TIME {
                let message = format!("{name} is no member any more, and has not said why");
                return Err(Error::config(message)
                    .hint("keep its directory until `plurix status` says that all has copies"));
            }
        } else if members.iter().all(|node| !node.is_leaving) {
            // The leader that was told has gone before it was decided.
            order(data, leaver)?;
        }
        thread::sleep(POLL_TIME);
    }
}
