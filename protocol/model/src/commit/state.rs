//! The state of the commit model: members, directory entries, messages under way, and what
//! only an observer knows.
use crate::commit::config::{Config, MEMBERS, PAGES, Start};

/// A set of members, a bit each.
pub(crate) type Set = u8;

pub(crate) fn only(member: usize) -> Set {
    1 << member
}

/// What a node has of a page.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Copy {
    Invalid,
    Shared,
    Owned,
    Modified,
}

impl Copy {
    pub(crate) fn is_owner(self) -> bool {
        matches!(self, Self::Owned | Self::Modified)
    }
}

/// The request that a node has outstanding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Pending {
    Nothing,
    Read,
    Exclusive(Upgrade),
}

/// Answers to an exclusive request; they may come before the grant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Upgrade {
    pub(crate) need: Option<Set>,
    pub(crate) acked: Set,
    pub(crate) refused: Set,
    pub(crate) owner_moved: bool,
}

/// Whether a page is in the memory on which transactions run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Mapping {
    Absent,
    Current,
    /// Old bytes, kept for a marked transaction.
    Stale,
}

/// A page at a node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Page {
    pub(crate) copy: Copy,
    /// Of the copy.
    pub(crate) version: u8,
    pub(crate) mapping: Mapping,
    /// Of what is mapped.
    pub(crate) seen: u8,
    /// Only with the planted bug `TouchedLate` a mapped page may be untouched.
    pub(crate) is_untouched: bool,
    pub(crate) is_dirty: bool,
    pub(crate) pending: Pending,
    /// A refusal was received; time passes before the page is asked for again.
    pub(crate) backs_off: bool,
}

impl Page {
    pub(crate) const ABSENT: Self = Self {
        copy: Copy::Invalid,
        version: 0,
        mapping: Mapping::Absent,
        seen: 0,
        is_untouched: false,
        is_dirty: false,
        pending: Pending::Nothing,
        backs_off: false,
    };
}

/// How far a transaction is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Phase {
    /// All programs have committed.
    Done,
    Running,
    Committing,
}

/// A member.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Node {
    pub(crate) view: u8,
    /// Members whose inventory of this view is not here.
    pub(crate) missing: Set,
    pub(crate) epoch: u8,
    pub(crate) phase: Phase,
    pub(crate) is_marked: bool,
    /// Which program, and which operation of it is next.
    pub(crate) program: u8,
    pub(crate) next_op: u8,
    pub(crate) losses: u8,
    pub(crate) waits_for: Option<u8>,
    /// Current versions when the transaction was marked.
    pub(crate) at_mark: [u8; PAGES],
    pub(crate) pages: [Page; PAGES],
}

impl Node {
    pub(crate) fn view(&self) -> usize {
        usize::from(self.view)
    }
}

impl Entry {
    pub(crate) const UNKNOWN: Self = Self {
        owner: None,
        sharers: 0,
        busy: Busy::No,
        queue: Vec::new(),
    };
}

/// How a requester may hold, or holds, the page that it reads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Hold {
    /// A read copy.
    Copy,
    /// The page itself.
    Whole,
}

/// What a requester wants of a home.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Wish {
    Read(Hold),
    Exclusive,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Request {
    pub(crate) from: u8,
    pub(crate) ts: u8,
    pub(crate) wish: Wish,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Busy {
    No,
    Reading(u8),
    Upgrading(u8),
}

/// What the home knows of a page.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Entry {
    pub(crate) owner: Option<u8>,
    pub(crate) sharers: Set,
    pub(crate) busy: Busy,
    pub(crate) queue: Vec<Request>,
}

/// The messages of rules 1 to 11; the page is in the packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Message {
    Get {
        ts: u8,
        wish: Wish,
    },
    Forward {
        requester: u8,
        ts: u8,
        hold: Hold,
    },
    Data {
        version: u8,
        hold: Hold,
    },
    ReadNack,
    ReadConfirm(Option<Hold>),
    Grant {
        need: Set,
    },
    Stale,
    /// What the sender's store has; once for all pages.
    Inventory,
    Invalidate {
        requester: u8,
        ts: u8,
    },
    InvalidateAck {
        was_owner: bool,
    },
    InvalidateNack,
    Confirm {
        is_exclusive: bool,
        refused: Set,
        is_owner: bool,
    },
}

/// A message on a link.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Packet {
    pub(crate) from: u8,
    pub(crate) to: u8,
    pub(crate) page: u8,
    pub(crate) view: u8,
    pub(crate) epoch: u8,
    pub(crate) message: Message,
}

