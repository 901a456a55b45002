//! Bootable files, of what cargo has linked.
#![deny(missing_docs)]
mod iso;

pub use iso::{IsoError, PACKAGES, iso};

use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

/// With what an image is compiled: backtraces follow frame pointers.
pub const RUSTFLAGS: &str = "-Cforce-frame-pointers=yes";
/// Where addresses in the image begin; see `metal/image/linker.ld`.
const START: u64 = 2 << 20;
/// Section with the names of functions; see `metal/hal/src/panic.rs`.
const SYMBOLS: &str = ".symbols";

/// Puts the names of functions into the image, and leaves out what is for debuggers.
///
/// # Errors
/// If it is no image.
pub fn finish(mut bytes: Vec<u8>) -> Result<Vec<u8>, object::Error> {
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
