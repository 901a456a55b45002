//! Answers of the node as text.
use admin::{ChannelKind, Response};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::table::table;

/// Bytes shown of what a process has printed.
const OUTPUT_BYTES: usize = 2000;

/// What an answer says, for people.
#[must_use]
pub fn show(response: &Response) -> String {
    match response {
        Response::Done => "done\n".to_string(),
        Response::Failed(failure) => format!("{}\n", failure.message),
        Response::Started { process } => format!("process {process}\n"),
        Response::Snapshot { epoch } => format!("kept as epoch {epoch}\n"),
        Response::Processes(all) => table(
            &["process", "program", "state", "workers", "steps"],
            all.iter().map(|one| {
                [
                    one.process.to_string(),
                    one.program.clone(),
                    one.state.to_string(),
                    one.workers.to_string(),
                    one.steps.to_string(),
                ]
            }),
        ),
        Response::Devices(all) => table(
            &["device", "node", "state", "process", "faults"],
            all.iter().map(|one| {
                [
                    one.name.clone(),
                    one.node.to_string(),
                    one.state.to_string(),
                    one.process.to_string(),
                    one.faults.to_string(),
                ]
            }),
        ),
        Response::Channels(all) => table(
            &["process", "channel", "node", "state"],
            all.iter().map(|one| {
                [
                    one.process.to_string(),
                    channel(&one.kind),
                    one.node.to_string(),
                    one.state.to_string(),
                ]
            }),
        ),
        Response::Status(status) => nodes(status),
        Response::Snapshots(all) => table(
            &["epoch", "names"],
            all.iter()
                .map(|one| [one.epoch.to_string(), one.names.join(" ")]),
        ),
        Response::Watched(watched) => printed(watched),
        other => format!("{other:?}\n"),
    }
}

fn nodes(status: &admin::Status) -> String {
    let mut text = table(
        &["node", "id", "transactions", "aborts"],
        status.nodes.iter().map(|one| {
            [
                one.name.clone(),
                one.node.to_string(),
                one.transactions.to_string(),
                one.aborts.to_string(),
            ]
        }),
    );
    text.push_str(&format!(
        "epoch {}, stable {}, view {}\n",
        status.epoch, status.stable, status.view
    ));
    text
}

fn channel(kind: &ChannelKind) -> String {
    match kind {
        ChannelKind::Listener(address) => format!("listens at {address}"),
        ChannelKind::Connection(address) => format!("with {address}"),
        ChannelKind::Port(address) => format!("datagrams at {address}"),
        ChannelKind::Timer(_) => "timer".to_string(),
        ChannelKind::Device(name) => format!("drives {name}"),
        ChannelKind::Line(name) => format!("line to {name}"),
        ChannelKind::Service(label) => format!("serves as {label}"),
        ChannelKind::Session => "session".to_string(),
        ChannelKind::File(name) => format!("appends to {name}"),
    }
}

fn printed(watched: &admin::Watched) -> String {
    let pieces = watched.output.iter().map(|piece| piece.bytes.as_slice());
    let all: Vec<u8> = pieces.flatten().copied().collect();
    let last = &all[all.len().saturating_sub(OUTPUT_BYTES)..];
    let mut text = String::from_utf8_lossy(last).into_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    if !watched.fault.is_empty() {
        text.push_str(&format!("{}\n", watched.fault));
    }
    text.push_str(&format!("({})\n", watched.state));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use admin::{Failure, FailureKind, OutputPiece, ProcessInfo, ProcessState, Watched};
    use std::vec;

    #[test]
    fn processes_are_a_table() {
        let process = ProcessInfo {
            process: 12,
            program: "board".to_string(),
            state: ProcessState::Running,
            workers: 1,
            done: 0,
            total: 0,
            steps: 70,
            result_bytes: 0,
        };
        assert_eq!(
            show(&Response::Processes(vec![process])),
            "process  program  state    workers  steps\n\
             12       board    running  1        70\n"
        );
    }

    #[test]
    fn what_was_printed_ends_with_how_the_process_stands() {
        let watched = Watched {
            state: ProcessState::Done(3),
            done: 0,
            total: 0,
            output: vec![OutputPiece {
                is_error: false,
                bytes: b"hello".to_vec(),
            }],
            cursors: vec![],
            lost_bytes: 0,
            fault: String::new(),
            result_bytes: 0,
        };
        assert_eq!(show(&Response::Watched(watched)), "hello\n(done (3))\n");
        let failure = Failure {
            kind: FailureKind::BadRequest,
            message: "there is no process 9".to_string(),
        };
        assert_eq!(show(&Response::Failed(failure)), "there is no process 9\n");
    }
}
