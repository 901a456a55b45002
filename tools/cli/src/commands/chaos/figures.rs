//! What a run has shown, for people and for programs.
use std::collections::BTreeMap;
use std::time::Duration;

use oracle::lists::{Answer, Operation};
use serde::Serialize;

use crate::ui;

/// All figures; the names are those of the JSON line.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Figures {
    /// Nothing was wrong.
    pub(super) consistent: bool,
    /// What was.
    pub(super) problems: Vec<String>,
    pub(super) seed: u64,
    pub(super) nodes: u32,
    pub(super) ran_ms: u64,
    pub(super) faults: BTreeMap<&'static str, u64>,
    pub(super) replaced: u64,
    pub(super) restarts: u64,
    pub(super) ended_by_themselves: u64,
    pub(super) operations: Operations,
    pub(super) banks: u64,
    pub(super) totals: u64,
    pub(super) pictures: u64,
}

/// What clients were told.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub(super) struct Operations {
    pub(super) done: u64,
    /// Without an answer.
    pub(super) unknown: u64,
    /// Refused, nothing has changed.
    pub(super) failed: u64,
    /// Longest time in which no client had an answer.
    pub(super) silence_ms_max: u64,
}

impl Operations {
    pub(super) fn of(history: &[Operation]) -> Self {
        let count = |is_counted: fn(&Answer) -> bool| {
            let all = history.iter();
            all.filter(|operation| is_counted(&operation.answer))
                .count() as u64
        };
        let mut ends: Vec<u64> = (history.iter())
            .filter_map(|operation| Some(operation.end()?.0))
            .collect();
        ends.push(0);
        ends.sort_unstable();
        let gaps = ends.windows(2).map(|pair| pair[1] - pair[0]);
        let silence = Duration::from_nanos(gaps.max().unwrap_or(0));
        Self {
            done: count(|answer| matches!(answer, Answer::Given { .. })),
            unknown: count(|answer| *answer == Answer::Missing),
            failed: count(|answer| *answer == Answer::Refused),
            silence_ms_max: ms(silence),
        }
    }
}

impl Figures {
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain data has a JSON form")
    }

    pub(super) fn to_table(&self) -> String {
        let faults = self.faults.iter().map(|(kind, count)| (*kind, *count));
        let figures = [
            ("nodes started again", self.replaced),
            ("restarts of all", self.restarts),
            ("nodes ended by themselves", self.ended_by_themselves),
            ("operations done", self.operations.done),
            ("operations unknown", self.operations.unknown),
            ("operations failed", self.operations.failed),
            ("longest silence, ms", self.operations.silence_ms_max),
            ("banks run to the end", self.banks),
            ("totals looked at", self.totals),
            ("pictures rendered", self.pictures),
        ];
        let rows: Vec<Vec<String>> = faults
            .chain(figures)
            .map(|(name, figure)| vec![name.to_owned(), figure.to_string()])
            .collect();
        ui::table(&["", ""], &rows)
    }
}

/// Whole milliseconds.
pub(super) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use oracle::Moment;

    #[test]
    fn operations_are_counted_by_their_answers() {
        let operation = |answer| Operation {
            begin: Moment(0),
            appends: Vec::new(),
            answer,
        };
        let given = |ms: u64| {
            operation(Answer::Given {
                at: Moment(ms * 1_000_000),
                reads: Vec::new(),
            })
        };
        let (missing, refused) = (operation(Answer::Missing), operation(Answer::Refused));
        let history = [given(70), missing, given(10), refused, given(20)];
        let expected = Operations {
            done: 3,
            unknown: 1,
            failed: 1,
            silence_ms_max: 50,
        };
        assert_eq!(Operations::of(&history), expected);
    }
}
