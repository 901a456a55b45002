//! Questions about an epoch that is kept: what one store knows, in slices of bounded work,
//! and what several stores of a cluster know together.
//!
//! Of each page the highest version counts that any store has of it: a store that was away
//! when the epoch became stable may have an older one. A version that is damaged in one
//! store is read from another; one that is damaged in all is damaged.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use platform::{Disk, DiskError};
use types::{Cut, Epoch, Extent, PageId, Stamp, Version};
use wire::{
    KeptAs, PAST_EXTENTS_MAX, PAST_PAGES_MAX, PageVersion, PastAnswer, PastFound, PastPage,
    PastQuestion,
};

use crate::error::{Damage, ReadError};
use crate::fact::Fact;
use crate::record::Undone;
use crate::store::Store;
use crate::superseded::Retained;

/// Extents looked at per slice: some microseconds, or a hundred if most of their pages are
/// younger than the epoch.
const EXTENTS_PER_SLICE: usize = 16;
/// Versions read from the disk per slice: each takes some microseconds.
const READS_PER_SLICE: usize = 16;

/// A question on its way through a store.
#[derive(Debug)]
pub struct Look {
    epoch: Epoch,
    question: PastQuestion,
    /// Of a question for extents: those that were found.
    extents: Vec<Extent>,
    /// Of a question for contents: those that were read.
    contents: Vec<PastPage>,
}

/// What a slice of a look has brought.
#[derive(Debug)]
pub enum Looked {
    /// It goes on.
    More,
    /// The answer; `None`: the store does not keep the epoch.
    Done(Option<PastAnswer>),
}

impl Look {
    /// A look that has not begun; `None` if that is no question that can be answered at once.
    #[must_use]
    pub fn new(epoch: Epoch, question: PastQuestion) -> Option<Self> {
        let count = match &question {
            PastQuestion::Contents { pages } => pages.len(),
            PastQuestion::Extents { .. } | PastQuestion::Pages { .. } => 1,
        };
        (count <= PAST_PAGES_MAX).then_some(Self {
            epoch,
            question,
            extents: Vec::new(),
            contents: Vec::new(),
        })
    }

    /// The epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Goes on for a slice. Damage that is met is told to `note`.
    ///
    /// # Errors
    /// If the disk failed.
    pub fn go_on<D: Disk>(
        &mut self,
        store: &mut Store<D>,
        note: impl FnMut(&Damage),
    ) -> Result<Looked, DiskError> {
        let Some(kept_as) = store.kept_as(self.epoch) else {
            return Ok(Looked::Done(None));
        };
        let found = match &self.question {
            PastQuestion::Extents { from } => self.extents_from(store, *from),
            PastQuestion::Pages { extent } => {
                let entries = store.index.entries_as_of(*extent, self.epoch);
                let pages = entries.map(|entry| (entry.page, entry.version, entry.stamp));
                Some(PastFound::Pages(pages.collect()))
            }
            PastQuestion::Contents { .. } => self.read_on(store, note)?,
        };
        Ok(found.map_or(Looked::More, |found| {
            Looked::Done(Some(PastAnswer { kept_as, found }))
        }))
    }

    fn extents_from<D: Disk>(&mut self, store: &Store<D>, from: Extent) -> Option<PastFound> {
        let mut all = store.index.settled.range(from..).map(|(&extent, _)| extent);
        let slice = all.by_ref().take(EXTENTS_PER_SLICE);
        let has_page = |extent: &Extent| {
            let mut pages = store.index.pages_as_of(*extent, self.epoch);
            pages.next().is_some()
        };
        self.extents.extend(slice.filter(has_page));
        let next = all.next();
        if let Some(next) = next
            && self.extents.len() + EXTENTS_PER_SLICE <= PAST_EXTENTS_MAX
        {
            self.question = PastQuestion::Extents { from: next };
            return None;
        }
        let extents = core::mem::take(&mut self.extents);
        Some(PastFound::Extents { extents, next })
    }

