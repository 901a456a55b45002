//! Which packs of an earlier snapshot go on to be used, and what is written anew.
//!
//! A frame is used again if it is the same version of the page with the same stamp: after the
//! memory has gone back the numbers of versions are given again, by others or later.
use types::{PageId, Stamp, Version};

use crate::manifest::{Manifest, PackRef};

/// A pack of fewer bytes, before they are compressed, is small.
pub(crate) const SMALL_BYTES: u64 = 1 << 20;
/// So many small packs are kept.
const SMALL_MAX: usize = 64;

/// A page, its version, and who produced that.
pub(crate) type Stamped = (PageId, Version, Stamp);

/// The frames of a snapshot: where they are already, and those that are nowhere.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    pub(crate) kept: Vec<PackRef>,
    pub(crate) fresh: Vec<Stamped>,
}

/// Chooses for a snapshot of these pages, ascending. A pack is kept if at least half of it
/// counts, so that at most half of all that a snapshot needs is not needed. When there are
/// too many small packs, what counts of them is written together.
pub(crate) fn choose(
    base: Option<Manifest>,
    is_there: impl Fn(&PackRef) -> bool,
    pages: &[Stamped],
) -> Choice {
    let mut covered = vec![false; pages.len()];
    let mut kept = base.map_or_else(Vec::new, |base| base.packs);
    kept.retain(is_there);
    for pack in &mut kept {
        pack.frames.retain(|frame| {
            let found = pages.binary_search(&frame.stamped());
            found.is_ok_and(|at| !std::mem::replace(&mut covered[at], true))
        });
    }
    let is_small = |pack: &PackRef| pack.frame_bytes < SMALL_BYTES;
    let is_of_use =
        |pack: &PackRef| !pack.frames.is_empty() && pack.live_bytes() * 2 >= pack.frame_bytes;
    kept.retain(is_of_use);
    if kept.iter().filter(|pack| is_small(pack)).count() > SMALL_MAX {
        kept.retain(|pack| !is_small(pack));
    }
    covered.fill(false);
    for frame in kept.iter().flat_map(|pack| &pack.frames) {
        let at = pages.binary_search(&frame.stamped());
        covered[at.expect("what is not there was left out")] = true;
    }
    let fresh = pages.iter().zip(covered);
    let fresh = fresh.filter_map(|(page, covered)| (!covered).then_some(*page));
    Choice {
        kept,
        fresh: fresh.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hash;
    use crate::manifest::FrameRef;
    use types::Epoch;

    fn pack(name: u32, frames: &[(u32, u64)]) -> PackRef {
        let frames: Vec<FrameRef> = frames
            .iter()
            .map(|&(index, version)| FrameRef {
                page: PageId::new(256, index),
                version: Version(version),
                stamp: Stamp::ZERO,
                length: 4096,
            })
            .collect();
        PackRef {
            hash: Hash::of(&name.to_le_bytes()),
            length: 100,
            frame_bytes: frames.iter().map(FrameRef::bytes).sum(),
            frames,
        }
    }

    fn base(packs: Vec<PackRef>) -> Option<Manifest> {
        Some(Manifest {
            cluster: 1,
            epoch: Epoch(1),
            wall_ms: 0,
            names: vec![],
            packs,
        })
    }

    fn pages(versions: &[(u32, u64)]) -> Vec<Stamped> {
        let page = |&(index, version): &(u32, u64)| {
            (PageId::new(256, index), Version(version), Stamp::ZERO)
        };
        versions.iter().map(page).collect()
    }

    #[test]
    fn without_an_earlier_snapshot_all_is_fresh() {
        let pages = pages(&[(0, 1), (1, 4)]);
        let choice = choose(None, |_| true, &pages);
        assert_eq!((choice.kept.len(), choice.fresh), (0, pages));
    }

    #[test]
    fn a_pack_is_kept_while_half_of_it_counts() {
        let packs = vec![
            pack(1, &[(0, 1), (1, 1), (2, 1), (3, 1), (4, 1)]),
            pack(2, &[(5, 1), (6, 1), (7, 1)]),
        ];
        let now = pages(&[(0, 1), (1, 1), (2, 1), (3, 2), (5, 1), (6, 2), (8, 1)]);
        let choice = choose(base(packs.clone()), |_| true, &now);
        assert_eq!(choice.kept.len(), 1);
        assert_eq!(choice.kept[0].hash, packs[0].hash);
        let kept: Vec<u32> = choice.kept[0]
            .frames
            .iter()
            .map(|f| f.page.index.0)
            .collect();
        assert_eq!(kept, [0, 1, 2]);
        assert_eq!(choice.fresh, pages(&[(3, 2), (5, 1), (6, 2), (8, 1)]));
    }

    #[test]
    fn the_same_number_with_another_stamp_is_another_version() {
        let mut now = pages(&[(0, 1), (1, 1)]);
        now[1].2.node.0 += 1;
        let choice = choose(base(vec![pack(1, &[(0, 1), (1, 1)])]), |_| true, &now);
        assert_eq!(
            (choice.kept[0].frames.len(), choice.fresh),
            (1, vec![now[1]])
        );
    }

    #[test]
    fn a_pack_that_is_gone_is_written_again() {
        let packs = vec![pack(1, &[(0, 1)])];
        let now = pages(&[(0, 1)]);
        let choice = choose(base(packs), |_| false, &now);
        assert_eq!((choice.kept.len(), choice.fresh), (0, now));
    }

    #[test]
    fn too_many_small_packs_become_one() {
        let one_each = |count: u32| -> Vec<PackRef> {
            (0..count).map(|index| pack(index, &[(index, 1)])).collect()
        };
        let max = u32::try_from(SMALL_MAX).unwrap();
        for (count, expected) in [(max, SMALL_MAX), (max + 1, 0)] {
            let versions: Vec<(u32, u64)> = (0..count).map(|index| (index, 1)).collect();
            let choice = choose(base(one_each(count)), |_| true, &pages(&versions));
            assert_eq!(choice.kept.len(), expected);
        }
    }

    #[test]
    fn a_page_that_two_packs_have_counts_once() {
        let packs = vec![pack(1, &[(0, 1)]), pack(2, &[(0, 1), (1, 1)])];
        let choice = choose(base(packs), |_| true, &pages(&[(0, 1), (1, 1)]));
        let frames = choice.kept.iter().map(|pack| pack.frames.len());
        assert_eq!(frames.sum::<usize>() + choice.fresh.len(), 2);
    }
}
