//! What the length of an epoch costs and gives: transactions per second of a real cluster, and
//! how long a call that writes waits for its answer, which leaves when what it tells is stable.
use types::{Durability, Prng};

use crate::cluster::{Cluster, EpochsEnd, Plan, Start, rate, rest_within_epoch, run, timed_call};
use crate::plot::{Line, Panel, svg};
use crate::report::{Outcome, Report};
use crate::rounds::{machine, median, percentile};
use crate::snapshot::{BANK_ARGUMENTS, MEASURED, WARMED};

const EPOCHS_MS: [u32; 3] = [1, 10, 100];
const ROUNDS: usize = 3;
/// In each round.
const CALLS: usize = 100;
/// Its accounts are the first ones of the bank, the sum goes to and fro.
const TRANSFERS: [[u64; 3]; 2] = [[0, 1, 1], [1, 0, 1]];

/// What was found with one length of epochs, by round.
#[derive(Default)]
struct Found {
    rates: Vec<f64>,
    /// Times of answers in milliseconds: half of them are shorter, and 99 of a hundred.
    half: Vec<f64>,
    most: Vec<f64>,
}

/// Measures each length of epochs in turns, a new cluster of one node each time; gives a plot,
/// too. `bank` is the module of transfers between accounts.
///
/// # Errors
/// Why the clusters could not be measured.
pub fn epochs(start: Start<'_>, bank: &[u8]) -> Result<(Report, String), String> {
    let mut found: Vec<Found> = EPOCHS_MS.iter().map(|_| Found::default()).collect();
    let mut prng = Prng::new(1);
    for _ in 0..ROUNDS {
        for (epoch_ms, found) in EPOCHS_MS.into_iter().zip(&mut found) {
            let mut cluster = start(Plan {
                nodes: 1,
                epoch_ms,
                epochs_end: EpochsEnd::ByTheClock,
                memory_mib: 256,
                durability: Durability::Disk,
            })?;
            run(&mut *cluster, "bank", bank, &BANK_ARGUMENTS)?;
            rate(&mut *cluster, WARMED)?;
            found.rates.push(rate(&mut *cluster, MEASURED)?);
            let times = answers(&mut *cluster, epoch_ms, &mut prng)?;
            found.half.push(median(times.clone()));
            found.most.push(percentile(times, 99));
        }
    }
    Ok((report(&found), plot(&found)))
}

/// How long answers take while the bank works, in milliseconds.
fn answers(cluster: &mut dyn Cluster, epoch_ms: u32, prng: &mut Prng) -> Result<Vec<f64>, String> {
    let transfers = TRANSFERS.iter().cycle().take(CALLS);
    let time = |transfer: &[u64; 3]| {
        rest_within_epoch(prng, epoch_ms);
        timed_call(cluster, "bank", "transfer", transfer)
    };
    transfers.map(time).collect()
}

fn report(found: &[Found]) -> Report {
    let mut results = Vec::new();
    for (epoch_ms, found) in EPOCHS_MS.iter().zip(found) {
        let mut put = |what: &str, values: &[f64], unit: &str| {
            let name = format!("epochs of {epoch_ms} ms: {what}");
            results.push(Outcome::new(&name, median(values.to_vec()), unit));
        };
        put("bank", &found.rates, "tx/s");
        put("stable answer, median", &found.half, "ms");
        put("stable answer, 99 of a hundred", &found.most, "ms");
    }
    Report {
        bench: "epochs".to_owned(),
        machine: machine(),
        results,
        goals: Vec::new(),
        notes: Vec::new(),
    }
}

fn plot(found: &[Found]) -> String {
    let line = |name: &str, value: &dyn Fn(&Found) -> f64| Line {
        name: name.to_owned(),
        points: EPOCHS_MS
            .iter()
            .zip(found)
            .map(|(&epoch_ms, found)| (f64::from(epoch_ms), value(found)))
            .collect(),
    };
    let panel = |title: &str, lines| Panel {
        title: title.to_owned(),
        x: "length of an epoch, ms".to_owned(),
        lines,
    };
    let rate = |found: &Found| median(found.rates.clone()) / 1e3;
    let rates = vec![line("transactions", &rate)];
    let times = vec![
        line("answers, median", &|found| median(found.half.clone())),
        line("answers, 99 of a hundred", &|found| {
            median(found.most.clone())
        }),
    ];
    svg(&[
        panel("thousands of transactions a second", rates),
        panel("until an answer is stable, ms", times),
    ])
}

#[cfg(test)]
mod tests {
    use super::{EPOCHS_MS, Found, plot, report};

    fn found() -> Vec<Found> {
        let of = |rate| Found {
            rates: vec![rate, 2.0 * rate, 3.0 * rate],
            half: vec![4.0, 5.0, 1.0],
            most: vec![9.0, 7.0, 8.0],
        };
        vec![of(1e5), of(2e5), of(3e5)]
    }

    #[test]
    fn each_length_has_a_rate_and_two_times_that_are_medians_of_the_rounds() {
        let report = report(&found());
        assert_eq!(report.results.len(), 3 * EPOCHS_MS.len());
        let value = |name: &str| {
            let result = report.results.iter().find(|result| result.name == name);
            result.map(|result| (result.value, result.unit.as_str()))
        };
        assert_eq!(value("epochs of 10 ms: bank"), Some((4e5, "tx/s")));
        let half = "epochs of 1 ms: stable answer, median";
        assert_eq!(value(half), Some((4.0, "ms")));
        let most = "epochs of 100 ms: stable answer, 99 of a hundred";
        assert_eq!(value(most), Some((8.0, "ms")));
    }

    #[test]
    fn the_plot_has_a_scale_and_a_name_for_each_line() {
        let drawn = plot(&found());
        for expected in [
            ">transactions<",
            ">answers, median<",
            ">answers, 99 of a hundred<",
            ">100<",
            ">500<",
        ] {
            assert!(drawn.contains(expected), "{expected} in {drawn}");
        }
    }
}
