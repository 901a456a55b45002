//! Emits functions with their guards.
use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{BlockType, BranchHint, Function, ValType};
use wasmparser as wp;

use crate::plan::{self, Guard, Plan};
use crate::refusal::Refusal;
use crate::stores::{Store, store_of};
use crate::support::{self, Indices};
use crate::survey::{Body, Survey, limit};
use crate::{FUNCTION_BYTES_MAX, LOCALS_MAX, accept};

/// A rewritten function.
pub(crate) struct Rewritten {
    pub(crate) function: Function,
    /// The guards' branches, which are unlikely.
    pub(crate) hints: Vec<BranchHint>,
}

/// Moves function indices to make room for the added imports.
pub(crate) struct Mover(pub(crate) Indices);

impl Reencode for Mover {
    type Error = Infallible;

    fn function_index(&mut self, index: u32) -> Result<u32, Error<Infallible>> {
        Ok(self.0.moved(index))
    }
}

/// Validates and rewrites all functions.
pub(crate) fn rewrite_all(survey: &Survey<'_>) -> Result<Vec<Rewritten>, Refusal> {
    let total = u32::try_from(survey.functions.len()).expect("limited by the survey");
    let indices = Indices::new(survey.imported(), total);
    let mut allocations = wp::FuncValidatorAllocations::default();
    let mut rewritten = Vec::with_capacity(survey.bodies.len());
    for body in &survey.bodies {
        let index = body.check.index;
        let mut validator = clone(&body.check).into_validator(allocations);
        let place = || survey.place(index);
        let plan = plan::plan(&mut validator, &body.code, place)?;
        let locals = validator.len_locals();
        allocations = validator.into_allocations();
        limit(
            &format!("the number of locals of {}", place()),
            locals.into(),
            LOCALS_MAX.into(),
        )?;
        let emitter = Emitter::new(body, &plan, indices, locals, survey)?;
        let one = emitter.emit(body, &plan)?;
        let size = one.function.byte_len() as u64;
        limit(
            &format!("the instrumented size of {}", place()),
            size,
            FUNCTION_BYTES_MAX as u64,
        )?;
        rewritten.push(one);
    }
    Ok(rewritten)
}

fn clone(
    check: &wp::FuncToValidate<wp::ValidatorResources>,
) -> wp::FuncToValidate<wp::ValidatorResources> {
    wp::FuncToValidate {
        resources: check.resources.clone(),
        index: check.index,
        ty: check.ty,
        features: check.features,
    }
}

/// The locals that guards need: the address operand, the first guarded address, and a
/// value operand of each type. Only those that are used are declared.
#[derive(Clone, Copy)]
struct Temporaries {
    address: u32,
    first: u32,
    values: [u32; VALUE_TYPES.len()],
}

const VALUE_TYPES: [ValType; 5] = [
    ValType::I32,
    ValType::I64,
    ValType::F32,
    ValType::F64,
    ValType::V128,
];

impl Temporaries {
    fn value(&self, ty: ValType) -> u32 {
        let position = VALUE_TYPES.iter().position(|&one| one == ty);
        self.values[position.expect("stores have values of these types")]
    }
}

struct Emitter {
    function: Function,
    hints: Vec<BranchHint>,
    mover: Mover,
    temporaries: Temporaries,
}

impl Emitter {
    fn new(
        body: &Body<'_>,
        plan: &Plan,
        indices: Indices,
        locals: u32,
        survey: &Survey<'_>,
    ) -> Result<Self, Refusal> {
        let mut mover = Mover(indices);
        let mut declared = Vec::new();
        let place = || format!("a local of {}", survey.place(body.check.index));
        for group in body.code.get_locals_reader()? {
            let (count, ty) = group?;
            accept::value_type(place, ty)?;
            declared.push((count, mover.val_type(ty).map_err(Refusal::internal)?));
        }
        let mut next = locals;
        let mut add = |wanted: bool, ty: ValType| {
            if wanted {
                declared.push((1, ty));
                next += 1;
            }
            next.saturating_sub(1)
        };
        let used = used_values(body, plan)?;
        let any = used.contains(&true);
        let address = add(any, ValType::I32);
        let first = add(any || !plan.frames.is_empty(), ValType::I32);
        let mut values = [0; VALUE_TYPES.len()];
        for (position, ty) in VALUE_TYPES.into_iter().enumerate() {
            values[position] = add(used[position], ty);
        }
        let temporaries = Temporaries {
            address,
            first,
            values,
        };
        Ok(Self {
            function: Function::new(declared),
            hints: Vec::new(),
            mover,
            temporaries,
        })
    }

