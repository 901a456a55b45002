//! Pages and regions, byte by byte.
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use past::Past;
use types::limits::FIRST_APPLICATION_REGION;
use types::{PAGE_SIZE, PageBytes, PageId, RegionId, Version};
use wire::PAST_PAGES_MAX;

use crate::error::Error;
use crate::ui;

const LINE: usize = 16;

/// A page as `hexdump -C` shows it.
pub(crate) fn page(past: &mut dyn Past, page: PageId) -> Result<String, Error> {
    let Some(content) = past.read(&[page])?.pop().flatten() else {
        let epoch = past.epoch();
        return Ok(format!(
            "page {page} had not been written by epoch {epoch}: it is all zeroes\n"
        ));
    };
    let mut bytes = [0; PAGE_SIZE];
    content.image.write_to(&mut bytes);
    let (version, stamp) = (content.version.0, content.stamp);
    let head = format!(
        "page {page}, version {version}, written by {} in epoch {}\n",
        stamp.node,
        stamp.epoch()
    );
    Ok(head + &hex(&bytes))
}

/// Lines that equal the one before are left out, after a star.
fn hex(bytes: &PageBytes) -> String {
    let (lines, _) = bytes.as_chunks::<LINE>();
    let mut text = String::new();
    let mut is_starred = false;
    for (at, line) in lines.iter().enumerate() {
        if at > 0 && lines[at - 1] == *line {
            if !is_starred {
                text += "*\n";
                is_starred = true;
            }
            continue;
        }
        is_starred = false;
        let (left, right) = line.split_at(LINE / 2);
        let letters: String = line.iter().map(|&byte| letter(byte)).collect();
        let (left, right) = (hex_of(left), hex_of(right));
        text += &format!("{:08x}  {left}  {right}  |{letters}|\n", at * LINE);
    }
    text + &format!("{PAGE_SIZE:08x}\n")
}

fn hex_of(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(" ")
}

fn letter(byte: u8) -> char {
    match byte {
        b' '..=b'~' => char::from(byte),
        _ => '.',
    }
}

/// The pages of a region, with their versions.
pub(crate) fn region(past: &mut dyn Past, region: RegionId) -> Result<String, Error> {
    let rows: Vec<Vec<String>> = pages_of(past, region)?
        .into_iter()
        .map(|(page, version)| {
            let offset = u64::from(page.index.0) * PAGE_SIZE as u64;
            vec![
                page.to_string(),
                format!("{offset:#x}"),
                version.0.to_string(),
            ]
        })
        .collect();
    Ok(ui::table(&["page", "offset", "version"], &rows))
}

/// Writes a region as it lay in memory. Of an application it is what that saw, its linear
/// memory; the few pages that belong to it and lie behind all of that are left out.
pub(crate) fn region_to_file(
    past: &mut dyn Past,
    region: RegionId,
    path: &Path,
) -> Result<String, Error> {
    let mut pages = pages_of(past, region)?;
    if region.0 >= FIRST_APPLICATION_REGION {
        pages.retain(|(page, _)| page.is_linear());
    }
    let failed = |error| Error::config(format!("write {}: {error}", path.display()));
    let file = File::create(path).map_err(failed)?;
    let last = pages.last().map(|(page, _)| u64::from(page.index.0) + 1);
    let length = last.unwrap_or(0) * PAGE_SIZE as u64;
    file.set_len(length).map_err(failed)?;
    for pages in pages.chunks(PAST_PAGES_MAX) {
        let pages: Vec<PageId> = pages.iter().map(|(page, _)| *page).collect();
        let contents = past.read(&pages)?;
        for (page, content) in pages.into_iter().zip(contents) {
            let mut bytes = [0; PAGE_SIZE];
            if let Some(content) = content {
                content.image.write_to(&mut bytes);
            }
            let offset = u64::from(page.index.0) * PAGE_SIZE as u64;
            file.write_all_at(&bytes, offset).map_err(failed)?;
        }
    }
    let (count, path) = (pages.len(), path.display());
    Ok(format!(
        "{count} pages of region {} in {path}, {length} bytes\n",
        region.0
    ))
}

fn pages_of(past: &mut dyn Past, region: RegionId) -> Result<Vec<(PageId, Version)>, Error> {
    let mut all = past.extents()?;
    all.retain(|extent| extent.region == region);
    if all.is_empty() {
        let message = format!("expected a region with pages, found {}", region.0);
        return Err(Error::user(message).hint("`plurix inspect SNAPSHOT` lists them"));
    }
    let mut pages = Vec::new();
    for extent in all {
        let found = past.pages(extent)?.into_iter();
        pages.extend(found.map(|(page, version, _)| (page, version)));
    }
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lines_are_shown_once() {
        let mut bytes = [0; PAGE_SIZE];
        bytes[16..27].copy_from_slice(b"hello\x00world");
        bytes[PAGE_SIZE - 1] = 0xFF;
        let expected = "\
00000000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
00000010  68 65 6c 6c 6f 00 77 6f  72 6c 64 00 00 00 00 00  |hello.world.....|
00000020  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
*
00000ff0  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 ff  |................|
00001000
";
        assert_eq!(hex(&bytes), expected);
    }
}
