//! Tests of nodes on bare metal, in machines that QEMU makes.
use std::process::Command;

use anyhow::Result;

use crate::run;

/// What makes machines.
pub(crate) const QEMU: [run::Program; 1] = [("qemu-system-x86_64", "qemu-system-x86")];

/// Builds the image and runs them, or says why not.
pub(crate) fn test() -> Result<()> {
    run::with("tests of nodes on bare metal", &QEMU, || {
        let plurix = run::root().join("target/release/plurix");
        run::command(Command::new(plurix).args(["image", "build"]))?;
        run::cargo(&run::e2e("test", "metal"))?;
        run::cargo(&run::e2e("test", "screen"))
    })
}
