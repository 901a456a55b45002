//! What a message is about.
use types::RegionId;

use crate::Message;

impl Message {
    /// The region about whose pages, or whose extents' holders, it goes from home to requester,
    /// holder or store, or back; `None`: it is about something else.
    #[must_use]
    pub fn region(&self) -> Option<RegionId> {
        let page = match self {
            Self::GetHolders { extent } | Self::Holders { extent, .. } => {
                return Some(extent.region);
            }
            Self::GetShared { page, .. }
            | Self::Forward { page, .. }
            | Self::Data { page, .. }
            | Self::ReadNack { page, .. }
            | Self::ReadConfirm { page, .. }
            | Self::GetExclusive { page, .. }
            | Self::Grant { page, .. }
            | Self::Stale { page }
            | Self::Invalidate { page, .. }
            | Self::InvalidateAck { page, .. }
            | Self::InvalidateNack { page, .. }
            | Self::Confirm { page, .. }
            | Self::StoreRead { page }
            | Self::StoreData { page, .. }
            | Self::StoreDamaged { page, .. } => page,
            _ => return None,
        };
        Some(page.region)
    }
}
