//! What an operator decides about a node, and why a node ends.
use alloc::string::String;
use core::fmt;

use engine::Limits;
use platform::Refusal;
use types::Duration;

/// Silence after which the leader gives a member up.
pub const FAILURE_TIMEOUT: Duration = Duration::from_millis(2_000);
/// Silence for which the leader lets a member keep what it has: three heartbeats of 50 ms, sent
/// twice as often. All nodes of a cluster must have the same.
pub const LEASE: Duration = Duration::from_millis(150);
/// How long a leader that restarts a cluster waits for disks it could do without.
pub const JOIN_GRACE: Duration = Duration::from_millis(5_000);

/// Settings of a node.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name for people, like `node-2`.
    pub name: String,
    /// Settings of its memory.
    pub dtm: dtm::Config,
    /// What a step may use.
    pub limits: Limits,
    /// Silence after which the leader gives a member up; the same on all nodes.
    pub failure_timeout: Duration,
    /// Silence for which the leader lets a member keep what it has; the same on all nodes.
    /// A member that does not hear of its leader stops somewhat earlier.
    pub lease: Duration,
    /// How long a node that may not commit waits for a leader.
    pub patience: Duration,
    /// How often a member tells the leader its figures.
    pub report_every: Duration,
    /// Told what the node's operator should know: a line for its log.
    pub note: fn(&str),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: String::from("node"),
            dtm: dtm::Config::default(),
            limits: Limits::default(),
            failure_timeout: FAILURE_TIMEOUT,
            lease: LEASE,
            patience: Duration::from_millis(15_000),
            report_every: Duration::from_millis(250),
            note: |_| (),
        }
    }
}

/// Why a node ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FatalReason {
    /// It was told to: the whole cluster stops.
    Down,
    /// It was told to leave for good, and has: the others have everything that it had.
    Left,
    /// There has been no leader for too long; without one nothing can be decided. The
    /// cluster can be restarted from its data.
    LeaderLost(String),
    /// The process that it was told to ask does not let it into its cluster.
    TurnedAway {
        /// Where that process is.
        address: String,
        /// Why.
        refusal: Refusal,
    },
    /// The leader has excluded this node.
    Expelled,
    /// The node's disk failed.
    StoreFailed(String),
    /// The leader cannot lead: says what it needs.
    CannotLead(String),
}

impl fmt::Display for FatalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down => write!(f, "told to stop"),
            Self::Left => write!(f, "has left the cluster; nothing needs its disk any more"),
            Self::LeaderLost(why) => write!(
                f,
                "there is no leader ({why}); the cluster can be restarted from its data"
            ),
            Self::TurnedAway { address, refusal } => {
                write!(f, "turned away by {address}: {refusal}")
            }
            Self::Expelled => write!(f, "excluded from the cluster by its leader"),
            Self::StoreFailed(why) => write!(f, "the store failed: {why}"),
            Self::CannotLead(why) => write!(f, "{why}"),
        }
    }
}

impl core::error::Error for FatalReason {}
