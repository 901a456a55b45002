//! `plurix snapshots`: what one could go back to, in a cluster that runs or is stopped.
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use admin::SnapshotInfo;
use clap::Args;

use super::DataArg;
use crate::error::Error;
use crate::past::Source;
use crate::ui;

/// List the snapshots of the cluster, oldest first
///
/// Those without names are kept for a while, see `plurix up --retain`; the last one is the
/// newest state that cannot be lost.
#[derive(Args, Debug)]
pub(crate) struct SnapshotsArgs {
    #[command(flatten)]
    data: DataArg,
}

pub(crate) fn run(args: &SnapshotsArgs) -> Result<ExitCode, Error> {
    let snapshots = Source::open(&args.data.open()?)?.snapshots()?;
    let rows: Vec<Vec<String>> = snapshots
        .iter()
        .map(|snapshot| {
            vec![
                snapshot.epoch.to_string(),
                age_of(snapshot.wall_ms),
                name(snapshot),
            ]
        })
        .collect();
    ui::write_out(ui::table(&["epoch", "age", "name"], &rows).as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// Its names. What is not kept is called what it can be asked for.
fn name(snapshot: &SnapshotInfo) -> String {
    match snapshot.is_kept {
        true => snapshot.names.join(", "),
        false => String::from("(latest)"),
    }
}

/// How long ago it is, for people.
pub(crate) fn age_of(wall_ms: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ms = now.unwrap_or_default().as_millis();
    age(u64::try_from(now_ms)
        .unwrap_or(u64::MAX)
        .saturating_sub(wall_ms))
}

fn age(ms: u64) -> String {
    match ms / 1000 {
        0..60 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        assert_eq!(age(1_234), "1.2 s");
        assert_eq!(age(61_000), "1 min");
        assert_eq!(age(7_300_000), "2 h");
    }
}
