//! The heap on a piece of ordinary memory, against a list of what is in use.

use core::alloc::Layout;
use core::ptr;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::vec::Vec;

use super::{ARENAS, Heap, SHARED_ARENA, Source};
use crate::shared::{PAGE_BYTES, PageAligned};

/// Pages that are there at the start and pages that may be added.
struct Fake {
    memory: Box<[PageAligned<[u8; PAGE_BYTES]>]>,
    pages: usize,
    grown: usize,
}

impl Fake {
    fn new(pages: usize, pages_max: usize) -> Self {
        let memory = std::vec![PageAligned::new([0; PAGE_BYTES]); pages_max].into();
        Self {
            memory,
            pages,
            grown: 0,
        }
    }

    fn address(&self, page: usize) -> usize {
        self.memory.as_ptr().expose_provenance() + page * PAGE_BYTES
    }
}

impl Source for &mut Fake {
    fn start(&self) -> (usize, usize) {
        (self.address(0), self.address(self.pages))
    }

    fn grow(&mut self, bytes: usize) -> Option<(usize, usize)> {
        let more = bytes / PAGE_BYTES;
        if self.pages + more > self.memory.len() {
            return None;
        }
        let from = self.address(self.pages);
        self.pages += more;
        self.grown += 1;
        Some((from, self.address(self.pages)))
    }
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a test's layout")
}

fn bytes_of(address: usize, length: usize) -> &'static mut [u8] {
    // SAFETY: the tests only name blocks that they have allocated.
    unsafe { core::slice::from_raw_parts_mut(ptr::with_exposed_provenance_mut(address), length) }
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit
    }
}

#[test]
fn blocks_never_overlap_whoever_frees_them() {
    let mut fake = Fake::new(3, 16384);
    let mut heap = Heap::new(&mut fake);
    let mut random = Random(7);
    let mut used: BTreeMap<usize, (Layout, u8)> = BTreeMap::new();
    for round in 0..60_000 {
        let free = random.below(1000) < if round / 10_000 % 2 == 0 { 400 } else { 600 };
        let node = random.below(SHARED_ARENA + 1);
        if free && !used.is_empty() {
            let index = random.below(used.len());
            let (&address, &(layout, fill)) = used.iter().nth(index).expect("below the length");
            assert!(
                bytes_of(address, layout.size())
                    .iter()
                    .all(|&byte| byte == fill)
            );
            used.remove(&address);
            // SAFETY: it was allocated with this layout and is removed from the list.
            unsafe { heap.free(address, layout, || node) };
            continue;
        }
        let size = match random.below(20) {
            0 => 1 + random.below(60_000),
            1..4 => 1 + random.below(5000),
            _ => 1 + random.below(300),
        };
        let layout = layout(size, 1 << random.below(if size > 2000 { 13 } else { 8 }));
        let block = heap.allocate(layout, node).expect("there is enough memory");
        let address = block.address;
        assert_eq!(address % layout.align(), 0);
        assert!(!block.zero || bytes_of(address, size).iter().all(|&byte| byte == 0));
        if let Some((&before, (layout, _))) = used.range(..=address).next_back() {
            assert!(before + layout.size() <= address);
        }
        if let Some((&behind, _)) = used.range(address..).next() {
            assert!(address + size <= behind);
        }
        let fill = round as u8;
        bytes_of(address, size).fill(fill);
        used.insert(address, (layout, fill));
    }
}

#[test]
fn nodes_share_no_page() {
    let mut fake = Fake::new(16, 4096);
    let mut heap = Heap::new(&mut fake);
    let mut pages: Vec<BTreeSet<usize>> = Vec::new();
    for node in 0..ARENAS {
        let mut mine = BTreeSet::new();
        for size in (1..3000).step_by(7) {
            let block = heap
                .allocate(layout(size, 8), node)
                .expect("there is enough memory");
            mine.extend(block.address / PAGE_BYTES..=(block.address + size - 1) / PAGE_BYTES);
        }
        assert!(pages.iter().all(|others| others.is_disjoint(&mine)));
        pages.push(mine);
    }
}

#[test]
fn freed_memory_is_used_again() {
    let mut fake = Fake::new(16, 8192);
    let mut heap = Heap::new(&mut fake);
    for round in 0..1000 {
        let blocks: Vec<(usize, Layout)> = (0..100)
            .map(|index| layout(40 + index * 97 % 9000, 16))
            .map(|layout| {
                (
                    heap.allocate(layout, round % ARENAS)
                        .expect("enough")
                        .address,
                    layout,
                )
            })
            .collect();
        for (address, layout) in blocks {
            // SAFETY: it was just allocated with this layout.
            unsafe { heap.free(address, layout, || round % ARENAS) };
        }
    }
}

#[test]
fn the_frontier_is_rarely_asked() {
    let mut fake = Fake::new(1, 16384);
    let mut heap = Heap::new(&mut fake);
    for index in 0..300_000 {
        heap.allocate(layout(64, 8), index % 4)
            .expect("there is enough memory");
    }
    assert!(fake.grown <= 40, "grown {} times", fake.grown);
}

#[test]
fn an_exhausted_memory_is_refused_and_usable_again() {
    let mut fake = Fake::new(1, 64);
    let mut heap = Heap::new(&mut fake);
    let large = layout(40 * PAGE_BYTES, 8);
    let block = heap.allocate(large, 0).expect("it fits");
    assert!(heap.allocate(large, 1).is_none());
    // SAFETY: it was allocated with this layout.
    unsafe { heap.free(block.address, large, || 0) };
    assert!(heap.allocate(large, 0).is_some());
    assert!(
        heap.allocate(layout(8, 2 * PAGE_BYTES), 0).is_none(),
        "alignment above a page"
    );
    assert!(
        heap.allocate(layout(1 << 40, 8), 0).is_none(),
        "more than a memory has"
    );
}

#[test]
fn a_block_that_stays_in_its_class_need_not_move() {
    let fits = |old, new| Heap::<&mut Fake>::fits(layout(old, 8), layout(new, 8));
    assert!(fits(49, 64) && fits(4097, 8192) && fits(2100, 4096));
    assert!(!fits(64, 65) && !fits(4096, 4097) && !fits(2032, 2033));
}
