//! The house rules that a program can check, so that no reviewer has to.
mod imports;
mod licences;
mod protocol;
mod sources;

use anyhow::{Result, bail};

use crate::run::say;

/// Manifests of what is shipped.
const WORKSPACES: [&str; 2] = ["Cargo.toml", "metal/Cargo.toml"];

/// Checks every rule; reports all violations, not only the first.
pub(crate) fn run() -> Result<()> {
    let workspaces = WORKSPACES.map(imports::metadata);
    let workspaces: Vec<_> = workspaces.into_iter().collect::<Result<_>>()?;
    let mut violations = sources::check()?;
    violations.extend(imports::check(&workspaces));
    violations.extend(workspaces.iter().flat_map(licences::check));
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