    fn emit(mut self, body: &Body<'_>, plan: &Plan) -> Result<Rewritten, Refusal> {
        let mut guards = plan.guards.iter();
        let mut frames = plan.frames.iter().peekable();
        for (position, op) in body.code.get_operators_reader()?.into_iter().enumerate() {
            let op = op?;
            match store_of(&op) {
                Some(store) => {
                    let guard = guards.next().expect("the plan has a guard per store");
                    self.store(&store, guard, op)?;
                }
                None => self.operator(op)?,
            }
            if let Some(frame) = frames.next_if(|frame| frame.operator == position) {
                self.frame(frame.local, frame.size);
            }
        }
        assert!(
            guards.next().is_none() && frames.next().is_none(),
            "the plan is used up"
        );
        Ok(Rewritten {
            function: self.function,
            hints: self.hints,
        })
    }

    fn operator(&mut self, op: wp::Operator<'_>) -> Result<(), Refusal> {
        let added = match op {
            wp::Operator::MemoryFill { .. } => "plurix_fill",
            wp::Operator::MemoryCopy { .. } => "plurix_copy",
            wp::Operator::MemoryGrow { .. } => "plurix_grow",
            _ => {
                let same = self.mover.instruction(op).map_err(Refusal::internal)?;
                self.function.instruction(&same);
                return Ok(());
            }
        };
        self.function
            .instructions()
            .call(self.mover.0.function(added));
        Ok(())
    }

    /// Emits a store whose operands, address and value, are on the stack, with its
    /// guard. The slow path stores too, so that the value is not live across a call:
    /// else the register allocator keeps it in memory wherever it is computed, which
    /// may be an inner loop.
    fn store(&mut self, store: &Store, guard: &Guard, op: wp::Operator<'_>) -> Result<(), Refusal> {
        let &Guard::Range {
            start,
            size,
            aligned,
        } = guard
        else {
            return self.operator(op);
        };
        let Temporaries { address, first, .. } = self.temporaries;
        let value = self.temporaries.value(store.value);
        let mut code = self.function.instructions();
        code.local_set(value).local_tee(address);
        if start != 0 {
            code.i32_const(start.cast_signed()).i32_add();
        }
        code.local_tee(first);
        self.branch(size, aligned);
        let mut code = self.function.instructions();
        let Some(slow) = store.slow else {
            self.announce(size);
            self.function
                .instructions()
                .local_get(address)
                .local_get(value);
            return self.operator(op);
        };
        code.local_get(address)
            .local_get(value)
            .i32_const(store.offset.cast_signed());
        code.local_get(first).i32_const(size.cast_signed());
        code.call(self.mover.0.function(slow))
            .else_()
            .local_get(address)
            .local_get(value);
        self.operator(op)?;
        self.function.instructions().end();
        Ok(())
    }

    fn frame(&mut self, local: u32, size: u32) {
        self.function
            .instructions()
            .local_get(local)
            .local_tee(self.temporaries.first);
        self.branch(size, false);
        self.announce(size);
    }

    /// Begins an `if` that is entered when one of the pages of `size` bytes is protected,
    /// from the address on the stack, which the local `first` holds too. A store that should
    /// be aligned lies in one page if it is; if it is not, the slow path looks closer.
    fn branch(&mut self, size: u32, aligned: bool) {
        let first = self.temporaries.first;
        let rest = (size - 1).cast_signed();
        let mut code = self.function.instructions();
        support::look_up(&mut code);
        if size > 1 && aligned {
            code.local_get(first).i32_const(rest).i32_and().i32_or();
        } else if size > 1 {
            code.local_get(first).i32_const(rest).i32_add();
            support::look_up(&mut code);
            code.i32_or();
        }
        let offset = u32::try_from(self.function.byte_len()).expect("limited afterwards");
        self.hints.push(BranchHint {
            branch_func_offset: offset,
            branch_hint_value: 0,
        });
        self.function.instructions().if_(BlockType::Empty);
    }

    /// Announces `size` bytes from the local `first`, and ends the `if`.
    fn announce(&mut self, size: u32) {
        let first = self.temporaries.first;
        let mut code = self.function.instructions();
        code.local_get(first).i32_const(size.cast_signed());
        code.call(self.mover.0.function("plurix_guard")).end();
    }
}

/// Which value types the guarded stores have.
fn used_values(body: &Body<'_>, plan: &Plan) -> Result<[bool; VALUE_TYPES.len()], Refusal> {
    let mut used = [false; VALUE_TYPES.len()];
    let mut guards = plan.guards.iter();
    for op in body.code.get_operators_reader()? {
        let Some(store) = store_of(&op?) else {
            continue;
        };
        let guard = guards.next().expect("the plan has a guard per store");
        for (position, ty) in VALUE_TYPES.into_iter().enumerate() {
            used[position] |= ty == store.value && *guard != Guard::None;
        }
    }
    Ok(used)
}
