//! Turns a WebAssembly module into one that can run as transactions.
//!
//! The host must learn of a write to a page *before* the page's first change, to keep
//! its before-image. [`instrument`] puts a software barrier before every store: a byte
//! per page in a second memory, and a call into the host when it is set. It also takes
//! out of the module what would happen again at each instantiation (data segments,
//! start function), makes all state outside linear memory visible (mutable globals),
//! and refuses modules with state that it cannot make visible (tables that change).
//!
//! Absences: it runs nothing, does no IO, keeps no state; equal modules give equal
//! results. It trusts no byte of its input: every fault is a [`Refusal`].
//!
//! Start from [`instrument`], [`Instrumented`], [`Refusal`]. A call flows through
//! `survey` (read and validate, collect the sections), `accept` and `imports` (refuse
//! what is not supported), `stack` (find the shadow stack), `plan` (decide for each
//! store which guard it needs), `rewrite` (emit a function with its guards), and
//! `assemble` (emit the module).
//!
//! Invariants, tested by execution in `tests/`:
//! - *announced*: when a store changes a page, the host was called for that page
//!   since the page's byte in the table was last set;
//! - *equal*: results, traps and memory are those of the module as it was;
//! - *complete*: memory, mutable globals and memory size are all the state there is.
//!
//! What the host guarantees in return: a byte of the table, once 0, stays 0 until the
//! step ends. A guard therefore holds for the rest of the step, and `plan` may leave
//! out any guard that an earlier one implies.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod accept;
mod assemble;
mod imports;
mod info;
mod plan;
mod refusal;
mod rewrite;
mod stack;
mod stores;
mod support;
mod survey;

pub use info::{
    Export, GlobalInfo, GlobalValue, ModuleInfo, Segment, Signature, StackInfo, ValueType,
};
pub use refusal::{Place, Refusal};

/// A module that can run as transactions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instrumented {
    /// The rewritten module.
    pub wasm: Vec<u8>,
    /// What memory holds at first: the active data segments, in order of application.
    pub image: Vec<Segment>,
    /// What the host must know to run it.
    pub info: ModuleInfo,
}

/// Longest module that is looked at, in bytes.
pub const MODULE_BYTES_MAX: usize = 64 << 20;
/// Longest instrumented function body, in bytes; what WebAssembly engines accept.
pub const FUNCTION_BYTES_MAX: usize = 7_654_321;
/// Most locals of a function; leaves room for those that guards need.
pub const LOCALS_MAX: u32 = 49_000;
/// Most functions of a module, imports included.
pub const FUNCTIONS_MAX: u32 = 500_000;
/// Largest initial memory, in units of 64 KiB: 2 GiB.
pub const MEMORY_MIN_MAX: u64 = 1 << 15;
/// Size of the barrier table in units of 64 KiB: a byte for each 4 KiB of 4 GiB.
pub const TABLE_PAGES_64K: u64 = 16;

const _: () = assert!(
    TABLE_PAGES_64K << 16 == 1 << (32 - 12),
    "a byte per page of 4 GiB"
);

/// Validates a module and rewrites it, or says why not. Deterministic.
///
/// # Errors
/// A [`Refusal`] when the module is invalid or needs something that is not supported.
pub fn instrument(module: &[u8]) -> Result<Instrumented, Refusal> {
    let survey = survey::survey(module)?;
    imports::check(&survey)?;
    let stack = stack::find(&survey)?;
    let bodies = rewrite::rewrite_all(&survey)?;
    assemble::assemble(survey, stack, &bodies)
}
