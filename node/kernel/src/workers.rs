//! Workers: an entry point and an argument.
//!
//! There is no table of workers. A worker *is* the record that lies in exactly one
//! place: held by a slot, in a run queue, or in a wait list; whether it is ready,
//! runs or waits shows in where that is. So creating, moving and ending a worker
//! writes only the places that it leaves and enters, and never a page that the
//! running step of another worker has read.
use crate::cell::{Cell, Value, record};
use crate::{Name, Pages, ProcessId, Slot, Stop, WorkerId, region};

/// Bits of the number within its slot in a worker's id.
const NUMBER_BITS: u32 = 48;

record! {
    /// A schedulable unit of a process.
    pub struct Worker {
        /// Its id.
        pub id: WorkerId,
        /// The process it belongs to.
        pub process: ProcessId,
        /// What it was made with.
        pub call: EntryCall,
    }
}

record! {
    /// What each step of a worker is: a call of an exported function `(i64) -> i64`.
    pub struct EntryCall {
        /// The function.
        pub entry: Name,
        /// Its argument.
        pub argument: i64,
    }
}

impl Worker {
    /// What an empty place reads as.
    pub(crate) const NOBODY: Self = Self {
        id: WorkerId(0),
        process: ProcessId(0),
        call: EntryCall {
            entry: Name::EMPTY,
            argument: 0,
        },
    };

    pub(crate) fn is_somebody(&self) -> bool {
        self.id != WorkerId(0)
    }
}

/// Makes a worker, which the caller puts somewhere.
pub(crate) fn create(
    pages: &mut impl Pages,
    slot: Slot,
    process: ProcessId,
    call: EntryCall,
) -> Result<Worker, Stop> {
    let counter: Cell<u64> = Cell::first(region::worker_counter(slot));
    let number = counter.update(pages, |number| *number += 1)?;
    assert!(
        number < 1 << NUMBER_BITS,
        "a slot makes fewer workers than that"
    );
    let id = WorkerId((u64::from(slot.index()) + 1) << NUMBER_BITS | number);
    Ok(Worker { id, process, call })
}

/// Whether there has been a worker with this id.
pub(crate) fn was_made(pages: &mut impl Pages, id: WorkerId) -> Result<bool, Stop> {
    let position = usize::try_from(id.0 >> NUMBER_BITS).ok();
    let slot = position.and_then(|position| Slot::new(position.checked_sub(1)?));
    let Some(slot) = slot else {
        return Ok(false);
    };
    let made = Cell::<u64>::first(region::worker_counter(slot)).get(pages)?;
    let number = id.0 & ((1 << NUMBER_BITS) - 1);
    Ok((1..=made).contains(&number))
}

impl WorkerId {
    /// The how manieth worker of its slot it is: spreads them over the slots.
    pub(crate) fn turn(self) -> u32 {
        u32::try_from(self.0 & 0xFFFF_FFFF).expect("32 bits are left")
    }
}

const _: () = assert!(Worker::SIZE == 85, "the layout version stands for this");
