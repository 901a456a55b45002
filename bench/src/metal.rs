//! What a node does on bare metal against one on Linux, in machines that are the same: local
//! transactions, and pages that two nodes fetch from each other.
use std::time::Duration;

use types::Durability;

use crate::cluster::{EpochsEnd, Plan, Start, rate, rate_of, run};
use crate::guests;
use crate::report::{Better, Goal, Outcome, Report};
use crate::rounds::{machine, median};
use crate::snapshot::WARMED;

const ROUNDS: usize = 5;
const LOCAL_GOAL: f64 = 1.0;
const FETCHES_GOAL: f64 = 1.5;
/// Accounts, transfers, tellers.
const BANK_ARGUMENTS: [&str; 3] = ["1000", "1000000000000", "1"];
/// Room for Linux, too, whose first file system is in memory.
const MACHINE_MIB: u32 = 1024;
/// Nodes tell their figures several times in it.
const MEASURED: Duration = Duration::from_secs(4);

/// Rates, by round.
#[derive(Clone, Default, Debug)]
struct Found {
    local: Vec<f64>,
    fetches: Vec<f64>,
}

/// Runs all of it. `bank` is the module of transfers between accounts.
///
/// # Errors
/// Why machines could not be measured.
pub fn metal(image: Start<'_>, linux: Start<'_>, bank: &[u8]) -> Result<Report, String> {
    let exchange = guests::exchange();
    let mut found = [Found::default(), Found::default()];
    for _ in 0..ROUNDS {
        for (start, found) in [image, linux].into_iter().zip(&mut found) {
            found.local.push(local(start, bank)?);
            found.fetches.push(fetches(start, &exchange)?);
        }
    }
    let [image, linux] = found;
    Ok(report(&image, &linux))
}

/// Transactions a second on pages that nobody else uses.
fn local(start: Start<'_>, bank: &[u8]) -> Result<f64, String> {
    let mut cluster = start(plan(1))?;
    run(&mut *cluster, "bank", bank, &BANK_ARGUMENTS)?;
    rate(&mut *cluster, WARMED)?;
    rate(&mut *cluster, MEASURED)
}

/// Pages a second that two nodes fetch from each other.
fn fetches(start: Start<'_>, exchange: &[u8]) -> Result<f64, String> {
    let mut cluster = start(plan(2))?;
    run(&mut *cluster, "exchange", exchange, &[])?;
    rate(&mut *cluster, WARMED)?;
    // Each step of the two fetches a page.
    rate_of(&mut *cluster, MEASURED, |status| {
        status.nodes.iter().map(|node| node.steps).sum()
    })
}

fn plan(nodes: u32) -> Plan {
    Plan {
        nodes,
        epoch_ms: 100,
        epochs_end: EpochsEnd::OnDemand,
        memory_mib: MACHINE_MIB,
        durability: Durability::Disk,
    }
}

fn report(image: &Found, linux: &Found) -> Report {
    let (mut results, mut goals) = (Vec::new(), Vec::new());
    let mut put = |what: &str, unit: &str, image: &[f64], linux: &[f64], goal: f64| {
        for (name, rates) in [("image", image), ("Linux", linux)] {
            let rate = median(rates.to_vec());
            results.push(Outcome::new(&format!("{what}, {name}"), rate, unit));
        }
        let ratios = image.iter().zip(linux).map(|(image, linux)| image / linux);
        let ratio = median(ratios.collect());
        let name = format!("{what}, image : Linux");
        goals.push(Goal::new(&name, ratio, goal, Better::Higher));
    };
    let local = "local transactions";
    put(local, "tx/s", &image.local, &linux.local, LOCAL_GOAL);
    let fetched = "fetches of pages";
    put(fetched, "1/s", &image.fetches, &linux.fetches, FETCHES_GOAL);
    Report {
        bench: "metal".to_owned(),
        machine: machine(),
        results,
        goals,
        notes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, report};

    #[test]
    fn rounds_are_compared_one_by_one() {
        let image = Found {
            local: vec![1.0, 4.0, 9.0],
            fetches: vec![3.0, 3.0, 3.0],
        };
        let linux = Found {
            local: vec![1.0, 2.0, 3.0],
            fetches: vec![3.0, 3.0, 1.0],
        };
        let report = report(&image, &linux);
        let found: Vec<_> = report
            .goals
            .iter()
            .map(|goal| (goal.value, goal.met))
            .collect();
        assert_eq!(found, [(2.0, true), (1.0, false)]);
        let values: Vec<f64> = report.results.iter().map(|result| result.value).collect();
        assert_eq!(values, [4.0, 2.0, 3.0, 3.0]);
    }
}
