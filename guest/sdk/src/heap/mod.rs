//! The heap of a memory that many nodes change at once.
//!
//! Steps conflict in pages, so a heap must not make nodes meet on its own bookkeeping:
//!
//! - Each node allocates from an *arena* whose control block is on a page of its own. An
//!   arena gets memory in chunks from the *frontier*, which is rarely touched.
//! - A page of small blocks keeps its free list in itself. Freeing a block touches the page
//!   that the block is on and, as a rule, nothing else, whoever allocated it.
//! - Larger blocks are runs of whole pages; a freed run goes to the arena that freed it.
//!
//! ```text
//! frontier ──chunk──> arena ──page──> page of small blocks ──> block
//!                          └──run of pages──> large block
//! ```
//!
//! A page of small blocks is in one arena's list while it has a free block and in none
//! while it is full; the arena that frees a block of a full page takes the page over.
//! Runs are split but not joined again.

mod arena;
mod page;
mod size;

use core::alloc::Layout;

use self::arena::{Arena, Chunk};
use self::page::SmallPage;
use self::size::Class;
use crate::shared::{PAGE_BYTES, PageAligned};

/// How many arenas there are; nodes that many positions apart share one.
pub(crate) const ARENAS: usize = 16;
/// One more arena, for what is written once and read by all nodes.
pub(crate) const SHARED_ARENA: usize = ARENAS;
/// The frontier grows the memory by at least this much.
const GROWTH_BYTES: usize = 1 << 20;
/// Sizes of an arena's first chunk and of its largest.
const CHUNK_BYTES_MIN: usize = 64 << 10;
const CHUNK_BYTES_MAX: usize = 1 << 20;

/// Where the heap's memory comes from.
pub(crate) trait Source {
    /// First address and end of what there is at the start: whole pages, all zero.
    fn start(&self) -> (usize, usize);
    /// Adds at least `bytes`, a multiple of the page size, of zero pages at the end;
    /// returns the first address and the end of what was added.
    fn grow(&mut self, bytes: usize) -> Option<(usize, usize)>;
}

/// The end of the memory in use.
#[derive(Default)]
struct Frontier {
    next: usize,
    /// 0: nothing was asked for yet.
    end: usize,
}

impl Frontier {
    fn take(&mut self, bytes: usize, source: &mut impl Source) -> Option<usize> {
        if self.end == 0 {
            (self.next, self.end) = source.start();
        }
        if self.end - self.next < bytes {
            let missing = bytes - (self.end - self.next);
            let (from, end) = source
                .grow(missing.max(GROWTH_BYTES))
                .or_else(|| source.grow(missing))?;
            if from != self.end {
                // Somebody else has grown the memory, too: start anew behind that.
                self.next = from;
            }
            self.end = end;
            if self.end - self.next < bytes {
                return self.take(bytes, source);
            }
        }
        let taken = self.next;
        self.next += bytes;
        Some(taken)
    }
}

/// Memory from [`Heap::allocate`].
pub(crate) struct Block {
    /// Its address.
    pub(crate) address: usize,
    /// Whether it is certain to be all zero.
    pub(crate) zero: bool,
}

/// The heap; see the module's description.
pub(crate) struct Heap<S> {
    source: S,
    frontier: PageAligned<Frontier>,
    arenas: [PageAligned<Arena>; ARENAS + 1],
}

impl<S: Source> Heap<S> {
    /// A heap that has not asked its source for anything yet.
    pub(crate) const fn new(source: S) -> Self {
        Self {
            source,
            frontier: PageAligned::new(Frontier { next: 0, end: 0 }),
            arenas: [const { PageAligned::new(Arena::new()) }; ARENAS + 1],
        }
    }

    /// Allocates from an arena: that of a node is its position modulo [`ARENAS`]. `None`:
    /// the memory cannot grow any more, or the alignment is above that of a page.
    pub(crate) fn allocate(&mut self, layout: Layout, arena: usize) -> Option<Block> {
        match Class::of(layout)? {
            Class::Small(class) => {
                let address = self.small(class, arena)?;
                Some(Block {
                    address,
                    zero: false,
                })
            }
            Class::Run(bucket) => self.run(bucket, arena),
        }
    }

    /// Takes back a block.
    ///
    /// # Safety
    /// It was allocated here with this layout, and nobody uses it any more.
    pub(crate) unsafe fn free(
        &mut self,
        address: usize,
        layout: Layout,
        arena: impl FnOnce() -> usize,
    ) {
        match Class::of(layout).expect("it was allocated with this layout") {
            Class::Run(bucket) => self.arenas[arena()].put_run(bucket, address),
            Class::Small(class) => {
                let page = SmallPage::of(address);
                let was_full = page.is_full(class);
                page.put(address);
                if was_full {
                    self.arenas[arena()].put_page(class, page);
                }
            }
        }
    }

    /// Whether a block of one layout may go on as a block of the other.
    pub(crate) fn fits(old: Layout, new: Layout) -> bool {
        match (Class::of(old), Class::of(new)) {
            (Some(old), Some(new)) => old == new,
            _ => false,
        }
    }

    fn small(&mut self, class: usize, arena: usize) -> Option<usize> {
        if self.arenas[arena].page(class).is_none() {
            let run = self.run(size::ONE_PAGE, arena)?;
            let page = SmallPage::format(run.address);
            self.arenas[arena].put_page(class, page);
        }
        let arena = &mut self.arenas[arena];
        let page = arena.page(class).expect("there is one now");
        let block = page.take(class);
        if page.is_full(class) {
            arena.unlink_page(class);
        }
        Some(block)
    }

    fn run(&mut self, bucket: usize, arena: usize) -> Option<Block> {
        let bytes = size::bucket_pages(bucket) * PAGE_BYTES;
        let arena = &mut self.arenas[arena];
        if let Some(address) = arena.take_run(bucket) {
            return Some(Block {
                address,
                zero: false,
            });
        }
        if let Some(address) = arena.chunk.take(bytes) {
            return Some(Block {
                address,
                zero: true,
            });
        }
        if let Some(address) = arena.split_run(bucket) {
            return Some(Block {
                address,
                zero: false,
            });
        }
        if bytes >= CHUNK_BYTES_MIN {
            let address = self.frontier.take(bytes, &mut self.source)?;
            return Some(Block {
                address,
                zero: true,
            });
        }
        let chunk_bytes = (arena.chunk_bytes * 2).clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
        let next = self.frontier.take(chunk_bytes, &mut self.source)?;
        arena.retire_chunk();
        arena.chunk_bytes = chunk_bytes;
        arena.chunk = Chunk {
            next,
            end: next + chunk_bytes,
        };
        let address = arena
            .chunk
            .take(bytes)
            .expect("a chunk is larger than this run");
        Some(Block {
            address,
            zero: true,
        })
    }
}

#[cfg(test)]
mod tests;
