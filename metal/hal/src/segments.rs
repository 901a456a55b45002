//! Segments, of which long mode needs one for code, and the stacks of interrupts: each processor
//! has its own.
use alloc::boxed::Box;

use x86_64::instructions::segmentation::{CS, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable, SegmentSelector};
use x86_64::structures::tss::TaskStateSegment;
use x86_64::{PrivilegeLevel, VirtAddr};

use types::PAGE_SIZE;

use crate::paging::Access;
use crate::{frames, paging};

/// Interrupts of devices and of the timer.
pub(crate) const STACK_INTERRUPTS: u16 = 0;
/// Faults of instructions.
pub(crate) const STACK_FAULTS: u16 = 1;
/// What may come in the middle of a fault.
pub(crate) const STACK_LAST: u16 = 2;
const STACKS: usize = 3;
const STACK_BYTES: usize = 32 << 10;

#[repr(C, align(4096))]
struct Stack([u8; STACK_BYTES]);

/// What a processor looks at.
struct Own {
    task: TaskStateSegment,
    table: GlobalDescriptorTable,
}

/// Those of the first processor, which needs them before there is a heap.
static mut INTERRUPT_STACKS: [Stack; STACKS] = [const { Stack([0; STACK_BYTES]) }; STACKS];
static mut FIRST: Own = Own::new();

impl Own {
    const fn new() -> Self {
        Self {
            task: TaskStateSegment::new(),
            table: GlobalDescriptorTable::new(),
        }
    }

    /// Loads them, with these ends of stacks.
    fn load(&'static mut self, ends: [VirtAddr; STACKS]) {
        for (index, end) in ends.into_iter().enumerate() {
            self.task.interrupt_stack_table[index] = end;
        }
        let code = self.table.append(Descriptor::kernel_code_segment());
        let task = self.table.append(Descriptor::tss_segment(&self.task));
        self.table.load();
        // SAFETY: (1) the selectors are those of the entries just made; (2) the task lives for
        // ever, as the processor expects, and nobody else uses it.
        unsafe {
            CS::set_reg(code);
            SS::set_reg(SegmentSelector::new(0, PrivilegeLevel::Ring0));
            load_tss(task);
        }
    }
}

/// The lowest page of each of the first processor's stacks: nothing is mapped there, so that an
/// overflow shows.
pub(crate) fn guards() -> impl Iterator<Item = usize> {
    (0..STACKS).map(|index| (&raw const INTERRUPT_STACKS).addr() + index * STACK_BYTES)
}

/// Loads those of the first processor. Called once, at the beginning.
pub(crate) fn load() {
    let stacks = (&raw const INTERRUPT_STACKS).cast::<Stack>();
    let ends = [1, 2, 3].map(|count| VirtAddr::from_ptr(stacks.wrapping_add(count)));
    let first = &raw mut FIRST;
    // SAFETY: nobody else runs yet, and nobody calls this again, so that there is one reference.
    unsafe { (*first).load(ends) };
}

/// Loads those of a processor that was started later. Called once on each.
pub(crate) fn load_another() {
    let ends = [(); STACKS].map(|()| {
        // Between two ranges nothing is mapped.
        let stack = paging::reserve(STACK_BYTES);
        for page in stack.clone().step_by(PAGE_SIZE) {
            paging::map(page, frames::take(), Access::Write);
        }
        VirtAddr::new(stack.end as u64)
    });
    Box::leak(Box::new(Own::new())).load(ends);
}
