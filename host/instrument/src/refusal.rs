//! Why a module is refused: what was seen, where, and what was expected instead.
use core::fmt;

/// A function, by its name if the module tells it, else by its index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Index in the function index space, imports first.
    pub index: u32,
    /// Name from the name section.
    pub name: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "function `{name}`"),
            None => write!(f, "function {}", self.index),
        }
    }
}

/// Why a module is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// Not a valid WebAssembly module.
    Invalid {
        /// Where, in bytes from the module's start.
        offset: usize,
        /// What the validator says.
        message: String,
    },
    /// A component instead of a core module.
    Component,
    /// The module, one of its functions or its tables is too large.
    TooLarge {
        /// What is too large.
        what: String,
        /// Its size.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// No memory is defined.
    NoMemory,
    /// More than one memory is defined.
    SeveralMemories {
        /// How many.
        count: u32,
    },
    /// The memory is of a kind that is not supported.
    MemoryKind {
        /// The kind that was seen.
        seen: &'static str,
        /// How to build the module instead.
        expected: &'static str,
    },
    /// A memory, table, global or tag is imported.
    ImportKind {
        /// Module part of the import.
        module: String,
        /// Name part of the import.
        name: String,
        /// What kind of thing it is.
        kind: &'static str,
    },
    /// A function is imported that no host offers.
    UnknownImport {
        /// Module part of the import.
        module: String,
        /// Name part of the import.
        name: String,
    },
    /// A known function is imported with another type.
    ImportType {
        /// Module part of the import.
        module: String,
        /// Name part of the import.
        name: String,
        /// The type that was seen.
        seen: String,
        /// The type that it has.
        expected: String,
    },
    /// An instruction changes a table: state that lies outside of memory.
    TableMutation {
        /// The function.
        function: Place,
        /// The instruction.
        instruction: String,
    },
    /// An instruction uses passive segments: state that lies outside of memory.
    SegmentState {
        /// The function.
        function: Place,
        /// The instruction.
        instruction: String,
    },
    /// An atomic instruction.
    Atomic {
        /// The function.
        function: Place,
        /// The instruction.
        instruction: String,
    },
    /// An instruction of a proposal that is not supported.
    Instruction {
        /// The function.
        function: Place,
        /// The instruction.
        instruction: String,
        /// The proposal that it belongs to.
        proposal: &'static str,
    },
    /// A type that is not supported, where it was seen.
    Type {
        /// What has the type.
        place: String,
        /// The type.
        seen: String,
    },
    /// A mutable global or a data segment whose initial value is not a constant.
    NotConstant {
        /// What has the value.
        place: String,
    },
    /// A data segment lies outside of the initial memory.
    SegmentOutside {
        /// Position in the data section.
        index: u32,
        /// First address behind it.
        end: u64,
        /// Bytes of initial memory.
        memory_bytes: u64,
    },
    /// An export has a name that is reserved.
    ReservedExport {
        /// The name.
        name: String,
    },
    /// The rewritten module is invalid: a mistake of this crate.
    Internal {
        /// What the validator says of it.
        message: String,
    },
}

impl Refusal {
    pub(crate) fn invalid(error: &wasmparser::Error) -> Self {
        Self::Invalid {
            offset: error.offset(),
            message: error.message().to_owned(),
        }
    }

    pub(crate) fn internal(error: impl fmt::Display) -> Self {
        Self::Internal {
            message: error.to_string(),
        }
    }
}

impl From<wasmparser::Error> for Refusal {
    fn from(error: wasmparser::Error) -> Self {
        Self::invalid(&error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TableMutation { .. }
            | Self::SegmentState { .. }
            | Self::Atomic { .. }
            | Self::Instruction { .. } => self.fmt_instruction(f),
            Self::ImportKind { .. } | Self::UnknownImport { .. } | Self::ImportType { .. } => {
                self.fmt_import(f)
            }
            _ => self.fmt_module(f),
        }
    }
}

impl Refusal {
    fn fmt_instruction(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TableMutation {
                function,
                instruction,
            } => write!(
                f,
                "{function} uses {instruction}: expected tables that never change, because \
                 they are not part of the transactional memory"
            ),
            Self::SegmentState {
                function,
                instruction,
            } => write!(
                f,
                "{function} uses {instruction}: expected only active data segments (passive \
                 ones come from linking for threads)"
            ),
            Self::Atomic {
                function,
                instruction,
            } => write!(
                f,
                "{function} uses {instruction}: expected a module built without the `atomics` \
                 target feature; a step runs alone"
            ),
            Self::Instruction {
                function,
                instruction,
                proposal,
            } => write!(
                f,
                "{function} uses {instruction} of the {proposal} proposal: expected WebAssembly \
                 2.0 with tail calls"
            ),
            _ => unreachable!("called for instructions only"),
        }
    }

    fn fmt_import(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ImportKind { module, name, kind } => write!(
                f,
                "the module imports the {kind} `{module}.{name}`: expected only functions to be \
                 imported"
            ),
            Self::UnknownImport { module, name } => write!(
                f,
                "the module imports the unknown function `{module}.{name}`: expected functions of \
                 `{}` or `{}`",
                abi::MODULE,
                abi::WASI_MODULE
            ),
            Self::ImportType {
                module,
                name,
                seen,
                expected,
            } => {
                write!(
                    f,
                    "the module imports `{module}.{name}` as {seen}: expected {expected}"
                )
            }
            _ => unreachable!("called for imports only"),
        }
    }

    fn fmt_module(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { offset, message } => {
                write!(f, "invalid module: {message} (at byte {offset})")
            }
            Self::Component => f.write_str("this is a component: expected a core module"),
            Self::TooLarge { what, size, max } => {
                write!(f, "{what} is {size}: expected at most {max}")
            }
            Self::NoMemory => f.write_str("the module defines no memory: expected one"),
            Self::SeveralMemories { count } => {
                write!(f, "the module defines {count} memories: expected one")
            }
            Self::MemoryKind { seen, expected } => {
                write!(f, "the memory is {seen}: expected {expected}")
            }
            Self::Type { place, seen } => write!(
                f,
                "{place} has the type {seen}: expected i32, i64, f32, f64, v128 or funcref"
            ),
            Self::NotConstant { place } => {
                write!(
                    f,
                    "{place} is not a constant: expected a plain `const` instruction"
                )
            }
            Self::SegmentOutside {
                index,
                end,
                memory_bytes,
            } => write!(
                f,
                "data segment {index} ends at address {end}: expected it within the initial \
                 memory of {memory_bytes} bytes"
            ),
            Self::ReservedExport { name } => write!(
                f,
                "the module exports `{name}`: names that begin with `__plurix_` are reserved"
            ),
            Self::Internal { message } => write!(
                f,
                "the instrumented module is invalid: {message}; this is a mistake of the \
                 instrumentation, not of the module"
            ),
            _ => unreachable!("instructions and imports have their own"),
        }
    }
}

impl std::error::Error for Refusal {}
