//! The instructions that write memory: how wide, at what alignment, what value.
use wasm_encoder::ValType;
use wasmparser::Operator;

/// A store instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Store {
    /// Constant added to the address operand.
    pub(crate) offset: u32,
    /// Bytes written.
    pub(crate) size: u32,
    /// Whether the compiler promises (without being bound to it) that the address is a
    /// multiple of the size.
    pub(crate) aligned: bool,
    /// Type of the value operand.
    pub(crate) value: ValType,
    /// The added function that guards and stores; lanes have none.
    pub(crate) slow: Option<&'static str>,
}

/// The store that an operator is, if it is one. Complete for the accepted operators.
pub(crate) fn store_of(op: &Operator<'_>) -> Option<Store> {
    use ValType::{F32, F64, I32, I64, V128};
    let (memarg, size, value, slow) = match op {
        Operator::I32Store8 { memarg } => (memarg, 1, I32, Some("plurix_i32.store8")),
        Operator::I32Store16 { memarg } => (memarg, 2, I32, Some("plurix_i32.store16")),
        Operator::I32Store { memarg } => (memarg, 4, I32, Some("plurix_i32.store")),
        Operator::I64Store8 { memarg } => (memarg, 1, I64, Some("plurix_i64.store8")),
        Operator::I64Store16 { memarg } => (memarg, 2, I64, Some("plurix_i64.store16")),
        Operator::I64Store32 { memarg } => (memarg, 4, I64, Some("plurix_i64.store32")),
        Operator::I64Store { memarg } => (memarg, 8, I64, Some("plurix_i64.store")),
        Operator::F32Store { memarg } => (memarg, 4, F32, Some("plurix_f32.store")),
        Operator::F64Store { memarg } => (memarg, 8, F64, Some("plurix_f64.store")),
        Operator::V128Store { memarg } => (memarg, 16, V128, Some("plurix_v128.store")),
        Operator::V128Store8Lane { memarg, .. } => (memarg, 1, V128, None),
        Operator::V128Store16Lane { memarg, .. } => (memarg, 2, V128, None),
        Operator::V128Store32Lane { memarg, .. } => (memarg, 4, V128, None),
        Operator::V128Store64Lane { memarg, .. } => (memarg, 8, V128, None),
        _ => return None,
    };
    let offset = u32::try_from(memarg.offset).expect("offsets of a 32-bit memory are validated");
    let aligned = memarg.align == memarg.max_align;
    Some(Store {
        offset,
        size,
        aligned,
        value,
        slow,
    })
}
