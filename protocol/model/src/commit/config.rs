//! What one run of the commit model looks at: programs, homes, the start, and at most one
//! planted bug.

/// Pages of the model.
pub const PAGES: usize = 2;
/// Members: up to three that run transactions, and one that may be a home only.
pub const MEMBERS: usize = 4;
/// The member that runs nothing.
pub const SEPARATE: u8 = 3;
/// Neither page is home at a node that runs transactions.
pub const APART: [u8; PAGES] = [SEPARATE, SEPARATE];

/// One thing that a transaction does. Every write looks at the page first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// Looks at the page.
    Read(u8),
    /// Makes a new version of the page.
    Write(u8),
    /// Writes the bytes that are there already.
    Silent(u8),
}

impl Op {
    pub(crate) fn page(self) -> usize {
        let (Self::Read(page) | Self::Write(page) | Self::Silent(page)) = self;
        usize::from(page)
    }
}

/// What becomes of the effects of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effects {
    /// They are committed.
    Kept,
    /// They are undone: a query.
    Discarded,
}

/// A transaction: the same on every attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Program {
    /// Its body.
    pub ops: &'static [Op],
    /// Whether it is a query.
    pub effects: Effects,
}

const fn program(ops: &'static [Op]) -> Program {
    Program {
        ops,
        effects: Effects::Kept,
    }
}

/// Reads A, writes B.
pub const READ_A_WRITE_B: Program = program(&[Op::Read(0), Op::Write(1)]);
/// Reads B, writes A.
pub const READ_B_WRITE_A: Program = program(&[Op::Read(1), Op::Write(0)]);
/// Writes both.
pub const WRITE_BOTH: Program = program(&[Op::Write(0), Op::Write(1)]);
/// Reads both.
pub const READ_BOTH: Program = program(&[Op::Read(0), Op::Read(1)]);
/// Reads both, in the other order.
pub const READ_B_A: Program = program(&[Op::Read(1), Op::Read(0)]);
/// Reads A.
pub const READ_A: Program = program(&[Op::Read(0)]);
/// Writes A.
pub const WRITE_A: Program = program(&[Op::Write(0)]);
/// Looks at A, then writes it: whether it will is a guess.
pub const LOOK_WRITE_A: Program = program(&[Op::Read(0), Op::Write(0)]);
/// Reads A, writes to B what it holds.
pub const READ_A_SILENT_B: Program = program(&[Op::Read(0), Op::Silent(1)]);
/// Writes both, but its effects are undone.
pub const QUERY_BOTH: Program = Program {
    ops: &[Op::Write(0), Op::Read(1)],
    effects: Effects::Discarded,
};

/// Who has the pages when the run begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// Nobody: they are in the stores.
    Stored,
    /// Every node that runs transactions; node 0 owns them.
    Shared,
    /// The highest node that runs transactions, alone.
    Modified,
}

/// Whether a read that misses may say that a write will follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guess {
    /// Only writes fetch pages whole.
    WritesOnly,
    /// Reads may, too, whatever comes later: habits can be wrong.
    Any,
}

/// Which pages count as touched while they are mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Contended linear memory, or other pages: once accessed.
    Contended,
    /// Calm linear memory: mapped from the first access on, also in later transactions.
    Calm,
}

/// A bug that a run contains on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plant {
    /// A requester does not wait for the last answer (rule 11).
    SkippedAck,
    /// A transition that failed is taken for one that changed nothing (rule 4).
    FailureForgotten,
    /// Data is mapped for the transaction that waited, even if it is marked (rule 9).
    MarkedMapping,
    /// A page is given away whole although the transaction has touched it (rule 7).
    HandOverTouched,
    /// A page is given away whole although others share it (rule 2).
    HandOverShared,
    /// Aged transactions do not defend their pages while they run (rule 6).
    AgedUndefended,
    /// A transition whose transaction is dead is not confirmed (rule 11).
    DeadUnconfirmed,
    /// A home grants what a node asks for that is no holder any more (rule 3).
    NoStale,
    /// A home of a new view serves before it has heard what the stores have (rule 29).
    NoGate,
    /// Messages of an earlier view count (rule 31).
    OldViewCounts,
    /// A running transaction never defends itself (rule 12).
    NoAgeing,
    /// A committer serves younger readers, too (rule 7).
    CommitterServesAll,
    /// A page that arrives is touched only when the transaction runs on (rule 5).
    TouchedLate,
    /// A home does not wait until a read is confirmed (rule 2).
    UnconfirmedReads,
    /// The epoch of read copies is not taken (rule 18).
    NoEpochOfCopy,
    /// The epoch of pages that come whole is not taken (rule 18).
    NoEpochOfWhole,
    /// The epoch of acknowledgements is not taken (rule 18).
    NoEpochOfAck,
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// What is printed.
    pub name: &'static str,
    /// What each node runs, one after the other.
    pub programs: &'static [&'static [Program]],
    /// Nodes that run their last program for ever, always younger than all others.
    pub repeats: &'static [u8],
    /// The home of each page.
    pub homes: [u8; PAGES],
    /// Losses after which a transaction is aged.
    pub ageing_losses: u8,
    /// Who fetches pages whole.
    pub guess: Guess,
    /// What counts as touched.
    pub mode: Mode,
    /// Who has the pages first.
    pub start: Start,
    /// Epochs that begin during the run.
    pub advances: u8,
    /// Members that may begin one.
    pub leaders: &'static [u8],
    /// New views that begin during the run: every member enters them some time.
    pub views: u8,
    /// The bug, if any.
    pub plant: Option<Plant>,
}

/// A run of one transaction per node, homes apart, as small as it can be.
pub const BASE: Config = Config {
    name: "",
    programs: &[],
    repeats: &[],
    homes: APART,
    ageing_losses: 1,
    guess: Guess::WritesOnly,
    mode: Mode::Contended,
    start: Start::Stored,
    advances: 0,
    leaders: &[],
    views: 0,
    plant: None,
};

impl Config {
    pub(crate) fn has(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }

    /// Whoever runs transactions or is home.
    pub(crate) fn is_member(&self, node: usize) -> bool {
        let is_home = self.homes.iter().any(|&home| usize::from(home) == node);
        node < self.programs.len() || is_home
    }

    pub(crate) fn repeats(&self, node: usize) -> bool {
        self.repeats.iter().any(|&other| usize::from(other) == node)
    }
}
