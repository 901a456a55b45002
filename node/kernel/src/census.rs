//! Where all workers are, for people who look at a memory.
use alloc::vec::Vec;

use crate::processes;
use crate::{Event, Failure, Pages, Slot, Worker, events, queues};

/// Where a worker is that has not ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whereabouts {
    /// A slot's node runs its steps.
    Held(Slot),
    /// In a slot's queue.
    Queued(Slot),
    /// On the wait list of its process.
    Waiting(Event),
}

/// All workers: slot by slot, in the order in which they would run, then those that wait.
/// Among them are those of processes that were ended, as long as no node has come upon them.
///
/// # Errors
/// Only [`crate::Stop`].
pub fn workers(pages: &mut impl Pages) -> Result<Vec<(Worker, Whereabouts)>, Failure> {
    let mut all = Vec::new();
    for slot in Slot::all() {
        let (held, queued) = queues::workers(pages, slot)?;
        all.extend(held.map(|worker| (worker, Whereabouts::Held(slot))));
        let queued = queued.into_iter();
        all.extend(queued.map(|worker| (worker, Whereabouts::Queued(slot))));
    }
    for process in processes::list(pages)? {
        let waiting = events::waiting(pages, process)?.into_iter();
        all.extend(waiting.map(|one| (one.worker, Whereabouts::Waiting(one.event))));
    }
    Ok(all)
}
