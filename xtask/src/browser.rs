//! Tests of the dashboard's page, in a browser.
use anyhow::Result;

use crate::run;

const PROGRAMS: [run::Program; 1] = [("chromium", "chromium")];

/// Runs them, or says why not.
pub(crate) fn test() -> Result<()> {
    run::install(&PROGRAMS);
    if let Some(lack) = run::lack(&PROGRAMS) {
        run::say(&format!("tests in a browser: NOT run: {lack}"));
        return Ok(());
    }
    run::cargo(&run::e2e("test", "browser"))
}
