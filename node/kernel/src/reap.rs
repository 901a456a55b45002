//! Clearing up behind processes that have ended, a bounded piece at a time.
use crate::blobs::{self, Progress};
use crate::cell::clear_page;
use crate::names::{self, Object};
use crate::processes::{self, Input, Process, TABLE};
use crate::region;
use crate::table::Entry;
use crate::{BlobId, Failure, Pages, ProcessId, events, modules, output};

/// Does a piece of the work that the oldest ended process leaves behind, if more
/// than `keep` of them are there. Each piece is a transaction that writes about
/// `pages_max` pages, or the 1 MiB of output of one slot.
///
/// # Errors
/// If a blob of the process is missing.
pub fn reap(pages: &mut impl Pages, keep: usize, pages_max: u32) -> Result<Progress, Failure> {
    let entries = TABLE.entries(pages)?;
    let mut ended = entries
        .iter()
        .filter(|entry| matches!(entry, Entry::Closed(_)));
    if ended.clone().count() <= keep {
        return Ok(Progress::Done);
    }
    let oldest = ended.next().expect("more than `keep` have ended");
    let process = processes::get(pages, ProcessId(oldest.id()))?;
    reap_piece(pages, &process, pages_max)?;
    Ok(Progress::More)
}

fn reap_piece(pages: &mut impl Pages, process: &Process, pages_max: u32) -> Result<(), Failure> {
    if events::clear(pages, process.id, pages_max)? == Progress::More {
        return Ok(());
    }
    if let Some(&account) = output::slots(pages, process.id)?.first() {
        output::clear(pages, process.id, account)?;
        return Ok(());
    }
    if reap_blob(pages, process, pages_max)? == Progress::More {
        return Ok(());
    }
    names::unbind(pages, &process.name, Object::Process(process.id))?;
    modules::release(pages, process.module)?;
    for page in region::process_pages(process.id) {
        clear_page(pages, page)?;
    }
    Ok(TABLE.remove(pages, process.id.0)?)
}

/// Frees a piece of one blob: of the inputs, last one first, the arguments, the result.
fn reap_blob(
    pages: &mut impl Pages,
    process: &Process,
    pages_max: u32,
) -> Result<Progress, Failure> {
    let mut rest = *process;
    let blob = if let Some(last) = rest.input_count.checked_sub(1) {
        let Input { blob, .. } = processes::input(pages, process.id, last)?;
        rest.input_count = last;
        blob
    } else if rest.arguments != BlobId(0) {
        core::mem::replace(&mut rest.arguments, BlobId(0))
    } else if rest.result != BlobId(0) {
        core::mem::replace(&mut rest.result, BlobId(0))
    } else {
        return Ok(Progress::Done);
    };
    if blobs::free(pages, blob, pages_max)? == Progress::Done {
        processes::set(pages, &rest)?;
    }
    Ok(Progress::More)
}
