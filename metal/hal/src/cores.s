# From the wake-up call that a sleeping processor gets to `start_core` in long mode.
#
# It begins in real mode at the page that the call names, where `cores` has put a copy of the
# first part; the rest runs where it was linked, as what `boot.s` does for the first processor.

.set TRAMPOLINE_AT, 0x8000

.section .rodata.cores, "a", @progbits
.code16
.globl cores_trampoline, cores_trampoline_end
cores_trampoline:
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl TRAMPOLINE_AT + (cores_gdtr - cores_trampoline)
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $0x08, $cores_protected
.balign 8
cores_gdt:
    .quad 0
    .quad 0x00cf9b000000ffff    # code, 32 bits
    .quad 0x00cf93000000ffff    # data
cores_gdtr:
    .word cores_gdtr - cores_gdt - 1
    .long TRAMPOLINE_AT + (cores_gdt - cores_trampoline)
cores_trampoline_end:

.section .boot.text, "ax", @progbits
.code32
cores_protected:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    ENTER_LONG_MODE cores_long
    movl $1, %edi               # its number among those that were woken
    lock xaddl %edi, CORES_WOKEN
    movq CORES_ROOT, %rax
    movq %rax, %cr3
    cmpl CORES_WANTED, %edi
    jae 1f
    movq CORES_STACKS(,%rdi,8), %rsp
    fninit
    xorl %ebp, %ebp             # the last frame of every backtrace
    call start_core
1:  cli
    hlt
    jmp 1b

.section .text
