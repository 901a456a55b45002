//! Everything that the memory can ask for: the closed list.
use types::NodeId;
use wire::Envelope;

/// Something to do.
#[derive(Clone, Debug)]
#[must_use]
pub enum Output {
    /// Send this. `to` may be the node itself only for what its own store and control plane
    /// handle: `StoreRead`, `StoreFrame`, `PartEnd`, `EpochStored` and `EpochHeld`.
    Send {
        /// The receiver.
        to: NodeId,
        /// What to send.
        envelope: Envelope,
    },
}
