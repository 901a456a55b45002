//! Fallback: a period begins with what the fallback kept, without a trace of what it
//! undid, and what was called stable stays.
use alloc::collections::BTreeMap;
use types::{Interval, PageId};

use crate::{Attempt, AttemptId, History, Period, Read, StableNotice, Timeline, Token, Violation};

/// Checks every attempt of a timeline's period.
///
/// # Errors
/// The first attempt that saw what it should not, or committed where it should not.
pub fn check(timeline: &Timeline<'_>) -> Result<(), Violation> {
    let undone = undone_versions(timeline);
    for (id, attempt) in timeline.attempts() {
        check_epoch(timeline, id, attempt)?;
        for &Read { page, token } in &attempt.reads {
            if let Some(&writer) = undone.get(&(page, token)) {
                return Err(Violation::UndoneTrace {
                    reader: id,
                    writer,
                    page,
                });
            }
            if let Some(lost) = lost_successor(timeline, page, token) {
                return Err(Violation::StableLost {
                    reader: id,
                    page,
                    lost,
                });
            }
        }
    }
    Ok(())
}

/// Checks that no fallback went behind an epoch that had been called stable.
///
/// # Errors
/// The first such epoch.
pub fn check_notices(history: &History) -> Result<(), Violation> {
    for &StableNotice { epoch, period } in &history.stable_notices {
        let later = history.fallbacks.iter().zip(1..).skip(period.0);
        for (fallback, number) in later {
            let kept = Interval::last_of(epoch);
            if fallback.cuts.iter().any(|cut| cut.last < kept) {
                return Err(Violation::PromiseBroken {
                    epoch,
                    period: Period(number),
                });
            }
        }
    }
    Ok(())
}

/// The epochs of a period lie between the first ones of the fallbacks around it.
fn check_epoch(timeline: &Timeline<'_>, id: AttemptId, attempt: &Attempt) -> Result<(), Violation> {
    let Some((stamp, _)) = attempt.commit() else {
        return Ok(());
    };
    let epoch = stamp.epoch();
    let fallbacks = &timeline.history.fallbacks;
    let before = timeline
        .period
        .0
        .checked_sub(1)
        .map(|index| &fallbacks[index]);
    let after = fallbacks.get(timeline.period.0);
    let is_early = before.is_some_and(|fallback| epoch < fallback.first_epoch);
    let is_late = after.is_some_and(|fallback| epoch >= fallback.first_epoch);
    if is_early || is_late || stamp.node != attempt.node {
        return Err(Violation::ForeignEpoch { attempt: id, epoch });
    }
    Ok(())
}

/// Versions whose writers were undone before the period.
fn undone_versions(timeline: &Timeline<'_>) -> BTreeMap<(PageId, Token), AttemptId> {
    let history = timeline.history;
    let undone = history.iter().filter(|(_, attempt)| {
        let is_before = attempt.period < timeline.period;
        let commit = attempt.commit();
        is_before && commit.is_some_and(|(stamp, _)| history.is_undone(stamp, timeline.period))
    });
    undone
        .flat_map(|(id, attempt)| {
            attempt
                .writes
                .iter()
                .map(move |write| ((write.page, write.token), id))
        })
        .collect()
}

/// The surviving transaction of an earlier period that overwrote the version: then
/// nobody can see the version in this period.
fn lost_successor(timeline: &Timeline<'_>, page: PageId, token: Token) -> Option<AttemptId> {
    let overwriter = timeline.overwriter(page, token)?;
    (timeline.history.attempt(overwriter).period < timeline.period).then_some(overwriter)
}
