//! Wait lists: which workers of a process sleep until an event is signalled.
//!
//! Lost wake-ups cannot happen, and no rule is needed against them: the step that
//! found nothing to do and waits is one transaction, the step that changes that and
//! signals is another, and one of them comes first.
//!
//! A list is a bucket of several events' waiters: a page, or several when many wait.
use alloc::vec::Vec;

use crate::blobs::Progress;
use crate::cell::{Cell, Value, clear_page, record};
use crate::limits::WORKERS_PER_PROCESS_MAX;
use crate::region::{self, EVENT_BUCKET_PAGES, EVENT_BUCKETS};
use crate::{Event, Pages, ProcessId, Slot, Stop, Worker};

record! {
    /// A worker that waits.
    pub(crate) struct Waiter {
        pub(crate) worker: Worker,
        pub(crate) event: Event,
        /// Where it ran last: its pages are there.
        pub(crate) home: Slot,
    }
}

record! {
    struct BucketHeader {
        count: u32,
        /// The most that ever waited: pages up to there hold bytes.
        count_max: u32,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "entries of a page are few")]
const ENTRIES_PER_PAGE: u32 = Cell::<Waiter>::per_page(BucketHeader::SIZE) as u32;

const _: () = assert!(
    ENTRIES_PER_PAGE * EVENT_BUCKET_PAGES >= WORKERS_PER_PROCESS_MAX,
    "all workers of a process may wait for one event"
);

/// Lets a worker wait; the caller has taken it from its queue.
pub(crate) fn wait(pages: &mut impl Pages, waiter: Waiter) -> Result<(), Stop> {
    let process = waiter.worker.process;
    let bucket = bucket_of(waiter.event);
    let before = header(process, bucket).get(pages)?;
    entry(process, bucket, before.count).set(pages, waiter)?;
    let count = before.count + 1;
    let count_max = before.count_max.max(count);
    header(process, bucket).set(pages, BucketHeader { count, count_max })
}

/// Everybody on the lists of a process.
pub(crate) fn waiting(pages: &mut impl Pages, process: ProcessId) -> Result<Vec<Waiter>, Stop> {
    let mut all = Vec::new();
    for bucket in 0..EVENT_BUCKETS {
        for place in 0..header(process, bucket).get(pages)?.count {
            all.push(entry(process, bucket, place).get(pages)?);
        }
    }
    Ok(all)
}

/// Takes everybody off the lists who waits for the event. With nobody waiting
/// nothing is written.
pub(crate) fn signal(
    pages: &mut impl Pages,
    process: ProcessId,
    event: Event,
) -> Result<Vec<Waiter>, Stop> {
    let bucket = bucket_of(event);
    let before = header(process, bucket).get(pages)?;
    let mut woken = Vec::new();
    let mut kept = 0;
    for place in 0..before.count {
        let waiter = entry(process, bucket, place).get(pages)?;
        if waiter.event == event {
            woken.push(waiter);
            continue;
        }
        if kept < place {
            entry(process, bucket, kept).set(pages, waiter)?;
        }
        kept += 1;
    }
    if kept < before.count {
        header(process, bucket).set(
            pages,
            BucketHeader {
                count: kept,
                ..before
            },
        )?;
    }
    Ok(woken)
}

/// Clears up to about `pages_max` pages of the lists of a process that has ended;
/// whoever waits there is gone.
pub(crate) fn clear(
    pages: &mut impl Pages,
    process: ProcessId,
    pages_max: u32,
) -> Result<Progress, Stop> {
    let mut pages_left = pages_max;
    for bucket in 0..EVENT_BUCKETS {
        let before = header(process, bucket).get(pages)?;
        let mut used = before.count_max.div_ceil(ENTRIES_PER_PAGE);
        while used > 0 {
            let Some(left) = pages_left.checked_sub(1) else {
                let count_max = used * ENTRIES_PER_PAGE;
                header(process, bucket).set(
                    pages,
                    BucketHeader {
                        count: 0,
                        count_max,
                    },
                )?;
                return Ok(Progress::More);
            };
            pages_left = left;
            used -= 1;
            clear_page(pages, region::event_page(process, bucket, used))?;
        }
    }
    Ok(if pages_left < pages_max {
        Progress::More
    } else {
        Progress::Done
    })
}

/// Events are often small numbers: neighbours go to different buckets.
fn bucket_of(event: Event) -> u32 {
    let spread = event.0.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    u32::try_from(spread).expect("32 bits are left") % EVENT_BUCKETS
}

fn header(process: ProcessId, bucket: u32) -> Cell<BucketHeader> {
    Cell::first(region::event_page(process, bucket, 0))
}

fn entry(process: ProcessId, bucket: u32, place: u32) -> Cell<Waiter> {
    let page = region::event_page(process, bucket, place / ENTRIES_PER_PAGE);
    Cell::at(
        page,
        BucketHeader::SIZE + (place % ENTRIES_PER_PAGE) as usize * Waiter::SIZE,
    )
}
