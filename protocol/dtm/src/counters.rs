//! What the memory of one node has done so far, in numbers.

/// Monotonic counters, over all views. Two are marks of the highest value seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Committed transactions, queries included.
    pub commits: u64,
    /// Of these: without a message to another node or a wait.
    pub commits_local: u64,
    /// Of these: queries, whose effects were undone.
    pub queries: u64,
    /// Transactions marked because another one won a page.
    pub aborts_conflict: u64,
    /// Transactions marked because of a new view.
    pub aborts_fallback: u64,
    /// Transactions that needed a page that is lost.
    pub aborts_lost: u64,
    /// Read requests sent to another node.
    pub fetches_remote: u64,
    /// Pages that came before they were needed, and were mapped.
    pub pages_ahead: u64,
    /// Pages given away whole to a reader that meant to write them.
    pub pages_given_away: u64,
    /// Pages that became the only copy by a transition asked for here.
    pub exclusive_transitions: u64,
    /// Exclusive transitions asked for here that some holder refused.
    pub exclusive_refused: u64,
    /// Reads asked for here that were refused.
    pub reads_refused: u64,
    /// Messages ignored: of another view, of a stranger, or unexpected.
    pub messages_ignored: u64,
    /// Pages whose last version in an epoch was copied or kept for the stores.
    pub frames_captured: u64,
    /// Most frames that were kept at a time.
    pub frames_retained_max: u64,
    /// Dirty pages found unchanged at commit.
    pub silent_stores: u64,
    /// Commits that waited because too many frames were kept.
    pub commits_throttled: u64,
    /// Pages that became contended.
    pub pages_contended: u64,
    /// Intervals cut because a commit depended on what those before did not.
    pub intervals_cut: u64,
    /// Pages dropped because their version was undone.
    pub pages_undone: u64,
    /// Copies of pages dropped because nobody needs them any more.
    pub pages_forgotten: u64,
    /// Longest queue of requests at a page homed here.
    pub home_queue_max: u64,
}
