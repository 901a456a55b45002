//! Finds the shadow stack, where C-like compilers keep what has an address.
//!
//! Between steps the stack is empty, so its pointer is no state, and pages that hold
//! nothing else need not be shared. To take something else for the stack would lose
//! state, so all of these must hold:
//!
//! - The *pointer* is a mutable `i32` global that is called `__stack_pointer` (exported,
//!   or in the name section), or, in a stripped module, the first global, if its initial
//!   value is a multiple of 16 and every function that assigns it does so first by the
//!   standard prologue (`global.get; i32.const n; i32.sub; local.tee; global.set`), and
//!   some function has the matching epilogue.
//! - Pages are *private* only in the layout in which linkers put the stack first: it
//!   grows down from its initial value to address 0, static data follows above. The
//!   other layout puts static data below the stack. The two are told apart by the data
//!   segments: there is one, and none begins below the initial stack pointer.
use wasmparser as wp;

use crate::refusal::Refusal;
use crate::survey::{Body, Survey};
use crate::{GlobalValue, StackInfo};

const NAME: &str = "__stack_pointer";
/// Stacks of fewer whole pages than this are not made private, because giving up the
/// incomplete page would take a noticeable part of them.
const PRIVATE_PAGES_MIN: u32 = 8;

/// The shadow stack, if it is known for sure.
pub(crate) fn find(survey: &Survey<'_>) -> Result<Option<StackInfo>, Refusal> {
    let candidate = match named(survey) {
        Some(index) => Some(index),
        None => unnamed(survey)?,
    };
    let Some(global) = candidate else {
        return Ok(None);
    };
    let Some(top) = initial(survey, global) else {
        return Ok(None);
    };
    let stack_first =
        !survey.image.is_empty() && survey.image.iter().all(|segment| segment.offset >= top);
    let pages = top >> 12;
    if stack_first && pages >= PRIVATE_PAGES_MIN {
        return Ok(Some(StackInfo {
            global,
            initial: pages << 12,
            private_pages: Some(0..pages),
        }));
    }
    Ok(Some(StackInfo {
        global,
        initial: top,
        private_pages: None,
    }))
}

fn named(survey: &Survey<'_>) -> Option<u32> {
    let exported = survey
        .exports
        .iter()
        .find(|export| export.name == NAME && export.kind == wp::ExternalKind::Global);
    let named = || survey.global_names.iter().find(|(_, name)| *name == NAME);
    exported
        .map(|export| export.index)
        .or_else(|| named().map(|(&index, _)| index))
}

/// Initial value of a mutable `i32` global.
fn initial(survey: &Survey<'_>, index: u32) -> Option<u32> {
    let global = survey
        .mutable_globals
        .iter()
        .find(|global| global.index == index)?;
    match global.initial {
        GlobalValue::I32(value) => Some(value.cast_unsigned()),
        _ => None,
    }
}

fn unnamed(survey: &Survey<'_>) -> Result<Option<u32>, Refusal> {
    let index = 0;
    let plausible = initial(survey, index).is_some_and(|top| top > 0 && top % 16 == 0);
    let exported = survey
        .exports
        .iter()
        .any(|export| export.kind == wp::ExternalKind::Global && export.index == index);
    if !plausible || exported {
        return Ok(None);
    }
    let mut epilogue = false;
    for body in &survey.bodies {
        match discipline(body, index)? {
            Discipline::NoStack => return Ok(None),
            Discipline::Untouched => {}
            Discipline::Prologue { restored } => epilogue |= restored,
        }
    }
    Ok(epilogue.then_some(index))
}

/// How a function treats the supposed stack pointer.
enum Discipline {
    /// Does not assign it.
    Untouched,
    /// Assigns it first by a prologue.
    Prologue {
        /// The matching epilogue was seen.
        restored: bool,
    },
    /// Treats it in another way.
    NoStack,
}

fn discipline(body: &Body<'_>, global: u32) -> Result<Discipline, Refusal> {
    use wp::Operator as Op;
    let mut last: [Option<Op<'_>>; 4] = [None, None, None, None];
    let mut frame = None;
    let mut restored = false;
    for op in body.code.get_operators_reader()? {
        let op = op?;
        if matches!(op, Op::GlobalSet { global_index } if global_index == global) {
            match (&last, frame) {
                (
                    [
                        Some(Op::GlobalGet { global_index }),
                        Some(Op::I32Const { value }),
                        Some(Op::I32Sub),
                        Some(Op::LocalTee { local_index }),
                    ],
                    None,
                ) if *global_index == global && *value > 0 => {
                    frame = Some((*local_index, *value));
                }
                (_, None) => return Ok(Discipline::NoStack),
                (
                    [
                        _,
                        Some(Op::LocalGet { local_index }),
                        Some(Op::I32Const { value }),
                        Some(Op::I32Add),
                    ],
                    Some(frame),
                ) => restored |= frame == (*local_index, *value),
                _ => {}
            }
        }
        last.rotate_left(1);
        last[3] = Some(op);
    }
    Ok(match frame {
        None => Discipline::Untouched,
        Some(_) => Discipline::Prologue { restored },
    })
}
