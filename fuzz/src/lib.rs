//! Everything that decodes bytes from outside: from the line, from disks, from tools.
//!
//! A *target* is a function that takes any bytes and panics if something is wrong with
//! what becomes of them: the decoder's own panics, and properties beside that (what
//! decodes survives being encoded; what is opened is what was sealed). It has *seeds*,
//! made of real values, from which the fuzzer finds its way.
//!
//! Start with [`TARGETS`]. There is a file for each in `targets`.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;

mod image;
mod seeds;
mod targets;

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

/// Something to be fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: that of its file.
    pub name: &'static str,
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Panics if these bytes show a fault.
    pub check: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    targets::adapter::TARGET,
    targets::admin::TARGET,
    targets::control::TARGET,
    targets::control_log::TARGET,
    targets::far::TARGET,
    targets::hello::TARGET,
    targets::modules::TARGET,
    targets::seal::TARGET,
    targets::settings::TARGET,
    targets::signed::TARGET,
    targets::store::TARGET,
    targets::token::TARGET,
    targets::volume::TARGET,
    targets::wire::TARGET,
];

/// Names the target.
const TARGET_VARIABLE: &str = "PLURIX_FUZZ_TARGET";
/// Names a folder for its seeds, if they are wanted.
const SEEDS_VARIABLE: &str = "PLURIX_FUZZ_SEEDS";

/// The target that the environment names.
///
/// # Panics
/// If it names none.
#[must_use]
pub fn chosen() -> Target {
    static CHOSEN: LazyLock<Target> = LazyLock::new(|| {
        let name = std::env::var(TARGET_VARIABLE).expect("the environment names a target");
        let named = TARGETS.iter().find(|target| target.name == name);
        *named.expect("there is a target of that name")
    });
    *CHOSEN
}

/// Writes the seeds of the chosen target to the folder that the environment names.
///
/// # Panics
/// If that fails.
pub fn sow() {
    let Some(folder) = std::env::var_os(SEEDS_VARIABLE).map(PathBuf::from) else {
        return;
    };
    for (number, seed) in (chosen().seeds)().iter().enumerate() {
        let path = folder.join(format!("seed-{number:03}"));
        fs::write(path, seed).expect("seeds can be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_bears_its_seeds_and_parts_of_them() {
        for target in TARGETS {
            let seeds = (target.seeds)();
            assert!(!seeds.is_empty(), "{} has no seeds", target.name);
            for seed in seeds {
                (target.check)(&seed);
                (target.check)(&seed[..seed.len() / 2]);
            }
        }
    }
}
