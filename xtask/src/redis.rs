//! Tests with Redis's own tools.
use anyhow::Result;

use crate::run;

const PROGRAMS: [run::Program; 2] = [
    ("redis-cli", "redis-tools"),
    ("redis-benchmark", "redis-tools"),
];

/// Runs them, or says why not.
pub(crate) fn test() -> Result<()> {
    run::with("tests with Redis's tools", &PROGRAMS, || {
        run::cargo(&run::e2e("test", "redis"))
    })
}
