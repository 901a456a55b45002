//! Mutable globals: brought to the state of the header before a step, written back after
//! it where they have changed.
use alloc::vec::Vec;

use wasmtime::{Global, Store, Val};

use crate::header::{self, Header};
use crate::state::Context;
use crate::{StepHost, Stop};

/// The mutable globals of an instance.
#[derive(Debug)]
pub(crate) struct Globals {
    /// The stack pointer, and where the stack begins.
    pub(crate) stack: Option<(Global, i32)>,
    /// All others, in order of their slots in the header.
    pub(crate) kept: Vec<Kept>,
}

/// A global whose value is part of the application's state.
#[derive(Debug)]
pub(crate) struct Kept {
    global: Global,
    /// Bits of the value that the module gives it.
    initial: u128,
    /// Bits of the value when the running step began.
    begin: u128,
    /// Bits of the value that it has now, as far as we know.
    now: u128,
}

impl Kept {
    /// A global of a new instance.
    pub(crate) fn new(store: &mut Store<Context>, global: Global) -> Self {
        let initial = to_bits(&global.get(store));
        Self {
            global,
            initial,
            begin: initial,
            now: initial,
        }
    }
}

impl Globals {
    /// Sets every global to what it is when a step begins.
    pub(crate) fn load(&mut self, store: &mut Store<Context>, header: &Header) {
        if let Some((global, initial)) = &self.stack {
            set(store, *global, Val::I32(*initial));
        }
        for (slot, kept) in self.kept.iter_mut().enumerate() {
            kept.begin = header.global(slot).unwrap_or(kept.initial);
            if kept.begin != kept.now {
                let like = kept.global.get(&mut *store);
                set(store, kept.global, of_bits(kept.begin, &like));
                kept.now = kept.begin;
            }
        }
    }

    /// Writes to the header what the step has changed.
    pub(crate) fn save(
        &mut self,
        store: &mut Store<Context>,
        header: &Header,
        host: &mut dyn StepHost,
    ) -> Result<(), Stop> {
        for kept in &mut self.kept {
            kept.now = to_bits(&kept.global.get(&mut *store));
        }
        if self.kept.iter().all(|kept| kept.now == kept.begin) {
            return Ok(());
        }
        for (slot, kept) in self.kept.iter().enumerate() {
            if header.global(slot) != Some(kept.now) {
                header::write_global(host, slot, kept.now)?;
            }
        }
        if header.global(0).is_none() {
            header::write_valid(host)?;
        }
        Ok(())
    }
}

fn set(store: &mut Store<Context>, global: Global, value: Val) {
    global
        .set(store, value)
        .expect("the module was loaded with mutable globals of this type");
}

/// The bits of a number; references are refused when a module is loaded.
fn to_bits(value: &Val) -> u128 {
    match value {
        Val::I32(value) => u128::from(value.cast_unsigned()),
        Val::I64(value) => u128::from(value.cast_unsigned()),
        Val::F32(bits) => u128::from(*bits),
        Val::F64(bits) => u128::from(*bits),
        Val::V128(value) => value.as_u128(),
        _ => 0,
    }
}

/// The value with these bits and the type of `like`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the bits were extended from that type"
)]
fn of_bits(bits: u128, like: &Val) -> Val {
    match like {
        Val::I32(_) => Val::I32((bits as u32).cast_signed()),
        Val::I64(_) => Val::I64((bits as u64).cast_signed()),
        Val::F32(_) => Val::F32(bits as u32),
        Val::F64(_) => Val::F64(bits as u64),
        _ => Val::V128(bits.into()),
    }
}
