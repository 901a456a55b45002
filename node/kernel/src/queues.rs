//! Run queues, one per slot, each on pages of its own.
//!
//! ```text
//! page 0   held: the worker whose steps the slot's node runs
//! page 1   the queue's header, then the front ring
//! page 2.. the back ring, used when the front ring is full
//! ```
//! The held worker stays where it is from step to step, so a step that is followed
//! by another one of the same worker writes nothing here. Whoever adds workers or
//! steals them writes page 1 only, which a running step has not touched: neither
//! interrupts it. New workers join at the end, the node takes them from the front,
//! thieves from the end.
use alloc::vec::Vec;

use crate::cell::{Cell, Value, record};
use crate::limits::STOLEN_MAX;
use crate::region::{self, QUEUE_PAGES};
use crate::{Pages, Slot, Stop, Worker};

const FRONT_ENTRIES: u32 = entries_behind(Header::SIZE);
const ENTRIES_PER_PAGE: u32 = entries_behind(0);
const BACK_ENTRIES: u32 = (QUEUE_PAGES - 2) * ENTRIES_PER_PAGE;

record! {
    struct Ring {
        first: u32,
        count: u32,
    }
}

record! {
    struct Header {
        front: Ring,
        back: Ring,
        /// Workers that were taken since the beginning, because the one before had nothing more
        /// to do just then.
        taken: u64,
    }
}

/// How many wait in a slot's queue, and how quickly it moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backlog {
    /// Workers in the queue, the held one not counted.
    pub waiting: u32,
    /// Workers that were taken since the beginning, because the one before had nothing more to
    /// do just then.
    pub taken: u64,
}

impl Backlog {
    /// Whether it moves so quickly that a worker who joins it waits for less than the time
    /// since another look at it. Who has steps as short as that is served best where he is.
    #[must_use]
    pub fn is_quick(&self, before: &Self) -> bool {
        self.taken.saturating_sub(before.taken) >= u64::from(self.waiting)
    }
}

/// Whether a node stands at the slot that is stolen from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// Yes: it keeps the worker it holds, and one that it is about to take.
    Alive,
    /// No: everything may be taken.
    Gone,
}

/// Adds a worker at the end of a slot's queue.
pub(crate) fn enqueue(pages: &mut impl Pages, slot: Slot, worker: Worker) -> Result<(), Stop> {
    let mut queue = Queue::open(pages, slot)?;
    queue.push(pages, worker)?;
    queue.close(pages)
}

/// The worker that the slot holds; takes the first one of its queue if there is none.
pub(crate) fn take(pages: &mut impl Pages, slot: Slot) -> Result<Option<Worker>, Stop> {
    let worker = held(slot).get(pages)?;
    if worker.is_somebody() {
        return Ok(Some(worker));
    }
    let mut queue = Queue::open(pages, slot)?;
    let Some(worker) = queue.pop_first(pages)? else {
        return Ok(None);
    };
    queue.header.taken += 1;
    queue.close(pages)?;
    held(slot).set(pages, worker)?;
    Ok(Some(worker))
}

/// Puts the held worker at the end of the queue and holds the first one of it. With
/// nobody in the queue nothing is written.
pub(crate) fn rotate(pages: &mut impl Pages, slot: Slot, worker: Worker) -> Result<(), Stop> {
    assert_holds(pages, slot, &worker)?;
    let mut queue = Queue::open(pages, slot)?;
    let Some(next) = queue.pop_first(pages)? else {
        return Ok(());
    };
    queue.push(pages, worker)?;
    queue.close(pages)?;
    held(slot).set(pages, next)
}

/// Takes the held worker away.
pub(crate) fn release(pages: &mut impl Pages, slot: Slot, worker: Worker) -> Result<(), Stop> {
    assert_holds(pages, slot, &worker)?;
    held(slot).set(pages, Worker::NOBODY)
}

/// Whether the slot holds nobody.
fn is_free(pages: &mut impl Pages, slot: Slot) -> Result<bool, Stop> {
    Ok(!held(slot).get(pages)?.is_somebody())
}

/// Workers in a slot's queue, the held one not counted.
///
/// # Errors
/// Only [`Stop`].
pub fn waiting(pages: &mut impl Pages, slot: Slot) -> Result<u32, Stop> {
    Ok(Queue::open(pages, slot)?.header.count())
}

/// How many wait in a slot's queue, and how quickly it moves.
///
/// # Errors
/// Only [`Stop`].
pub fn backlog(pages: &mut impl Pages, slot: Slot) -> Result<Backlog, Stop> {
    let header = Queue::open(pages, slot)?.header;
    Ok(Backlog {
        waiting: header.count(),
        taken: header.taken,
    })
}

/// The held worker, and those in the slot's queue in their order.
pub(crate) fn workers(
    pages: &mut impl Pages,
    slot: Slot,
) -> Result<(Option<Worker>, Vec<Worker>), Stop> {
    let held = held(slot).get(pages)?;
    let mut queue = Queue::open(pages, slot)?;
    let mut queued = Vec::new();
    // It is not written back.
    while let Some(worker) = queue.pop_first(pages)? {
        queued.push(worker);
    }
    Ok((Some(held).filter(Worker::is_somebody), queued))
}

