//! Everything that nodes say to each other: the closed list of messages.
//! `docs/protocol.md` has the table of who sends which to whom, and the rules.
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use types::{Epoch, Extent, NodeId, PageId, Seq, Stamp, TxnTimestamp, Version, View, ViewNumber};

use crate::Image;

/// A message with what every message carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// The sender.
    pub from: NodeId,
    /// The sender's view; a message of an earlier view is dropped by its
    /// receiver, one of a later view waits for that. Messages between processes, members
    /// or not ([`Message::Join`], [`Message::Directory`], [`Message::Voter`]), belong to
    /// no view: their senders call themselves node 0 and view 0.
    pub view: ViewNumber,
    /// The sender's epoch; the receiver advances to it before anything else.
    pub epoch: Epoch,
    /// What is said.
    pub message: Message,
}

/// One version of a page on its way.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageVersion {
    /// Which version.
    pub version: Version,
    /// Who produced it.
    pub stamp: Stamp,
    /// Its contents.
    #[serde(with = "crate::image::in_message")]
    pub image: Image,
}

/// Why a read was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ReadRefusal {
    /// An older transaction is committing a write of the page.
    Busy,
    /// The copy had been dropped silently; ask the owner.
    Miss,
    /// This version, the newest, is damaged in every store that had it. An older one would
    /// be wrong.
    Lost(Version),
    /// It was asked for in advance, and somebody holds it, or nobody has ever written it.
    NotStored,
}

/// What a reader means to do with the page, as far as it knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ReadWish {
    /// Look at it: a copy from whoever is near.
    Copy,
    /// The same, but not from a sharer: one had none.
    CopyOfOwner,
    /// Write it: if just one node holds the page and does not need it, that node gives it away.
    Whole,
    /// Have it before it is needed, to hold it like this, if it lies in the stores alone.
    Ahead(Hold),
}

/// How a reader will hold the page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Hold {
    /// As one of several.
    Shared,
    /// As the only one: it may write without asking again.
    Exclusive,
}

/// An interval in which a node has committed something, and what it depends on apart from
/// the node's interval before it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IntervalEdges {
    /// The interval.
    pub interval: types::Interval,
    /// The newest interval of each other node that it depends on, ascending by node.
    pub edges: Vec<Stamp>,
}

/// What a part stands for. If its producer dies, this is how the others know whether they
/// have all of it, and on what it depends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The producer's last interval in the epoch.
    pub last: types::Interval,
    /// The epoch of the producer's part before this one, if that may be unstable; else 0.
    pub before: Epoch,
    /// Stores that have got frames of the part, ascending.
    pub stores: Vec<NodeId>,
    /// How many of them got each frame, at least.
    pub copies: u32,
    /// The newest interval of each other node on which anything depends that the producer
    /// has committed since the end of the epoch `before`. Ascending by node.
    pub edges: Vec<Stamp>,
}

/// A part that has come to a store whole.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReceivedPart {
    /// Who has produced it.
    pub node: NodeId,
    /// In which view: to each its own stores.
    pub view: ViewNumber,
    /// What it stands for.
    pub manifest: Manifest,
}

/// What a survivor says before the next view is decided.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Testimony {
    /// The intervals in which it has committed something, ascending.
    pub intervals: Vec<IntervalEdges>,
    /// Parts of the lost that have come to its store.
    pub parts: Vec<ReceivedPart>,
}

/// A copy of a page, as its holder reports it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Held {
    /// The page.
    pub page: PageId,
    /// Which version.
    pub version: Version,
    /// How it is held.
    pub held_as: HeldAs,
}

/// A holder's part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum HeldAs {
    /// A read copy.
    Sharer,
    /// The owner's; others may have copies.
    Owner,
    /// The only one.
    OnlyHolder,
}

/// Result of an exclusive transition, as its requester tells the home.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// Every holder gave its copy up: the requester is the only one.
    pub exclusive: bool,
    /// Holders that refused and so keep their copies.
    pub refused_by: Vec<NodeId>,
    /// The requester now owns the page (it did, or the owner handed it over).
    pub is_owner: bool,
    /// The requester still has a copy.
    pub keeps_copy: bool,
}

