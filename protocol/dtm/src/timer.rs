//! Back-offs: when to ask again for a page that was refused.
use alloc::collections::BTreeMap;
use types::{Duration, Instant, PageId, Prng};

/// Refused pages and when to ask for them again. Jitter keeps two nodes from
/// refusing each other in step.
#[derive(Debug)]
pub(crate) struct Backoffs {
    due: BTreeMap<PageId, Instant>,
    retry_after: Duration,
    prng: Prng,
}

impl Backoffs {
    pub(crate) fn new(seed: u64, retry_after: Duration) -> Self {
        Self {
            due: BTreeMap::new(),
            retry_after,
            prng: Prng::new(seed),
        }
    }

    pub(crate) fn start(&mut self, now: Instant, page: PageId) {
        let jitter = self.prng.below(self.retry_after.as_nanos() + 1);
        self.due
            .insert(page, now + self.retry_after + Duration::from_nanos(jitter));
    }

    pub(crate) fn is_waiting(&self, page: PageId) -> bool {
        self.due.contains_key(&page)
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.values().min().copied()
    }

    /// A page whose back-off is over, if there is one.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<PageId> {
        let (&page, _) = self.due.iter().find(|&(_, &due)| due <= now)?;
        self.due.remove(&page);
        Some(page)
    }

    pub(crate) fn clear(&mut self) {
        self.due.clear();
    }
}
