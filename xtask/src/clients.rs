//! Tests with other people's clients of what programs serve: Redis's own tools, and curl.
use anyhow::Result;

use crate::run::{self, Program};

/// The tests of each, by the name of their module, and what they need.
const CLIENTS: [(&str, &[Program]); 2] = [
    (
        "redis",
        &[
            ("redis-cli", "redis-tools"),
            ("redis-benchmark", "redis-tools"),
        ],
    ),
    ("curl", &[("curl", "curl")]),
];

/// Runs them, or says why not.
pub(crate) fn test() -> Result<()> {
    CLIENTS.iter().try_for_each(|(name, programs)| {
        run::with(&format!("tests with {name}"), programs, || {
            let tests = run::e2e("test", "clients");
            run::cargo(&[&tests[..], &["--", &format!("{name}::")]].concat())
        })
    })
}