    fn read_on<D: Disk>(
        &mut self,
        store: &mut Store<D>,
        mut note: impl FnMut(&Damage),
    ) -> Result<Option<PastFound>, DiskError> {
        let PastQuestion::Contents { pages } = &self.question else {
            unreachable!("its caller has looked");
        };
        for page in pages.iter().skip(self.contents.len()).take(READS_PER_SLICE) {
            let content = match store.read_as_of(*page, self.epoch) {
                Ok(Some(content)) => PastPage::Kept(content),
                Ok(None) => PastPage::Unwritten,
                Err(ReadError::Damaged(damage)) => {
                    note(&damage);
                    let (_, version) = damage.page.expect("it is known what was to be read");
                    PastPage::Damaged(version)
                }
                Err(ReadError::Disk(error)) => return Err(error),
                Err(ReadError::NotRetained { .. }) => unreachable!("looked up before"),
            };
            self.contents.push(content);
        }
        let is_all = self.contents.len() == pages.len();
        let contents = core::mem::take(&mut self.contents);
        if is_all {
            return Ok(Some(PastFound::Contents(contents)));
        }
        self.contents = contents;
        Ok(None)
    }
}

impl<D: Disk> Store<D> {
    /// Why the epoch is kept here; `None`: it is not.
    pub fn kept_as(&self, epoch: Epoch) -> Option<KeptAs> {
        if !self.history.is_kept(epoch) {
            None
        } else if self.history.retained().contains(&epoch) {
            Some(KeptAs::Retained)
        } else {
            Some(KeptAs::Newest)
        }
    }

    /// Learns what another store of the cluster knows of decisions, of what is stable and of
    /// what is to be retained, as a store does that was away for a while when its node is let
    /// in again.
    ///
    /// # Errors
    /// If the disk failed.
    pub fn catch_up<E: Disk>(&mut self, other: &Store<E>) -> Result<(), DiskError> {
        self.log.check()?;
        let mut learnt = Vec::new();
        for undone in other.history.all_undone() {
            if self.history.note_undone(undone) {
                self.append_fact(Fact::Undone(undone))?;
                learnt.push(undone);
            }
        }
        let is_undone = |stamp: Stamp| {
            let undoes =
                |Undone { cut, first_epoch }: &Undone| Cut::undoes(cut, stamp, *first_epoch);
            learnt.iter().any(undoes)
        };
        let mut freed = Vec::new();
        let retained = self.history.retained();
        self.index.drop_undone(is_undone, retained, &mut freed);
        self.free(&freed);
        let stable = self.stable();
        let more = other.retained().filter(|epoch| *epoch >= stable);
        let retained: Retained = self.retained().chain(more).collect();
        if retained != *self.history.retained() {
            let fact = Fact::Retained(retained.into_iter().collect());
            self.history.note(&fact);
            self.append_fact(fact)?;
        }
        let newest = other.snapshots().last();
        newest.map_or(Ok(()), |newest| {
            self.set_stable(newest.epoch, newest.wall_ms)
        })
    }
}

/// What all stores of a cluster know together of what each of them has answered; `None`: the
/// epoch is not kept any more, or not for certain.
///
/// That one store was told to retain it is enough, for then all were that had it. The newest
/// stable epoch is soon another one: then some stores may keep it still, but not everything.
#[must_use]
pub fn merge(
    question: &PastQuestion,
    answers: impl IntoIterator<Item = Option<PastAnswer>>,
) -> Option<PastFound> {
    let mut kept = Vec::new();
    let (mut is_retained, mut is_given_up) = (false, false);
    for answer in answers {
        match answer {
            Some(PastAnswer { kept_as, found }) => {
                is_retained |= kept_as == KeptAs::Retained;
                kept.push(found);
            }
            None => is_given_up = true,
        }
    }
    if kept.is_empty() || is_given_up && !is_retained {
        return None;
    }
    Some(match question {
        PastQuestion::Extents { .. } => merge_extents(kept),
        PastQuestion::Pages { .. } => merge_pages(kept),
        PastQuestion::Contents { pages } => merge_contents(pages, kept),
    })
}

