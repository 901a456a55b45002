//! The result of a benchmark, as written to a file and compared with its goals.
use serde::{Deserialize, Serialize};

/// What one benchmark found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Name of the benchmark.
    pub bench: String,
    /// Where it ran, in words.
    pub machine: String,
    /// What was measured.
    pub results: Vec<Outcome>,
    /// What was to be reached.
    pub goals: Vec<Goal>,
    /// What was left out, and what else whoever reads this should know.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// A measured value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// What was measured.
    pub name: String,
    /// The value.
    pub value: f64,
    /// Its unit; `ratio` if it has none.
    pub unit: String,
}

/// Which values are good.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Small ones.
    Lower,
    /// Large ones.
    Higher,
}

/// A value to be reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Goal {
    /// What was measured.
    pub name: String,
    /// The value that was found.
    pub value: f64,
    /// The value to be reached.
    pub goal: f64,
    /// Which side of `goal` is good.
    pub better: Better,
    /// Whether it was reached.
    pub met: bool,
}

impl Outcome {
    /// A measured value.
    #[must_use]
    pub fn new(name: &str, value: f64, unit: &str) -> Self {
        Self {
            name: name.to_owned(),
            value,
            unit: unit.to_owned(),
        }
    }
}

impl Goal {
    /// Compares a value with its goal.
    #[must_use]
    pub fn new(name: &str, value: f64, goal: f64, better: Better) -> Self {
        let met = match better {
            Better::Lower => value <= goal,
            Better::Higher => value >= goal,
        };
        Self {
            name: name.to_owned(),
            value,
            goal,
            better,
            met,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Better, Goal};

    #[test]
    fn a_goal_is_met_on_its_good_side() {
        assert!(Goal::new("time", 1.0, 1.0, Better::Lower).met);
        assert!(!Goal::new("time", 1.1, 1.0, Better::Lower).met);
        assert!(Goal::new("rate", 1.1, 1.0, Better::Higher).met);
        assert!(!Goal::new("rate", 0.9, 1.0, Better::Higher).met);
    }
}
