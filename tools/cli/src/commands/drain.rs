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
    name: String,
    /// In the data directory; none if it was started by itself and has joined.
    number: Option<u32>,
    nodes: Vec<u32>,
}

pub(crate) fn run(args: &DrainArgs) -> Result<ExitCode, Error> {
    let data = args.data.open()?;
    let mut client = args.data.client()?;
    let leaver = find(&args.node, &data, &client.status()?)?;
    order(&data, &leaver)?;
    ui::note(format!("{} is leaving", leaver.name));
    wait(&data, &mut client, &leaver)?;
    let directory = match leaver.number {
        Some(number) => data.node(number).display().to_string(),
        None => "its directory".into(),
    };
    ui::say(format!(
        "{} has left: everything stable has its copies elsewhere, {directory} may be deleted",
        leaver.name
    ));
    Ok(ExitCode::SUCCESS)
}

/// The process of the node that is meant.
fn find(word: &str, data: &DataDir, status: &Status) -> Result<Leaver, Error> {
    let file = data.cluster()?;
    let number: Option<u32> = word.strip_prefix("node-").unwrap_or(word).parse().ok();
    let name = number.map_or_else(|| word.to_owned(), |number| format!("node-{number}"));
    // A bare number is never an id: it might be that of another node.
    let id = word.strip_prefix('n').and_then(|id| id.parse().ok());
    let by_id = status.nodes.iter().find(|node| Some(node.node) == id);
    let by_name = || status.nodes.iter().find(|node| process_of(node) == name);
    if let Some(found) = by_id.or_else(by_name) {
        let name = process_of(found);
        let number = name.strip_prefix("node-").and_then(|it| it.parse().ok());
        let is_ours = |number: &u32| {
            let file = file.as_ref();
            file.is_some_and(|file| file.numbers().any(|one| one == *number))
        };
        return Ok(Leaver {
            name: name.to_owned(),
            number: number.filter(is_ours),
            nodes: nodes_of(found, by_id.is_some(), status)?,
        });
    }
    let has_left = |number: &u32| file.is_some_and(|file| file.left.contains(number));
    let left = number.filter(has_left).map_or("", |_| ", which has left");
    let names: Vec<String> = status.nodes.iter().map(|node| node.name.clone()).collect();
    let message = format!("expected a node that is a member of the cluster, found {word}{left}");
    Err(Error::user(message)
        .hint(format!("members: {}", names.join(", ")))
        .hint("one that has just died is a member again when it is back"))
}

/// All nodes of the process. If others have its name, too, it is not known which are whose.
fn nodes_of(found: &NodeInfo, is_by_id: bool, status: &Status) -> Result<Vec<u32>, Error> {
    let name = process_of(found);
    let same = || status.nodes.iter().filter(|node| process_of(node) == name);
    let namesakes = same().filter(|node| node.name == found.name);
    let ids: Vec<String> = namesakes.map(|node| format!("n{}", node.node)).collect();
    if ids.len() == 1 {
        Ok(same().map(|node| node.node).collect())
    } else if is_by_id {
        Ok(vec![found.node])
    } else {
        let message = format!("expected one node of the name {name}, found {}", ids.len());
        Err(Error::user(message).hint(format!("say which by its id: {}", ids.join(", "))))
    }
}

/// Name of the process whose node this is; those of its nodes after the first have a number
/// at the end.
fn process_of(node: &NodeInfo) -> &str {
    match node.name.rsplit_once('.') {
        Some((process, core)) if core.parse::<u32>().is_ok() => process,
        _ => &node.name,
    }
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

/// Returns when the node has left, and whoever started it knows.
fn wait(data: &DataDir, client: &mut Client, leaver: &Leaver) -> Result<(), Error> {
    let name = &leaver.name;
    let mut gone_since = None;
    loop {
        let file = data.cluster()?;
        let is_noted = |number| {
            file.as_ref()
                .is_some_and(|file| file.left.contains(&number))
        };
        if leaver.number.is_some_and(is_noted) {
            return Ok(());
        }
        let status = client.status()?;
        let is_it = |node: &&NodeInfo| leaver.nodes.contains(&node.node);
        let members: Vec<&NodeInfo> = status.nodes.iter().filter(is_it).collect();
        let mut others = status.nodes.iter().filter(|node| !is_it(node));
        if leaver.number.is_some() && others.any(|node| process_of(node) == name) {
            let message = format!("{name} ended before it had left, and is a member again");
            return Err(Error::config(message).hint(format!("`plurix drain {name}` once more")));
        }
        if !members.is_empty() {
            if members.iter().all(|node| !node.is_leaving) {
                // The leader that was told has gone before it was decided.
                order(data, leaver)?;
            }
        } else if leaver.number.is_some() {
            let since = *gone_since.get_or_insert_with(Instant::now);
            if since.elapsed() > WORD_TIME {
                let message = format!("{name} is no member any more, and has not said why");
                return Err(Error::config(message)
                    .hint("keep its directory until `plurix status` says that all has copies"));
            }
        } else if !status.nodes.is_empty() {
            // Nobody who watches over it notes what it says: the leader knows, too.
            let failed = status.last_failure.map(|failure| failure.node);
            if failed.is_some_and(|node| leaver.nodes.contains(&node)) {
                let message = format!("{name} ended before it had left");
                return Err(Error::config(message)
                    .hint("keep its directory until `plurix status` says that all has copies"));
            }
            return Ok(());
        }
        thread::sleep(POLL_TIME);
    }
}
