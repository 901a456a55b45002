//! The bootable image: where it is, and how it is built.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

use crate::error::Error;
use crate::ui;

/// File name of an image.
const NAME: &str = "plurix-image";
/// Where addresses in the image begin; see `metal/image/linker.ld`.
const START: u64 = 2 << 20;
/// Section with the names of functions; see `metal/hal/src/panic.rs`.
const SYMBOLS: &str = ".symbols";

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
        let beside = std::env::current_exe()
            .ok()
            .map(|own| own.with_file_name(NAME));
        match beside.filter(|path| path.is_file() && !is_outdated(path)) {
            Some(path) => Ok(Self(path)),
            None => build(None),
        }
    }
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
        // Backtraces follow frame pointers.
        .env("RUSTFLAGS", "-Cforce-frame-pointers=yes")
        .status()
        .map_err(|error| Error::config(format!("run cargo: {error}")))?;
    if !status.success() {
        return Err(Error::config(format!(
            "building the image: cargo ended with {status}"
        )));
    }
    let built = root.join("metal/target/release").join(NAME);
    let beside = || {
        std::env::current_exe()
            .ok()
            .map(|own| own.with_file_name(NAME))
    };
    let out = out
        .map(Path::to_owned)
        .or_else(beside)
        .unwrap_or_else(|| NAME.into());
    let bytes = fs::read(&built)
        .map_err(|error| Error::config(format!("read {}: {error}", built.display())))?;
    let finished = finish(bytes)
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

/// Puts the names of functions into the image, and leaves out what is for debuggers.
fn finish(mut bytes: Vec<u8>) -> Result<Vec<u8>, object::Error> {
    let (table, place) = {
        let file = object::File::parse(&*bytes)?;
        let section = file.section_by_name(SYMBOLS);
        let place = section.and_then(|section| section.file_range());
        (names(&file), place)
    };
    if let Some((offset, size)) = place {
        let (offset, size) = (index(offset), index(size));
        let table = &table[..table.len().min(size)];
        bytes[offset..offset + table.len()].copy_from_slice(table);
    }
    Ok(strip(&bytes))
}

/// The table of names, as many as there is room for.
fn names(file: &object::File<'_>) -> Vec<u8> {
    let room = file
        .section_by_name(SYMBOLS)
        .map_or(0, |section| index(section.size()));
    let mut functions: Vec<(u32, String)> = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text)
        .filter_map(|symbol| {
            let offset = u32::try_from(symbol.address().checked_sub(START)?).ok()?;
            let name = rustc_demangle::demangle(symbol.name().ok()?);
            Some((offset, format!("{name:#}")))
        })
        .collect();
    functions.sort();
    functions.dedup_by_key(|(offset, _)| *offset);
    let mut bytes = 4;
    functions.retain(|(_, name)| {
        bytes += 8 + name.len() + 1;
        bytes <= room
    });
    let count = u32::try_from(functions.len()).expect("bounded by the room");
    let (mut table, mut texts) = (count.to_le_bytes().to_vec(), Vec::new());
    for (offset, name) in &functions {
        let at = u32::try_from(texts.len()).expect("bounded by the room");
        table.extend(offset.to_le_bytes());
        table.extend(at.to_le_bytes());
        texts.extend(name.as_bytes());
        texts.push(0);
    }
    table.extend(texts);
    table
}

/// The image without what lies behind all that is loaded: no loader reads it.
fn strip(bytes: &[u8]) -> Vec<u8> {
    const SECTIONS_AT: usize = 0x28;
    const SECTION_COUNT_AT: usize = 0x3c;
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
    let short = |at: usize| u16::from_le_bytes(bytes[at..at + 2].try_into().expect("2 bytes"));
    let (headers, size, count) = (index(word(0x20)), short(0x36), short(0x38));
    let ends = (0..usize::from(count)).map(|number| {
        let header = headers + number * usize::from(size);
        index(word(header + 8) + word(header + 32))
    });
    let end = ends.max().unwrap_or(bytes.len()).min(bytes.len());
    let mut stripped = bytes[..end].to_vec();
    stripped[SECTIONS_AT..SECTIONS_AT + 8].fill(0);
    stripped[SECTION_COUNT_AT..SECTION_COUNT_AT + 4].fill(0);
    stripped
}

fn index(value: u64) -> usize {
    usize::try_from(value).expect("files fit into memory")
}
