//! `plurix status`: how the cluster is.
use std::process::ExitCode;

use admin::{Fallen, NodeInfo, Status, VoterInfo};
use clap::Args;
use types::Durability;

use super::DataArg;
use crate::error::Error;
use crate::ui;

/// Show how the cluster is
#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    data: DataArg,
}

pub(crate) fn run(args: &StatusArgs) -> Result<ExitCode, Error> {
    let status = args.data.client()?.status()?;
    ui::write_out(show(&status).as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn show(status: &Status) -> String {
    let rows: Vec<Vec<String>> = status.nodes.iter().map(row).collect();
    let header = [
        "node",
        "id",
        "peers",
        "transactions",
        "aborts",
        "fetched",
        "stored",
        "on disk",
        "live",
        "pause us",
    ];
    let Status {
        view,
        epoch,
        stable,
        snapshots,
        transactions,
        aborts,
        ..
    } = status;
    let mut text = format!(
        "view {view}, epoch {epoch}, stable up to {stable}\n\
         {transactions} transactions, {aborts} aborts, {snapshots} snapshots, \
         {} bytes stored, longest pause {} us\n\n",
        status.bytes_stored, status.pause_us_max
    );
    text += &ui::table(&header, &rows);
    if !status.voters.is_empty() {
        text += &format!("\n{}\n", show_voters(status));
    }
    if !status.nodes.is_empty() {
        text += show_copies(status);
        text += show_durability(status.durability);
    }
    for node in status.nodes.iter().filter(|node| node.intruders > 0) {
        let (name, count) = (&node.name, node.intruders);
        text +=
            &format!("\n{name} has turned away or cut off {count} connections; its log says why\n");
    }
    for node in status.nodes.iter().filter(|node| node.versions_lost > 0) {
        let (name, count) = (&node.name, node.versions_lost);
        text += &format!(
            "\n{name} has {count} damaged versions of pages that no node has any more; \
             `plurix scrub` names them\n"
        );
    }
    if let Some(fallen) = &status.last_failure {
        text += &format!("\n{}\n", show_fallen(fallen));
    }
    text
}

fn row(node: &NodeInfo) -> Vec<String> {
    let leaving = if node.is_leaving { " (leaving)" } else { "" };
    vec![
        format!("{}{leaving}", node.name),
        node.node.to_string(),
        node.address.clone(),
        node.transactions.to_string(),
        node.aborts.to_string(),
        node.pages_fetched.to_string(),
        node.bytes_stored.to_string(),
        node.bytes_on_disk.to_string(),
        node.bytes_live.to_string(),
        node.pause_us_max.to_string(),
    ]
}

fn show_copies(status: &Status) -> &'static str {
    if status.is_replicated {
        "\neverything stable has all its copies\n"
    } else {
        "\ncopies of what is stable are being made\n"
    }
}

fn show_durability(durability: Durability) -> &'static str {
    match durability {
        Durability::Disk => "answers leave when disks have what they tell\n",
        Durability::Memory => {
            "answers leave when the memories of two nodes have what they tell; if both are lost \
             before it is stable, it is undone\n"
        }
    }
}

/// Who decides, and what may happen without a stop.
fn show_voters(status: &Status) -> String {
    let leader = status.nodes.iter().find(|node| node.node == status.leader);
    let leader = leader.map_or("-", |node| &node.name);
    let name = |voter: &VoterInfo| {
        let absent = if voter.is_there { "" } else { " (away)" };
        format!("{}{absent}", voter.name)
    };
    let names: Vec<String> = status.voters.iter().map(name).collect();
    let count = names.len();
    let there = status.voters.iter().filter(|voter| voter.is_there).count();
    let verdict = match (count, there.saturating_sub(count / 2 + 1)) {
        (1, _) => String::from("cannot lose the only voter: without it the cluster stands still"),
        (_, 0) => format!(
            "can lose none of {count} voters now: without one of those that are there the \
             cluster stands still until it is back"
        ),
        (_, spare) => format!("can lose {spare} of {count} voters"),
    };
    format!("leader {leader}; voters {}; {verdict}", names.join(", "))
}

fn show_fallen(fallen: &Fallen) -> String {
    let Fallen {
        name,
        noticed_by,
        fallback_to,
        nodes_reset,
        ..
    } = fallen;
    let recovered = match fallen.recovered_us {
        Some(us) => format!("went on after {}.{:03} ms", us / 1000, us % 1000),
        None => String::from("has not gone on yet"),
    };
    format!(
        "last failure: {name} ({noticed_by}); back to epoch {fallback_to}, \
         {nodes_reset} nodes reset, {recovered}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_lost_is_told() {
        let told = |there: &[bool]| {
            let voter = |&is_there: &bool| VoterInfo {
                name: "n".into(),
                is_there,
            };
            let voters = there.iter().map(voter).collect();
            show_voters(&Status {
                voters,
                ..Status::default()
            })
        };
        assert!(told(&[true; 5]).ends_with("can lose 2 of 5 voters"));
        assert!(told(&[true; 3]).ends_with("can lose 1 of 3 voters"));
        assert!(told(&[true, true, false]).contains("n (away); can lose none of 3 voters"));
        assert!(told(&[true; 2]).contains("can lose none of 2 voters"));
        assert!(told(&[true]).contains("cannot lose the only voter"));
    }

    #[test]
    fn a_failure_is_told() {
        let fallen = Fallen {
            node: 3,
            name: "node-3".into(),
            noticed_by: "its connection closed".into(),
            fallback_to: 41,
            nodes_reset: 2,
            recovered_us: Some(12_345),
        };
        let status = Status {
            view: 2,
            last_failure: Some(fallen),
            ..Status::default()
        };
        let expected = "last failure: node-3 (its connection closed); back to epoch 41, \
                        2 nodes reset, went on after 12.345 ms\n";
        assert!(show(&status).ends_with(expected), "{}", show(&status));
    }
}
