//! `plurix scrub`: everything on the disks is read again, and mended.
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use admin::{LostInfo, NodeScrub, Status};
use clap::Args;

use super::DataArg;
use crate::client::Client;
use crate::error::Error;
use crate::interrupt;
use crate::ui;

const POLL_TIME: Duration = Duration::from_millis(100);

/// Read everything on the disks again, and mend what is damaged
///
/// Each node reads all that its disk keeps and compares it with its checksums. What is damaged
/// is written again as another node has it. Ends with 1 if there is something that nobody has
/// any more, and names it. (Nodes do the same in the background, slowly.)
#[derive(Args, Debug)]
pub(crate) struct ScrubArgs {
    #[command(flatten)]
    data: DataArg,
}

pub(crate) fn run(args: &ScrubArgs) -> Result<ExitCode, Error> {
    let data = args.data.open()?;
    data.running().map_err(|error| {
        error.hint("damage is mended with what other nodes have, so the cluster must run")
    })?;
    let mut client = args.data.client()?;
    let nodes = wait(&mut client)?;
    let status = client.status()?;
    ui::write_out(show(&nodes, &status).as_bytes());
    match nodes.iter().any(|node| node.lost > 0) {
        true => Ok(ExitCode::FAILURE),
        false => Ok(ExitCode::SUCCESS),
    }
}

/// Returns when all have done it.
fn wait(client: &mut Client) -> Result<Vec<NodeScrub>, Error> {
    let interrupts = interrupt::count();
    let bar = ui::progress_bar();
    client.scrub()?;
    loop {
        let nodes = client.scrub_progress()?;
        if nodes.is_empty() {
            // The node that was asked has ended; another one answers now.
            client.scrub()?;
        } else if nodes.iter().all(|node| node.is_done) {
            bar.finish_and_clear();
            return Ok(nodes);
        }
        let sum = |of: fn(&NodeScrub) -> u64| nodes.iter().map(of).sum();
        bar.set_length(sum(|node| node.total));
        bar.set_position(sum(|node| node.versions));
        interrupt::check_since(interrupts)?;
        thread::sleep(POLL_TIME);
    }
}

fn show(nodes: &[NodeScrub], status: &Status) -> String {
    let row = |node: &NodeScrub| {
        let known = status.nodes.iter().find(|one| one.node == node.node);
        let name = known.map_or_else(|| format!("n{}", node.node), |one| one.name.clone());
        let figures = [node.versions, node.damaged, node.mended, node.lost];
        let figures = figures.iter().map(ToString::to_string);
        [name].into_iter().chain(figures).collect()
    };
    let rows: Vec<Vec<String>> = nodes.iter().map(row).collect();
    let header = ["node", "versions read", "damaged", "mended", "lost"];
    let mut text = ui::table(&header, &rows);
    if nodes.iter().any(|node| node.lost > 0) {
        text += &show_lost(nodes);
    }
    text
}

fn show_lost(nodes: &[NodeScrub]) -> String {
    let mut lost: BTreeMap<&LostInfo, usize> = BTreeMap::new();
    for one in nodes.iter().flat_map(|node| &node.named) {
        *lost.entry(one).or_default() += 1;
    }
    let newest = nodes.iter().flat_map(|node| node.epochs.last()).max();
    let rows: Vec<Vec<String>> = lost
        .iter()
        .map(|(one, disks)| {
            vec![
                format!("{}:{:#x}", one.region, one.page),
                one.version.to_string(),
                one.epoch.to_string(),
                disks.to_string(),
                list(&one.needed_by.iter().copied().collect()),
            ]
        })
        .collect();
    let header = ["page", "version", "epoch", "disks", "part of snapshots"];
    let mut text = String::from("\nlost: damaged on every disk that had it, and in no memory\n");
    text += &ui::table(&header, &rows);
    if nodes.iter().any(|node| node.lost > node.named.len() as u64) {
        text += "and more, which are not named\n";
    }
    let touched: BTreeSet<u64> = lost
        .keys()
        .flat_map(|one| &one.needed_by)
        .copied()
        .collect();
    let kept = nodes.iter().flat_map(|node| &node.epochs).copied();
    let whole: BTreeSet<u64> = kept.filter(|epoch| !touched.contains(epoch)).collect();
    text += &match newest.is_some_and(|newest| touched.contains(newest)) {
        true => String::from("\nthe newest state lacks these pages: they are served to nobody\n"),
        false => String::from("\nthe newest state is whole\n"),
    };
    if !whole.is_empty() {
        text += &format!("snapshots that stand: {}\n", list(&whole));
    }
    text
}

fn list(epochs: &BTreeSet<u64>) -> String {
    let all: Vec<String> = epochs.iter().map(ToString::to_string).collect();
    match all.is_empty() {
        true => "none".into(),
        false => all.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(node: u32, lost: &[LostInfo]) -> NodeScrub {
        NodeScrub {
            node,
            versions: 100,
            total: 100,
            damaged: 3,
            mended: 3 - lost.len() as u64,
            lost: lost.len() as u64,
            named: lost.to_vec(),
            epochs: vec![10, 20, 30],
            is_done: true,
        }
    }

    fn lost(page: u32, version: u64, needed_by: &[u64]) -> LostInfo {
        LostInfo {
            region: 7,
            page,
            version,
            epoch: 9,
            needed_by: needed_by.to_vec(),
        }
    }

    #[test]
    fn what_is_lost_is_named_once() {
        let old = lost(17, 4, &[10]);
        let nodes = [node(1, std::slice::from_ref(&old)), node(2, &[old])];
        let expected = "\
node  versions read  damaged  mended  lost
n1              100        3       2     1
n2              100        3       2     1

lost: damaged on every disk that had it, and in no memory
page    version  epoch  disks  part of snapshots
7:0x11        4      9      2                 10

the newest state is whole
snapshots that stand: 20, 30
";
        assert_eq!(show(&nodes, &Status::default()), expected);
    }

    #[test]
    fn a_page_of_the_newest_state_is_said_to_be_missing() {
        let text = show(&[node(1, &[lost(1, 5, &[20, 30])])], &Status::default());
        assert!(
            text.contains("the newest state lacks these pages"),
            "{text}"
        );
        assert!(text.ends_with("snapshots that stand: 10\n"), "{text}");
    }

    #[test]
    fn nothing_is_said_of_losses_if_there_are_none() {
        let text = show(&[node(1, &[])], &Status::default());
        assert_eq!(text.lines().count(), 2, "{text}");
    }
}
