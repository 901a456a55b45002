//! Decides which guard each store of a function needs.
//!
//! A guard makes the pages of a range of at most 4096 bytes writable for the rest of the
//! step, so a store needs none if a guard that ran before it covers it. To compare
//! addresses, the function is interpreted abstractly: every value is a *root* (a name for
//! a value that is not known) plus a constant, modulo 2^32. Two values with one root
//! differ by a constant that is known, whatever the root is. Why this is right:
//!
//! - *Roots* name one value: an unknown result gets a new root, and a local keeps its
//!   value until it is assigned. Where paths meet (`loop`, `else`, `end`), all locals get
//!   new roots, except those that are never assigned after the entry (below).
//! - *Guards hold* where they surely ran before. Within code without meeting paths, all
//!   that follows a guard runs after it: branching out does not come back. Where paths
//!   meet, all guards are forgotten, except those of the entry.
//! - The *entry* is the code before the first branch, loop or end: it runs before all
//!   the rest of the function. A parameter that is never assigned, and a local whose
//!   only assignment lies in the entry, has one value in all that follows it.
//! - *Widening*: a guard may cover a later store too, if between them there is no
//!   branch and no call. It may then announce a page that is not written after all
//!   (a trap in between), which is harmless: an announced page with equal bytes counts
//!   as not written.
//! - A range of at most 4096 bytes touches only the pages of its first and last byte,
//!   and these the guard looks up. Ranges and addresses are modulo 2^32: a store whose
//!   address is beyond has announced some other page in vain and traps.
//!
//! *Frames*: compilers reserve stack space by subtracting a constant from a global and
//! keep the result in a local. One guard in the entry covers the frame; it is left out
//! when no store uses it. That the global is the stack pointer does not matter here.
use std::collections::BTreeSet;

use wasmparser as wp;

use crate::accept;
use crate::refusal::{Place, Refusal};
use crate::stores::{Store, store_of};

/// Bytes that a guard covers at most: it looks up two pages.
const GUARD_BYTES_MAX: u32 = 4096;
/// Guards that a store is compared with at most; bounds the time for a function.
const GUARDS_COMPARED_MAX: usize = 32;
/// Frames of a function at most; compilers make one or two.
const FRAMES_MAX: usize = 4;
const _: () = assert!(
    FRAMES_MAX < GUARDS_COMPARED_MAX,
    "a frame is never forgotten"
);

/// What must run before a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Guard {
    /// Nothing: an earlier guard covers it, or it is never reached.
    None,
    /// Announce `size` bytes from the address operand plus `start`.
    Range {
        /// Distance from the address operand, modulo 2^32.
        start: u32,
        /// Bytes.
        size: u32,
        /// The range is one store that should be aligned.
        aligned: bool,
    },
}

/// A guard of the bytes that a local points to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Frame {
    /// Position of the assignment among the function's operators.
    pub(crate) operator: usize,
    /// The local.
    pub(crate) local: u32,
    /// Bytes from there.
    pub(crate) size: u32,
    used: bool,
}

/// The guards of a function.
#[derive(Default, Debug)]
pub(crate) struct Plan {
    /// One per store instruction, in order.
    pub(crate) guards: Vec<Guard>,
    /// Frames that are guarded, in order.
    pub(crate) frames: Vec<Frame>,
}

