//! Tests of nodes on bare metal, in machines that QEMU makes.
use anyhow::Result;

use crate::run;

const PROGRAMS: [run::Program; 1] = [("qemu-system-x86_64", "qemu-system-x86")];

/// Builds the image and runs them, or says why not.
pub(crate) fn test() -> Result<()> {
    run::install(&PROGRAMS);
    if let Some(lack) = run::lack(&PROGRAMS) {
        run::say(&format!("tests of nodes on bare metal: NOT run: {lack}"));
        return Ok(());
    }
    let plurix = run::root().join("target/release/plurix");
    run::command(std::process::Command::new(plurix).args(["image", "build"]))?;
    run::cargo(&run::e2e("test", "metal"))?;
    run::cargo(&run::e2e("test", "screen"))
}
