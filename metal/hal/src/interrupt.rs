//! Interrupts and exceptions: from `interrupt.s` to whoever is meant.
use core::arch::global_asm;
use core::sync::atomic::Ordering;

use x86_64::VirtAddr;
use x86_64::instructions::interrupts;
use x86_64::registers::control::Cr2;
use x86_64::structures::idt::InterruptDescriptorTable;

use crate::{apic, cores, cpu, guest, hands, line, panic, runtime, segments};

global_asm!(include_str!("interrupt.s"), options(att_syntax));

/// The first vector of devices and of the timer.
pub(crate) const VECTOR_TIMER: u8 = 32;
/// Another processor has something for this one.
pub(crate) const VECTOR_CALL: u8 = 33;
pub(crate) const VECTOR_LINES: u8 = 48;
pub(crate) const VECTOR_SPURIOUS: u8 = 255;
const ATTENTION: u64 = 2;
const PAGE_FAULT: u64 = 14;
const FAULTS_END: u64 = 32;
/// Below the stack pointer lies what compilers may use without saying so.
const RED_ZONE: usize = 128;

/// The registers of what was interrupted, as `interrupt.s` has pushed them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) r15: u64,
    pub(crate) r14: u64,
    pub(crate) r13: u64,
    pub(crate) r12: u64,
    pub(crate) r11: u64,
    pub(crate) r10: u64,
    pub(crate) r9: u64,
    pub(crate) r8: u64,
    pub(crate) rdi: u64,
    pub(crate) rsi: u64,
    pub(crate) rbp: u64,
    pub(crate) rbx: u64,
    pub(crate) rdx: u64,
    pub(crate) rcx: u64,
    pub(crate) rax: u64,
    pub(crate) vector: u64,
    pub(crate) error: u64,
    pub(crate) rip: u64,
    pub(crate) cs: u64,
    pub(crate) rflags: u64,
    pub(crate) rsp: u64,
    pub(crate) ss: u64,
}

type SseState = [u8; 512];

/// What is put on the stack of interrupted code, so that it can be answered there.
#[repr(C, align(16))]
struct Delivery {
    sse: SseState,
    frame: Frame,
    news: News,
}

/// What a guest is interrupted for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum News {
    /// It has touched a page of its view.
    Touched(types::PageIndex),
    /// It has been running for some time.
    Tick,
    /// Its instruction failed: for the runtime. The address that it has touched, if any.
    Failed(Option<usize>),
}

static mut TABLE: InterruptDescriptorTable = InterruptDescriptorTable::new();

unsafe extern "C" {
    static vector_table: [u64; 256];
}

/// Loads the table. Called once, at the beginning.
pub(crate) fn load() {
    // SAFETY: (1) nobody else runs yet, and nobody calls this again; (2) `vector_table` has
    // the addresses of entries that do what the processor expects of those of this table; (3)
    // the stacks exist, and no two vectors that may interrupt one another have the same.
    unsafe {
        let table = &raw mut TABLE;
        let table = &mut *table;
        let entry = |vector: usize| VirtAddr::new(vector_table[vector]);
        for vector in VECTOR_TIMER..=VECTOR_SPURIOUS {
            table[vector]
                .set_handler_addr(entry(usize::from(vector)))
                .set_stack_index(segments::STACK_INTERRUPTS);
        }
        macro_rules! faults {
            ($($name:ident $vector:literal $stack:ident),*) => {
                $(table.$name.set_handler_addr(entry($vector)).set_stack_index(segments::$stack);)*
            };
        }
        faults!(
            divide_error 0 STACK_FAULTS, debug 1 STACK_FAULTS, non_maskable_interrupt 2 STACK_LAST,
            breakpoint 3 STACK_FAULTS, overflow 4 STACK_FAULTS, bound_range_exceeded 5 STACK_FAULTS,
            invalid_opcode 6 STACK_FAULTS, device_not_available 7 STACK_FAULTS,
            double_fault 8 STACK_LAST, invalid_tss 10 STACK_FAULTS,
            segment_not_present 11 STACK_FAULTS, stack_segment_fault 12 STACK_FAULTS,
            general_protection_fault 13 STACK_FAULTS, page_fault 14 STACK_FAULTS,
            x87_floating_point 16 STACK_FAULTS, alignment_check 17 STACK_FAULTS,
            machine_check 18 STACK_LAST, simd_floating_point 19 STACK_FAULTS
        );
        table.load();
    }
}

