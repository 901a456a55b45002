//! Tests of the dashboard's page, in a browser.
use anyhow::Result;

use crate::run;

const PROGRAMS: [run::Program; 1] = [("chromium", "chromium")];

/// Runs them, or says why not.
pub(crate) fn test() -> Result<()> {
    run::with("tests in a browser", &PROGRAMS, || {
        run::cargo(&run::e2e("test", "browser"))
    })
}
