# What `probe` gives the machine to run: code that could not be written in Rust.

.set GENERAL, 0x1111            # what the registers hold, times their number
.set RED_ZONE_WORDS, 16

.section .text.probe, "ax", @progbits
.globl probe_start, probe_hold, probe_stop, probe_end
probe_start:

# rdi: rounds, at least one; rsi: a word that is read in each. Fills the red zone and all
# registers, goes round, and returns how many of them it finds changed.
.balign 16
probe_hold:
    pushq %rbp
    movq %rsp, %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    subq $8, %rsp
.altmacro
.macro FILL_WORD number
    movq $(GENERAL * \number), -8 * \number(%rsp)
.endm
.macro FILL_WIDE number, next
    movq $(GENERAL * \next), %rax
    movq %rax, %xmm\number
    notq %rax
    pinsrq $1, %rax, %xmm\number
.endm
.set i, 1
.rept RED_ZONE_WORDS
    FILL_WORD %i
    .set i, i+1
.endr
.set i, 0
.rept 16
    FILL_WIDE %i, %(i+1)
    .set i, i+1
.endr
    movq $(GENERAL * 1), %rax
    movq $(GENERAL * 2), %rbx
    movq $(GENERAL * 3), %rcx
    movq $(GENERAL * 8), %r8
    movq $(GENERAL * 9), %r9
    movq $(GENERAL * 10), %r10
    movq $(GENERAL * 11), %r11
    movq $(GENERAL * 12), %r12
    movq $(GENERAL * 13), %r13
    movq $(GENERAL * 14), %r14
    movq $(GENERAL * 15), %r15
1:  movq (%rsi), %rdx
    decq %rdi
    jnz 1b

.macro CHECK number, register
    cmpq $(GENERAL * \number), %\register
    je 9f
    incq %rdi
9:
.endm
.macro CHECK_WORD number
    cmpq $(GENERAL * \number), -8 * \number(%rsp)
    je 9f
    incq %rdi
9:
.endm
.macro CHECK_WIDE number, next
    movq %xmm\number, %rax
    CHECK \next, rax
    pextrq $1, %xmm\number, %rax
    notq %rax
    CHECK \next, rax
.endm
    CHECK 1, rax
    CHECK 2, rbx
    CHECK 3, rcx
    CHECK 8, r8
    CHECK 9, r9
    CHECK 10, r10
    CHECK 11, r11
    CHECK 12, r12
    CHECK 13, r13
    CHECK 14, r14
    CHECK 15, r15
.set i, 1
.rept RED_ZONE_WORDS
    CHECK_WORD %i
    .set i, i+1
.endr
.set i, 0
.rept 16
    CHECK_WIDE %i, %(i+1)
    .set i, i+1
.endr
.noaltmacro
    movq %rdi, %rax
    addq $8, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret

# Where a guest would be stopped.
probe_stop:
    ud2
probe_end:

.section .text
