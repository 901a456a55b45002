//! How a step ends: what it returns, or why it was stopped.
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use wasmtime::{FrameInfo, ImportType, Trap, WasmBacktrace};

/// What a step's function returned; see `abi::step`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepReturn {
    /// Run the worker again.
    Again,
    /// Run it again after this event was signalled.
    Wait(i64),
    /// The worker has ended with this value.
    Done(i64),
}

/// Why a step did not return. Whatever the reason, except [`Stop::Exit`], the host
/// rolls the step's effects back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The transaction lost a conflict: roll back and run the step again.
    Conflict,
    /// The cluster went back to an earlier state: roll back, then look what to run.
    Fallback,
    /// The program has asked to end with this code; the step's effects stay.
    Exit(i32),
    /// The step ran for more ticks than it may.
    TimeLimit,
    /// The guest failed after it was refused more memory.
    MemoryLimit,
    /// Memory that it needs is lost, as told.
    Lost(String),
    /// The guest's own fault.
    Guest(GuestFault),
}

/// A fault of the guest, for people to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GuestFault {
    /// What happened.
    pub kind: FaultKind,
    /// What happened and where: the functions on the stack, innermost first.
    pub report: String,
}

/// Kinds of guest faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// An access outside of the memory, by an instruction or as argument of a call.
    OutOfBounds,
    /// An `unreachable` instruction: a panic, an abort, a failed assertion.
    Unreachable,
    /// Division by zero.
    DivisionByZero,
    /// Integer arithmetic that has no result.
    Arithmetic,
    /// The stack is used up.
    StackOverflow,
    /// A call through a table that has no such function.
    BadCall,
    /// A call of the ABI with arguments that make no sense.
    Refused,
    /// Anything else.
    Other,
}

impl StepReturn {
    /// Decodes what the guest returned; `None` for a tag that does not exist.
    pub(crate) fn decode(value: i64) -> Option<Self> {
        let payload = value >> abi::step::TAG_BITS;
        match value & abi::step::TAG_MASK {
            abi::step::AGAIN => Some(Self::Again),
            abi::step::WAIT => Some(Self::Wait(payload)),
            abi::step::DONE => Some(Self::Done(payload)),
            _ => None,
        }
    }
}

impl GuestFault {
    /// A fault for a call of the ABI whose arguments make no sense.
    #[must_use]
    pub fn refused(why: &str) -> Self {
        Self {
            kind: FaultKind::Refused,
            report: why.to_owned(),
        }
    }

    /// A fault, reported with the functions that were active.
    pub(crate) fn new(kind: FaultKind, what: &str, error: &wasmtime::Error) -> Self {
        let mut report = what.to_owned();
        let frames = error
            .downcast_ref::<WasmBacktrace>()
            .map_or(&[][..], |trace| trace.frames());
        for frame in frames {
            report.push_str("\n  in ");
            report.push_str(&function_name(frame));
        }
        Self { kind, report }
    }

    /// The fault behind an error of the runtime.
    pub(crate) fn of_error(error: &wasmtime::Error) -> Self {
        let Some(trap) = error.downcast_ref::<Trap>() else {
            return Self::new(
                FaultKind::Other,
                &format!("{:#}", error.root_cause()),
                error,
            );
        };
        let (kind, what) = match trap {
            Trap::MemoryOutOfBounds => (FaultKind::OutOfBounds, "memory access out of bounds"),
            Trap::UnreachableCodeReached => (FaultKind::Unreachable, "unreachable code reached"),
            Trap::IntegerDivisionByZero => (FaultKind::DivisionByZero, "division by zero"),
            Trap::IntegerOverflow => (FaultKind::Arithmetic, "integer overflow"),
            Trap::BadConversionToInteger => (
                FaultKind::Arithmetic,
                "conversion of a float that is no integer",
            ),
            Trap::StackOverflow => (FaultKind::StackOverflow, "stack overflow"),
            Trap::TableOutOfBounds | Trap::IndirectCallToNull | Trap::BadSignature => {
                (FaultKind::BadCall, "indirect call of no such function")
            }
            other => return Self::new(FaultKind::Other, &other.to_string(), error),
        };
        Self::new(kind, what, error)
    }
}

/// The name of a frame's function, or its index in the module as its author made it:
/// instrumentation has put its imports after those of the author.
fn function_name(frame: &FrameInfo) -> String {
    let is_ours = |import: &ImportType<'_>| import.module() == abi::runtime::MODULE;
    frame.func_name().map_or_else(
        || {
            let ours = frame.module().imports().filter(is_ours).count();
            let ours = u32::try_from(ours).expect("a module has less than 2^32 imports");
            format!("function {}", frame.func_index() - ours)
        },
        ToString::to_string,
    )
}

impl From<GuestFault> for Stop {
    fn from(fault: GuestFault) -> Self {
        Self::Guest(fault)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict => f.write_str("lost a conflict"),
            Self::Fallback => f.write_str("undone by a fallback"),
            Self::Exit(code) => write!(f, "exit with code {code}"),
            Self::TimeLimit => f.write_str("the step ran longer than it may"),
            Self::MemoryLimit => f.write_str("the program needs more memory than it may have"),
            Self::Lost(what) => f.write_str(what),
            Self::Guest(fault) => f.write_str(&fault.report),
        }
    }
}

impl core::error::Error for Stop {}
