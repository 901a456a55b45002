//! The bootable image: where it is, and how it is built.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::ui;

/// File name of an image.
const NAME: &str = "plurix-image";

/// A bootable image, on this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Image(pub(crate) PathBuf);

impl Image {
    /// The image to boot: the one that is named, or the one beside this command, or one built
    /// from the sources that this command was built from.
    pub(crate) fn find(named: Option<&Path>) -> Result<Self, Error> {
        if let Some(path) = named {
            return match path.is_file() {
                true => Ok(Self(path.to_owned())),
                false => Err(Error::user(format!(
                    "expected an image, found no file {}",
                    path.display()
                ))
                .hint("`plurix image build --out FILE` makes one")),
            };
        }
        match beside().filter(|path| path.is_file() && !is_outdated(path)) {
            Some(path) => Ok(Self(path)),
            None => build(None),
        }
    }
}

/// Where the image is that belongs to this command.
fn beside() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    Some(own.with_file_name(NAME))
}

/// Whether the image beside the command is older than the command.
fn is_outdated(image: &Path) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    let own = std::env::current_exe().ok().and_then(|own| time(&own));
    time(image) < own && sources().is_ok()
}

/// Builds the image of the sources that this command was built from.
pub(crate) fn build(out: Option<&Path>) -> Result<Image, Error> {
    let root = sources()?;
    ui::note("building the image, which takes some minutes the first time");
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--release", "--bin", NAME])
        .current_dir(root.join("metal"))
        .env("RUSTFLAGS", imager::RUSTFLAGS)
        .status()
        .map_err(|error| Error::config(format!("run cargo: {error}")))?;
    if !status.success() {
        return Err(Error::config(format!(
            "building the image: cargo ended with {status}"
        )));
    }
    let built = root.join("metal/target/release").join(NAME);
    let out = out
        .map(Path::to_owned)
        .or_else(beside)
        .unwrap_or_else(|| NAME.into());
    let bytes = fs::read(&built)
        .map_err(|error| Error::config(format!("read {}: {error}", built.display())))?;
    let finished = imager::finish(bytes)
        .map_err(|error| Error::internal(format!("the image that cargo has made: {error}")))?;
    fs::write(&out, finished)
        .map_err(|error| Error::config(format!("write {}: {error}", out.display())))?;
    Ok(Image(out))
}

/// Where the sources are, if they are still there.
fn sources() -> Result<PathBuf, Error> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    match root.join("metal/Cargo.toml").is_file() {
        true => Ok(root),
        false => Err(
            Error::user("expected an image beside this command, found none")
                .hint("give one with --image; it is built from the sources of this command"),
        ),
    }
}