/// Validates a function, refuses unsupported instructions, and plans its guards.
pub(crate) fn plan(
    validator: &mut wp::FuncValidator<wp::ValidatorResources>,
    code: &wp::FunctionBody<'_>,
    place: impl Fn() -> Place,
) -> Result<Plan, Refusal> {
    let params = validator.len_locals();
    let mut reader = code.get_binary_reader();
    validator.read_locals(&mut reader)?;
    let assignments = assignments(code, validator.len_locals())?;
    let mut analysis = Analysis::new(params, assignments);
    let mut operators = wp::OperatorsReader::new(reader);
    let mut position = 0;
    while !operators.eof() {
        let (op, offset) = operators.read_with_offset()?;
        accept::operator(&op, &place)?;
        let arity = op.operator_arity(validator);
        let before = validator
            .get_control_frame(0)
            .map(|frame| (frame.height, frame.unreachable));
        validator.op(offset, &op)?;
        let (height, unreachable) = before.expect("a valid operator has a frame around it");
        let (pops, pushes) = arity.ok_or_else(|| Refusal::internal("operator without arity"))?;
        let step = Step {
            position,
            height,
            unreachable,
            pops: pops as usize,
            pushes,
        };
        analysis.step(&op, &step);
        let dead = validator
            .get_control_frame(0)
            .filter(|frame| frame.unreachable);
        let floor = if unreachable {
            Some(height)
        } else {
            dead.map(|frame| frame.height)
        };
        analysis.settle(validator.operand_stack_height() as usize, floor)?;
        position += 1;
    }
    operators.finish()?;
    Ok(analysis.finish())
}

/// How often each local is assigned, saturating.
fn assignments(code: &wp::FunctionBody<'_>, locals: u32) -> Result<Vec<u8>, Refusal> {
    let mut counts = vec![0u8; locals as usize];
    for op in code.get_operators_reader()? {
        if let wp::Operator::LocalSet { local_index } | wp::Operator::LocalTee { local_index } = op?
            && let Some(count) = counts.get_mut(local_index as usize)
        {
            *count = count.saturating_add(1);
        }
    }
    Ok(counts)
}

/// An abstract value: what the root stands for, plus a constant modulo 2^32.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Value {
    root: u32,
    delta: u32,
}

/// Root of the constants: it stands for 0.
const CONSTANT: u32 = 0;
/// Generation of locals whose value holds everywhere from now on.
const FOREVER: u32 = u32::MAX;

/// What a local holds, while `generation` is the current one or [`FOREVER`].
#[derive(Clone, Copy)]
struct Local {
    value: Value,
    generation: u32,
}

/// A guard that has run before whatever is looked at.
struct Standing {
    root: u32,
    /// First byte, relative to the root.
    start: u32,
    size: u32,
    /// Region of its position; widened only from the same one.
    region: u32,
    in_entry: bool,
    source: Source,
}

/// Where a standing guard will be emitted.
#[derive(Clone, Copy)]
enum Source {
    /// Before this store, whose address operand is the root plus `delta`.
    Store { guard: usize, delta: u32 },
    /// After this frame's assignment.
    Frame(usize),
}

/// An operator as the validator sees it.
struct Step {
    position: usize,
    /// Operands below the innermost frame, before the operator.
    height: usize,
    unreachable: bool,
    pops: usize,
    pushes: u32,
}

struct Analysis {
    params: u32,
    assignments: Vec<u8>,
    operands: Vec<Value>,
    locals: Vec<Local>,
    roots: u32,
    /// Roots that were read from a global.
    globals: BTreeSet<u32>,
    generation: u32,
    region: u32,
    in_entry: bool,
    standing: Vec<Standing>,
    plan: Plan,
}

impl Analysis {
    fn new(params: u32, assignments: Vec<u8>) -> Self {
        let nothing = Value {
            root: CONSTANT,
            delta: 0,
        };
        // Generation 0 is never current: every local is unknown at first.
        let locals = vec![
            Local {
                value: nothing,
                generation: 0
            };
            assignments.len()
        ];
        let mut analysis = Self {
            params,
            assignments,
            operands: Vec::new(),
            locals,
            roots: CONSTANT,
            globals: BTreeSet::new(),
            generation: 1,
            region: 0,
            in_entry: true,
            standing: Vec::new(),
            plan: Plan::default(),
        };
        for local in 0..params as usize {
            if analysis.assignments[local] == 0 {
                let value = analysis.unknown();
                analysis.locals[local] = Local {
                    value,
                    generation: FOREVER,
                };
            }
        }
        analysis
    }

    fn unknown(&mut self) -> Value {
        self.roots += 1;
        Value {
            root: self.roots,
            delta: 0,
        }
    }

