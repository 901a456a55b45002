# From the boot loader's 32-bit world to `start` in long mode.
#
# PVH: the loader finds the entry in a note, and comes in protected mode without paging, with
# the address of its `hvm_start_info` in EBX. The first 4 GiB are mapped one to one here,
# without any protection; `paging` makes the tables that stay.

.section .note.pvh, "a", @note
.balign 4
.long 4                         # bytes of the name
.long 8                         # bytes of the entry
.long 18                        # XEN_ELFNOTE_PHYS32_ENTRY
.asciz "Xen"
.quad pvh_start

.section .boot.text, "ax", @progbits
.code32
.globl pvh_start
pvh_start:
    cli
    cld
    movl %ebx, %edi
    rdtsc
    movl %eax, boot_tsc
    movl %edx, boot_tsc + 4
    movl $boot_stack_top, %esp

    # One to one: level 4 -> level 3 -> four tables of 512 pages of 2 MiB.
    movl $boot_level_3 + 3, %eax
    movl %eax, boot_level_4
    movl $boot_level_2 + 3, %eax
    movl $boot_level_3, %ecx
    movl $4, %ebx
1:  movl %eax, (%ecx)
    addl $4096, %eax
    addl $8, %ecx
    decl %ebx
    jnz 1b
    movl $boot_level_2, %ecx
    movl $0x83, %eax
    movl $2048, %ebx
2:  movl %eax, (%ecx)
    addl $0x200000, %eax
    addl $8, %ecx
    decl %ebx
    jnz 2b

    movl %cr4, %eax             # PAE, PGE, OSFXSR, OSXMMEXCPT
    orl $0x6a0, %eax
    movl %eax, %cr4
    movl $boot_level_4, %eax
    movl %eax, %cr3
    movl $0xC0000080, %ecx      # EFER: LME, NXE
    rdmsr
    orl $0x900, %eax
    wrmsr
    movl %cr0, %eax             # PG, WP, NE, MP; neither EM nor TS
    andl $~0xc, %eax
    orl $0x80010022, %eax
    movl %eax, %cr0
    lgdt boot_gdtr
    ljmp $0x08, $long_start

.code64
long_start:
    xorl %eax, %eax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw %ax, %fs
    movw %ax, %gs
    movl %edi, %edi
    movq $boot_stack_top, %rsp
    fninit
    xorl %ebp, %ebp             # the last frame of every backtrace
    call start
3:  cli
    hlt
    jmp 3b

.section .data.boot, "aw", @progbits
.balign 16
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff    # code, 64 bits
boot_gdt_end:
boot_gdtr:
    .word boot_gdt_end - boot_gdt - 1
    .quad boot_gdt
.globl boot_tsc
boot_tsc: .quad 0

.section .bss.boot, "aw", @nobits
.balign 4096
boot_level_4: .skip 4096
boot_level_3: .skip 4096
boot_level_2: .skip 4096 * 4
boot_stack: .skip 65536
boot_stack_top:

.section .text