/// What an observer knows of a page.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Truth {
    pub(crate) version: u8,
    pub(crate) written_in: u8,
    /// Highest epoch of a committed reader of the current version.
    pub(crate) read_in: u8,
}

/// A promise broken in the very step, as the property names it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Fault {
    /// A transaction committed what was not current, or without being the only holder.
    Serialisability,
    /// A transaction of an earlier epoch depends on one of a later.
    Epochs,
    /// The oldest transaction, aged, was marked.
    OldestMarked,
    /// A directory and the nodes' states disagree, or an answer was not asked for.
    Directory,
}

/// The whole cluster.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    pub(crate) nodes: [Node; MEMBERS],
    pub(crate) entries: [Entry; PAGES],
    /// Sorted by link; in order of sending on each.
    pub(crate) links: Vec<Packet>,
    /// In each view: what was committed in an earlier one is undone.
    pub(crate) truth: Vec<[Truth; PAGES]>,
    pub(crate) advances_left: u8,
    pub(crate) fault: Option<Fault>,
}

impl State {
    pub(crate) fn first(config: &Config) -> Self {
        let running = config.programs.len();
        let page = |node: usize| Page {
            copy: match config.start {
                Start::Shared if node == 0 => Copy::Owned,
                Start::Shared if node < running => Copy::Shared,
                Start::Modified if node + 1 == running => Copy::Modified,
                _ => Copy::Invalid,
            },
            ..Page::ABSENT
        };
        let node = |node: usize| Node {
            // Who is no member is not waited for.
            view: if config.is_member(node) {
                0
            } else {
                config.views
            },
            missing: 0,
            epoch: 0,
            phase: if node < running {
                Phase::Running
            } else {
                Phase::Done
            },
            is_marked: false,
            program: 0,
            next_op: 0,
            losses: 0,
            waits_for: None,
            at_mark: [0; PAGES],
            pages: [page(node); PAGES],
        };
        let holders = (0..running).filter(|&holder| page(holder).copy != Copy::Invalid);
        let owner = holders.clone().find(|&holder| page(holder).copy.is_owner());
        let sharers = holders.filter(|&holder| Some(holder) != owner);
        let entry = Entry {
            owner: owner.map(small),
            sharers: sharers.map(only).sum(),
            busy: Busy::No,
            queue: Vec::new(),
        };
        Self {
            nodes: core::array::from_fn(node),
            entries: [entry.clone(), entry],
            links: Vec::new(),
            truth: vec![[Truth::default(); PAGES]; usize::from(config.views) + 1],
            advances_left: config.advances,
            fault: None,
        }
    }

    /// Every program has committed and nothing is under way.
    pub(crate) fn is_over(&self) -> bool {
        self.is_committed() && self.links.is_empty()
    }

    pub(crate) fn is_committed(&self) -> bool {
        let last_view = self.truth.len() - 1;
        let is_over = |node: &Node| node.phase == Phase::Done && node.view() == last_view;
        self.nodes.iter().all(is_over)
    }

    /// Versions of a page only need their order; without this runs that repeat would never
    /// come back to a state.
    pub(crate) fn rename_versions(&mut self) {
        for page in 0..PAGES {
            let mut known: Vec<u8> = self.versions(page).map(|version| *version).collect();
            known.sort_unstable();
            known.dedup();
            for version in self.versions(page) {
                let rank = known.iter().position(|other| other == version);
                *version = small(rank.expect("every version was listed"));
            }
        }
    }

    /// Every place that names a version of the page and matters.
    fn versions(&mut self, page: usize) -> impl Iterator<Item = &mut u8> {
        let in_nodes = self.nodes.iter_mut().flat_map(move |node| {
            let Page { version, seen, .. } = &mut node.pages[page];
            [version, seen, &mut node.at_mark[page]]
        });
        let on_links = self.links.iter_mut().filter_map(move |packet| {
            let is_same = usize::from(packet.page) == page;
            match &mut packet.message {
                Message::Data { version, .. } if is_same => Some(version),
                _ => None,
            }
        });
        let in_views = self.truth.iter_mut();
        let in_views = in_views.map(move |truth| &mut truth[page].version);
        in_nodes.chain(on_links).chain(in_views)
    }
}

/// Counts of the models are tiny.
pub(crate) fn small(count: usize) -> u8 {
    u8::try_from(count).expect("members, pages and versions are few")
}