/// Moves up to half of the victim's queue to the thief's slot; returns how many.
/// Looks at one victim only, so an idle node that asks the slots in turn, less and
/// less often, does not disturb busy ones much: its copies of their pages stay valid
/// until they change.
///
/// # Errors
/// Only [`Stop`].
///
/// # Panics
/// If the thief is the victim.
pub fn steal(pages: &mut impl Pages, thief: Slot, victim: Slot, owner: Owner) -> Result<u32, Stop> {
    assert!(thief != victim, "nobody steals from himself");
    let mut source = Queue::open(pages, victim)?;
    let count = source.header.count();
    if count == 0 {
        return match owner {
            Owner::Alive => Ok(0),
            Owner::Gone => steal_held(pages, thief, victim),
        };
    }
    if count == 1 && owner == Owner::Alive && is_free(pages, victim)? {
        return Ok(0);
    }
    let loot = count.div_ceil(2).min(STOLEN_MAX);
    let mut target = None;
    for taken in 0..loot {
        let worker = source.pop_last(pages)?.expect("counted before");
        if taken == 0 && is_free(pages, thief)? {
            held(thief).set(pages, worker)?;
            continue;
        }
        let queue = match &mut target {
            Some(queue) => queue,
            None => target.insert(Queue::open(pages, thief)?),
        };
        queue.push(pages, worker)?;
    }
    source.close(pages)?;
    target.map_or(Ok(()), |queue| queue.close(pages))?;
    Ok(loot)
}

fn steal_held(pages: &mut impl Pages, thief: Slot, victim: Slot) -> Result<u32, Stop> {
    let worker = held(victim).get(pages)?;
    if !worker.is_somebody() {
        return Ok(0);
    }
    held(victim).set(pages, Worker::NOBODY)?;
    enqueue(pages, thief, worker)?;
    Ok(1)
}

fn held(slot: Slot) -> Cell<Worker> {
    Cell::first(region::queue_page(slot, 0))
}

fn assert_holds(pages: &mut impl Pages, slot: Slot, worker: &Worker) -> Result<(), Stop> {
    assert!(
        held(slot).get(pages)? == *worker,
        "a step ends where it began"
    );
    Ok(())
}

/// A slot's queue while one operation changes it. In order: what is in the front
/// ring, then what is in the back ring.
struct Queue {
    slot: Slot,
    header: Header,
}

impl Queue {
    fn open(pages: &mut impl Pages, slot: Slot) -> Result<Self, Stop> {
        Ok(Self {
            slot,
            header: Self::cell(slot).get(pages)?,
        })
    }

    /// Writes the header back.
    fn close(self, pages: &mut impl Pages) -> Result<(), Stop> {
        Self::cell(self.slot).set(pages, self.header)
    }

    fn cell(slot: Slot) -> Cell<Header> {
        Cell::first(region::queue_page(slot, 1))
    }

    fn push(&mut self, pages: &mut impl Pages, worker: Worker) -> Result<(), Stop> {
        let Header { front, back, .. } = &mut self.header;
        let cell = if back.count == 0 && front.count < FRONT_ENTRIES {
            front_cell(self.slot, front.push(FRONT_ENTRIES))
        } else {
            back_cell(self.slot, back.push(BACK_ENTRIES))
        };
        cell.set(pages, worker)
    }

    fn pop_first(&mut self, pages: &mut impl Pages) -> Result<Option<Worker>, Stop> {
        let Header { front, back, .. } = &mut self.header;
        let cell = if front.count > 0 {
            front_cell(self.slot, front.pop_first(FRONT_ENTRIES))
        } else if back.count > 0 {
            back_cell(self.slot, back.pop_first(BACK_ENTRIES))
        } else {
            return Ok(None);
        };
        cell.get(pages).map(Some)
    }

    fn pop_last(&mut self, pages: &mut impl Pages) -> Result<Option<Worker>, Stop> {
        let Header { front, back, .. } = &mut self.header;
        let cell = if back.count > 0 {
            back_cell(self.slot, back.pop_last(BACK_ENTRIES))
        } else if front.count > 0 {
            front_cell(self.slot, front.pop_last(FRONT_ENTRIES))
        } else {
            return Ok(None);
        };
        cell.get(pages).map(Some)
    }
}

impl Header {
    fn count(&self) -> u32 {
        self.front.count + self.back.count
    }
}

impl Ring {
    fn push(&mut self, entries: u32) -> u32 {
        assert!(self.count < entries, "more workers than there can be");
        self.count += 1;
        (self.first + self.count - 1) % entries
    }

    fn pop_first(&mut self, entries: u32) -> u32 {
        let place = self.first;
        self.first = (self.first + 1) % entries;
        self.count -= 1;
        place
    }

    fn pop_last(&mut self, entries: u32) -> u32 {
        self.count -= 1;
        (self.first + self.count) % entries
    }
}

#[expect(clippy::cast_possible_truncation, reason = "entries of a page are few")]
const fn entries_behind(offset: usize) -> u32 {
    Cell::<Worker>::per_page(offset) as u32
}

fn front_cell(slot: Slot, place: u32) -> Cell<Worker> {
    let offset = Header::SIZE + place as usize * Worker::SIZE;
    Cell::at(region::queue_page(slot, 1), offset)
}

fn back_cell(slot: Slot, place: u32) -> Cell<Worker> {
    let offset = (place % ENTRIES_PER_PAGE) as usize * Worker::SIZE;
    Cell::at(
        region::queue_page(slot, 2 + place / ENTRIES_PER_PAGE),
        offset,
    )
}