/// The same table for another processor.
pub(crate) fn load_another() {
    let table = &raw const TABLE;
    // SAFETY: the first processor has made it, and it is not changed any more.
    unsafe { (*table).load() };
}

/// Lines that have asked this processor for attention; they are quiet until [`apic::listen`] is
/// called again.
pub(crate) fn take_lines() -> u32 {
    cores::own().lines.swap(0, Ordering::Acquire)
}

/// Whether a line asks for attention.
pub(crate) fn has_lines() -> bool {
    cores::own().lines.load(Ordering::Relaxed) != 0
}

/// Decides what becomes of an interrupt or a fault; see `interrupt.s`. Interrupts are off.
#[unsafe(no_mangle)]
extern "C" fn on_vector(frame: &mut Frame, sse: &SseState) -> usize {
    match frame.vector {
        PAGE_FAULT => on_page_fault(frame, sse),
        ATTENTION if panic::is_ending() => cpu::halt(),
        fault if fault < FAULTS_END => on_fault(frame, sse),
        vector if vector == u64::from(VECTOR_TIMER) => {
            apic::end_of_interrupt();
            match guest::on_tick(frame) {
                Some(news) => deliver(frame, sse, news),
                None => 0,
            }
        }
        vector if vector == u64::from(VECTOR_CALL) => {
            apic::end_of_interrupt();
            0
        }
        vector if vector == u64::from(VECTOR_SPURIOUS) => 0,
        vector => {
            let line = vector
                .checked_sub(u64::from(VECTOR_LINES))
                .filter(|&line| line < u64::from(apic::LINES));
            if let Some(line) = line.and_then(|line| u8::try_from(line).ok()) {
                if !hands::on_interrupt(line) && !line::on_interrupt(line) {
                    apic::silence(line);
                }
                cores::tell(apic::listeners(line), line);
            }
            apic::end_of_interrupt();
            0
        }
    }
}

fn on_page_fault(frame: &Frame, sse: &SseState) -> usize {
    let address = Cr2::read_raw();
    let address = usize::try_from(address).expect("addresses have 64 bits");
    match guest::touched(address) {
        Some(page) => deliver(frame, sse, News::Touched(page)),
        None if guest::runs_at(frame) => deliver(frame, sse, News::Failed(Some(address))),
        None => panic::of_fault(frame, Some(address)),
    }
}

fn on_fault(frame: &Frame, sse: &SseState) -> usize {
    if guest::runs_at(frame) {
        return deliver(frame, sse, News::Failed(None));
    }
    panic::of_fault(frame, None)
}

/// Puts all that is needed to go on where the interrupted code has its stack; says where.
fn deliver(frame: &Frame, sse: &SseState, news: News) -> usize {
    let stack = usize::try_from(frame.rsp).expect("addresses have 64 bits");
    let at = (stack - RED_ZONE - size_of::<Delivery>()) & !(align_of::<Delivery>() - 1);
    let delivery = Delivery {
        sse: *sse,
        frame: *frame,
        news,
    };
    // SAFETY: (1) only code of guests and what it calls is interrupted for news, and the
    // executor's stack has more room than they may use; (2) below the red zone it is unused.
    unsafe { core::ptr::with_exposed_provenance_mut::<Delivery>(at).write(delivery) };
    at
}

/// Runs on the stack of what was interrupted, in its place.
#[unsafe(no_mangle)]
extern "C" fn on_delivery(delivery: &mut Delivery) {
    interrupts::enable();
    let frame = &mut delivery.frame;
    match guest::answer(delivery.news) {
        guest::Onward::Resume => {}
        guest::Onward::Stop(at) => frame.rip = at as u64,
        guest::Onward::Fail(address) => {
            runtime::trap(frame, address);
            panic::of_fault(frame, address)
        }
    }
}