/// Whether these words are an answer to the question.
#[must_use]
pub fn is_answer(question: &PastQuestion, found: &PastFound) -> bool {
    match (question, found) {
        (PastQuestion::Extents { from }, PastFound::Extents { next, .. }) => {
            next.is_none_or(|next| next > *from)
        }
        (PastQuestion::Pages { .. }, PastFound::Pages(_)) => true,
        (PastQuestion::Contents { pages }, PastFound::Contents(contents)) => {
            pages.len() == contents.len()
        }
        _ => false,
    }
}

fn merge_extents(kept: Vec<PastFound>) -> PastFound {
    let mut all = BTreeSet::new();
    let mut first_next: Option<Extent> = None;
    for found in kept {
        if let PastFound::Extents { extents, next } = found {
            all.extend(extents);
            first_next = first_next.into_iter().chain(next).min();
        }
    }
    // Behind that not everybody has said which he has.
    if let Some(next) = first_next {
        all.split_off(&next);
    }
    let mut extents: Vec<Extent> = all.into_iter().collect();
    if extents.len() > PAST_EXTENTS_MAX {
        first_next = Some(extents[PAST_EXTENTS_MAX]);
        extents.truncate(PAST_EXTENTS_MAX);
    }
    let next = first_next;
    PastFound::Extents { extents, next }
}

fn merge_pages(kept: Vec<PastFound>) -> PastFound {
    let mut newest: BTreeMap<PageId, (Version, Stamp)> = BTreeMap::new();
    for found in kept {
        if let PastFound::Pages(pages) = found {
            for (page, version, stamp) in pages {
                let found = (version, stamp);
                let known = newest.entry(page).or_insert(found);
                *known = found.max(*known);
            }
        }
    }
    let newest = newest.into_iter();
    let newest = newest.map(|(page, (version, stamp))| (page, version, stamp));
    PastFound::Pages(newest.collect())
}

fn merge_contents(pages: &[PageId], kept: Vec<PastFound>) -> PastFound {
    let mut newest: Vec<PastPage> = pages.iter().map(|_| PastPage::Unwritten).collect();
    for found in kept {
        if let PastFound::Contents(contents) = found {
            for (known, page) in newest.iter_mut().zip(contents) {
                if rank(&page) > rank(known) {
                    *known = page;
                }
            }
        }
    }
    PastFound::Contents(newest)
}

