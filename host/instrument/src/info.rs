//! What a host must know of a module to run it: plain data, stored with the module.
use core::fmt;
use core::ops::Range;

use serde::{Deserialize, Serialize};

/// A value type of WebAssembly, as far as supported.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ValueType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 128-bit vector.
    V128,
    /// Reference to a function.
    FuncRef,
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::V128 => "v128",
            Self::FuncRef => "funcref",
        })
    }
}

/// Type of a function.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Signature {
    /// Parameter types.
    pub params: Vec<ValueType>,
    /// Result types.
    pub results: Vec<ValueType>,
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, &self.params)?;
        f.write_str(" -> ")?;
        list(f, &self.results)
    }
}

fn list(f: &mut fmt::Formatter<'_>, types: &[ValueType]) -> fmt::Result {
    f.write_str("(")?;
    for (position, one) in types.iter().enumerate() {
        let comma = if position == 0 { "" } else { ", " };
        write!(f, "{comma}{one}")?;
    }
    f.write_str(")")
}

/// An exported function of the module as its author wrote it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Export {
    /// Exported name.
    pub name: String,
    /// Its type.
    pub signature: Signature,
}

/// Initial value of a global, as bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum GlobalValue {
    /// An `i32`.
    I32(i32),
    /// An `i64`.
    I64(i64),
    /// The bits of an `f32`.
    F32(u32),
    /// The bits of an `f64`.
    F64(u64),
    /// The bits of a `v128`.
    V128(u128),
}

impl GlobalValue {
    /// The global's type.
    #[must_use]
    pub fn value_type(self) -> ValueType {
        match self {
            Self::I32(_) => ValueType::I32,
            Self::I64(_) => ValueType::I64,
            Self::F32(_) => ValueType::F32,
            Self::F64(_) => ValueType::F64,
            Self::V128(_) => ValueType::V128,
        }
    }
}

/// A mutable global: state that the host keeps with the memory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GlobalInfo {
    /// Index in the module; the export is `abi::runtime::GLOBAL_PREFIX` and this number.
    pub index: u32,
    /// Initial value, which tells the type too.
    pub initial: GlobalValue,
}

/// The shadow stack of a C-like compiler: dead between steps, so no state at all.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StackInfo {
    /// Index of the stack pointer, exported like the other mutable globals. The host
    /// sets it to `initial` before each step and keeps it nowhere.
    pub global: u32,
    /// Where the stack begins (it grows downwards). When `private_pages` is known, this
    /// is its end: the incomplete page above is given up so that the whole stack is
    /// private; the module's own value was up to 4095 bytes higher.
    pub initial: u32,
    /// 4 KiB pages that hold nothing but stack, and so need be neither fetched nor
    /// kept nor announced.
    pub private_pages: Option<Range<u32>>,
}

/// What the host must know of a module to run it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ModuleInfo {
    /// Initial memory size in units of 64 KiB.
    pub memory_min_pages_64k: u32,
    /// Size that memory cannot exceed, in the same unit, if the module names one.
    pub memory_max_pages_64k: Option<u32>,
    /// Every mutable global except the stack pointer.
    pub globals: Vec<GlobalInfo>,
    /// The shadow stack, if there is one.
    pub stack: Option<StackInfo>,
    /// The functions that the author exports, in order.
    pub exports: Vec<Export>,
    /// Whether `abi::runtime::START` is exported, to be run once at deployment.
    pub has_start: bool,
    /// The devices that it declares to drive (`abi::DEVICES_SECTION`).
    pub devices: Vec<String>,
}

/// A piece of the initial memory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Segment {
    /// Address of the first byte.
    pub offset: u32,
    /// The bytes.
    pub bytes: Vec<u8>,
}
