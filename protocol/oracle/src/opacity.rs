//! Opacity: what an attempt sees was there together at one point of the commit
//! order, and that point does not lie before its beginning. This holds for
//! attempts that abort, too: a program that sees an impossible state may do anything.
use types::PageId;

use crate::{Attempt, AttemptId, Moment, Timeline, Token, Violation};

/// Checks every attempt of a timeline's period.
///
/// # Errors
/// The first attempt that saw an inconsistent state.
pub fn check(timeline: &Timeline<'_>) -> Result<(), Violation> {
    timeline
        .attempts()
        .try_for_each(|(id, attempt)| check_attempt(timeline, id, attempt))
}

/// A version that an attempt saw, and one end of the time in which it was current.
#[derive(Clone, Copy)]
struct Bound {
    at: Moment,
    version: (PageId, Token),
}

fn check_attempt(
    timeline: &Timeline<'_>,
    reader: AttemptId,
    attempt: &Attempt,
) -> Result<(), Violation> {
    let mut latest_start: Option<Bound> = None;
    let mut earliest_end: Option<Bound> = None;
    for &read in &attempt.reads {
        let version = (read.page, read.token);
        let Some(at) = timeline.current_from(read.page, read.token) else {
            let (page, token) = version;
            return Err(Violation::NeverCommitted {
                reader,
                page,
                token,
            });
        };
        if latest_start.is_none_or(|bound| bound.at < at) {
            latest_start = Some(Bound { at, version });
        }
        let Some(at) = overwritten_by_another(timeline, reader, version) else {
            continue;
        };
        if earliest_end.is_none_or(|bound| bound.at > at) {
            earliest_end = Some(Bound { at, version });
        }
    }
    let (Some(start), Some(end)) = (latest_start, earliest_end) else {
        return Ok(());
    };
    if end.at <= start.at {
        return Err(Violation::NeverTogether {
            reader,
            older: end.version,
            newer: start.version,
        });
    }
    if end.at <= attempt.begin {
        let (page, token) = end.version;
        let overwriter = timeline.overwriter(page, token).expect("it has an end");
        return Err(Violation::StaleRead {
            reader,
            page,
            overwriter,
        });
    }
    Ok(())
}

/// When somebody else overwrote the version; the reader's own write ends no read of its.
fn overwritten_by_another(
    timeline: &Timeline<'_>,
    reader: AttemptId,
    (page, token): (PageId, Token),
) -> Option<Moment> {
    let writer = timeline.overwriter(page, token)?;
    (writer != reader).then(|| timeline.commit_moment(writer))
}
