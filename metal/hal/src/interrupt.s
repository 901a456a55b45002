# What the processor calls when something happens.
#
# Vectors run on stacks of their own (`segments`), so that the red zone of what was interrupted is left
# alone. The registers are saved as a `Frame` and the state of the SSE unit below it; then
# `on_vector` decides. It answers 0 to go on, or where, on the stack of the interrupted code, it
# has put a copy of both, with which `on_delivery` is to be called there: that may take long and
# may be interrupted itself.

.section .text.interrupt, "ax", @progbits
.altmacro
.macro VECTOR number
.balign 16
vector_\number:
  .if (\number == 8) || ((\number >= 10) && (\number <= 14)) || (\number == 17) || (\number == 21) || (\number == 29) || (\number == 30)
  .else
    pushq $0                    # where others have an error code
  .endif
    pushq $\number
    jmp on_any_vector
.endm
.set i, 0
.rept 256
    VECTOR %i
    .set i, i+1
.endr

.balign 16
on_any_vector:
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rbx
    pushq %rbp
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    cld
    movq %rsp, %rdi
    subq $512, %rsp             # the stacks are such that this is aligned
    fxsave64 (%rsp)
    movq %rsp, %rsi
    call on_vector
    testq %rax, %rax
    jz resume
    movq %rax, %rsp
    movq %rax, %rdi
    call on_delivery
    cli
resume:
    fxrstor64 (%rsp)
    addq $512, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rbp
    popq %rbx
    popq %rdx
    popq %rcx
    popq %rax
    addq $16, %rsp
    iretq

.section .data.rel.ro.interrupt, "aw", @progbits
.balign 8
.globl vector_table
vector_table:
.macro ENTRY number
    .quad vector_\number
.endm
.set i, 0
.rept 256
    ENTRY %i
    .set i, i+1
.endr
.noaltmacro

.section .text
