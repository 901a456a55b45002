//! Stands before the compiler when guests are built. Cargo has it put a number into all symbols
//! that depends, for crates outside of the guests' workspace, on where the repository lies; symbols
//! decide on the order of functions. So equal sources would make other bytes elsewhere. Here the
//! number depends on the crate's name and version alone.
use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

/// Says that this program is the wrapper.
const VARIABLE: &str = "PLURIX_RUSTC_WRAPPER";
/// What cargo calls the number.
const METADATA: &str = "metadata=";

/// Has cargo call this program for the compiler.
pub(super) fn set_up(cargo: &mut Command) -> Result<()> {
    let program = env::current_exe().context("find out where this program is")?;
    cargo.env("RUSTC_WRAPPER", program).env(VARIABLE, "1");
    Ok(())
}

/// If this program is called for the compiler it becomes that, and does not return.
pub(crate) fn stand_in() -> Result<()> {
    if env::var_os(VARIABLE).is_none() {
        return Ok(());
    }
    let mut arguments = env::args_os().skip(1);
    let compiler = arguments.next().context("cargo names the compiler")?;
    let arguments = arguments.map(|argument| match argument.to_str() {
        Some(text) if text.starts_with(METADATA) => metadata(),
        _ => argument,
    });
    let failed = Command::new(&compiler).args(arguments).exec();
    Err(failed).with_context(|| format!("run {}", compiler.display()))
}

fn metadata() -> OsString {
    let of = |variable| env::var(variable).unwrap_or_default();
    let (name, version) = (of("CARGO_PKG_NAME"), of("CARGO_PKG_VERSION"));
    format!("{METADATA}{name}-{version}").into()
}
