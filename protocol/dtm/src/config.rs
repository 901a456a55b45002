//! What the operator or a test decides about the memory of one node.
use types::{Duration, limits};

/// Parameters of a [`crate::Dtm`]. None of them has to be equal on all nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// Seed of the jitter of back-offs.
    pub seed: u64,
    /// Losses after which a transaction is aged: from then on only an older one takes
    /// a page away from it, even while it is still running.
    pub ageing_losses: u32,
    /// Shortest wait before a refused request is made again; the longest is twice that.
    pub retry_after: Duration,
    /// Epochs without an invalidation after which a contended page is calm again.
    pub calm_after_epochs: u32,
    /// Aborts caused by a calm page that was perhaps not even read, after which it is
    /// contended: mapped only for transactions that touch it.
    pub contended_after: u32,
    /// Frames kept for stores that do not keep up; a transaction that wrote waits with
    /// its commit while there are so many.
    pub frames_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 0,
            ageing_losses: limits::AGEING_LOSSES,
            retry_after: Duration::from_micros(200),
            calm_after_epochs: 20,
            contended_after: 3,
            frames_max: 1 << 16,
        }
    }
}