    fn step(&mut self, op: &wp::Operator<'_>, step: &Step) {
        if let Some(store) = store_of(op) {
            let guard = if step.unreachable {
                Guard::None
            } else {
                self.on_store(&store)
            };
            self.plan.guards.push(guard);
        }
        if step.unreachable {
            // Only what changes the frames matters; `settle` repairs the operands.
            self.control(op, step);
            return;
        }
        if self.control(op, step) || self.arithmetic(op, step.position) {
            return;
        }
        self.operands
            .truncate(self.operands.len().saturating_sub(step.pops));
        self.push_unknown(step.pushes);
    }

    fn push_unknown(&mut self, count: u32) {
        for _ in 0..count {
            let value = self.unknown();
            self.operands.push(value);
        }
    }

    /// Makes the operands as many as the validator has; above `floor`, where code is
    /// never reached, the validator's operands are of no account.
    fn settle(&mut self, height: usize, floor: Option<usize>) -> Result<(), Refusal> {
        if let Some(floor) = floor {
            self.operands.truncate(floor);
            while self.operands.len() < height {
                self.push_unknown(1);
            }
        }
        if self.operands.len() != height {
            return Err(Refusal::internal(
                "operands of analysis and validator differ",
            ));
        }
        Ok(())
    }

    /// Operators that branch or call. True if the operands are done.
    fn control(&mut self, op: &wp::Operator<'_>, step: &Step) -> bool {
        use wp::Operator as Op;
        match op {
            Op::Loop { .. } => {
                self.meet();
                false
            }
            Op::Else | Op::End => {
                self.meet();
                self.operands.truncate(step.height);
                self.push_unknown(step.pushes);
                true
            }
            Op::If { .. }
            | Op::Br { .. }
            | Op::BrIf { .. }
            | Op::BrTable { .. }
            | Op::Return
            | Op::ReturnCall { .. }
            | Op::ReturnCallIndirect { .. }
            | Op::Unreachable => {
                self.in_entry = false;
                self.region += 1;
                false
            }
            Op::Call { .. } | Op::CallIndirect { .. } => {
                self.region += 1;
                false
            }
            _ => false,
        }
    }

    /// Paths meet here: forget the locals and all guards but those of the entry.
    fn meet(&mut self) {
        self.in_entry = false;
        self.region += 1;
        self.generation += 1;
        self.standing.retain(|guard| guard.in_entry);
    }

    /// Operators with values that are followed. True if it was one.
    fn arithmetic(&mut self, op: &wp::Operator<'_>, position: usize) -> bool {
        use wp::Operator as Op;
        match op {
            Op::I32Const { value } => {
                self.operands.push(Value {
                    root: CONSTANT,
                    delta: value.cast_unsigned(),
                });
            }
            Op::I32Add => {
                let (left, right) = (self.pop(), self.pop());
                let delta = left.delta.wrapping_add(right.delta);
                let sum = match (left.root, right.root) {
                    (CONSTANT, root) | (root, CONSTANT) => Value { root, delta },
                    _ => self.unknown(),
                };
                self.operands.push(sum);
            }
            Op::I32Sub => {
                let (right, left) = (self.pop(), self.pop());
                let delta = left.delta.wrapping_sub(right.delta);
                let difference = match right.root {
                    CONSTANT => Value {
                        root: left.root,
                        delta,
                    },
                    _ => self.unknown(),
                };
                self.operands.push(difference);
            }
            Op::GlobalGet { .. } => {
                let value = self.unknown();
                self.globals.insert(value.root);
                self.operands.push(value);
            }
            Op::LocalGet { local_index } => {
                let value = self.read(*local_index as usize);
                self.operands.push(value);
            }
            Op::LocalSet { local_index } => {
                let value = self.pop();
                self.assign(*local_index, value, position);
            }
            Op::LocalTee { local_index } => {
                let value = *self.operands.last().expect("validated");
                self.assign(*local_index, value, position);
            }
            _ => return false,
        }
        true
    }

