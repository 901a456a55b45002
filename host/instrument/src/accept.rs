//! Which types and instructions are supported: an allow-list.
use wasmparser as wp;

use crate::refusal::{Place, Refusal};
use crate::{Signature, ValueType};

/// The supported type, if it is one.
pub(crate) fn value_type_of(ty: wp::ValType) -> Option<ValueType> {
    Some(match ty {
        wp::ValType::I32 => ValueType::I32,
        wp::ValType::I64 => ValueType::I64,
        wp::ValType::F32 => ValueType::F32,
        wp::ValType::F64 => ValueType::F64,
        wp::ValType::V128 => ValueType::V128,
        wp::ValType::FUNCREF => ValueType::FuncRef,
        wp::ValType::Ref(_) => return None,
    })
}

/// Refuses unsupported types; `place` tells what has the type.
pub(crate) fn value_type(
    place: impl Fn() -> String,
    ty: wp::ValType,
) -> Result<ValueType, Refusal> {
    value_type_of(ty).ok_or_else(|| Refusal::Type {
        place: place(),
        seen: ty.to_string(),
    })
}

/// A function type of the type section; all others belong to refused proposals.
pub(crate) fn function_type(
    index: usize,
    ty: &wp::SubType,
    explicit_group: bool,
) -> Result<wp::FuncType, Refusal> {
    let place = || format!("type {index}");
    let composite = &ty.composite_type;
    let plain = !explicit_group && !composite.shared && ty.is_final && ty.supertype_idx.is_none();
    match &composite.inner {
        wp::CompositeInnerType::Func(function) if plain => {
            for &one in function.params().iter().chain(function.results()) {
                value_type(place, one)?;
            }
            Ok(function.clone())
        }
        _ => Err(Refusal::Type {
            place: place(),
            seen: ty.to_string(),
        }),
    }
}

/// Type of a function, all of whose types were accepted.
pub(crate) fn signature(ty: &wp::FuncType) -> Signature {
    let list = |types: &[wp::ValType]| {
        types
            .iter()
            .map(|&one| value_type_of(one).expect("accepted with its type"))
            .collect()
    };
    Signature {
        params: list(ty.params()),
        results: list(ty.results()),
    }
}

/// Tables hold nullable function references.
pub(crate) fn table(index: usize, ty: &wp::TableType) -> Result<(), Refusal> {
    let seen = if ty.table64 {
        "64-bit table".to_owned()
    } else if ty.shared {
        "shared table".to_owned()
    } else if ty.element_type == wp::RefType::FUNCREF {
        return Ok(());
    } else {
        ty.element_type.to_string()
    };
    Err(Refusal::Type {
        place: format!("table {index}"),
        seen,
    })
}

/// Element segments hold functions.
pub(crate) fn element(index: usize, element: &wp::Element<'_>) -> Result<(), Refusal> {
    match &element.items {
        wp::ElementItems::Expressions(ty, _) if *ty != wp::RefType::FUNCREF => Err(Refusal::Type {
            place: format!("element segment {index}"),
            seen: ty.to_string(),
        }),
        _ => Ok(()),
    }
}

/// Refuses unsupported instructions of a function.
pub(crate) fn operator(op: &wp::Operator<'_>, place: impl Fn() -> Place) -> Result<(), Refusal> {
    use wp::Operator as Op;
    let instruction = || instruction(op);
    let function = || place();
    let ty = |ty: wp::ValType| value_type(|| place().to_string(), ty).map(|_| ());
    match op {
        Op::TableSet { .. }
        | Op::TableGrow { .. }
        | Op::TableFill { .. }
        | Op::TableCopy { .. }
        | Op::TableInit { .. }
        | Op::ElemDrop { .. } => Err(Refusal::TableMutation {
            function: function(),
            instruction: instruction(),
        }),
        Op::MemoryInit { .. } | Op::DataDrop { .. } => Err(Refusal::SegmentState {
            function: function(),
            instruction: instruction(),
        }),
        Op::Block {
            blockty: wp::BlockType::Type(one),
        }
        | Op::Loop {
            blockty: wp::BlockType::Type(one),
        }
        | Op::If {
            blockty: wp::BlockType::Type(one),
        }
        | Op::TypedSelect { ty: one } => ty(*one),
        Op::RefNull { hty } if *hty != wp::HeapType::FUNC => Err(Refusal::Type {
            place: place().to_string(),
            seen: instruction(),
        }),
        _ => match proposal(op) {
            "mvp"
            | "sign_extension"
            | "saturating_float_to_int"
            | "bulk_memory"
            | "simd"
            | "reference_types"
            | "tail_call" => Ok(()),
            "threads" => Err(Refusal::Atomic {
                function: function(),
                instruction: instruction(),
            }),
            proposal => Err(Refusal::Instruction {
                function: function(),
                instruction: instruction(),
                proposal,
            }),
        },
    }
}

/// The proposal that an operator belongs to.
fn proposal(op: &wp::Operator<'_>) -> &'static str {
    macro_rules! table {
        ($(
            @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? =>
                $v:ident ($($a:tt)*)
        )*) => {
            match op {
                $(wp::Operator::$op $({ $($arg: _),* })? => stringify!($proposal),)*
                _ => "unknown",
            }
        };
    }
    wp::for_each_operator!(table)
}

/// An operator's name as in the text format, near enough for a message.
fn instruction(op: &wp::Operator<'_>) -> String {
    macro_rules! table {
        ($(
            @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? =>
                $v:ident ($($a:tt)*)
        )*) => {
            match op {
                $(wp::Operator::$op $({ $($arg: _),* })? => stringify!($v),)*
                _ => "visit_unknown",
            }
        };
    }
    let visit: &str = wp::for_each_operator!(table);
    let name = visit.trim_start_matches("visit_");
    if name.contains("atomic") {
        name.replace('_', ".")
    } else {
        name.replacen('_', ".", 1)
    }
}
