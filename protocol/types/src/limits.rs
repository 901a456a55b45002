//! Limits of the protocol, checked against each other at compile time.

/// Members of a view at most.
pub const MEMBERS_MAX: usize = 64;
/// Copies of a page in stores (R), unless the cluster has fewer stores.
pub const REPLICAS: usize = 2;
/// Epochs that are kept at most, apart from the newest stable one.
pub const SNAPSHOTS_MAX: usize = 4096;
/// Losses after which a transaction is aged (K): from then on it is refused or
/// robbed only by older ones.
pub const AGEING_LOSSES: u32 = 2;
/// First region of an application; the kernel's tables lie in the regions below.
pub const FIRST_APPLICATION_REGION: u32 = 256;
/// Pages of linear memory in an application's region: 4 GiB of 4 KiB pages.
pub const LINEAR_PAGES_MAX: u32 = 1 << 20;

const _: () = assert!(
    REPLICAS <= MEMBERS_MAX,
    "each copy lies in a store of its own"
);