    fn pop(&mut self) -> Value {
        self.operands.pop().expect("validated")
    }

    fn read(&mut self, local: usize) -> Value {
        let known = self.locals[local];
        if known.generation == self.generation || known.generation == FOREVER {
            return known.value;
        }
        let value = self.unknown();
        self.locals[local] = Local {
            value,
            generation: self.generation,
        };
        value
    }

    fn assign(&mut self, local: u32, value: Value, position: usize) {
        let once = local >= self.params && self.assignments[local as usize] == 1;
        let forever = once && self.in_entry;
        let generation = if forever { FOREVER } else { self.generation };
        self.locals[local as usize] = Local { value, generation };
        if !forever {
            return;
        }
        let size = 0u32.wrapping_sub(value.delta);
        let is_frame = self.globals.contains(&value.root) && self.plan.frames.len() < FRAMES_MAX;
        if is_frame && (1..=GUARD_BYTES_MAX).contains(&size) {
            let frame = Frame {
                operator: position,
                local,
                size,
                used: false,
            };
            let source = Source::Frame(self.plan.frames.len());
            self.plan.frames.push(frame);
            self.stand(value, size, source);
        }
    }

    fn stand(&mut self, first: Value, size: u32, source: Source) {
        if self.standing.len() == GUARDS_COMPARED_MAX {
            let is_store = |guard: &Standing| matches!(guard.source, Source::Store { .. });
            let oldest = self
                .standing
                .iter()
                .position(is_store)
                .expect("frames are fewer");
            self.standing.remove(oldest);
        }
        let (region, in_entry) = (self.region, self.in_entry);
        let (root, start) = (first.root, first.delta);
        self.standing.push(Standing {
            root,
            start,
            size,
            region,
            in_entry,
            source,
        });
    }

    fn on_store(&mut self, store: &Store) -> Guard {
        let address = self.operands[self.operands.len() - 2];
        let delta = address.delta.wrapping_add(store.offset);
        let first = Value {
            root: address.root,
            delta,
        };
        if self.is_covered(first, store.size) || self.widen(first, store.size) {
            return Guard::None;
        }
        let guard = self.plan.guards.len();
        self.stand(
            first,
            store.size,
            Source::Store {
                guard,
                delta: address.delta,
            },
        );
        Guard::Range {
            start: store.offset,
            size: store.size,
            aligned: store.aligned,
        }
    }

    fn is_covered(&mut self, first: Value, size: u32) -> bool {
        for guard in &self.standing {
            let distance = first.delta.wrapping_sub(guard.start);
            let inside = distance < guard.size && guard.size - distance >= size;
            if guard.root == first.root && inside {
                if let Source::Frame(frame) = guard.source {
                    self.plan.frames[frame].used = true;
                }
                return true;
            }
        }
        false
    }

    /// Lets an earlier guard cover this store too, if one can.
    fn widen(&mut self, first: Value, size: u32) -> bool {
        for guard in self.standing.iter_mut().rev() {
            let Source::Store {
                guard: index,
                delta,
            } = guard.source
            else {
                continue;
            };
            if guard.root != first.root || guard.region != self.region {
                continue;
            }
            let above = first.delta.wrapping_sub(guard.start);
            let below = guard.start.wrapping_sub(first.delta);
            let (start, wider) = if above <= GUARD_BYTES_MAX {
                (guard.start, guard.size.max(above + size))
            } else if below <= GUARD_BYTES_MAX {
                (first.delta, size.max(below + guard.size))
            } else {
                continue;
            };
            if wider > GUARD_BYTES_MAX {
                continue;
            }
            (guard.start, guard.size) = (start, wider);
            let start = start.wrapping_sub(delta);
            self.plan.guards[index] = Guard::Range {
                start,
                size: wider,
                aligned: false,
            };
            return true;
        }
        false
    }

    fn finish(mut self) -> Plan {
        self.plan.frames.retain(|frame| frame.used);
        self.plan
    }
}
