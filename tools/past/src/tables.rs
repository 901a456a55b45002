//! The kernel's tables as they were: its functions look at them through this.
use std::collections::BTreeMap;

use kernel::{Failure, Pages, Stop};
use types::{PAGE_SIZE, PageBytes, PageId};

use crate::{Past, PastError};

/// Pages read at a time: neighbours, which the next question is often about.
const READ_AHEAD: u32 = 16;
/// Pages remembered: some 16 MiB.
const CACHE_PAGES: usize = 4096;

/// Pages of an epoch for functions of the kernel that only look. A past that cannot be read
/// looks to them like a lost conflict; [`Tables::look`] says what it was.
pub struct Tables<'past> {
    past: &'past mut dyn Past,
    cache: BTreeMap<PageId, Box<PageBytes>>,
    failure: Option<PastError>,
}

impl<'past> Tables<'past> {
    /// The tables of this epoch.
    pub fn of(past: &'past mut dyn Past) -> Self {
        Self {
            past,
            cache: BTreeMap::new(),
            failure: None,
        }
    }

    /// What a function of the kernel finds.
    ///
    /// # Errors
    /// If the past cannot be read, or the kernel refuses.
    pub fn look<T, E: Into<Failure>>(
        &mut self,
        function: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, PastError> {
        function(self).map_err(|failure| match failure.into() {
            Failure::Refused(refusal) => PastError::Tables(refusal.to_string()),
            Failure::Stop(_) => {
                let failure = self.failure.take();
                failure.expect("nothing else stops a function that only looks")
            }
        })
    }

    /// The past itself, for what is no table.
    pub fn past(&mut self) -> &mut dyn Past {
        self.past
    }

    fn fetch(&mut self, page: PageId) -> Result<(), PastError> {
        if self.cache.len() + READ_AHEAD as usize > CACHE_PAGES {
            self.cache.clear();
        }
        let first = page.index.0 - page.index.0 % READ_AHEAD;
        let pages = (first..=first + (READ_AHEAD - 1)).map(|at| PageId::new(page.region.0, at));
        let pages: Vec<PageId> = pages.collect();
        let contents = match self.past.read(&pages) {
            Ok(contents) => contents,
            // A neighbour may be damaged that nobody needs.
            Err(PastError::Damaged { page: damaged, .. }) if damaged != page => {
                return self.fetch_one(page);
            }
            Err(error) => return Err(error),
        };
        for (page, content) in pages.into_iter().zip(contents) {
            self.remember(page, content);
        }
        Ok(())
    }

    fn fetch_one(&mut self, page: PageId) -> Result<(), PastError> {
        let content = self.past.read(&[page])?.pop().flatten();
        self.remember(page, content);
        Ok(())
    }

    fn remember(&mut self, page: PageId, content: Option<wire::PageVersion>) {
        let mut bytes = Box::new([0; PAGE_SIZE]);
        if let Some(content) = content {
            content.image.write_to(&mut bytes);
        }
        self.cache.insert(page, bytes);
    }
}

impl Pages for Tables<'_> {
    fn read(&mut self, page: PageId) -> Result<&PageBytes, Stop> {
        if !self.cache.contains_key(&page)
            && let Err(error) = self.fetch(page)
        {
            self.failure = Some(error);
            return Err(Stop);
        }
        Ok(self.cache.get(&page).expect("just fetched"))
    }

    fn write(&mut self, page: PageId) -> Result<&mut PageBytes, Stop> {
        unreachable!("whoever looks at the past writes nothing, and not page {page}");
    }
}

impl std::fmt::Debug for Tables<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables")
            .field("epoch", &self.past.epoch())
            .field("cached", &self.cache.len())
            .finish_non_exhaustive()
    }
}
