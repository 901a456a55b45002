//! Which applications' memory is still needed.
use alloc::collections::BTreeSet;
use serde::{Deserialize, Serialize};

use crate::limits::FIRST_APPLICATION_REGION;
use crate::{Epoch, RegionId};

/// The regions that are needed of all that applications had up to an epoch. The others are
/// dead: since that epoch nobody has touched a page of them, and nobody ever will, unless the
/// memory goes back to an earlier one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Living {
    /// When it was so.
    pub epoch: Epoch,
    /// Of this region and those above nothing is said.
    pub below: RegionId,
    /// Of those below: these are needed.
    pub regions: BTreeSet<RegionId>,
}

impl Living {
    /// Whether the region is an application's that is not needed any more.
    #[must_use]
    pub fn is_dead(&self, region: RegionId) -> bool {
        let is_known = region.0 >= FIRST_APPLICATION_REGION && region < self.below;
        is_known && !self.regions.contains(&region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_are_applications_that_were_there_and_are_not_listed() {
        let first = FIRST_APPLICATION_REGION;
        let living = Living {
            epoch: Epoch(7),
            below: RegionId(first + 4),
            regions: [first + 2, first + 9].map(RegionId).into(),
        };
        let is_dead = |region| living.is_dead(RegionId(region));
        assert!([first, first + 1, first + 3].into_iter().all(is_dead));
        let others = [0, first - 1, first + 2, first + 4, first + 9];
        assert!(!others.into_iter().any(is_dead));
    }
}
