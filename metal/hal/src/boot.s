# From the boot loader's 32-bit world to `start` in long mode.
#
# The loader comes in protected mode without paging, with the address of what it has to tell in
# EBX: by PVH, which finds the entry in a note, or by Multiboot 2, which finds it in a header and
# says in EAX that it has. The first 4 GiB are mapped one to one here, without any protection;
# `paging` makes the tables that stay.

# From protected to long mode, with the tables made here, to code with this name.
.macro ENTER_LONG_MODE name
    movl %cr4, %eax             # PAE, PGE, OSFXSR, OSXMMEXCPT
    orl $0x6a0, %eax
    movl %eax, %cr4
    movl $boot_level_4, %eax
    movl %eax, %cr3
    movl $0xC0000080, %ecx      # EFER: LME, NXE
    rdmsr
    orl $0x900, %eax
    wrmsr
    movl %cr0, %eax             # PG, WP, NE, MP; neither CD, NW, EM nor TS
    andl $~0x6000000c, %eax
    orl $0x80010022, %eax
    movl %eax, %cr0
    lgdt boot_gdtr
    ljmp $0x08, $\name
.code64
\name:
    xorl %eax, %eax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw %ax, %fs
    movw %ax, %gs
.endm

.section .note.pvh, "a", @note
.balign 4
.long 4                         # bytes of the name
.long 8                         # bytes of the entry
.long 18                        # XEN_ELFNOTE_PHYS32_ENTRY
.asciz "Xen"
.quad pvh_start

.section .boot.text, "ax", @progbits
.set MULTIBOOT_MAGIC, 0xe85250d6
.set MULTIBOOT_I386, 0
.balign 8                       # among the first 32 KiB of the file
multiboot_header:
.long MULTIBOOT_MAGIC
.long MULTIBOOT_I386
.long multiboot_end - multiboot_header
.long -(MULTIBOOT_MAGIC + MULTIBOOT_I386 + (multiboot_end - multiboot_header))
.short 3, 0                     # the entry
.long 12
.long multiboot_start
.balign 8
.short 0, 0                     # the end
.long 8
multiboot_end:

.code32
.globl pvh_start
pvh_start:
    xorl %eax, %eax
multiboot_start:
    cli
    cld
    movl %eax, %edi
    movl %ebx, %esi
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

    ENTER_LONG_MODE long_start
    movl %edi, %edi
    movl %esi, %esi
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
