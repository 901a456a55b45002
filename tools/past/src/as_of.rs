//! The past, read by asking somebody who knows all of it.
use types::{Epoch, Extent, PageId, RegionId, Stamp, Version};
use wire::{PAST_PAGES_MAX, PageVersion, PastFound, PastPage, PastQuestion};

use crate::{Past, PastError};

/// Who knows the past: nodes that run, or disks.
pub trait Answers {
    /// What all stores of the cluster know together.
    ///
    /// # Errors
    /// If the epoch is not kept, or who knows it cannot be reached.
    fn answer(&mut self, epoch: Epoch, question: &PastQuestion) -> Result<PastFound, PastError>;
}

/// The memory in one epoch, as far as somebody knows it.
#[derive(Debug)]
pub struct AsOf<A> {
    epoch: Epoch,
    answers: A,
}

impl<A: Answers> AsOf<A> {
    /// The memory in this epoch.
    pub fn new(epoch: Epoch, answers: A) -> Self {
        Self { epoch, answers }
    }
}

impl<A: Answers> Past for AsOf<A> {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn extents(&mut self) -> Result<Vec<Extent>, PastError> {
        let mut all = Vec::new();
        let mut from = Some(Extent {
            region: RegionId(0),
            index: 0,
        });
        while let Some(first) = from {
            let question = PastQuestion::Extents { from: first };
            match self.answers.answer(self.epoch, &question)? {
                PastFound::Extents { extents, next } => {
                    all.extend(extents);
                    from = next.filter(|next| *next > first);
                }
                other => return Err(unexpected(&other)),
            }
        }
        Ok(all)
    }

    fn pages(&mut self, extent: Extent) -> Result<Vec<(PageId, Version, Stamp)>, PastError> {
        let question = PastQuestion::Pages { extent };
        match self.answers.answer(self.epoch, &question)? {
            PastFound::Pages(pages) => Ok(pages),
            other => Err(unexpected(&other)),
        }
    }

    fn read(&mut self, pages: &[PageId]) -> Result<Vec<Option<PageVersion>>, PastError> {
        let mut all = Vec::with_capacity(pages.len());
        for pages in pages.chunks(PAST_PAGES_MAX) {
            let question = PastQuestion::Contents {
                pages: pages.to_vec(),
            };
            let contents = match self.answers.answer(self.epoch, &question)? {
                PastFound::Contents(contents) if contents.len() == pages.len() => contents,
                other => return Err(unexpected(&other)),
            };
            for (&page, content) in pages.iter().zip(contents) {
                all.push(match content {
                    PastPage::Unwritten => None,
                    PastPage::Kept(content) => Some(content),
                    PastPage::Damaged(version) => return Err(PastError::Damaged { page, version }),
                });
            }
        }
        Ok(all)
    }
}

fn unexpected(found: &PastFound) -> PastError {
    let words = match found {
        PastFound::Extents { .. } => "extents",
        PastFound::Pages(_) => "pages",
        PastFound::Contents(_) => "contents of pages",
    };
    PastError::Unavailable(format!(
        "expected an answer to what was asked, found {words}"
    ))
}
