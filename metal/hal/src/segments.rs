//! Segments, of which long mode needs one for code, and the stacks of interrupts.
use core::ptr;

use x86_64::instructions::segmentation::{CS, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable, SegmentSelector};
use x86_64::structures::tss::TaskStateSegment;
use x86_64::{PrivilegeLevel, VirtAddr};

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

static mut INTERRUPT_STACKS: [Stack; STACKS] = [const { Stack([0; STACK_BYTES]) }; STACKS];
static mut TASK: TaskStateSegment = TaskStateSegment::new();
static mut TABLE: GlobalDescriptorTable = GlobalDescriptorTable::new();

/// The lowest page of each stack: nothing is mapped there, so that an overflow shows.
pub(crate) fn guards() -> impl Iterator<Item = usize> {
    (0..STACKS).map(|index| (&raw const INTERRUPT_STACKS).addr() + index * STACK_BYTES)
}

/// Loads them. Called once, at the beginning.
pub(crate) fn load() {
    let task = &raw mut TASK;
    let stacks = (&raw const INTERRUPT_STACKS).cast::<Stack>();
    let ends: [_; STACKS] = [1, 2, 3].map(|count| VirtAddr::from_ptr(stacks.wrapping_add(count)));
    for (index, end) in ends.into_iter().enumerate() {
        // SAFETY: nobody else runs yet.
        unsafe { (*task).interrupt_stack_table[index] = end };
    }
    // SAFETY: (1) nobody else runs yet, and nobody calls this again, so that there is one
    // reference to each of the two; (2) they live for ever, as the processor expects; (3) the
    // selectors are those of the entries just made.
    unsafe {
        let table = &mut *ptr::addr_of_mut!(TABLE);
        let code = table.append(Descriptor::kernel_code_segment());
        let task = table.append(Descriptor::tss_segment(&*task));
        (*ptr::addr_of!(TABLE)).load();
        CS::set_reg(code);
        SS::set_reg(SegmentSelector::new(0, PrivilegeLevel::Ring0));
        load_tss(task);
    }
}
