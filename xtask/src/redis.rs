//! Tests with Redis's own tools.
use anyhow::Result;

use crate::run;

const PROGRAMS: [run::Program; 2] = [
    ("redis-cli", "redis-tools"),
    ("redis-benchmark", "redis-tools"),
];

/// Runs them, or says why not.
pub(crate) fn test() -> Result<()> {
    run::install(&PROGRAMS);
    if let Some(lack) = run::lack(&PROGRAMS) {
        run::say(&format!("tests with Redis's tools: NOT run: {lack}"));
        return Ok(());
    }
    run::cargo(&run::e2e("test", "redis"))
}
