//! Single writer: the committed versions of a page form a chain. Every write has
//! exactly one predecessor, and no version has two successors.
use alloc::collections::BTreeMap;

use crate::{Timeline, Violation};

/// Checks the chains of a timeline's pages.
///
/// # Errors
/// The first page whose versions form no chain.
pub fn check(timeline: &Timeline<'_>) -> Result<(), Violation> {
    let mut overwritten = BTreeMap::new();
    for &writer in timeline.committed() {
        let attempt = timeline.history.attempt(writer);
        for write in &attempt.writes {
            let page = write.page;
            let first = timeline
                .writer(page, write.token)
                .expect("committed writes are indexed");
            if first != writer {
                let writers = [first, writer];
                return Err(Violation::TokenReused {
                    page,
                    token: write.token,
                    writers,
                });
            }
            let Some(before) = attempt.first_read(page) else {
                return Err(Violation::NoPredecessor { writer, page });
            };
            if let Some(other) = overwritten.insert((page, before), writer) {
                return Err(Violation::Fork {
                    page,
                    before,
                    writers: [other, writer],
                });
            }
        }
    }
    Ok(())
}
