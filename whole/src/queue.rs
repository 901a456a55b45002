//! What will happen, in the order of time; of what happens at the same time, first asked
//! first done.
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use types::Instant;

/// An entry; equal and ordered by when it is due only.
#[derive(Debug)]
struct Entry<T> {
    at: Instant,
    number: u64,
    item: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<T> Entry<T> {
    fn key(&self) -> (Instant, u64) {
        (self.at, self.number)
    }
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    pushed: u64,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            pushed: 0,
        }
    }

    pub(crate) fn push(&mut self, at: Instant, item: T) {
        self.pushed += 1;
        let number = self.pushed;
        self.heap.push(Reverse(Entry { at, number, item }));
    }

    /// When the next is due.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    pub(crate) fn pop(&mut self) -> Option<(Instant, T)> {
        self.heap
            .pop()
            .map(|Reverse(Entry { at, item, .. })| (at, item))
    }

    /// How many there were so far.
    pub(crate) fn count(&self) -> u64 {
        self.pushed
    }
}
