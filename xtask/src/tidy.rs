//! The house rules that a program can check, so that no reviewer has to.
mod imports;
mod licences;
mod protocol;
mod sources;

use anyhow::{Result, bail};

use crate::run::say;

/// Checks every rule; reports all violations, not only the first.
pub(crate) fn run() -> Result<()> {
    let metadata = imports::metadata()?;
    let mut violations = sources::check()?;
    violations.extend(imports::check(&metadata));
    violations.extend(licences::check(&metadata));
    violations.extend(protocol::check()?);
    for violation in &violations {
        say(violation);
    }
    if !violations.is_empty() {
        bail!(
            "{} house rules broken, see CONTRIBUTING.md",
            violations.len()
        );
    }
    Ok(())
}