/// The newer version counts, and of the same one whatever can be read.
fn rank(page: &PastPage) -> (Option<Version>, bool) {
    match page {
        PastPage::Unwritten => (None, false),
        PastPage::Damaged(version) => (Some(*version), false),
        PastPage::Kept(PageVersion { version, .. }) => (Some(*version), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use types::{PAGE_SIZE, RegionId};
    use wire::Image;

    const PAGE: PageId = PageId::new(300, 7);

    fn kept(version: u64) -> PastPage {
        PastPage::Kept(PageVersion {
            version: Version(version),
            stamp: Stamp::ZERO,
            image: Image::of(&[u8::try_from(version).unwrap(); PAGE_SIZE]),
        })
    }

    fn damaged(version: u64) -> PastPage {
        PastPage::Damaged(Version(version))
    }

    fn answer(kept_as: KeptAs, found: PastFound) -> Option<PastAnswer> {
        Some(PastAnswer { kept_as, found })
    }

    /// What stores that have these versions of a page say together.
    fn together(pages: &[PastPage]) -> PastPage {
        let question = PastQuestion::Contents { pages: vec![PAGE] };
        let answers = pages.iter().map(|page| {
            let found = PastFound::Contents(vec![page.clone()]);
            assert!(is_answer(&question, &found));
            answer(KeptAs::Retained, found)
        });
        match merge(&question, answers) {
            Some(PastFound::Contents(mut contents)) => contents.remove(0),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_highest_version_counts_wherever_it_is() {
        for pages in [[kept(2), kept(5)], [kept(5), kept(2)]] {
            assert_eq!(together(&pages), kept(5));
        }
        let pages = [PastPage::Unwritten, kept(3), PastPage::Unwritten];
        assert_eq!(together(&pages), kept(3));
        assert_eq!(together(&[PastPage::Unwritten]), PastPage::Unwritten);
    }

    #[test]
    fn damage_is_mended_by_the_same_version_and_by_no_other() {
        for pages in [[damaged(5), kept(5)], [kept(5), damaged(5)]] {
            assert_eq!(together(&pages), kept(5));
        }
        for pages in [[damaged(5), kept(4)], [kept(4), damaged(5)]] {
            assert_eq!(together(&pages), damaged(5));
        }
        // The version that one store has lost is not the one that counts.
        assert_eq!(together(&[damaged(4), kept(5)]), kept(5));
        assert_eq!(together(&[damaged(5), damaged(5)]), damaged(5));
    }

    #[test]
    fn of_each_page_the_highest_version_is_listed() {
        let question = PastQuestion::Pages {
            extent: PAGE.extent(),
        };
        let page = |index| PageId::new(300, index);
        let pages = |pages: &[(u32, u64)]| {
            let pages = pages.iter();
            let pages = pages.map(|&(index, version)| (page(index), Version(version), Stamp::ZERO));
            PastFound::Pages(pages.collect())
        };
        let answers = [
            answer(KeptAs::Newest, pages(&[(1, 4), (2, 1)])),
            answer(KeptAs::Newest, pages(&[(0, 9), (2, 3)])),
        ];
        let expected = pages(&[(0, 9), (1, 4), (2, 3)]);
        assert_eq!(merge(&question, answers), Some(expected));
    }

    #[test]
    fn extents_are_listed_as_far_as_everybody_has_said_which_he_has() {
        let extent = |index| Extent {
            region: RegionId(300),
            index,
        };
        let question = PastQuestion::Extents { from: extent(0) };
        let said = |extents: &[u32], next: Option<u32>| PastFound::Extents {
            extents: extents.iter().copied().map(extent).collect(),
            next: next.map(extent),
        };
        let answers = [
            answer(KeptAs::Newest, said(&[1, 3, 8, 9], Some(11))),
            answer(KeptAs::Newest, said(&[2, 3, 4], Some(5))),
            answer(KeptAs::Newest, said(&[8], None)),
        ];
        let expected = said(&[1, 2, 3, 4], Some(5));
        assert_eq!(merge(&question, answers), Some(expected));
        // Who lets us go on where we are says nothing.
        assert!(!is_answer(&question, &said(&[0], Some(0))));
    }

    #[test]
    fn an_epoch_counts_if_a_store_retains_it_or_all_are_at_it() {
        let question = PastQuestion::Contents { pages: vec![PAGE] };
        let found = PastFound::Contents(vec![kept(1)]);
        let is_kept = |answers: &[Option<KeptAs>]| {
            let answers = answers.iter();
            let answers = answers.map(|kept_as| answer((*kept_as)?, found.clone()));
            merge(&question, answers).is_some()
        };
        let (retained, newest) = (Some(KeptAs::Retained), Some(KeptAs::Newest));
        assert!(is_kept(&[newest, newest]));
        assert!(is_kept(&[retained, None]));
        assert!(is_kept(&[newest, retained, None]));
        // One has gone on: what only it has is superseded.
        assert!(!is_kept(&[newest, None]));
        assert!(!is_kept(&[None, None]));
        assert!(!is_kept(&[]));
    }

    #[test]
    fn what_is_too_much_at_once_is_no_question() {
        let pages = |count| PastQuestion::Contents {
            pages: vec![PAGE; count],
        };
        assert!(Look::new(Epoch(1), pages(PAST_PAGES_MAX)).is_some());
        assert!(Look::new(Epoch(1), pages(PAST_PAGES_MAX + 1)).is_none());
    }
}