/// What is said.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Message {
    // Coherence.
    /// Requester to home: give me a read copy.
    GetShared {
        /// The page.
        page: PageId,
        /// Priority of the transaction that waits for it.
        ts: TxnTimestamp,
        /// What for.
        wish: ReadWish,
    },
    /// Home to owner or sharer: send `requester` your committed bytes.
    Forward {
        /// The page.
        page: PageId,
        /// The read transition.
        seq: Seq,
        /// Who reads.
        requester: NodeId,
        /// The reader's priority.
        ts: TxnTimestamp,
        /// `Exclusive`: you are the only holder; give the page away if you do not need it.
        hold: Hold,
    },
    /// Owner, sharer or home (from the store) to requester: the read copy, or the page.
    Data {
        /// The page.
        page: PageId,
        /// Echoed from `Forward`.
        seq: Seq,
        /// The committed version.
        content: PageVersion,
        /// `Exclusive`: the sender has given its copy up, nobody else has one.
        hold: Hold,
    },
    /// Owner or sharer to requester: read refused.
    ReadNack {
        /// The page.
        page: PageId,
        /// The read transition.
        seq: Seq,
        /// Why.
        reason: ReadRefusal,
    },
    /// Requester to home: the read transition is over. Sent on `Data` and `ReadNack`.
    ReadConfirm {
        /// The page.
        page: PageId,
        /// The read transition.
        seq: Seq,
        /// How the requester holds the page now; `None`: the read was refused.
        held: Option<Hold>,
    },
    /// Requester to home: I hold a copy and want to be the only holder.
    GetExclusive {
        /// The page.
        page: PageId,
        /// The writer's priority.
        ts: TxnTimestamp,
    },
    /// Home to requester: these will answer you directly.
    Grant {
        /// The page.
        page: PageId,
        /// The exclusive transition.
        seq: Seq,
        /// Who answers, ascending.
        need: Vec<NodeId>,
    },
    /// Home to requester: you are not listed as a holder any more.
    Stale {
        /// The page.
        page: PageId,
    },
    /// Home to every holder but the requester: give up your copy, answer the requester.
    Invalidate {
        /// The page.
        page: PageId,
        /// The exclusive transition.
        seq: Seq,
        /// Who writes.
        requester: NodeId,
        /// The writer's priority.
        ts: TxnTimestamp,
    },
    /// Holder to requester: copy gone, its reader (if any) already marked.
    InvalidateAck {
        /// The page.
        page: PageId,
        /// The exclusive transition.
        seq: Seq,
        /// Ownership is handed over with this answer.
        was_owner: bool,
    },
    /// Holder to requester: refused, my transaction is older.
    InvalidateNack {
        /// The page.
        page: PageId,
        /// The exclusive transition.
        seq: Seq,
    },
    /// Requester to home: the exclusive transition is over.
    Confirm {
        /// The page.
        page: PageId,
        /// The exclusive transition.
        seq: Seq,
        /// How it ended.
        outcome: Outcome,
    },

    /// Home to every member, when a page of the extent is asked for the first time in a
    /// view: which copies do you have?
    GetHolders {
        /// The extent.
        extent: Extent,
    },
    /// Member to home: the copies that I have in the extent.
    Holders {
        /// The extent.
        extent: Extent,
        /// Ascending.
        pages: Vec<Held>,
    },

    // Stores.
    /// Home to a store: which version do you have?
    StoreRead {
        /// The page.
        page: PageId,
    },
    /// Store to home: the newest version that no fallback undid, `None` if there is none.
    StoreData {
        /// The page.
        page: PageId,
        /// The version.
        content: Option<PageVersion>,
    },
    /// Store to home: I had this version as the newest, and its bytes are damaged. An
    /// older one does not count instead.
    StoreDamaged {
        /// The page.
        page: PageId,
        /// The version that cannot be read.
        version: Version,
    },
    /// Member to every member, first thing in a view: of the extents whose home you are,
    /// those of which my store has any page, or my node an offer. A home serves nothing
    /// before it has everybody's.
    Inventory {
        /// Ascending. Large inventories are cut into several messages.
        extents: Vec<Extent>,
        /// No more follow.
        last: bool,
    },
    /// Producer to store: a page's last version in an epoch.
    StoreFrame {
        /// The page.
        page: PageId,
        /// What to keep.
        content: PageVersion,
    },
    /// Producer to store: the part of `epoch` is complete; sync it and acknowledge.
    PartEnd {
        /// The producer's epoch.
        epoch: Epoch,
        /// Frames of this part that were sent to this store.
        frames: u32,
        /// What the part stands for.
        manifest: Manifest,
    },
    /// Store to producer: the part is on disk and synced.
    PartStored {
        /// The producer's epoch.
        epoch: Epoch,
    },

    /// Store to producer, if that makes work safe: the part is in the memory of its node.
    PartHeld {
        /// The producer's epoch.
        epoch: Epoch,
    },

    /// Store to store, after the members have changed: which stable versions of the extent
    /// do you keep, the newest ones and those of epochs that are retained?
    GetCopies {
        /// The extent.
        extent: Extent,
    },
    /// Store to store: these.
    Copies {
        /// The extent.
        extent: Extent,
        /// Ascending. Long lists are cut into several messages.
        versions: Vec<(PageId, Version)>,
        /// No more follow.
        last: bool,
    },
    /// Store to store: you have got what you lacked; sync it and acknowledge.
    CopiesEnd {
        /// The extent.
        extent: Extent,
    },
    /// Store to store: the copies are on disk and synced.
    CopiesStored {
        /// The extent.
        extent: Extent,
    },
    /// Member to member: this version in my store is damaged; have you got it, or a later one?
    GetVersion {
        /// The page.
        page: PageId,
        /// Which version.
        version: Version,
        /// Who produced it.
        stamp: Stamp,
    },
    /// Member to member: the version asked for; or, if I have not got it, the oldest later one
    /// in my store that is stable.
    Version {
        /// The page.
        page: PageId,
        /// The version asked for.
        version: Version,
        /// Who produced that.
        stamp: Stamp,
        /// What there is.
        content: Option<PageVersion>,
    },
    /// Member to member, for a tool: read everything in your store now, and tell me how far
    /// you are, until it is done.
    Scrub,
    /// Member to member that has asked: so far.
    Scrubbed(crate::ScrubReport),
    /// Member to leader: everything stable in my store is at all its stores of this view.
    Replicated,

    /// A tool's node to every member: what was the memory like in this epoch, as far as
    /// your store knows?
    PastQuery {
        /// Chosen by the sender.
        id: u64,
        /// The epoch.
        epoch: Epoch,
        /// The question.
        question: crate::PastQuestion,
    },
    /// Member to a tool's node: so; nothing if its store does not keep the epoch.
    PastAnswer {
        /// Of the question.
        id: u64,
        /// The answer.
        answer: Option<crate::PastAnswer>,
    },

    // Control.
    /// A process to any process, meant for the leader: let my disk and me in.
    Join {
        /// Where peers reach the process, as `ip:port`.
        address: alloc::string::String,
        /// Its disk.
        store: types::StoreId,
        /// Name that its operator gave it.
        name: alloc::string::String,
        /// Id of its control log, if it can vote.
        voter: Option<u64>,
    },
    /// Leader to a member: the view from now on. Also makes the process a member.
    NewView {
        /// The view.
        view: View,
        /// The receiver's node id in it.
        you: NodeId,
        /// Where each member is reached, in the order of `view.members`.
        addresses: Vec<alloc::string::String>,
        /// The epochs that stores retain, ascending: as [`Message::Retain`] says later.
        retained: Vec<Epoch>,
    },
    /// Leader to members: a new epoch has begun (it is in the envelope). Member to
    /// leader: an answer, so that silence shows. Doubles as heartbeat.
    Heartbeat,
    /// Member to leader: somebody waits here for this epoch to be safe, so end it soon.
    Awaited {
        /// The member's epoch.
        epoch: Epoch,
    },
    /// Member to leader: my part of this epoch and all before is at all its stores.
    EpochStored {
        /// The member's epoch, which it has left.
        epoch: Epoch,
    },
    /// Member to leader, if that makes work safe: my part of this epoch and all before is
    /// in the memories of all its stores' nodes.
    EpochHeld {
        /// The member's epoch, which it has left.
        epoch: Epoch,
    },
    /// Leader to members: so is everybody's.
    Held {
        /// The newest such epoch.
        epoch: Epoch,
    },
    /// Leader to members: everything up to this epoch cannot be lost any more.
    Stable {
        /// The newest stable epoch.
        epoch: Epoch,
    },
    /// Leader to members, before the next `Stable`: which epochs stores retain from now on,
    /// and none else.
    Retain {
        /// Ascending.
        epochs: Vec<Epoch>,
    },
    /// Leader to members, when that epoch is stable: whose memory is needed. They give the rest
    /// back.
    Living(types::Living),
    /// Member to leader: my figures.
    Report(crate::NodeReport),
    /// Member to leader: I have lost my connection to this member.
    Unreachable {
        /// The silent member.
        node: NodeId,
    },
    /// Leader to member, before the next view: stand still but for local work, and say on
    /// what your work depends that is not stable.
    Fence {
        /// The newest stable epoch.
        stable: Epoch,
        /// Members that the next view will be without.
        lost: Vec<NodeId>,
    },
    /// Member to leader: the intervals in which I have committed something, with what they
    /// depend on (none is added in this view), and what my store has got from the lost.
    Intervals(Testimony),
    /// Leader to members: the cluster stops, in order; everything is stable.
    Down,
    /// Leader to member: stop; you are no member of the view any more.
    Expelled,
    /// Leader to a member that was leaving: it is none any more, and everything that it
    /// had is elsewhere.
    Left,
    /// The answer to [`Message::Join`]: whom to ask, and what helps those who look for
    /// each other.
    Directory {
        /// Where the leader is reached, if the sender knows.
        leader: Option<alloc::string::String>,
        /// Where voters were reached last, as far as the sender knows.
        voters: Vec<(u64, alloc::string::String)>,
    },
    /// Voter to voter, whatever view either is in.
    Voter {
        /// Control log of the sender.
        from: u64,
        /// Control log for which it is meant.
        to: u64,
        /// Where the sender is reached.
        address: alloc::string::String,
        /// What `control` makes of it.
        packet: Vec<u8>,
    },
}

impl core::fmt::Debug for PageVersion {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "v{} {:?} {:?}", self.version.0, self.stamp, self.image)
    }
}
