//! Data that many nodes use, laid out so that they do not conflict needlessly.

use alloc::boxed::Box;
use core::cell::Cell;
use core::ops::{Deref, DerefMut};

use crate::host::node;

/// Bytes in a page, the unit in which steps conflict.
pub const PAGE_BYTES: usize = 4096;
/// The most nodes that a cluster has.
pub const NODES_MAX: usize = 64;

/// A value for a `static` that may be changed: `static TOTAL: Static<Cell<u64>>`.
///
/// A step is a transaction and has one thread, so every kind of cell is fine. Which one
/// matters for speed only: reading a `Cell` or a `OnceCell` reads; a `RefCell` writes its
/// flag even for `borrow`, which costs a copy of the page. Set up what many nodes read
/// once, in a `OnceCell`, and put cells inside it.
#[derive(Debug)]
pub struct Static<T>(T);

// SAFETY: a module has one thread of execution, and a step runs to its end before the
// next one of the same node; other nodes' steps are isolated from it.
#[cfg(target_arch = "wasm32")]
unsafe impl<T> Sync for Static<T> {}

impl<T> Static<T> {
    /// Wraps the value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for Static<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A value on pages of its own: what is written beside it in memory does not conflict.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[repr(C, align(4096))]
pub struct PageAligned<T>(T);

impl<T> PageAligned<T> {
    /// Wraps the value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for PageAligned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for PageAligned<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// A value per node, each on pages of its own.
#[derive(Debug)]
pub struct PerNode<T>(Box<[PageAligned<T>]>);

impl<T> PerNode<T> {
    /// Makes the values; `make` gets the node's position.
    pub fn new(make: impl FnMut(usize) -> T) -> Self {
        Self((0..NODES_MAX).map(make).map(PageAligned::new).collect())
    }

    /// The executing node's value.
    pub fn mine(&self) -> &T {
        self.of(node())
    }

    /// The value of the node at a position.
    pub fn of(&self, node: usize) -> &T {
        &self.0[node % NODES_MAX]
    }

    /// All values. Looking at another node's value conflicts with its writing it.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|slot| &slot.0)
    }
}

impl<T: Default> Default for PerNode<T> {
    fn default() -> Self {
        Self::new(|_| T::default())
    }
}

/// A number that every node adds to without conflicts. Reading it conflicts with all.
#[derive(Debug)]
pub struct Counter([PageAligned<Cell<i64>>; NODES_MAX]);

// SAFETY: as for `Static`.
#[cfg(target_arch = "wasm32")]
unsafe impl Sync for Counter {}

impl Counter {
    /// Zero. It takes `NODES_MAX` pages, none of which exists before it is written.
    pub const fn new() -> Self {
        Self([const { PageAligned::new(Cell::new(0)) }; NODES_MAX])
    }

    /// Adds, wrapping around, at the executing node.
    pub fn add(&self, amount: i64) {
        self.add_at(node(), amount);
    }

    fn add_at(&self, node: usize, amount: i64) {
        let cell = &self.0[node % NODES_MAX];
        cell.set(cell.get().wrapping_add(amount));
    }

    /// What was added by all nodes.
    pub fn sum(&self) -> i64 {
        self.0
            .iter()
            .fold(0, |sum, cell| sum.wrapping_add(cell.get()))
    }
}

impl Default for Counter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::{Cell, Counter, NODES_MAX, PAGE_BYTES, PageAligned, PerNode};

    #[test]
    fn neighbours_share_no_page() {
        assert_eq!(size_of::<PageAligned<u8>>(), PAGE_BYTES);
        let slots = PerNode::new(Cell::new);
        let page = |node| core::ptr::from_ref(slots.of(node)).addr() / PAGE_BYTES;
        for node in 1..NODES_MAX {
            assert_ne!(page(node - 1), page(node));
            assert_eq!(slots.of(node).get(), node);
        }
        assert_eq!(slots.iter().count(), NODES_MAX);
    }

    #[test]
    fn a_counter_sums_over_nodes() {
        let counter = Counter::new();
        for node in 0..200 {
            counter.add_at(node, node as i64);
        }
        assert_eq!(counter.sum(), 199 * 200 / 2);
        counter.add_at(3, -19900);
        assert_eq!(counter.sum(), 0);
    }
}
