//! Builds the guest modules and keeps the committed ones up to date.
//!
//! The bytes of a module depend on its sources and the compiler only: paths are remapped, names
//! stripped, and see `wrapper`. The compiler is noted beside the modules, so that `--check`
//! compares bytes only where it would make the same ones.
mod module;
mod toolchain;
mod wrapper;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

pub(crate) use self::wrapper::stand_in;

use self::toolchain::Toolchain;
use crate::run::{command, root, say};

/// The modules that are built, by the names of their packages.
const MODULES: &[&str] = &[
    "bank",
    "board",
    "clock",
    "console",
    "disk",
    "display",
    "input",
    "kv",
    "lists",
    "network",
    "power",
    "raytracer",
    "resp",
    "scribe",
    "shell",
    "tally",
    "turnstile",
    "wordcount",
];
const TARGET: &str = "wasm32-unknown-unknown";
/// The note of the compiler that made the committed modules.
const NOTE: &str = "COMPILER";
/// Whole pages, and enough for what is not recursive without bound.
const STACK_BYTES: u32 = 64 << 10;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Compare with the committed modules instead of replacing them.
    #[arg(long)]
    check: bool,
}

impl Args {
    /// To compare, not to replace.
    pub(crate) const fn check() -> Self {
        Self { check: true }
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let modules = root().join("guest/modules");
    let Some(toolchain) = Toolchain::find()? else {
        if args.check {
            say("guests: NOT compared with their sources: this machine has no compiler for wasm32");
            return check_committed(&modules);
        }
        bail!(
            "no compiler for wasm32: run `rustup target add {TARGET}`, or on Debian \
             `apt-get install rustc-web rust-web-src lld`"
        );
    };
    let built = build(&toolchain)?;
    for name in MODULES {
        module::verify(&built.join(format!("{name}.wasm")))?;
    }
    if args.check {
        compare(&modules, &built, &toolchain)
    } else {
        replace(&modules, &built, &toolchain)
    }
}

/// Builds all modules; returns the folder they are in.
fn build(toolchain: &Toolchain) -> Result<PathBuf> {
    let folder = root().join("target/modules");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--locked", "--target", TARGET]);
    cargo
        .args(["--manifest-path", "guest/Cargo.toml", "--target-dir"])
        .arg(&folder);
    for name in MODULES {
        cargo.args(["-p", name]);
    }
    let mut flags = toolchain.flags();
    flags.extend([
        format!("-Clink-arg=-zstack-size={STACK_BYTES}"),
        "-Clink-arg=--stack-first".to_owned(),
        "-Clink-arg=--export=__stack_pointer".to_owned(),
        format!("--remap-path-prefix={}=plurix", root().display()),
    ]);
    cargo
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    toolchain.set_up(&mut cargo);
    wrapper::set_up(&mut cargo)?;
    command(&mut cargo).context("build the guest modules")?;
    Ok(folder.join(TARGET).join("release"))
}

/// Without a compiler: at least the committed modules are sound.
fn check_committed(modules: &Path) -> Result<()> {
    MODULES
        .iter()
        .try_for_each(|name| module::verify(&modules.join(format!("{name}.wasm"))))
}

fn replace(modules: &Path, built: &Path, toolchain: &Toolchain) -> Result<()> {
    for name in MODULES {
        let file = format!("{name}.wasm");
        let size = fs::copy(built.join(&file), modules.join(&file)).context("copy the module")?;
        say(&format!("guest/modules/{file}: {size} bytes"));
    }
    fs::write(modules.join(NOTE), format!("{}\n", toolchain.version())).context("write the note")
}

fn compare(modules: &Path, built: &Path, toolchain: &Toolchain) -> Result<()> {
    let note = fs::read_to_string(modules.join(NOTE)).context("read which compiler was used")?;
    if note.trim() != toolchain.version() {
        say(&format!(
            "guests: they build, but were NOT compared: the committed ones are by {}, this is {}",
            note.trim(),
            toolchain.version()
        ));
        return check_committed(modules);
    }
    for name in MODULES {
        let file = format!("{name}.wasm");
        let read = |folder: &Path| {
            let path = folder.join(&file);
            fs::read(&path).with_context(|| format!("read {}", path.display()))
        };
        if read(modules)? != read(built)? {
            bail!("guest/modules/{file} is not what its sources make: run `cargo xtask guests`");
        }
        say(&format!("guest/modules/{file}: as its sources make it"));
    }
    Ok(())
}
