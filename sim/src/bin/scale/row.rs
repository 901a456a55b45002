//! A row of the table: medians over the seeds of one kind of cluster.
use std::fmt;
use std::str::FromStr;

use sim::Outcome;
use types::Duration;

/// The head of the table.
pub(crate) const HEAD: &str = "\
| nodes | shared by | shared work | survivors that went back (range) | had to | their transactions \
undone | their work undone | undone by a global fallback | decision | inventories | holders and \
stores | homes serve after | those that did not go back have committed after | all after | longest \
gap of those that did not go back (before the crash) |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|";

/// Who shares pages with whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Group {
    All,
    Of(u32),
}

/// Medians.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Row {
    pub(crate) nodes: u32,
    pub(crate) percent: u64,
    pub(crate) group: Group,
    pub(crate) survivors: u64,
    pub(crate) reset: u64,
    /// Fewest and most.
    reset_range: (u64, u64),
    needed: u64,
    undone: u64,
    pub(crate) work: Duration,
    undone_global: u64,
    pub(crate) work_global: Duration,
    decision: u64,
    inventories: u64,
    on_demand: u64,
    open: Duration,
    kept_commit: Option<Duration>,
    pub(crate) all_commit: Duration,
    gap: Option<Duration>,
    gap_before: Option<Duration>,
}

impl Group {
    pub(crate) fn size(self, nodes: u32) -> u32 {
        match self {
            Self::All => nodes,
            Self::Of(size) => size,
        }
    }
}

impl FromStr for Group {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(size) if size > 1 => Ok(Self::Of(size)),
            _ if text == "all" => Ok(Self::All),
            _ => Err("expected `all` or a number of at least 2".into()),
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Of(size) => write!(f, "{size}"),
        }
    }
}

impl Row {
    pub(crate) fn of(nodes: u32, percent: u64, group: Group, outcomes: &[Outcome]) -> Self {
        let reset = |outcome: &Outcome| outcome.decided.nodes;
        let fewest = outcomes.iter().map(reset).min();
        let most = outcomes.iter().map(reset).max();
        Self {
            nodes,
            percent,
            group,
            survivors: median(outcomes, |of| of.survivors),
            reset: median(outcomes, reset),
            reset_range: (fewest.unwrap_or_default(), most.unwrap_or_default()),
            needed: median(outcomes, |of| of.needed),
            undone: median(outcomes, |of| of.decided.undone),
            work: median(outcomes, |of| of.decided.work),
            undone_global: median(outcomes, |of| of.global.undone),
            work_global: median(outcomes, |of| of.global.work),
            decision: median(outcomes, |of| of.messages.decision),
            inventories: median(outcomes, |of| of.messages.inventories),
            on_demand: median(outcomes, |of| of.messages.holders + of.messages.stores),
            open: median(outcomes, |of| of.open),
            kept_commit: median_of_some(outcomes, |of| of.kept_commit),
            all_commit: median(outcomes, |of| of.all_commit),
            gap: median_of_some(outcomes, |of| of.gap),
            gap_before: median_of_some(outcomes, |of| of.gap_before),
        }
    }

    pub(crate) fn messages(&self) -> u64 {
        self.decision + self.inventories + self.on_demand
    }
}

/// The upper one of two in the middle.
fn median<T: Ord + Default + Copy>(outcomes: &[Outcome], of: impl Fn(&Outcome) -> T) -> T {
    median_of_some(outcomes, |outcome| Some(of(outcome))).unwrap_or_default()
}

fn median_of_some<T: Ord + Copy>(
    outcomes: &[Outcome],
    of: impl Fn(&Outcome) -> Option<T>,
) -> Option<T> {
    let mut values: Vec<T> = outcomes.iter().filter_map(of).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_some = |span: Option<Duration>| span.map_or_else(|| "-".into(), millis);
        let cells = [
            self.nodes.to_string(),
            self.group.to_string(),
            format!("{} %", self.percent),
            format!(
                "{} ({} to {})",
                self.reset, self.reset_range.0, self.reset_range.1
            ),
            self.needed.to_string(),
            self.undone.to_string(),
            millis(self.work),
            format!("{}, {}", self.undone_global, millis(self.work_global)),
            self.decision.to_string(),
            self.inventories.to_string(),
            self.on_demand.to_string(),
            millis(self.open),
            of_some(self.kept_commit),
            millis(self.all_commit),
            format!("{} ({})", of_some(self.gap), of_some(self.gap_before)),
        ];
        write!(f, "| {} |", cells.join(" | "))
    }
}

/// Short spans with a digit after the point, long ones without.
fn millis(span: Duration) -> String {
    let tenths = (span.as_micros() + 50) / 100;
    if tenths < 1000 {
        format!("{}.{} ms", tenths / 10, tenths % 10)
    } else {
        format!("{} ms", (tenths + 5) / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_rounded() {
        assert_eq!(millis(Duration::from_micros(1_249)), "1.2 ms");
        assert_eq!(millis(Duration::from_micros(99_960)), "100 ms");
        assert_eq!(millis(Duration::from_micros(1_234_500)), "1235 ms");
    }

    #[test]
    fn groups_are_of_two_at_least() {
        assert_eq!("all".parse(), Ok(Group::All));
        assert_eq!("10".parse(), Ok(Group::Of(10)));
        assert!("1".parse::<Group>().is_err());
    }
}
