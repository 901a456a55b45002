//! Values that people pass to exported functions, and see come back.
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use wasmtime::{Val, ValType};

/// Types of values that can be passed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ValueType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
}

/// A value of one of these types.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Value {
    /// 32-bit integer.
    I32(i32),
    /// 64-bit integer.
    I64(i64),
    /// 32-bit float.
    F32(f32),
    /// 64-bit float.
    F64(f64),
}

/// A text that is no value of the type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ValueError {
    text: String,
    expected: ValueType,
}

impl ValueType {
    /// The type, if it is one that people can write down.
    pub(crate) fn of(wasm: &ValType) -> Option<Self> {
        match wasm {
            ValType::I32 => Some(Self::I32),
            ValType::I64 => Some(Self::I64),
            ValType::F32 => Some(Self::F32),
            ValType::F64 => Some(Self::F64),
            _ => None,
        }
    }

    /// Reads a value of this type. Integers may be signed or unsigned.
    ///
    /// # Errors
    /// If the text is none.
    pub fn parse(self, text: &str) -> Result<Value, ValueError> {
        let value = match self {
            Self::I32 => text
                .parse()
                .or_else(|_| text.parse::<u32>().map(u32::cast_signed))
                .map(Value::I32)
                .ok(),
            Self::I64 => text
                .parse()
                .or_else(|_| text.parse::<u64>().map(u64::cast_signed))
                .map(Value::I64)
                .ok(),
            Self::F32 => text.parse().map(Value::F32).ok(),
            Self::F64 => text.parse().map(Value::F64).ok(),
        };
        value.ok_or_else(|| ValueError {
            text: text.to_string(),
            expected: self,
        })
    }
}

impl Value {
    /// The value's type.
    #[must_use]
    pub fn value_type(self) -> ValueType {
        match self {
            Self::I32(_) => ValueType::I32,
            Self::I64(_) => ValueType::I64,
            Self::F32(_) => ValueType::F32,
            Self::F64(_) => ValueType::F64,
        }
    }

    pub(crate) fn to_wasm(self) -> Val {
        match self {
            Self::I32(value) => Val::I32(value),
            Self::I64(value) => Val::I64(value),
            Self::F32(value) => Val::F32(value.to_bits()),
            Self::F64(value) => Val::F64(value.to_bits()),
        }
    }

    pub(crate) fn of_wasm(value: &Val) -> Option<Self> {
        match value {
            Val::I32(value) => Some(Self::I32(*value)),
            Val::I64(value) => Some(Self::I64(*value)),
            Val::F32(bits) => Some(Self::F32(f32::from_bits(*bits))),
            Val::F64(bits) => Some(Self::F64(f64::from_bits(*bits))),
            _ => None,
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I32(value) => value.fmt(f),
            Self::I64(value) => value.fmt(f),
            Self::F32(value) => value.fmt(f),
            Self::F64(value) => value.fmt(f),
        }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("`{}` is no {}", self.text, self.expected))
    }
}

impl core::error::Error for ValueError {}
