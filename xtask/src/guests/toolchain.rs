//! Finds a compiler that can make WebAssembly.
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::TARGET;
use crate::run::is_installed;

/// Where distributions put their own compiler.
const SYSTEM_RUSTC: &str = "/usr/bin/rustc";

/// A compiler and where its `core` comes from.
pub(super) struct Toolchain {
    rustc: PathBuf,
    version: String,
    library: Library,
}

enum Library {
    /// It came with the compiler (`rustup target add`).
    Installed,
    /// It is built from the sources that came with the compiler.
    Built { sources: PathBuf },
}

impl Toolchain {
    /// The first that will do: the compiler in use, or the system's with its sources.
    pub(super) fn find() -> Result<Option<Self>> {
        let default = std::env::var_os("RUSTC").map_or_else(|| "rustc".into(), PathBuf::from);
        for rustc in [default, SYSTEM_RUSTC.into()] {
            let Some(version) = ask(&rustc, &["--version"])? else {
                continue;
            };
            if let Some(library) = Library::find(&rustc)? {
                return Ok(Some(Self {
                    rustc,
                    version,
                    library,
                }));
            }
        }
        Ok(None)
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Adds what cargo must be told.
    pub(super) fn set_up(&self, cargo: &mut Command) {
        cargo.env("RUSTC", &self.rustc);
        if let Library::Built { .. } = self.library {
            cargo
                .arg("-Zbuild-std=core,alloc")
                .env("RUSTC_BOOTSTRAP", "1");
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld");
        }
    }

    /// What the compiler must be told.
    pub(super) fn flags(&self) -> Vec<String> {
        match &self.library {
            Library::Installed => Vec::new(),
            Library::Built { sources } => {
                vec![format!("--remap-path-prefix={}=rust", sources.display())]
            }
        }
    }
}

impl Library {
    fn find(rustc: &Path) -> Result<Option<Self>> {
        let installed = ask(rustc, &["--print", "target-libdir", "--target", TARGET])?;
        if installed.is_some_and(|folder| Path::new(&folder).is_dir()) {
            return Ok(Some(Self::Installed));
        }
        let Some(sysroot) = ask(rustc, &["--print", "sysroot"])? else {
            return Ok(None);
        };
        let sources = Path::new(&sysroot).join("lib/rustlib/src/rust");
        let complete = sources.join("library/core/Cargo.toml").is_file();
        Ok((complete && is_installed("wasm-ld")).then_some(Self::Built { sources }))
    }
}

/// What a compiler answers; `None` if it is not there or does not know.
fn ask(rustc: &Path, args: &[&str]) -> Result<Option<String>> {
    let output = match Command::new(rustc).args(args).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.with_context(|| format!("run {}", rustc.display()))?,
    };
    let answer = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(output.status.success().then_some(answer))
}
